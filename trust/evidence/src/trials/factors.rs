//! The second factor, and who may change what somebody signs in with.

use super::logins::NO;
use super::{By, Came, Cast, Person, Play, Sent, in_project, password, sign_in};
use jinyun_base::{Entropy, OsEntropy, Time};
use jinyun_kms::Kms;
use jinyun_policy::Role;
use serde_json::{Value, json};

/// The refusal of whoever is known and may not.
pub(super) const FORBIDDEN: &[&str] = &["forbidden"];

/// A new password: without the old one, by somebody else, and what it ends.
pub(super) fn credential_change(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "credential-change";
    let mut cat = play.person(&cast.boss, "cat")?;
    let session = play.enter(&cat, Value::Null)?;
    let came = play.change(&cat.id, &password(), &password());
    play.stopped(CHECK, "a new password without the old one", &came, NO);
    let set = json!({ "user": { "password": password() } });
    let path = format!("/v3/users/{}", cat.id);
    let came = play.go(Sent::new("identity", "PATCH", path).by(&cast.ann).with(set));
    play.stopped(CHECK, "a colleague's new password", &came, &["not_found", "forbidden"]);
    let old = cat.clone();
    cat.password = password();
    let came = play.change(&cat.id, &old.password, &cat.password);
    play.works(CHECK, "a new password with the old one", &came);
    let came = play.go(Sent::new("identity", "GET", "/v3/auth/projects").by(&session));
    play.stopped(CHECK, "a session from before the change", &came, NO);
    let came = play.sign(&old, None, Value::Null, 0);
    play.stopped(CHECK, "the old password after it", &came, NO);
    let came = play.sign(&cat, None, Value::Null, 0);
    play.works(CHECK, "the new password", &came);
    Ok(())
}

/// A device that makes one-time codes (RFC 6238: SHA-1, six digits, half a minute).
pub(super) struct Device([u8; 20]);

impl Device {
    pub(super) fn new() -> Device {
        let mut seed = [0u8; 20];
        OsEntropy::default().fill(&mut seed);
        Device(seed)
    }

    /// The seed in base32, as it is handed over.
    fn text(&self) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let (mut text, mut buffer, mut bits) = (String::new(), 0u32, 0u32);
        for byte in self.0 {
            buffer = (buffer << 8) | u32::from(byte);
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                let letter = LETTERS.get(((buffer >> bits) & 31) as usize);
                text.extend(letter.map(|l| char::from(*l)));
            }
            buffer &= (1 << bits) - 1;
        }
        text
    }

    /// The code some steps from now.
    pub(super) fn code(&self, now: Time, steps: i64) -> String {
        let step = now.0.div_euclid(30 * Time::SECOND) + steps;
        let mac = Kms::hmac_sha1(&self.0, &step.to_be_bytes());
        let at = mac.last().map_or(0, |b| usize::from(b & 15));
        let word = mac.get(at..at + 4).and_then(|w| <[u8; 4]>::try_from(w).ok());
        let number = u32::from_be_bytes(word.unwrap_or_default()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    /// A code that is none of those that could count.
    fn wrong(&self, now: Time) -> String {
        let near: Vec<String> = (-3..=3).map(|steps| self.code(now, steps)).collect();
        let mut codes = (0..10).map(|n| format!("{n:06}"));
        codes.find(|code| !near.contains(code)).unwrap_or_default()
    }
}

/// The institution asks everybody for a second factor, and for none again when this is over.
pub(super) fn second_factor(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let tom = play.person(&cast.boss, "tom")?;
    let project = play.scene.ground.theirs.clone();
    play.give(&cast.boss, &format!("/v3/projects/{project}"), &tom, Role::Member)?;
    play.rules(&cast.manager, json!({ "multi_factor": true }))?;
    let demanded = demanded(play, &tom);
    play.rules(&cast.manager, json!({ "multi_factor": false }))?;
    let device = demanded?;
    // Where a password is enough to sign in it is still not enough for this.
    let plain = play.enter(&tom, Value::Null)?;
    let path = format!("/v3/credentials/{device}");
    let came = play.go(Sent::new("identity", "DELETE", path).by(&plain));
    play.stopped("credential-change", "a second factor deleted with the password alone", &came,
        FORBIDDEN);
    Ok(())
}

/// What is tried while the second factor is demanded. Returns the id of the device's credential.
fn demanded(play: &mut Play<'_>, tom: &Person) -> Result<String, String> {
    const CHECK: &str = "second-factor";
    let place = in_project(&play.scene.ground.theirs.clone());
    let device = Device::new();
    let came = play.sign(tom, None, place.clone(), 0);
    play.stopped(CHECK, "the password alone, before there is a second factor", &came, NO);
    let came = play.sign(tom, None, "unscoped".into(), 0);
    play.works(CHECK, "the password alone, to set a second factor up", &came);
    let first = By::Token(came.token);
    let came = play.go(Sent::new("identity", "GET", "/v3/auth/projects").by(&first));
    play.stopped(CHECK, "anything else with that token", &came, FORBIDDEN);
    let made = enrol(play, tom, &first, &device);
    play.works(CHECK, "a device for one-time codes", &made);
    let id = made.id("credential")?;
    let came = enrol(play, tom, &first, &Device::new());
    play.stopped(CHECK, "a second device with the password alone", &came, FORBIDDEN);
    let came = play.sign(tom, None, place.clone(), 0);
    play.stopped(CHECK, "the password alone", &came, NO);
    let wrong = device.wrong(play.now());
    let came = play.sign(tom, Some(&wrong), place.clone(), 0);
    play.stopped(CHECK, "the password and a wrong code", &came, NO);
    let code = device.code(play.now(), 0);
    let came = play.sign(tom, Some(&code), place.clone(), 0);
    play.works(CHECK, "the password and a code", &came);
    let session = By::Token(came.token);
    let came = play.sign(tom, Some(&code), place.clone(), 0);
    play.stopped(CHECK, "the same code once more", &came, NO);
    recovery(play, tom, &session, &place)?;
    program(play, tom, &session)?;
    // Another step than the one that is spent; it also ends the row of failures.
    let code = device.code(play.now(), 1);
    let came = play.sign(tom, Some(&code), place, 0);
    play.works(CHECK, "the password and the next code", &came);
    Ok(id)
}

/// Asks for a device for one-time codes.
pub(super) fn enrol(play: &mut Play<'_>, who: &Person, by: &By, device: &Device) -> Came {
    let body = json!({ "credential": { "type": "totp", "user_id": who.id, "blob": device.text() } });
    play.go(Sent::new("identity", "POST", "/v3/credentials").by(by).with(body))
}

/// A code for whoever has lost the device is good once.
fn recovery(play: &mut Play<'_>, tom: &Person, session: &By, place: &Value)
    -> Result<(), String> {
    const CHECK: &str = "second-factor";
    let path = format!("/v3/users/{}/OS-JINYUN/recovery_codes", tom.id);
    let came = play.go(Sent::new("identity", "POST", path).by(session));
    play.works(CHECK, "codes for whoever loses the device", &came);
    let code = came.text("/recovery_codes/codes/0")?;
    let came = play.sign(tom, Some(&code), place.clone(), 0);
    play.works(CHECK, "the password and a recovery code", &came);
    let came = play.sign(tom, Some(&code), place.clone(), 0);
    play.stopped(CHECK, "a recovery code once more", &came, NO);
    Ok(())
}

/// A program signs in with a secret of its own.
fn program(play: &mut Play<'_>, tom: &Person, session: &By) -> Result<(), String> {
    const CHECK: &str = "second-factor";
    let path = format!("/v3/users/{}/application_credentials", tom.id);
    let body = json!({ "application_credential": { "name": "job" } });
    let came = play.go(Sent::new("identity", "POST", path).by(session).with(body));
    let id = came.id("application_credential")?;
    let secret = came.text("/application_credential/secret")?;
    let sign = |secret: &str| {
        let with = json!({ "id": id, "secret": secret });
        sign_in(json!({ "methods": ["application_credential"], "application_credential": with }),
            Value::Null)
    };
    let came = play.go(sign(&secret));
    play.works(CHECK, "a program's own secret", &came);
    let came = play.go(sign(&password()));
    play.stopped(CHECK, "another secret for a program", &came, NO);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_seeds_are_as_authenticators_have_them() {
        let device = Device(*b"12345678901234567890");
        assert_eq!(device.text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        // RFC 6238, appendix B, the last six of eight digits.
        for (time, want) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            let now = Time(time * Time::SECOND);
            assert_eq!(device.code(now, 0), want, "{time}");
            assert_eq!(device.code(Time(now.0 - 30 * Time::SECOND), 1), want, "{time}");
            let wrong = device.wrong(now);
            assert!(wrong.len() == 6 && wrong != want, "{wrong}");
        }
    }
}
