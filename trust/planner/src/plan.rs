//! What a plan consists of. Its JSON is made from these types, so a change here is a change of the
//! format that readers of plans rely on: add members, never change the meaning of one.

use crate::clauses::Clause;
use crate::rules::{Conclusion, Input, Reason};
use crate::words::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the plan's JSON: a reader that does not know it should not go on.
pub const FORMAT: u32 = 1;

/// A plan.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The institution's name; empty if nobody said.
    pub name: String,
    /// What is known of the institution.
    pub institution: Vec<Input>,
    /// Counts.
    pub summary: Summary,
    /// What comes before all moves.
    pub before: Vec<Reason>,
    /// The waves, in their order.
    pub waves: Vec<Wave>,
    /// Systems that move as one.
    pub groups: Vec<Group>,
    /// What has to be settled before systems move, although they have a wave.
    pub conditions: Vec<Condition>,
    /// Every system, in the inventory's order.
    pub systems: Vec<SystemPlan>,
    /// Those that stay, and those that a finance cloud must not take.
    pub outside: Vec<Outside>,
    /// Those that cannot be placed before questions are answered.
    pub undecided: Vec<String>,
    /// Who answers for what.
    pub responsibilities: Vec<Duty>,
    /// What has to be asked.
    pub questions: Vec<Question>,
    /// Projects to make.
    pub projects: Vec<Project>,
    /// What the guardrails of a profile refuse, on top of those before it.
    pub guardrails: Vec<Guard>,
    /// The clauses that are cited.
    pub clauses: Vec<&'static Clause>,
}

/// Counts by the codes of words; `undecided` where nothing could be concluded.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// How many systems.
    pub systems: usize,
    /// By class.
    pub class: BTreeMap<String, usize>,
    /// By deployment model.
    pub model: BTreeMap<String, usize>,
    /// By category of service.
    pub service: BTreeMap<String, usize>,
    /// By wave.
    pub wave: BTreeMap<String, usize>,
    /// Systems that a finance cloud must not take.
    pub barred: usize,
    /// Questions.
    pub questions: usize,
    /// How many of them are about an answer that was given.
    pub again: usize,
    /// Open conditions.
    pub conditions: usize,
    /// Systems that do not move before an open condition is settled.
    pub conditional: usize,
    /// Projects.
    pub projects: usize,
}

/// A wave.
#[derive(Debug, Clone, Serialize)]
pub struct Wave {
    /// Its number.
    pub wave: usize,
    /// Its systems, in their order.
    pub systems: Vec<String>,
    /// Why these, and why in this order.
    pub why: Reason,
}

/// Systems that move as one.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// Its number.
    pub group: usize,
    /// Its systems.
    pub systems: Vec<String>,
    /// Why.
    pub why: Vec<Reason>,
}

/// Something that has to be settled before systems move, whatever their wave is.
#[derive(Debug, Clone, Serialize)]
pub struct Condition {
    /// Of which group; none if it is about one system alone.
    pub group: Option<usize>,
    /// What does not move until then.
    pub systems: Vec<String>,
    /// What has to be settled, and why.
    pub why: Reason,
}

/// What a profile's guardrails refuse.
#[derive(Debug, Clone, Serialize)]
pub struct Guard {
    /// The profile.
    pub profile: Profile,
    /// What is refused in it, beside what the profiles before it refuse.
    pub refuses: Reason,
}

/// A system that stays, or that a finance cloud must not take.
#[derive(Debug, Clone, Serialize)]
pub struct Outside {
    /// The system.
    pub system: String,
    /// Whether a finance cloud must not take it.
    pub admission: Option<Admission>,
    /// Where it is to be instead.
    pub model: Option<Model>,
    /// Why.
    pub why: Vec<Reason>,
}

/// A layer and who answers for it.
#[derive(Debug, Clone, Serialize)]
pub struct Duty {
    /// Its code.
    pub layer: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Under IaaS.
    pub iaas: Party,
    /// Under PaaS.
    pub paas: Party,
    /// Under SaaS.
    pub saas: Party,
    /// The clauses it comes from.
    pub cites: &'static [&'static str],
}

/// Something to ask.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// About which system; none for the institution.
    pub system: Option<String>,
    /// The field of the inventory that takes the answer.
    pub field: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Why it is asked.
    pub cites: &'static [&'static str],
    /// There is an answer, which does not go together with others.
    pub again: bool,
}

/// An answer to look at again, because it does not go together with others.
#[derive(Debug, Clone, Serialize)]
pub struct Again {
    /// The field of the inventory.
    pub field: &'static str,
    /// Why, in Chinese.
    pub zh: &'static str,
    /// Why, in English.
    pub en: &'static str,
    /// The clauses it comes from.
    pub cites: &'static [&'static str],
}

/// A project to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// The system that it is for.
    pub system: String,
    /// What it is for.
    pub environment: Environment,
    /// `front` or `core` of a hybrid system, else empty.
    pub part: &'static str,
    /// Where.
    pub model: Model,
    /// As which service; none if that is undecided.
    pub service: Option<Service>,
    /// Its guardrails.
    pub profile: Profile,
    /// When; none if that is undecided.
    pub wave: Option<usize>,
    /// The clauses it comes from.
    pub cites: Vec<&'static str>,
}

/// One of the ten aspects of a system's needs.
#[derive(Debug, Clone, Serialize)]
pub struct Need {
    /// Its clause.
    pub clause: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// What was given.
    pub given: Vec<Input>,
    /// What follows.
    pub follows: Vec<Reason>,
    /// What has to be asked.
    pub ask: Vec<&'static str>,
}

/// A layer of one system.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// The layer's code.
    pub layer: &'static str,
    /// Who answers for it.
    pub party: Party,
}

/// A system's place in the order.
#[derive(Debug, Clone, Serialize)]
pub struct Migration {
    /// Its wave; none if it stays or cannot be placed yet.
    pub wave: Option<usize>,
    /// Its place in the wave.
    pub place: Option<usize>,
    /// Its group.
    pub group: Option<usize>,
    /// Why.
    pub why: Vec<Reason>,
}

/// All about one system.
#[derive(Debug, Clone, Serialize)]
pub struct SystemPlan {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its name for readers of English.
    pub name_en: String,
    /// Who answers for it, and what it is for.
    pub about: Vec<Input>,
    /// The standard's class.
    pub class: Conclusion<Class>,
    /// Type of information.
    pub info: Conclusion<Info>,
    /// Type of business.
    pub business: Conclusion<Business>,
    /// Level of classified protection.
    pub level: Conclusion<Level>,
    /// Importance.
    pub importance: Conclusion<Importance>,
    /// What the provider must be able to do.
    pub protection: Conclusion<Protection>,
    /// Step of recovery.
    pub recovery: Conclusion<Recovery>,
    /// Whether a finance cloud may take it.
    pub admission: Conclusion<Admission>,
    /// Deployment model.
    pub model: Conclusion<Model>,
    /// Category of service.
    pub service: Conclusion<Service>,
    /// Guardrails.
    pub profile: Conclusion<Profile>,
    /// The ten aspects of its needs.
    pub needs: Vec<Need>,
    /// Who answers for which layer.
    pub responsibilities: Vec<Part>,
    /// Where its data may be.
    pub residence: Vec<Reason>,
    /// What comes before its move.
    pub before: Vec<Reason>,
    /// What comes before its move too, and is not offered by this platform.
    pub lacks: Vec<Reason>,
    /// The way back, and out.
    pub exit: Vec<Reason>,
    /// Its place in the order.
    pub migration: Migration,
    /// Fields of the inventory that have to be asked.
    pub ask: Vec<&'static str>,
    /// Answers that have to be looked at again.
    pub again: Vec<Again>,
}
