//! What is looked at. Each check is a function of the observed [`World`] and says how many there
//! were, at how many it looked, and where it is silent.
//!
//! Which clauses a check answers stands in the catalogue and nowhere else. Each has a test that
//! breaks exactly what it looks at and sees it go red; another test fails if one has none.
//!
//! A check is one line of [`CHECKS`]: name, where it is silent, the function, and what it reads
//! ([`Needs`]). It asks for records by [`World::all`] or [`World::each`]: then it runs again only
//! when records of those kinds have changed.

mod accounts;
mod approvals;
mod crypto;
mod doors;
mod federation;
mod filter;
mod halves;
mod hosts;
mod identity;
mod isolation;
mod journal;
mod leaving;
mod lies;
mod machine;
mod reach;
mod records;
mod rights;
mod risks;
mod rooms;
mod stale;
mod storage;
pub(crate) mod tenants;
mod ways;
mod words;

pub(crate) use records::SERVICES;
pub use words::silent_zh;

use crate::attack::{Judged, judge};
use crate::finding::{Finding, Half, Method, Verdict};
pub use crate::needs::Needs;
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
    /// What it reads.
    pub needs: Needs,
    /// Looks.
    pub run: fn(&World) -> Found,
}

impl Check {
    /// The same check, reading these facts.
    const fn needs(self, needs: Needs) -> Check {
        Check { needs, ..self }
    }

    /// The same check, about what tenants do with their half.
    const fn of_tenants(self) -> Check {
        Check { half: Half::Tenant, ..self }
    }

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

/// A check of what is read at least every half minute, unless it says what it reads.
const fn check(name: &'static str, silent: &'static str, run: fn(&World) -> Found) -> Check {
    let (method, half, needs) = (Method::Check, Half::Provider, Needs::USUAL);
    Check { name, method, half, silent, needs, run }
}

/// An attack on the synthetic tenant that changes something, unless it says what it reads.
const fn attack(name: &'static str, silent: &'static str, run: fn(&World) -> Found) -> Check {
    let (method, half, needs) = (Method::Attack, Half::Provider, Needs::ATTACKS);
    Check { name, method, half, silent, needs, run }
}

const ROWS: Needs = Needs::ROWS;
const JOURNAL: Needs = Needs::JOURNAL;
const HOSTS: Needs = Needs::HOSTS;
const DOORS: Needs = Needs::DOORS;
const PORTS: Needs = Needs::PORTS;
const SHELVES: Needs = Needs::SHELVES;

/// All checks.
pub const CHECKS: &[Check] = &[
    attack("spoofed-mac", "ports whose owner has switched port security off",
        |w| tried(w, "spoofed-mac")).needs(PORTS),
    attack("spoofed-ip", "ports whose owner has switched port security off; IPv6, which networks \
        do not carry", |w| tried(w, "spoofed-ip")).needs(PORTS),
    attack("spoofed-arp", "a port that answers DHCP for others",
        |w| tried(w, "spoofed-arp")).needs(PORTS),
    attack("closed-port", "whether the rules that a tenant wrote are the ones it needs",
        |w| tried(w, "closed-port")).needs(PORTS),
    attack("other-network", "networks that a tenant's own router joins",
        |w| tried(w, "other-network")).needs(PORTS),
    attack("other-tenant", "covert channels through shared hardware",
        |w| tried(w, "other-tenant")).needs(PORTS),
    attack("foreign-command", "stolen credentials; images and key pairs; authentication itself, \
        because the actors are made up behind it", |w| tried(w, "foreign-command")),
    attack("duty-command", "root on a host; whoever holds the root key's file; a host's memory",
        |w| tried(w, "duty-command")),
    check("filter-as-recorded", "codes of ICMP; what a port may ask of the platform's own \
        services; rules of routers; the time between two looks",
        filter::as_recorded).needs(HOSTS.and(ROWS)),
    check("disk-encrypted", "guests' memory; the quality of the cipher's implementation",
        storage::disk_encrypted).needs(HOSTS),
    check("disk-apart", "what a project's own servers share by the tenant's wish",
        storage::disk_apart).needs(HOSTS.and(ROWS)),
    check("keys-wrapped", "certification of the module that wraps them: algorithm met, module not \
        certified", storage::keys_wrapped).needs(ROWS.and(Needs::KEY_FILE)),
    check("erased", "copies on storage that Jinyun does not manage; pages of the database's log \
        until its next checkpoint; remapped cells of an SSD", storage::erased)
        .needs(HOSTS.and(JOURNAL)),
    check("image-intact", "where an image comes from; what is in it", storage::image_intact)
        .needs(Needs::IMAGES),
    check("guest-confined", "flaws in QEMU and in the kernel; the list of a guest's devices",
        machine::guest_confined).needs(HOSTS),
    check("clock-source", "which source the time daemon follows; clocks inside guests; anything \
        since the host connected", machine::clock_source).needs(HOSTS),
    check("tls-only", "national cipher suites; how old the certificate may become",
        machine::tls_only).needs(Needs::LISTENERS),
    check("management-apart", "programs that forward to the address from outside; whether the \
        machine has a network of its own for management", machine::management_apart)
        .needs(Needs::LISTENERS),
    check("journal-verifies", "what never was asked through the platform; rewriting by whoever \
        holds the signing keys, if nobody outside keeps checkpoints", journal::verifies)
        .needs(Needs::PROOF),
    check("journal-replays", "how far things are (phases and reports are not in the journal)",
        journal::replays).needs(Needs::PROOF),
    check("refusals-recorded", "what is tried on a host beside the platform",
        journal::refusals_recorded).needs(Needs::ATTACKS.and(JOURNAL)),
    check("own-journal", "reading by hosts' root; what the provider's staff only looks at",
        journal::own_journal).needs(JOURNAL),
    check("one-clock", "whether the clock is right: another check asks that",
        journal::one_clock).needs(JOURNAL),
    check("duty-exclusive", "two accounts of one person; accounts of the hosts' operating system",
        identity::duty_exclusive).needs(ROWS),
    check("duty-reach", "root on a host; images, whose provider's actions refuse tenants' images \
        one by one", identity::duty_reach).needs(Needs::POLICY),
    check("password-initial", "passwords that a tenant's manager hands to its people",
        identity::password_initial).needs(JOURNAL.and(ROWS)),
    check("password-hashed", "how good the passwords are; copies that people keep",
        identity::password_hashed).needs(ROWS),
    attack("guest-to-platform", "networks outside of the platform; what reaches the platform by way of \
        an application of its own", |w| tried(w, "guest-to-platform")).needs(Needs::INWARD),
    attack("group-zones", "zones across projects; whether a tenant's zones are the ones it needs",
        |w| tried(w, "group-zones")),
    attack("port-cut", "who decides to cut; evidence in the guest's memory and disks",
        |w| tried(w, "port-cut")),
    attack("spoofed-dhcp", "DHCP over IPv6, which networks do not carry",
        |w| tried(w, "spoofed-dhcp")).needs(PORTS),
    attack("foreign-image", "sensitive data that an image's owner puts into it; the provider's images, \
        which are for everybody", |w| tried(w, "foreign-image")).needs(SHELVES),
    attack("tls-damage", "damage beside the network: on disks, in memory",
        |w| tried(w, "tls-damage")).needs(DOORS),
    attack("limits-hold", "limits that are set too high; bare metal, which is not offered",
        rooms::limits_hold),
    attack("routes-need-token", "stolen tokens; what an operation does once it has a good one; the \
        operations that are for everybody", doors::routes_need_token).needs(Needs::ATTACKS.and(DOORS)),
    attack("errors-say-little", "errors of a request that has a token; how long an answer takes",
        doors::errors_say_little).needs(Needs::ATTACKS.and(DOORS)),
    attack("tls-suites", "national cipher suites; certificates; what clients choose",
        doors::tls_suites).needs(DOORS),
    attack("host-door", "devices that are plugged into a host; identities of hosts beside that of root \
        on this machine", doors::host_door).needs(DOORS.and(HOSTS)),
    check("staff-sources", "people beside the platform: shells on hosts, the machine's console; programs \
        that forward from an allowed network", doors::staff_sources).needs(JOURNAL.and(ROWS)),
    check("host-hardened", "patches that a kernel's release does not show; settings beside those named; \
        whether the newest kernel is new enough", hosts::host_hardened).needs(HOSTS),
    check("cpu-mitigated", "weaknesses that the kernel does not know; what a hypervisor below hides",
        hosts::cpu_mitigated).needs(HOSTS),
    check("loopback-closed", "programs that take a connection from outside and forward it",
        hosts::loopback_closed).needs(HOSTS),
    check("host-files", "files of the operating system; what root changes between two looks",
        hosts::host_files).needs(HOSTS),
    check("host-reports", "health of disks, memory and power; use over time; whom an alarm reaches",
        hosts::host_reports).needs(HOSTS.and(ROWS)),
    check("found-is-recorded", "machines that run no agent; hardware inside of hosts",
        hosts::found_is_recorded).needs(HOSTS.and(ROWS)),
    check("guest-as-recorded", "what a QEMU that its guest has taken over says of itself; devices that \
        are a part of every machine; files inside of guests", isolation::guest_as_recorded)
        .needs(HOSTS.and(ROWS)),
    check("guest-apart", "a guest's use of disks and networks; flaws of the kernel that all share",
        isolation::guest_apart).needs(HOSTS.and(ROWS)),
    check("memory-apart", "what is left in memory that is given back; caches of processors",
        isolation::memory_apart).needs(HOSTS),
    check("taken-out", "volumes and whole servers; what is too large to be taken out over the network",
        rooms::taken_out).needs(SHELVES),
    check("duty-two-factors", "sign-ins before the journal began; whether password and device are \
        kept apart; how operators enter hosts", accounts::duty_two_factors).needs(JOURNAL),
    check("duty-granter", "two accounts of one person; duties that need no end",
        accounts::duty_granter).needs(JOURNAL.and(ROWS)),
    attack("password-policy", "passwords that are merely likely; the end of a password in the running \
        service: a copy of it was tried, whose clock is ahead", accounts::password_policy)
        .needs(Needs::ATTACKS.and(ROWS)),
    attack("lockout", "guesses at what runs inside of guests; whether somebody reads the alarm",
        |w| tried(w, "lockout")),
    attack("unusual-login", "an account that is misused from where it is always used; whether the \
        user reads what is told", |w| tried(w, "unusual-login")),
    attack("sources-and-hours", "accounts that nobody has bound; logins inside of guests",
        |w| tried(w, "sources-and-hours")),
    attack("idle-ends", "terminals inside of guests; the memory of the running service: a copy of it \
        was tried, whose clock is ahead", accounts::idle_ends).needs(Needs::ATTACKS.and(ROWS)),
    attack("credential-change", "who stands behind somebody who knows the old password",
        |w| tried(w, "credential-change")),
    attack("second-factor", "accounts of which nobody asks it; how well a device is kept; logins \
        inside of guests", |w| tried(w, "second-factor")),
    attack("passkey-sign-in", "browsers and authenticators; the running service: a copy of it was tried, \
        for a site of its own", |w| tried(w, "passkey-sign-in")),
    check("login-notice", "whether clients show it; whether it says what it should",
        accounts::login_notice).needs(Needs::ATTACKS),
    check("credential-inventory", "what people keep beside the platform; whether a credential is \
        still needed", accounts::credential_inventory).needs(ROWS),
    check("credentials-stale", "credentials inside of guests; where a public key is used",
        stale::credentials_stale).needs(JOURNAL.and(ROWS)),
    attack("credential-records", "a whole hash that somebody with the database's rights puts in the \
        place of another: the replay finds it; the key service's memory",
        accounts::credential_records).needs(Needs::ATTACKS.and(ROWS)),
    attack("server-password", "guests: whether one has set its password; a whole creation of a server, \
        which needs an image", accounts::server_password).needs(Needs::ATTACKS.and(ROWS)),
    check("unused-rights", "reading, which leaves no entry; which role an action needed: a manager who \
        only does what a member may counts as used", rights::unused_rights).needs(JOURNAL.and(ROWS)),
    check("federation-whole", "whether an institution's own centre does what it should; whether a \
        directory answers", federation::federation_whole).needs(ROWS),
    attack("federated-sign-in", "directories (LDAP); other providers than the trial's own; groups of \
        others where there are none", |w| tried(w, "federated-sign-in")),
    check("file-reach", "mandatory access control, which there is none of; root; flaws of the kernel; \
        files of the operating system", reach::file_reach).needs(HOSTS),
    check("store-closed", "root; a database server's own users; copies and backups",
        reach::store_closed).needs(Needs::KEY_FILE),
    attack("keypair-public", "the private halves, which their owners keep",
        accounts::keypair_public).needs(Needs::ATTACKS.and(ROWS)),
    attack("sub-accounts", "rights that are given and never used: another check asks that",
        |w| tried(w, "sub-accounts")),
    attack("approval-holds", "whether the rules name the operations that matter; two accounts of one \
        person; what is done on a host beside the platform", |w| tried(w, "approval-holds")),
    attack("consent-holds", "root on a host; a host's memory; what somebody does with what was seen",
        |w| tried(w, "consent-holds")),
    attack("statement-holds", "whether the statements that are there are the ones that matter; conditions \
        on sources and hours; an old sign-in, which is made up: nobody waits for one",
        |w| tried(w, "statement-holds")),
    attack("guardrail-holds", "what was there before a profile was raised; a whole creation of a server, \
        which needs an image: the record of one was changed; what user data sets up inside of guests",
        |w| tried(w, "guardrail-holds")),
    attack("tenant-journal", "what was never asked through the platform",
        |w| tried(w, "tenant-journal")),
    check("service-in-journal", "logs of hosts, of hypervisors and of disks, which are not gathered",
        records::service_in_journal).needs(Needs::ATTACKS.and(JOURNAL).and(ROWS)),
    check("export-repeats", "reports by actor, thing or action, which are lists and not signed",
        records::export_repeats).needs(Needs::ATTACKS),
    attack("no-secret-told", "documents and memory of hosts; the control process's own log; what is \
        typed into guests", |w| tried(w, "no-secret-told")),
    check("credentials-erased", "freed memory and pages of the database that were freed; copies",
        leaving::credentials_erased).needs(Needs::ATTACKS.and(JOURNAL)),
    check("tenant-gone", "tenants that really left: it is tried with the synthetic one; images and \
        exports that somebody took along; a term", leaving::tenant_gone).needs(Needs::ATTACKS),
    check("key-life", "keys of guests' own; suspension, rotation and archives, which there are not",
        crypto::key_life).needs(Needs::ATTACKS.and(JOURNAL)),
    check("sm-answers", "SM4, SM9 and national TLS suites, which there are not; certification of the \
        module: algorithm met, module not certified", crypto::sm_answers).needs(DOORS),
    check("tenant-doors", "rules that no port uses; whether what is open besides is needed; doors inside \
        of guests", tenants::tenant_doors).needs(ROWS).of_tenants(),
    check("tenant-managers", "people for whom an institution's own provider vouches: their factors are \
        there; how well a device is kept", tenants::tenant_managers).needs(ROWS).of_tenants(),
    check("tenant-projects", "whether what a tag says is true", tenants::tenant_projects)
        .needs(ROWS).of_tenants(),
    check("lies-counted", "what guests do without lying: floods, attempts at others' closed doors; when a \
        lie was told, but since a filter was written; ports without port security; whom it is told to; a \
        counter that stands still, where nothing was counted", lies::lies_counted).needs(HOSTS.and(ROWS)),
    check("no-way-out", "the host's own network; where the other end of a device is; a device with the \
        name of a recorded one, or of one that the kernel puts into every namespace; what the platform's \
        own services in a network pass on", ways::no_way_out).needs(HOSTS.and(ROWS)),
    check("approvals-set", "operations that are not on the list; tenants' rules; whether there are enough \
        people to vote; two accounts of one person", approvals::approvals_set).needs(ROWS),
    check("risks-treated", "whether an assessment is right and a treatment works; risks that nobody wrote \
        up; tenants' registers", risks::risks_treated).needs(ROWS),
    check("tenant-audits", "whether somebody reads what was taken away; what is read page by page, which \
        leaves no entry; younger institutions that have not looked yet", halves::tenant_audits)
        .needs(JOURNAL.and(ROWS)).of_tenants(),
    check("tenant-servers", "who has the private half; accounts and passwords that come with an image; \
        what the data for the first start puts there", halves::tenant_servers)
        .needs(JOURNAL.and(ROWS)).of_tenants(),
    check("tenant-rights", "reading, which leaves no entry; which role an action needed; younger roles \
        that nobody has used yet", halves::tenant_rights).needs(JOURNAL.and(ROWS)).of_tenants(),
    check("tenant-factors", "logins inside of guests; people for whom an institution's own provider \
        vouches; whether the second factor is asked for", halves::tenant_factors)
        .needs(ROWS).of_tenants(),
    check("tenant-rules", "whether its own rules ask for more than these do; passwords inside of guests",
        halves::tenant_rules).needs(ROWS).of_tenants(),
    check("tenant-sources", "accounts that manage nothing; logins inside of guests; whether networks and \
        hours are narrow", halves::tenant_sources).needs(ROWS).of_tenants(),
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

/// The end of the sentence of a check that had nothing to look at.
pub(crate) const NOTHING: &str = ": nothing is proved";

/// Met if nothing is wrong; and without anything to look at, nothing is proved.
fn all_right(population: u64, wrong: &[String], nothing: &str, says: impl Into<String>) -> Found {
    match (population, wrong.is_empty()) {
        (0, true) => error(format!("{nothing}{NOTHING}")),
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
