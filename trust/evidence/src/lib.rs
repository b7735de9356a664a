//! What is proved, clause by clause: the catalogue of a standard, facts, checks, attacks, reports.
//!
//! Problem: "we are compliant" is a sentence in a document that was true once. Mechanism: a clause
//! names checks; a check reads what was *observed* (rows, hosts, the journal, our own listeners),
//! never what a setting says; where it can, an attack tries the forbidden thing through a real port
//! of a synthetic tenant, with the allowed thing beside it. A finding says what it looked at, when,
//! and where it is silent. Nothing is stored as "met": a state follows from findings each time.
//!
//! Evidence is taken all the time (`watch.rs`): each check runs again when what it reads may have
//! changed, and each change of a verdict or of a clause's state is an entry of the journal, so that
//! the answer to "how did it stand then" is as good as the journal (`posture.rs`). Somebody who wants
//! to see it done asks for an assessment (`evidence.rs`). Duties, exceptions and the assessor's words
//! come from registers that are lent (`govern.rs`).

pub mod attack;
mod catalogue;
pub mod checks;
pub mod commands;
mod desk;
mod evidence;
mod facts;
mod finding;
mod full;
mod govern;
mod installed;
mod needs;
mod pieces;
pub mod posture;
mod rest;
pub mod rooms;
mod source;
pub mod stage;
pub mod trials;
mod watch;
mod world;

pub use catalogue::{
    AREAS, Answer, BYTES, Catalogue, Catalogues, Clause, FLAWS, Flaw, Imported, Item, Level, MAIN,
    Malformed, Modal, OWNERS, Owed, Part, RecordKind, Side, Sort, Titles, import,
};
pub use desk::Held;
pub use evidence::{Evidence, Setup};
pub use facts::crypto::Answers;
pub use facts::doors::{Answered, DoorTry, Doors, RouteFact, RudeTry, SuiteTry, read as read_doors};
pub use facts::follow::{Changed, Follower};
pub use facts::hosts::{HostLook, Left};
pub use facts::images::ImageLook;
pub use facts::journal::{Journal, read as read_journal};
pub use facts::listeners::ListenerLook;
pub use facts::remains::{Belongings, Remains};
pub use facts::secrets::{Form, KeyFile, SecretFact, StoreFile};
pub use facts::site::{Knock, QuotaLook, Site, SiteSetup, quotas};
pub use finding::{
    Context, Counts, DutyStanding, Exception, Finding, Half, Method, Report, STALE_AFTER, Standing,
    State, Tally, Verdict, standings,
};
pub use govern::{Govern, Registers};
pub use installed::{Installed, InstalledSpec};
pub use needs::Needs;
pub use pieces::{Each, Kept};
pub use rest::routes;
pub use source::{Read, Source};
pub use watch::{Parts, Pause, Tell, Watch};
pub use rooms::Taken;
pub use world::{AskHost, Reach, World, reach};

use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Duty, Rule, Who};

const READERS: &[Who] = &[Who::Duty(Duty::AuditAdmin), Who::Duty(Duty::SecurityAdmin)];

/// Who may do what.
pub const RULES: &[Rule] = &[
    // It makes and removes the synthetic tenant and nothing else.
    Rule { action: "evidence:assessment:create", allow: READERS },
    Rule { action: "evidence:assessment:show", allow: READERS },
    // What is judged by is the security administrator's to choose; what it was is in the journal.
    Rule { action: "evidence:catalogue:create", allow: &[Who::Duty(Duty::SecurityAdmin)] },
    Rule { action: "evidence:catalogue:update", allow: &[] },
    Rule { action: "evidence:catalogue:delete", allow: &[Who::Duty(Duty::SecurityAdmin)] },
    Rule { action: "evidence:catalogue:show", allow: READERS },
    Rule { action: "evidence:catalogue:list", allow: READERS },
    Rule { action: installed::LOAD, allow: &[Who::System] },
    Rule { action: "evidence:clause:list", allow: READERS },
    Rule { action: "evidence:clause:show", allow: READERS },
    Rule { action: "evidence:finding:list", allow: READERS },
    Rule { action: "evidence:freshness:show", allow: READERS },
    Rule { action: "evidence:posture:show", allow: READERS },
    Rule { action: "evidence:violation:list", allow: READERS },
    // Nobody but the platform says what was found.
    Rule { action: posture::CLAUSE, allow: &[Who::System] },
    Rule { action: posture::FINDING, allow: &[Who::System] },
    Rule { action: posture::SEAL, allow: &[Who::System] },
    // Which program ran when.
    Rule { action: evidence::STARTED, allow: &[Who::System] },
    Rule { action: "evidence:stage:build", allow: &[Who::System] },
    Rule { action: "evidence:stage:strike", allow: &[Who::System] },
];

/// Registers the actions.
pub fn register(registry: &mut Registry) {
    registry
        .add::<Installed>()
        .action("evidence:catalogue:create", "catalogue", Verb::Own(installed::create))
        .action(installed::LOAD, "", Verb::Own(evidence::record))
        .action("evidence:assessment:create", "", Verb::Own(evidence::record))
        .action("evidence:assessment:show", "", Verb::Read)
        .action("evidence:clause:list", "", Verb::Read)
        .action("evidence:clause:show", "", Verb::Read)
        .action("evidence:finding:list", "", Verb::Read)
        .action("evidence:freshness:show", "", Verb::Read)
        .action("evidence:posture:show", "", Verb::Read)
        .action("evidence:violation:list", "", Verb::Read)
        .action(posture::CLAUSE, "", Verb::Own(evidence::record))
        .action(posture::FINDING, "", Verb::Own(evidence::record))
        .action(posture::SEAL, "", Verb::Own(evidence::record))
        .action(evidence::STARTED, "", Verb::Own(evidence::record))
        .action("evidence:stage:build", "", Verb::Own(stage::build))
        .action("evidence:stage:strike", "", Verb::Own(stage::strike))
        .rules(RULES);
}
