//! Recovery codes: for whoever has lost the device that makes one-time codes.
//!
//! Eight codes of 80 random bits, shown once and kept as keyed hashes (so many bits need no slow
//! hash); each is good once, in the place of a one-time code. Which of them are spent stands in the
//! user's `activity` row, where the login's command checks it. New codes void the old ones.

use super::{Identity, activity, factors};
use crate::token::Token;
use crate::user::User;
use jinyun_base::{Entropy, Fault, Id, OsEntropy, Refusal, Refused, Secret};
use jinyun_engine::{Command, Ctx, Failure};
use jinyun_kms::Kms;
use jinyun_rest::{Call, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many codes there are.
const CODES: usize = 8;
/// Letters of a code: 5 bits each.
const LETTERS: usize = 16;

/// One code of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    /// The set: when it was made, microseconds.
    pub set: i64,
    /// Which of its codes.
    pub index: i64,
}

/// The secret `recovery` of a user's row.
#[derive(Serialize, Deserialize)]
struct Kept {
    set: i64,
    salt: Vec<u8>,
    hashes: Vec<Vec<u8>>,
}

/// A code without what people add to read it.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !matches!(c, '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// New codes, and what is kept of them.
fn make(set: i64) -> Result<(Vec<String>, Secret<Vec<u8>>), Fault> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut dice = OsEntropy::default();
    let mut salt = vec![0u8; 32];
    dice.fill(&mut salt);
    let mut codes = Vec::new();
    for _ in 0..CODES {
        let mut bytes = [0u8; LETTERS];
        dice.fill(&mut bytes);
        let letters: Vec<char> =
            bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect();
        let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
        codes.push(groups.join("-"));
    }
    let hashes =
        codes.iter().map(|code| Kms::hmac_sha256(&salt, plain(code).as_bytes())).collect();
    let kept = serde_json::to_vec(&Kept { set, salt, hashes })
        .map_err(|e| Fault::new(format!("recovery codes: {e}")))?;
    Ok((codes, Secret::new(kept)))
}

/// The code that a passcode is. All are tried, whichever fits.
fn find(kept: &[u8], passcode: &str) -> Option<Code> {
    let kept: Kept = serde_json::from_slice(kept).ok()?;
    let hash = Kms::hmac_sha256(&kept.salt, plain(passcode).as_bytes());
    let mut found = None;
    for (index, each) in (0i64..).zip(&kept.hashes) {
        if Kms::same(each, &hash) {
            found = Some(Code { set: kept.set, index });
        }
    }
    found
}

/// Keeps new codes.
pub(super) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (Some(id), Some(set)) = (&command.target, command.args.get("set").and_then(Value::as_i64))
    else {
        return Err(Refusal::invalid("set", "is missing").into());
    };
    for (name, secret) in &command.secrets {
        ctx.put_secret("user", id, name, secret.expose())?;
    }
    activity::keep(ctx, id, |spec| {
        (spec.recovery_set, spec.recovery_used) = (set, 0);
        Ok(())
    })?;
    Ok(Value::Null)
}

impl Identity {
    /// The recovery code that a passcode is, if it is one that is not spent.
    pub(super) fn recovery_code(&self, call: &Call<'_>, user: &Id, passcode: &str)
        -> Result<Option<Code>, Fault> {
        let kept = call.cloud.reader.lend(|db| db.secret("user", user, "recovery"))?;
        let Some(kept) = kept.map(Secret::new) else { return Ok(None) };
        let Some(code) = find(kept.expose(), passcode) else { return Ok(None) };
        let used = self.activity(call, user)?.is_none_or(|a| {
            a.recovery_set != code.set || a.recovery_used & (1i64 << code.index.clamp(0, 62)) != 0
        });
        Ok((!used).then_some(code))
    }

    /// How many are left.
    pub(super) fn codes_left(&self, call: &Call<'_>, user: &Id) -> Result<usize, Fault> {
        let activity = self.activity(call, user)?.filter(|a| a.recovery_set != 0);
        let used = |a: activity::ActivitySpec| {
            usize::try_from(a.recovery_used.count_ones()).unwrap_or(CODES)
        };
        Ok(activity.map_or(0, |a| CODES.saturating_sub(used(a))))
    }

    /// The caller's own token, if it is the user's own sign-in.
    pub(super) fn own_token(&self, call: &Call<'_>, user: &Id) -> Option<Token> {
        let token = self.open(call.token.as_deref()?)?;
        (token.user == *user && call.actor.id == *user && !token.delegated()).then_some(token)
    }

    /// Makes new codes for the caller, who has shown both factors in this session.
    pub(super) fn make_codes(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let id = Id::new(call.param("id"));
        call.show::<User>(id.as_str())?;
        let token = self.own_token(call, &id);
        if token.as_ref().is_some_and(|t| !factors::has_hand(t)) {
            return Err(Refusal::new(Refused::Forbidden, factors::BY_HAND).into());
        }
        if !token.is_some_and(|t| factors::both(&t.methods)) {
            let say = "Recovery codes are made by the user whose they are, with a token that was \
                       got with password and totp, or with a passkey.";
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        let set = self.now().0;
        let (codes, kept) = make(set)?;
        let mut command = call.command("identity:recovery:create").on(id).with(json!({ "set": set }));
        command.secrets.push(("recovery".into(), kept));
        call.run(command)?;
        Ok(Reply::with(201, json!({ "recovery_codes": { "codes": codes, "left": CODES } })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_however_they_are_written() {
        let (codes, kept) = make(7).unwrap();
        assert_eq!(codes.len(), CODES);
        for (index, code) in codes.iter().enumerate() {
            assert_eq!(code.len(), LETTERS + 3, "{code}");
            for written in [code.clone(), code.to_uppercase(), code.replace('-', " ")] {
                let want = Code { set: 7, index: index as i64 };
                assert_eq!(find(kept.expose(), &written), Some(want), "{written}");
            }
            let wrong = code.replace(&code[..1], if code.starts_with('a') { "b" } else { "a" });
            assert_eq!(find(kept.expose(), &wrong), None);
        }
        assert_eq!(find(kept.expose(), ""), None);
        let text = String::from_utf8_lossy(kept.expose()).into_owned();
        assert!(!codes.iter().any(|c| text.contains(c)), "the codes are kept as hashes");
    }
}
