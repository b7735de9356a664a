//! What is proved, clause by clause: the catalogue of a standard, facts, checks, attacks, reports.
//!
//! Problem: "we are compliant" is a sentence in a document that was true once. Mechanism: a clause
//! names checks; a check reads what was *observed* (rows, hosts, the journal, our own listeners),
//! never what a setting says; where it can, an attack tries the forbidden thing through a real port
//! of a synthetic tenant, with the allowed thing beside it. A finding says what it looked at, when,
//! and where it is silent. Nothing is stored as "met": a state follows from findings each time.
//!
//! First cut: an assessment is made when somebody asks. Not yet: running on a timer, OSCAL and
//! signed packs, records of duties.

pub mod attack;
mod catalogue;
pub mod checks;
pub mod commands;
mod evidence;
mod facts;
mod finding;
pub mod stage;
mod world;

pub use catalogue::{
    AREAS, Answer, Catalogue, Catalogues, Clause, Every, Item, Level, MAIN, Modal, OWNERS, Owed, Part,
    Period, RecordKind, Side, Sort,
};
pub use evidence::{Evidence, Setup, routes};
pub use facts::hosts::{HostLook, Left};
pub use facts::images::ImageLook;
pub use facts::journal::{Journal, read as read_journal};
pub use facts::listeners::ListenerLook;
pub use facts::secrets::{Form, KeyFile, SecretFact};
pub use finding::{
    Context, Counts, DutyStanding, Exception, Finding, Half, Method, Report, STALE_AFTER, Standing,
    State, Tally, Verdict, standings,
};
pub use world::{AskHost, Reach, World, reach};

use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Duty, Rule, Who};

const READERS: &[Who] = &[Who::Duty(Duty::AuditAdmin), Who::Duty(Duty::SecurityAdmin)];

/// Who may do what.
pub const RULES: &[Rule] = &[
    // It makes and removes the synthetic tenant and nothing else.
    Rule { action: "evidence:assessment:create", allow: READERS },
    Rule { action: "evidence:assessment:show", allow: READERS },
    Rule { action: "evidence:stage:build", allow: &[Who::System] },
    Rule { action: "evidence:stage:strike", allow: &[Who::System] },
];

/// Registers the actions.
pub fn register(registry: &mut Registry) {
    registry
        .action("evidence:assessment:create", "", Verb::Own(evidence::record))
        .action("evidence:assessment:show", "", Verb::Read)
        .action("evidence:stage:build", "", Verb::Own(stage::build))
        .action("evidence:stage:strike", "", Verb::Own(stage::strike))
        .rules(RULES);
}
