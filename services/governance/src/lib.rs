//! What people do and say about the platform, on record: duties, risks, exceptions, the assessor's
//! own verdicts, co-signatures of the journal.
//!
//! Problem: half of a standard asks for what no software does (drills, contracts, reviews), and it
//! is kept in folders that nobody can check. Mechanism: each of these is a row, written by the same
//! path as everything else, so that it has an author, a time and a journal entry, and nothing of it
//! can be changed or taken back in silence: records are withdrawn, opinions followed by newer ones,
//! risks closed. States (due, overdue, accepted, expired) follow from rows and the day; none is
//! stored, so nobody has to be awake for one to become true. Not a workflow engine and no document
//! management: what is kept are dates, names and digests, and the files themselves as they came.
//!
//! Which duties and clauses there are is lent at wiring, as plain data: the catalogue of clauses lies
//! above. Standards come and go while the service runs, so it asks anew for each thing that it does and
//! keeps to the one answer until that is done.

mod cosign;
mod duty;
mod exception;
mod files;
mod opinion;
mod profile;
mod record;
mod remind;
mod rest;
mod risk;
mod verify;

pub use cosign::{
    Cosignature, CosignatureSpec, Lines, Witness, WitnessRole, WitnessSpec, authorities, cosigned,
};
pub use duty::{Duties, Duty, DutyDefault, DutySpec, DutyStanding, Side, Tracked};
pub use exception::{
    Exception, ExceptionSpec, ExceptionState, Exempt, Verdict, excepted, exceptions,
};
pub use files::{FileRef, Files, LARGEST, Received};
pub use opinion::{Opinion, OpinionSpec, Says, nonce};
pub use profile::{Level, Profile, ProfileSpec, profile};
pub use record::{DutyRecord, RecordSort, RecordSpec};
pub use remind::{Reminder, ReminderKind, Stage, reminders, tend};
pub use rest::routes;
pub use risk::{
    Acceptance, FailedClause, Risk, RiskSpec, RiskState, Treatment, from_findings,
};
pub use verify::{Damage, Round, Wrong, verify_files};

use jinyun_base::{Day, Fault, Id, Refusal, Refused, Time, check_name};
use jinyun_engine::{Command, Ctx, Failure, Link, OnDelete, Registry, Verb};
use jinyun_journal::Key;
use jinyun_policy::{Duty as OnDuty, PROVIDER, Role, Rule, Who};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

const SYSTEM: Who = Who::Duty(OnDuty::SystemAdmin);
const SECURITY: Who = Who::Duty(OnDuty::SecurityAdmin);
const AUDIT: Who = Who::Duty(OnDuty::AuditAdmin);
const MANAGER: Who = Who::Domain(Role::Manager);
/// Staff but the auditor is narrowed to the provider's own rows by `rest::sees`.
const READERS: &[Who] = &[Who::Domain(Role::Reader), SYSTEM, SECURITY, AUDIT];
/// Whoever a duty was given to may have no role at all.
const OWNERS: &[Who] = &[Who::Owner, Who::Domain(Role::Reader), SYSTEM, SECURITY, AUDIT];
/// What lies in a project, beside that.
const AROUND: &[Who] =
    &[Who::Project(Role::Reader), Who::Domain(Role::Reader), SYSTEM, SECURITY, AUDIT];
/// Narrowed by `own`: staff writes the provider's registers, a manager the institution's.
const WRITERS: &[Who] = &[SECURITY, MANAGER];
/// The system administrator's risks are the provider's too.
const RISKS: &[Who] = &[SECURITY, SYSTEM, MANAGER];
/// Who stands beside the platform and signs what it says.
const WITNESSES: &[Who] = &[AUDIT, MANAGER];

/// Who may do what.
pub const RULES: &[Rule] = &[
    Rule { action: "governance:duty:create", allow: &[] },
    Rule { action: "governance:duty:update", allow: &[] },
    Rule { action: "governance:duty:delete", allow: &[] },
    Rule { action: "governance:duty:show", allow: OWNERS },
    Rule { action: "governance:duty:list", allow: OWNERS },
    Rule { action: "governance:duty:assign", allow: WRITERS },
    // Narrowed by `duty::may_record`: whose duty it is.
    Rule {
        action: "governance:duty:record",
        allow: &[Who::Owner, SYSTEM, SECURITY, AUDIT, MANAGER],
    },
    Rule { action: "governance:duty:remind", allow: &[Who::System] },
    Rule { action: "governance:duty_record:create", allow: &[] },
    Rule { action: "governance:duty_record:update", allow: &[] },
    Rule { action: "governance:duty_record:delete", allow: &[] },
    Rule { action: "governance:duty_record:show", allow: OWNERS },
    Rule { action: "governance:duty_record:list", allow: OWNERS },
    Rule { action: "governance:duty_record:damage", allow: &[Who::System] },
    Rule { action: "governance:duty_record:restore", allow: &[Who::System] },
    Rule { action: "governance:duty_record:withdraw", allow: &[Who::Owner, SECURITY, MANAGER] },
    Rule { action: "governance:reminder:create", allow: &[] },
    Rule { action: "governance:reminder:update", allow: &[] },
    Rule { action: "governance:reminder:delete", allow: &[] },
    Rule { action: "governance:reminder:show", allow: OWNERS },
    Rule { action: "governance:reminder:list", allow: OWNERS },
    Rule { action: "governance:risk:create", allow: RISKS },
    Rule { action: "governance:risk:update", allow: RISKS },
    Rule { action: "governance:risk:delete", allow: &[] },
    Rule { action: "governance:risk:show", allow: READERS },
    Rule { action: "governance:risk:list", allow: READERS },
    Rule { action: "governance:risk:accept", allow: RISKS },
    Rule { action: "governance:risk:tell", allow: RISKS },
    Rule { action: "governance:risk:close", allow: WRITERS },
    Rule { action: "governance:risk:raise", allow: &[Who::System] },
    Rule { action: "governance:risk:propose", allow: &[Who::System] },
    Rule { action: "governance:exception:create", allow: WRITERS },
    Rule { action: "governance:exception:update", allow: &[] },
    Rule { action: "governance:exception:delete", allow: &[] },
    Rule { action: "governance:exception:show", allow: AROUND },
    Rule { action: "governance:exception:list", allow: AROUND },
    // Somebody else than who asked. Of an institution's: another manager or the security
    // administrator.
    Rule { action: "governance:exception:vote", allow: WRITERS },
    Rule { action: "governance:exception:end", allow: WRITERS },
    // The audit administrator writes down what the assessor says.
    Rule { action: "governance:opinion:create", allow: &[AUDIT] },
    Rule { action: "governance:opinion:update", allow: &[] },
    Rule { action: "governance:opinion:delete", allow: &[] },
    Rule { action: "governance:opinion:show", allow: &[SYSTEM, SECURITY, AUDIT] },
    Rule { action: "governance:opinion:list", allow: &[SYSTEM, SECURITY, AUDIT] },
    Rule { action: "governance:witness:create", allow: WITNESSES },
    Rule { action: "governance:witness:update", allow: &[] },
    Rule { action: "governance:witness:delete", allow: &[] },
    Rule { action: "governance:witness:show", allow: READERS },
    Rule { action: "governance:witness:list", allow: READERS },
    Rule { action: "governance:witness:retire", allow: WITNESSES },
    Rule { action: "governance:cosignature:create", allow: WITNESSES },
    Rule { action: "governance:cosignature:update", allow: &[] },
    Rule { action: "governance:cosignature:delete", allow: &[] },
    Rule { action: "governance:cosignature:show", allow: READERS },
    Rule { action: "governance:cosignature:list", allow: READERS },
    Rule { action: "governance:cosignature:alarm", allow: &[Who::System] },
    Rule { action: "governance:checkpoint:show", allow: READERS },
    Rule { action: "governance:profile:create", allow: &[] },
    Rule { action: "governance:profile:update", allow: &[] },
    Rule { action: "governance:profile:delete", allow: &[] },
    // A tenant's own; of the staff only the auditor looks.
    Rule {
        action: "governance:profile:show",
        allow: &[Who::Project(Role::Reader), Who::Domain(Role::Reader), AUDIT],
    },
    Rule {
        action: "governance:profile:list",
        allow: &[Who::Project(Role::Reader), Who::Domain(Role::Reader), AUDIT],
    },
    Rule { action: "governance:profile:set", allow: &[MANAGER] },
];

/// Registers kinds, actions and rules.
pub fn register(registry: &mut Registry) {
    let (risk, exception, witness) = ("risk", "exception", "witness");
    registry.add::<Duty>().add::<DutyRecord>().add::<ReminderKind>().add::<Risk>().add::<Exception>()
        .add::<Opinion>().add::<Witness>().add::<Cosignature>().add::<Profile>()
        .action("governance:duty:assign", "duty", Verb::Own(duty::assign))
        .action("governance:duty:record", "duty", Verb::Own(record::record))
        .action("governance:duty:remind", "reminder", Verb::Own(remind::remind))
        .action("governance:duty_record:withdraw", "duty_record", Verb::Own(record::withdraw))
        .action("governance:duty_record:damage", "duty_record", Verb::Own(verify::damage))
        .action("governance:duty_record:restore", "duty_record", Verb::Own(verify::restore))
        .action("governance:risk:create", risk, Verb::Own(risk::create))
        .action("governance:risk:update", risk, Verb::Own(risk::update))
        .action("governance:risk:accept", risk, Verb::Own(risk::accept))
        .action("governance:risk:tell", risk, Verb::Own(risk::tell))
        .action("governance:risk:close", risk, Verb::Own(risk::close))
        .action("governance:risk:raise", risk, Verb::Own(risk::raise))
        .action("governance:risk:propose", risk, Verb::Own(risk::propose))
        .action("governance:exception:create", exception, Verb::Own(exception::create))
        .action("governance:exception:vote", exception, Verb::Own(exception::vote))
        .action("governance:exception:end", exception, Verb::Own(exception::end))
        .action("governance:opinion:create", "opinion", Verb::Own(opinion::create))
        .action("governance:witness:create", witness, Verb::Own(cosign::register))
        .action("governance:witness:retire", witness, Verb::Own(cosign::retire))
        .action("governance:cosignature:create", "cosignature", Verb::Own(cosign::create))
        .action("governance:cosignature:alarm", "", Verb::Own(cosign::alarm))
        .action("governance:checkpoint:show", "", Verb::Read)
        .action("governance:profile:set", "profile", Verb::Own(profile::set))
        .rules(RULES);
}

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// What the catalogue of clauses says to the registers. Itself it does not change: another takes its
/// place.
pub struct Book {
    /// The duties.
    pub duties: Duties,
    /// All clauses with the keys of their standards: nothing is said about any other.
    pub clauses: BTreeMap<String, String>,
}

/// Lends the one that holds now.
pub type Lent = Arc<dyn Fn() -> Arc<Book> + Send + Sync>;

/// What the service is given.
pub struct Setup {
    /// Reads the clock.
    pub clock: Clock,
    /// The duties and clauses that there are.
    pub book: Lent,
    /// The names of all guardrails, for exceptions; `profile` is always one.
    pub guardrails: Vec<String>,
    /// The directory of records' files.
    pub files: PathBuf,
    /// The instance's name.
    pub instance: String,
    /// The keys by which the platform signs checkpoints.
    pub keys: Vec<Key>,
}

/// The service's state.
pub struct Governance {
    /// The files of records.
    pub files: Files,
    pub(crate) clock: Clock,
    book: Lent,
    pub(crate) guardrails: Vec<String>,
    pub(crate) instance: String,
    pub(crate) keys: Vec<Key>,
}

impl Governance {
    /// Opens the registers' directory.
    pub fn open(setup: Setup) -> Result<Governance, Fault> {
        let Setup { clock, book, mut guardrails, files, instance, keys } = setup;
        let files = Files::open(files)?;
        guardrails.push(profile::GUARDRAIL.into());
        Ok(Governance { files, clock, book, guardrails, instance, keys })
    }

    /// The duties and clauses that there are now: for all of what is done with them.
    pub fn book(&self) -> Arc<Book> {
        (self.book)()
    }

    pub(crate) fn today(&self) -> Day {
        Day::of((self.clock)())
    }
}

/// What somebody said to something, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub who: Id,
    /// When.
    pub at: Time,
    /// What, or why.
    pub text: String,
}

impl Said {
    fn now(ctx: &Ctx<'_>, text: String) -> Said {
        Said { who: ctx.actor.id.clone(), at: ctx.now, text }
    }
}

/// Longest free text, in characters.
const TEXT: usize = 4000;

/// The resource that a command is about.
fn target(command: &Command) -> Result<&Id, Failure> {
    command.target.as_ref().ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

/// A command's words.
fn read<T: DeserializeOwned>(command: &Command, what: &str) -> Result<T, Failure> {
    serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid(what, format!("cannot be read: {e}")).into())
}

/// The domain in whose registers a command writes.
fn domain_of(ctx: &Ctx<'_>, command: &Command) -> Id {
    let own = || ctx.actor.domain_of_scope().cloned();
    command.domain.clone().or_else(own).unwrap_or_else(|| PROVIDER.into())
}

/// A duty of the provider's opens the provider's own registers; policy has seen to it that a manager
/// is the domain's own.
fn own(ctx: &Ctx<'_>, domain: &Id) -> Result<(), Failure> {
    if !matches!(ctx.permit().because(), Who::Duty(_)) || domain.as_str() == PROVIDER {
        return Ok(());
    }
    let say = "An institution's registers are kept by its own managers, the provider's by its staff.";
    Err(Refusal::new(Refused::Forbidden, say).into())
}

/// Where a row lies it goes with it: what was said there stays in the journal.
fn home(domain: &Id, project: &Id) -> Vec<Link> {
    let (kind, id) = match project.as_str() {
        "" => ("domain", domain.clone()),
        _ => ("project", project.clone()),
    };
    if id.as_str() == PROVIDER {
        return Vec::new();
    }
    vec![Link { role: "home", kind, id, on_delete: OnDelete::Cascade }]
}

/// A name or title: one line, and something in it.
fn check_title(field: &'static str, text: &str) -> Result<(), Refusal> {
    check_name(field, text)?;
    if text.trim().is_empty() {
        return Err(Refusal::invalid(field, "is required and must not be empty"));
    }
    Ok(())
}

/// Text that somebody wrote, within bounds and without control characters but line ends.
fn check_text(field: &str, text: &str, needed: bool) -> Result<(), Refusal> {
    if needed && text.trim().is_empty() {
        return Err(Refusal::invalid(field, "is required: others will have to judge by it"));
    }
    if text.chars().count() > TEXT {
        return Err(Refusal::invalid(field, format!("is longer than {TEXT} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Refusal::invalid(field, "holds a control character"));
    }
    Ok(())
}
