//! The password of a guest: sealed from the request on, handed to its host, destroyed once taken.
//!
//! Problem: Nova's answer to a creation shows a password (`adminPass`), the tenant's or one that is
//! made, and the guest must come to have it; but a platform that keeps passwords of guests is a place
//! to steal them from.
//!
//! ```text
//!   request ──seal──> secret of the row ──open──> host's memory ──> metadata (admin_pass) ──> guest
//!                          │                                                                    │
//!                          └──── destroyed <── compute:server:forget <── "taken", or an hour ───┘
//! ```
//! It is sealed before it enters the write path, by the root key, bound to its server: the database,
//! its copies and the journal never have it in the clear. A host that carries the guest gets it by a
//! message of its own, not in the document that it keeps on disk. When the guest says that it has it
//! it is destroyed; when it has run for an hour without a word, too. Then nobody can read it any more:
//! not the tenant, who saw it once, nor the platform.
//!
//! Not a hash: what guests read by Nova's protocol is the password, and each system hashes its own
//! way. The institution's rules for its people's passwords do not apply to its machines.

use super::{Server, show};
use jinyun_base::{Entropy, Fault, Id, Secret, Time};
use jinyun_engine::{Command, Query, View};
use jinyun_kms::{Kms, Sealed};
use jinyun_policy::Actor;
use serde_json::json;

/// The secret's name, which is also that of the member that a guest reads.
pub const PASSWORD: &str = "admin_pass";
/// The value of the field `password` of servers that have one.
pub(super) const KEPT: &str = "kept";
/// For so long after its first start a guest may take it, in microseconds.
pub const PASSWORD_KEPT: i64 = 3600 * 1_000_000;

/// What those are made of: nobody takes one of them for another.
const SIGNS: [&[u8]; 3] =
    [b"abcdefghijkmnopqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789"];
/// How long they are: 57 signs make more than 115 bits.
const LENGTH: usize = 20;

/// A password that nobody has chosen, with small letters, large ones and digits.
pub fn random(dice: &mut dyn Entropy) -> Secret<String> {
    let all = SIGNS.concat();
    loop {
        let draw = |_| {
            let n = dice.below(all.len() as u64);
            usize::try_from(n).ok().and_then(|n| all.get(n)).copied().map(char::from)
        };
        let text: String = (0..LENGTH).filter_map(draw).collect();
        let text = Secret::new(text);
        let has = |signs: &&[u8]| text.expose().bytes().any(|b| signs.contains(&b));
        if SIGNS.iter().all(has) {
            return text;
        }
    }
}

/// What a sealed password is bound to.
pub fn about_password(server: &Id) -> String {
    format!("server {server} {PASSWORD}")
}

/// Seals the password of a server.
pub(super) fn seal(kms: &Kms, server: &Id, password: &Secret<String>) -> Result<Sealed, Fault> {
    kms.seal_record(&about_password(server), password.expose().as_bytes())
}

/// The command that has a password kept, without it.
pub(super) fn keeping(request: &str, server: &Id) -> Command {
    let command = Command::new("compute:server:password", Actor::system("compute"), request);
    command.on(server.clone())
}

/// Has a password kept that was made for a server.
pub(super) fn keep(request: &str, server: &Id, sealed: Sealed) -> Command {
    keeping(request, server).secret(PASSWORD, sealed)
}

/// Has a server's password destroyed: it was `taken`, or was `not taken in time`.
pub fn forget_password(server: &Id, why: &str) -> Command {
    let request = format!("password-{server}");
    let command = Command::new("compute:server:forget", Actor::system("hosts"), request);
    command.on(server.clone()).with(json!({ "password": why }))
}

/// Servers on a host whose guests have a password to take, with their ports there.
pub fn untaken(view: &mut View<'_>, host: &str) -> Result<Vec<(Id, Vec<Id>)>, Fault> {
    let fields = vec![("host", host.to_string()), ("password", KEPT.into())];
    let mut found = Vec::new();
    for server in view.list::<Server>(&Query { fields, ..Query::default() })? {
        if server.deleting {
            continue;
        }
        let mut ports = show::ports(&server, view)?;
        ports.retain(|port| port.spec.host == host);
        found.push((server.id, ports.into_iter().map(|port| port.id).collect()));
    }
    Ok(found)
}

/// Servers whose guests have had an hour to take their password.
pub fn overdue(view: &mut View<'_>, now: Time) -> Result<Vec<Id>, Fault> {
    let mut late = view.list::<Server>(&Query::field("password", KEPT))?;
    late.retain(|server| {
        let since = show::launched(server).map(|at| at.0.saturating_add(PASSWORD_KEPT));
        !server.deleting && since.is_some_and(|end| end <= now.0)
    });
    Ok(late.into_iter().map(|server| server.id).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use jinyun_base::SeedEntropy;
    use std::collections::BTreeSet;

    #[test]
    fn made_passwords_differ_and_have_signs_of_each_sort() {
        let mut dice = SeedEntropy::new(3);
        let made: BTreeSet<String> = (0..200).map(|_| random(&mut dice).expose().clone()).collect();
        assert_eq!(made.len(), 200);
        for text in &made {
            assert_eq!(text.len(), LENGTH, "{text}");
            for signs in SIGNS {
                assert!(text.bytes().any(|b| signs.contains(&b)), "{text}");
            }
            assert!(!text.contains(['0', 'O', '1', 'l', 'I']), "{text}");
        }
    }
}
