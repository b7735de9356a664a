//! Records of credentials that somebody has altered: none of them proves anything any more.
//!
//! What the store keeps of somebody of the synthetic institution is read as it lies there and altered
//! in copies, never in the store: whoever may write there is another question (`store-closed`, and
//! the replay, which finds what no entry explains). What is asked is what a sign-in asks: whether a
//! password fits the record, and whether the key service opens it. Beside that, sealed credentials
//! as they lie in the store are opened for their own rows: all of the synthetic institution, and a
//! sample of the others, another one each time. One that was altered or moved is found in time, and the
//! platform does not open every tenant's secret every few minutes; that none is kept twice is seen of
//! all of them (`checks::accounts`). What comes out is dropped at once and told to nobody.

use super::factors::{Device, enrol};
use super::{Cast, Play};
use crate::stage::DOMAIN;
use jinyun_base::{Entropy, Id, OsEntropy};
use jinyun_compute::{PASSWORD, Server, about_password};
use jinyun_engine::Query;
use jinyun_identity::Credential;
use jinyun_kms::{Kms, verify_password};
use serde_json::Value;

const CHECK: &str = "credential-records";
/// So many of those that are not the synthetic institution's are opened in a run.
const SAMPLE: usize = 32;

/// What a sealed credential is bound to, as the identity service says it.
fn about_credential(id: &str) -> String {
    format!("credential {id}")
}

/// A text with its letter at a place exchanged for another one of base64.
fn exchanged(text: &str, at: usize) -> String {
    text.char_indices().map(|(n, c)| match (n == at, c) {
        (false, c) => c,
        (true, 'A') => 'B',
        (true, _) => 'A',
    }).collect()
}

/// A hash (`$argon2id$v=19$...$salt$digest`) altered in each of its parts.
fn altered_hashes(hash: &str) -> Vec<(&'static str, String)> {
    let digest = hash.rfind('$').map_or(0, |at| at + 1);
    let before = hash.get(..digest.saturating_sub(1)).unwrap_or_default();
    let salt = before.rfind('$').map_or(0, |at| at + 1);
    vec![
        ("a password's hash with another letter", exchanged(hash, digest)),
        ("a password's hash with another salt", exchanged(hash, salt)),
        ("a password's hash that claims other costs", hash.replacen(",p=1$", ",p=2$", 1)),
        ("a password's hash that is cut off", before.to_string()),
        ("no hash at all", String::new()),
    ]
}

/// Sealed bytes altered at their beginning, in the middle and at the end, and cut off.
fn altered_bytes(sealed: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let bit = |at: usize| {
        let mut other = sealed.to_vec();
        if let Some(byte) = other.get_mut(at) {
            *byte ^= 1;
        }
        other
    };
    let last = sealed.len().saturating_sub(1);
    vec![
        ("a sealed credential with another first bit", bit(0)),
        ("a sealed credential with another bit in the middle", bit(sealed.len() / 2)),
        ("a sealed credential with another last bit", bit(last)),
        ("a sealed credential that is cut off", sealed.get(..last).unwrap_or_default().to_vec()),
    ]
}

/// What is altered fits nothing and does not open.
pub(super) fn records(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let max = play.person(&cast.boss, "max")?;
    let token = play.enter(&max, Value::Null)?;
    let device = enrol(play, &max, &token, &Device::new()).id("credential")?;
    let (user, credential) = (Id::new(max.id.as_str()), Id::new(device.as_str()));
    let read = play.scene.cloud.reader.lend(|db| {
        Ok((db.secret("user", &user, "password")?, db.secret("credential", &credential, "blob")?))
    });
    let (hash, sealed) = read.map_err(|e| e.to_string())?;
    let hash = hash.and_then(|hash| String::from_utf8(hash).ok()).ok_or("there is no hash")?;
    let sealed = sealed.ok_or("there is no sealed credential")?;
    play.control(CHECK, "a password against its record", verify_password(&max.password, &hash));
    for (what, altered) in altered_hashes(&hash) {
        play.never(CHECK, what, verify_password(&max.password, &altered));
    }
    let kms = play.scene.kms.clone();
    let opens = |about: &str, bytes: &[u8]| kms.open_record(about, bytes).is_some();
    let about = about_credential(&device);
    play.control(CHECK, "a sealed credential for its own row", opens(&about, &sealed));
    for (what, altered) in altered_bytes(&sealed) {
        play.never(CHECK, what, opens(&about, &altered));
    }
    let moved = opens(&about_credential(&max.id), &sealed);
    play.never(CHECK, "a sealed credential in another row", moved);
    let moved = opens(&about_password(&credential), &sealed);
    play.never(CHECK, "a sealed credential as another sort of secret", moved);
    everywhere(play, &kms)
}

/// A sealed credential: kind and id of its row, the secret's name, whether it is the synthetic
/// institution's.
type Kept = (&'static str, Id, &'static str, bool);

/// All of the synthetic institution's, and so many others from a place on.
fn chosen(all: Vec<Kept>, from: usize) -> Vec<Kept> {
    let (own, others): (Vec<Kept>, Vec<Kept>) = all.into_iter().partition(|kept| kept.3);
    let (begin, count) = (from % others.len().max(1), others.len().min(SAMPLE));
    own.into_iter().chain(others.into_iter().cycle().skip(begin).take(count)).collect()
}

/// Sealed credentials of the store open for their own rows.
fn everywhere(play: &mut Play<'_>, kms: &Kms) -> Result<(), String> {
    let reader = &play.scene.cloud.reader;
    let rows = reader.view(|v| {
        Ok((v.list::<Credential>(&Query::default())?, v.list::<Server>(&Query::default())?))
    });
    let (credentials, servers) = rows.map_err(|e| e.to_string())?;
    let ours = |domain: &Id| domain.as_str() == DOMAIN;
    // Those that are sealed; what is kept of others is public.
    let sealed = credentials.into_iter()
        .filter(|row| ["totp", "ec2"].contains(&row.spec.kind.as_str()))
        .map(|row| ("credential", row.id, "blob", ours(&row.domain)));
    let waiting = servers.into_iter().filter(|row| row.spec.has_password && !row.deleting)
        .map(|row| ("server", row.id, PASSWORD, ours(&row.domain)));
    let all: Vec<Kept> = sealed.chain(waiting).collect();
    let (there, dice) = (all.len(), OsEntropy::default().below(all.len().max(1) as u64));
    let chosen = chosen(all, usize::try_from(dice).unwrap_or(0));
    let (mut count, mut shut) = (0u64, Vec::new());
    for (kind, id, name, _) in chosen {
        let value = reader.lend(|db| db.secret(kind, &id, name)).map_err(|e| e.to_string())?;
        // It went since the rows were read; whether each has its secret is asked elsewhere.
        let Some(value) = value else { continue };
        let about = match kind {
            "server" => about_password(&id),
            _ => about_credential(id.as_str()),
        };
        count += 1;
        if kms.open_record(&about, &value).is_none() {
            shut.push(format!("{kind} {id}"));
        }
    }
    play.control(CHECK, "a look at sealed credentials of the store", count > 0);
    let told = shut.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    let told = (!shut.is_empty())
        .then(|| format!("{} of {count} (of {there}) do not open: {told}", shut.len()));
    play.unless(CHECK, "a sealed credential of the store that does not open for its own row", told);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_kms::hash_password;

    #[test]
    fn others_are_a_sample_that_comes_round() {
        let kept = |n: usize, ours: bool| ("credential", Id::new(format!("{ours}-{n}")), "blob", ours);
        let all = |others: usize| -> Vec<Kept> {
            (0..3).map(|n| kept(n, true)).chain((0..others).map(|n| kept(n, false))).collect()
        };
        for (others, from, want) in [(0, 0, 3), (5, 0, 8), (5, 4, 8), (90, 89, 3 + SAMPLE)] {
            let mut ids: Vec<Id> = chosen(all(others), from).into_iter().map(|kept| kept.1).collect();
            assert_eq!(ids.iter().filter(|id| id.as_str().starts_with("true")).count(), 3);
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), want, "{others} from {from}: each once");
        }
        let every: std::collections::BTreeSet<Id> =
            (0..90).flat_map(|from| chosen(all(90), from)).map(|kept| kept.1).collect();
        assert_eq!(every.len(), 93, "none is never looked at");
    }

    #[test]
    fn each_alteration_is_one_and_none_fits() {
        let hash = hash_password("Jy-right-9", &mut OsEntropy::default()).unwrap();
        assert!(verify_password("Jy-right-9", &hash));
        let all = altered_hashes(&hash);
        assert_eq!(all.len(), 5);
        for (what, altered) in &all {
            assert!(*altered != hash && !verify_password("Jy-right-9", altered), "{what}: {altered}");
        }
        let bytes = [7u8; 60];
        for (what, altered) in altered_bytes(&bytes) {
            assert_ne!(altered, bytes, "{what}");
        }
        assert_eq!((exchanged("xA", 1), exchanged("xA", 0)), ("xB".to_string(), "AA".to_string()));
    }
}
