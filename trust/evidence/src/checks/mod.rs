//! What is looked at. Each check is a function of the observed [`World`] and says how many there
//! were, at how many it looked, and where it is silent.
//!
//! Which clauses a check answers stands in the catalogue and nowhere else. Each has a test that
//! breaks exactly what it looks at and sees it go red; another test fails if one has none.

mod filter;
mod identity;
mod journal;
mod machine;
mod storage;

use crate::attack::{Judged, judge};
use crate::finding::{Finding, Half, Method, Verdict};
use crate::world::World;

/// What a check found, before it is dated and named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How it came out.
    pub verdict: Verdict,
    /// How many there are.
    pub population: u64,
    /// At how many of them it looked.
    pub sampled: u64,
    /// In one sentence.
    pub says: String,
    /// Entries of the journal.
    pub entries: Vec<u64>,
}

/// A check.
pub struct Check {
    /// Its name, as clauses name it.
    pub name: &'static str,
    /// How it looks.
    pub method: Method,
    /// Whose half of a clause it answers.
    pub half: Half,
    /// Where it is silent.
    pub silent: &'static str,
    /// Looks.
    pub run: fn(&World) -> Found,
}

impl Check {
    /// Runs it.
    pub fn find(&self, world: &World) -> Finding {
        let Found { verdict, population, sampled, says, mut entries } = (self.run)(world);
        entries.truncate(MOST_ENTRIES);
        Finding {
            check: self.name.into(),
            verdict,
            population,
            sampled,
            method: self.method,
            at: world.now.0,
            half: self.half,
            says,
            says_nothing_about: self.silent.into(),
            entries,
        }
    }
}

/// At most so many entries are named.
const MOST_ENTRIES: usize = 50;

const fn check(name: &'static str, silent: &'static str, run: fn(&World) -> Found) -> Check {
    Check { name, method: Method::Check, half: Half::Provider, silent, run }
}

const fn attack(name: &'static str, silent: &'static str, run: fn(&World) -> Found) -> Check {
    Check { name, method: Method::Attack, half: Half::Provider, silent, run }
}

/// All checks.
pub const CHECKS: &[Check] = &[
    attack("spoofed-mac", "ports whose owner has switched port security off",
        |w| tried(w, "spoofed-mac")),
    attack("spoofed-ip", "ports whose owner has switched port security off; IPv6, which networks \
        do not carry", |w| tried(w, "spoofed-ip")),
    attack("spoofed-arp", "a port that answers DHCP for others",
        |w| tried(w, "spoofed-arp")),
    attack("closed-port", "whether the rules that a tenant wrote are the ones it needs",
        |w| tried(w, "closed-port")),
    attack("other-network", "networks that a tenant's own router joins",
        |w| tried(w, "other-network")),
    attack("other-tenant", "covert channels through shared hardware",
        |w| tried(w, "other-tenant")),
    attack("foreign-command", "stolen credentials; images and key pairs; authentication itself, \
        because the actors are made up behind it", |w| tried(w, "foreign-command")),
    attack("duty-command", "root on a host; whoever holds the root key's file; a host's memory",
        |w| tried(w, "duty-command")),
    check("filter-as-recorded", "codes of ICMP; what a port may ask of the platform's own \
        services; routers; the time between two assessments", filter::as_recorded),
    check("disk-encrypted", "guests' memory; the quality of the cipher's implementation",
        storage::disk_encrypted),
    check("disk-apart", "what a project's own servers share by the tenant's wish",
        storage::disk_apart),
    check("keys-wrapped", "certification of the module that wraps them: algorithm met, module not \
        certified", storage::keys_wrapped),
    check("erased", "copies on storage that Jinyun does not manage; pages of the database's log \
        until its next checkpoint; remapped cells of an SSD", storage::erased),
    check("image-intact", "where an image comes from; what is in it", storage::image_intact),
    check("guest-confined", "flaws in QEMU and in the kernel; the list of a guest's devices",
        machine::guest_confined),
    check("clock-source", "which source the time daemon follows; clocks inside guests; anything \
        since the host connected", machine::clock_source),
    check("tls-only", "national cipher suites; how old the certificate may become",
        machine::tls_only),
    check("management-apart", "programs that forward to the address from outside; whether the \
        machine has a network of its own for management", machine::management_apart),
    check("journal-verifies", "what never was asked through the platform; rewriting by whoever \
        holds the signing keys, if nobody outside keeps checkpoints", journal::verifies),
    check("journal-replays", "how far things are (phases and reports are not in the journal)",
        journal::replays),
    check("refusals-recorded", "what is tried on a host beside the platform",
        journal::refusals_recorded),
    check("own-journal", "reading by hosts' root; what the provider's staff only looks at",
        journal::own_journal),
    check("one-clock", "whether the clock is right: another check asks that",
        journal::one_clock),
    check("duty-exclusive", "two accounts of one person; accounts of the hosts' operating system",
        identity::duty_exclusive),
    check("duty-reach", "root on a host; images, whose provider's actions refuse tenants' images \
        one by one", identity::duty_reach),
    check("password-initial", "passwords that a tenant's manager hands to its people",
        identity::password_initial),
    check("password-hashed", "how good the passwords are; copies that people keep",
        identity::password_hashed),
];

/// A check of this name.
pub fn find(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

fn met(population: u64, says: impl Into<String>) -> Found {
    Found {
        verdict: Verdict::Met,
        population,
        sampled: population,
        says: says.into(),
        entries: Vec::new(),
    }
}

/// Not as it should be. The first reasons are told, all are counted.
fn failed(population: u64, wrong: &[String]) -> Found {
    let mut says = wrong.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    if wrong.len() > 3 {
        says.push_str(&format!("; and {} more", wrong.len() - 3));
    }
    Found { verdict: Verdict::Failed, ..met(population, says) }
}

/// Proves nothing.
fn error(why: impl Into<String>) -> Found {
    Found { verdict: Verdict::Error, ..met(0, why) }
}

/// Met if nothing is wrong; and without anything to look at, nothing is proved.
fn all_right(population: u64, wrong: &[String], nothing: &str, says: impl Into<String>) -> Found {
    match (population, wrong.is_empty()) {
        (0, true) => error(format!("{nothing}: nothing is proved")),
        (_, true) => met(population, says),
        (_, false) => failed(population, wrong),
    }
}

/// What an attack of this name says.
fn tried(world: &World, name: &str) -> Found {
    let Some(tried) = world.tried.iter().find(|t| t.check == name) else {
        return error(format!("it was not tried: {}", world.no_stage));
    };
    let count = tried.attempts.iter().filter(|a| a.forbidden).count() as u64;
    match judge(&tried.attempts) {
        Judged::Held(says) => met(count, says),
        Judged::Broken(says) => failed(count, &[says]),
        Judged::Nothing(says) => error(says),
    }
}
