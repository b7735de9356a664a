//! The register of risks: identified, assessed, treated, communicated, closed.
//!
//! An accepted risk is accepted by somebody else than whoever wrote it up, for a time, and the
//! acceptance ends by the calendar and with any change of what was accepted. A clause that fails
//! raises a risk by itself, once; when nothing of it fails any more the platform proposes to close
//! it, and a person decides: that a check is green says nothing of why it was red.

use crate::{Said, check_text, check_title, domain_of, home, own, read, target};
use jinyun_base::{Day, Fault, Id, Kind, Period, Refusal, Refused, Time, check_name};
use jinyun_engine::{Claim, Command, Ctx, Failure, Link, Place, Query, Resource, View};
use jinyun_policy::{Actor, PROVIDER};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most people that are noted as told.
const TOLD: usize = 200;

/// What is done about a risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// What brings it is not done any more.
    Avoid,
    /// It is made smaller.
    Reduce,
    /// Somebody else bears it.
    Transfer,
    /// It is borne.
    Accept,
}

/// How far a risk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskState {
    /// Written up.
    Identified,
    /// Likelihood and impact are known.
    Assessed,
    /// It was decided what is done about it.
    Treated,
    /// Somebody has accepted it, for now.
    Accepted,
    /// The acceptance is over.
    Expired,
    /// It is no more.
    Closed,
}

/// An acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// By whom, when, why.
    pub said: Said,
    /// The last day on which it holds.
    pub until: Day,
}

/// The kind.
pub struct Risk;

/// What a risk is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RiskSpec {
    /// In a line.
    pub title: String,
    /// What is threatened, by what, and how it would show.
    pub description: String,
    /// The clause that failed, if one did.
    pub clause: String,
    /// Whose it is.
    pub domain: Id,
    /// Who wrote it up; empty if the platform did.
    pub author: String,
    /// Who assessed it or decided about it last; empty if nobody has.
    pub assessor: String,
    /// Which role or person answers for it.
    pub owner: String,
    /// From 1, rare, to 5, almost certain; 0 if nobody has said.
    pub likelihood: i64,
    /// From 1, slight, to 5, ruinous; 0 if nobody has said.
    pub impact: i64,
    /// What is done about it.
    pub treatment: Option<Treatment>,
    /// How, and by when.
    pub plan: String,
    /// When it is looked at again.
    pub review: Option<Day>,
    /// Who was told of it: the text says whom.
    pub told: Vec<Said>,
    /// That it was accepted.
    pub accepted: Option<Acceptance>,
    /// Since when nothing of the clause fails any more.
    pub met_since: Option<Time>,
    /// That it was closed.
    pub closed: Option<Said>,
}

impl RiskSpec {
    /// How far it is on a day.
    pub fn state(&self, today: Day) -> RiskState {
        match &self.accepted {
            _ if self.closed.is_some() => RiskState::Closed,
            Some(accepted) if accepted.until >= today => RiskState::Accepted,
            Some(_) => RiskState::Expired,
            None if self.treatment.is_some() => RiskState::Treated,
            None if self.likelihood > 0 && self.impact > 0 => RiskState::Assessed,
            None => RiskState::Identified,
        }
    }
}

impl Resource for Risk {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("risk");
    type Spec = RiskSpec;
    type Status = ();

    fn name(spec: &RiskSpec) -> &str {
        &spec.title
    }

    fn check(new: &RiskSpec, _: Option<&RiskSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_title("title", &new.title)?;
        check_name("owner", &new.owner)?;
        check_text("description", &new.description, false)?;
        check_text("plan", &new.plan, false)?;
        for (name, value) in [("likelihood", new.likelihood), ("impact", new.impact)] {
            if !(0..=5).contains(&value) {
                return Err(Refusal::invalid(name, "must be 1 to 5").into());
            }
        }
        if new.treatment.is_some() && (new.likelihood == 0 || new.impact == 0) {
            let say = "comes after the assessment: give likelihood and impact first";
            return Err(Refusal::invalid("treatment", say).into());
        }
        Ok(())
    }

    fn claims(spec: &RiskSpec, _: &Place) -> Vec<Claim> {
        if spec.clause.is_empty() || spec.closed.is_some() {
            return Vec::new();
        }
        vec![Claim {
            space: "risk".into(),
            word: format!("{}/{}", spec.domain, spec.clause),
            taken: format!("A risk about clause {} is open already.", spec.clause),
        }]
    }

    fn links(spec: &RiskSpec) -> Vec<Link> {
        home(&spec.domain, &"".into())
    }

    fn fields(spec: &RiskSpec) -> Vec<(&'static str, String)> {
        match spec.closed {
            Some(_) => Vec::new(),
            None => vec![("open", "yes".into())],
        }
    }
}

/// What somebody says about a risk. What is missing stays.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Words {
    pub title: Option<String>,
    pub description: Option<String>,
    pub clause: Option<String>,
    pub owner: Option<String>,
    pub likelihood: Option<i64>,
    pub impact: Option<i64>,
    pub treatment: Option<Treatment>,
    pub plan: Option<String>,
    pub review: Option<Day>,
}

impl Words {
    fn apply(self, spec: &mut RiskSpec, who: &Id) {
        let before = (spec.likelihood, spec.impact, spec.treatment, spec.plan.clone());
        let texts = [(self.title, &mut spec.title), (self.description, &mut spec.description),
            (self.owner, &mut spec.owner), (self.plan, &mut spec.plan)];
        for (new, old) in texts {
            if let Some(new) = new {
                *old = new;
            }
        }
        spec.likelihood = self.likelihood.unwrap_or(spec.likelihood);
        spec.impact = self.impact.unwrap_or(spec.impact);
        spec.treatment = self.treatment.or(spec.treatment);
        spec.review = self.review.or(spec.review);
        if before != (spec.likelihood, spec.impact, spec.treatment, spec.plan.clone()) {
            spec.assessor = who.to_string();
            // What was accepted was another risk.
            spec.accepted = None;
        }
    }
}

fn blank(domain: Id, author: String) -> RiskSpec {
    RiskSpec {
        title: String::new(),
        description: String::new(),
        clause: String::new(),
        domain, author,
        assessor: String::new(),
        owner: String::new(),
        likelihood: 0,
        impact: 0,
        treatment: None,
        plan: String::new(),
        review: None,
        told: Vec::new(),
        accepted: None,
        met_since: None,
        closed: None,
    }
}

/// Writes a risk up.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let mut words: Words = read(command, "risk")?;
    let domain = domain_of(ctx, command);
    own(ctx, &domain)?;
    let mut spec = blank(domain.clone(), ctx.actor.id.to_string());
    spec.clause = words.clause.take().unwrap_or_default();
    words.apply(&mut spec, &ctx.actor.id);
    let row = ctx.create::<Risk>(&domain, &"".into(), spec)?;
    Ok(json!({ "id": row.id }))
}

/// Changes an open risk of one's own register.
fn change(ctx: &mut Ctx<'_>, command: &Command,
    edit: impl FnOnce(&mut RiskSpec) -> Result<(), Failure>) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<Risk>(id)?;
    own(ctx, &have.domain)?;
    if have.spec.closed.is_some() {
        return Err(Refusal::conflict(format!("Risk {id} is closed: write up another.")).into());
    }
    ctx.change::<Risk>(id, command.if_generation, edit)?;
    Ok(json!({ "id": id }))
}

/// Assesses a risk, or says what is done about it.
pub(crate) fn update(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let words: Words = read(command, "risk")?;
    let who = ctx.actor.id.clone();
    change(ctx, command, |spec| {
        if words.clause.as_ref().is_some_and(|clause| *clause != spec.clause) {
            let say = "stays what it was: write up another risk";
            return Err(Refusal::invalid("clause", say).into());
        }
        words.apply(spec, &who);
        Ok(())
    })
}

#[derive(Deserialize)]
struct AcceptWords {
    reason: String,
    until: Day,
}

/// Accepts a risk for a time: somebody else than who wrote it up or assessed it.
pub(crate) fn accept(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let AcceptWords { reason, until } = read(command, "acceptance")?;
    check_text("reason", &reason, true)?;
    let today = Day::of(ctx.now);
    if until < today || until > Period::YEAR.after(today) {
        return Err(Refusal::invalid("until", "must lie in the year from today on").into());
    }
    let said = Said::now(ctx, reason);
    change(ctx, command, |spec| {
        let who = said.who.as_str();
        if who == spec.author || who == spec.assessor {
            let say = "Whoever wrote a risk up or assessed it cannot accept it: somebody else has to.";
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        if spec.treatment != Some(Treatment::Accept) {
            let say = "The risk is not to be accepted: its treatment says otherwise.";
            return Err(Refusal::conflict(say).into());
        }
        spec.accepted = Some(Acceptance { said, until });
        Ok(())
    })
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

/// Notes who was told of a risk.
pub(crate) fn tell(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Text { text } = read(command, "told")?;
    check_text("text", &text, true)?;
    let said = Said::now(ctx, text);
    change(ctx, command, |spec| {
        if spec.told.len() >= TOLD {
            return Err(Refusal::conflict(format!("{TOLD} are noted as told already.")).into());
        }
        spec.told.push(said);
        Ok(())
    })
}

/// Closes a risk, with a reason.
pub(crate) fn close(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Text { text } = read(command, "closing")?;
    check_text("text", &text, true)?;
    let said = Said::now(ctx, text);
    change(ctx, command, |spec| {
        spec.closed = Some(said);
        Ok(())
    })
}

/// A clause that has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedClause {
    /// The clause's id.
    pub clause: String,
    /// In a line: what it asks.
    pub title: String,
    /// What was found.
    pub says: String,
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(longest).collect()
}

/// What to tell the register after an assessment: a risk for each failed clause that has none, and
/// that a risk's clause does not fail any more, or fails again. What the register knows is not told
/// again. `partly` are clauses of which nothing fails and a part is not answered: there what the
/// platform wrote up is mended, and what a person wrote up may be about that part.
pub fn from_findings(view: &mut View<'_>, failed: &[FailedClause], met: &BTreeSet<String>,
    partly: &BTreeSet<String>) -> Result<Vec<Command>, Fault> {
    let own = |action: &str| Command::new(action, Actor::system("governance"), "findings")
        .at(&PROVIDER.into(), &"".into());
    let query = Query { domain: Some(PROVIDER.into()), ..Query::field("open", "yes") };
    let open: BTreeMap<String, _> = view.list::<Risk>(&query)?.into_iter()
        .filter(|have| !have.spec.clause.is_empty())
        .map(|have| (have.spec.clause.clone(), have)).collect();
    let mut commands = Vec::new();
    for clause in failed {
        if open.get(&clause.clause).is_none_or(|have| have.spec.met_since.is_some()) {
            commands.push(own("governance:risk:raise").with(json!(clause)));
        }
    }
    for (clause, have) in open {
        let ours = have.spec.author.is_empty();
        let mended = met.contains(&clause) || (ours && partly.contains(&clause));
        if mended && have.spec.met_since.is_none() {
            commands.push(own("governance:risk:propose").on(have.id));
        }
    }
    Ok(commands)
}

/// Writes up a failed clause, or takes back that it may be closed. For the platform; twice is once.
pub(crate) fn raise(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let failed: FailedClause = read(command, "clause")?;
    let domain = Id::new(PROVIDER);
    let word = format!("{domain}/{}", failed.clause);
    let open = ctx.view().claimed("risk", &word)?;
    if let Some((_, id)) = open {
        ctx.change::<Risk>(&id, None, |spec| {
            spec.met_since = None;
            Ok(())
        })?;
        return Ok(json!({ "id": id }));
    }
    let mut spec = blank(domain.clone(), String::new());
    spec.title = cut(&format!("Clause {} is not met: {}", failed.clause, failed.title), 200);
    spec.description = cut(&failed.says, 1000);
    spec.clause = failed.clause;
    Ok(json!({ "id": ctx.create::<Risk>(&domain, &"".into(), spec)?.id }))
}

/// Says that a risk's clause is met again. For the platform: closing is a person's.
pub(crate) fn propose(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let now = ctx.now;
    ctx.change::<Risk>(id, None, |spec| {
        if spec.closed.is_none() && spec.met_since.is_none() {
            spec.met_since = Some(now);
        }
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}
