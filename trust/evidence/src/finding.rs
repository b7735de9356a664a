//! What a check or an attack found, and how the clauses stand by it.
//!
//! A finding never says more than was looked at: it has its population, its sample, its method, its
//! time, whose half it answers, and what it says nothing about. Four verdicts, because "could not
//! be tried" is neither a proof nor a failure.
//!
//! A state is made anew each time from findings, records of duties and exceptions; nothing is stored
//! as "met". An old finding is no proof of today, so it makes its clause stale, but a failure stays
//! one until it was looked at again.

use crate::catalogue::{Answer, Catalogue, Catalogues, Clause, Level, MAIN, Owed, Side};
use jinyun_base::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As the clause wants it.
    Met,
    /// A part of it is.
    Partly,
    /// It could not be tried, or there was nothing to look at: proves nothing.
    Error,
    /// Not as the clause wants it.
    Failed,
}

/// How it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Something was read and compared.
    Check,
    /// The forbidden thing was tried, and beside it the allowed one.
    Attack,
}

/// Whose part of a clause it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// What the platform does or keeps from happening.
    Provider,
    /// What the tenant does with it.
    Tenant,
}

/// What one check or attack found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the check.
    pub check: String,
    /// How it came out.
    pub verdict: Verdict,
    /// How many there are to look at.
    pub population: u64,
    /// At how many of them it looked.
    pub sampled: u64,
    /// How.
    pub method: Method,
    /// When, microseconds.
    pub at: i64,
    /// Whose half.
    pub half: Half,
    /// In one sentence.
    pub says: String,
    /// Where it is silent.
    pub says_nothing_about: String,
    /// Entries of the journal that it rests on.
    pub entries: Vec<u64>,
}

/// How a clause stands, from the best to the worst: what follows from several is the worst of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It asks for nothing.
    Informative,
    /// Somebody who may say so has said, with a reason, that it does not apply here.
    NotApplicable,
    /// Everything that the clause asks of a platform was looked at and is so.
    Met,
    /// A duty whose record is there and in date.
    Recorded,
    /// On the tenant's own list; the platform cannot answer it.
    Tenant,
    /// A duty without a record, not yet late.
    Due,
    /// What was looked at is so; a named part of the clause is not answered.
    Partly,
    /// It was so when it was looked at, which is too long ago.
    Stale,
    /// Could not be tried this time.
    Error,
    /// Technical, and nothing answers it yet.
    NotBuilt,
    /// A duty that is late.
    Overdue,
    /// Something is not so.
    Failed,
}

/// What is known of a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyStanding {
    /// When it was recorded last, microseconds.
    pub last: Option<i64>,
    /// When the next record is due, microseconds; the last moment of time if it never is again.
    pub due: i64,
}

/// That a clause does not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub who: String,
}

/// What states follow from beside findings.
#[derive(Debug, Clone)]
pub struct Context {
    /// Now.
    pub now: Time,
    /// After how many microseconds a finding is too old.
    pub stale_after: i64,
    /// Duties by the ids of their clauses.
    pub duties: BTreeMap<String, DutyStanding>,
    /// Clauses that do not apply.
    pub exceptions: BTreeMap<String, Exception>,
}

/// How long a finding is fresh, if nobody says otherwise: a quarter of an hour.
pub const STALE_AFTER: i64 = 15 * 60 * Time::SECOND;

impl Default for Context {
    fn default() -> Context {
        Context {
            now: Time(0),
            stale_after: STALE_AFTER,
            duties: BTreeMap::new(),
            exceptions: BTreeMap::new(),
        }
    }
}

/// A clause with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The key of its standard.
    pub standard: String,
    /// The clause.
    #[serde(flatten)]
    pub clause: Clause,
    /// How it stands; if it is shared, how the provider's half does.
    pub state: State,
    /// How the tenant's half stands, if it is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_state: Option<State>,
    /// What is known of the duty, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<DutyStanding>,
    /// Why it does not apply, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exception>,
}

impl Standing {
    /// How the duty stands by its records alone, whatever else its clause needs; nothing if it is none.
    pub fn duty_state(&self, now: Time) -> Option<State> {
        match &self.clause.answer {
            Answer::Duty { .. } if self.state == State::NotApplicable => Some(self.state),
            Answer::Duty { .. } => Some(by_records(self.kept.as_ref(), now)),
            _ => None,
        }
    }
}

/// A duty of which nothing is known has no record, and nobody can say that it is late.
fn by_records(kept: Option<&DutyStanding>, now: Time) -> State {
    match kept {
        Some(kept) if kept.due < now.0 => State::Overdue,
        Some(DutyStanding { last: Some(_), .. }) => State::Recorded,
        Some(DutyStanding { last: None, .. }) | None => State::Due,
    }
}

/// How many clauses stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Met.
    pub met: u64,
    /// Partly met.
    pub partly: u64,
    /// Failed.
    pub failed: u64,
    /// Not proved this time.
    pub error: u64,
    /// Looked at too long ago.
    pub stale: u64,
    /// Not built.
    pub not_built: u64,
    /// Duties in date.
    pub recorded: u64,
    /// Duties without a record, not yet late.
    pub due: u64,
    /// Duties that are late.
    pub overdue: u64,
    /// On tenants' own lists.
    pub tenant: u64,
    /// Not applicable.
    pub not_applicable: u64,
    /// Ask for nothing.
    pub informative: u64,
}

impl Counts {
    /// Counts clauses, of one level or all.
    pub fn of<'s>(standings: impl IntoIterator<Item = &'s Standing>, level: Option<Level>) -> Counts {
        let mut counts = Counts::default();
        for one in standings {
            if level.is_none_or(|l| l == one.clause.level) {
                *counts.place(one.state) += 1;
            }
        }
        counts
    }

    fn place(&mut self, state: State) -> &mut u64 {
        match state {
            State::Met => &mut self.met,
            State::Partly => &mut self.partly,
            State::Failed => &mut self.failed,
            State::Error => &mut self.error,
            State::Stale => &mut self.stale,
            State::NotBuilt => &mut self.not_built,
            State::Recorded => &mut self.recorded,
            State::Due => &mut self.due,
            State::Overdue => &mut self.overdue,
            State::Tenant => &mut self.tenant,
            State::NotApplicable => &mut self.not_applicable,
            State::Informative => &mut self.informative,
        }
    }

    /// How many stand so.
    pub fn get(mut self, state: State) -> u64 {
        *self.place(state)
    }

    /// How many are not as they should be: what is not built counts as failed, what is late too.
    pub fn unmet(&self) -> u64 {
        self.failed + self.not_built + self.overdue
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        let Counts {
            met, partly, failed, error, stale, not_built, recorded, due, overdue, tenant,
            not_applicable, informative,
        } = self;
        met + partly + failed + error + stale + not_built + recorded + due + overdue + tenant
            + not_applicable + informative
    }
}

/// The counts of one standard's own clauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The standard's key.
    pub key: String,
    /// Its number or name.
    pub standard: String,
    /// How many clauses stand how.
    pub counts: Counts,
}

impl Tally {
    /// Counts a standard's own clauses among these: not the rows that stand beside them.
    pub fn of<'s>(catalogue: &Catalogue, standings: impl IntoIterator<Item = &'s Standing>) -> Tally {
        let own = standings.into_iter()
            .filter(|s| s.standard == catalogue.key && !s.clause.supplement);
        Tally {
            key: catalogue.key.clone(),
            standard: catalogue.standard.clone(),
            counts: Counts::of(own, None),
        }
    }
}

/// A whole assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The standard against which the platform is judged: JR/T 0167.
    pub standard: String,
    /// Name of the instance.
    pub instance: String,
    /// When it began, microseconds.
    pub began: i64,
    /// When it ended, microseconds.
    pub ended: i64,
    /// How many clauses of that standard stand how.
    pub counts: Counts,
    /// The same for each standard.
    #[serde(default)]
    pub standards: Vec<Tally>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// All clauses of all standards.
    pub clauses: Vec<Standing>,
    /// What went wrong with the assessment itself.
    pub troubles: Vec<String>,
}

impl Report {
    /// Judges all clauses; the assessment ends now.
    pub fn new(catalogues: &Catalogues, instance: &str, began: Time, findings: Vec<Finding>,
        troubles: Vec<String>, context: &Context) -> Report {
        let clauses = standings(catalogues, &findings, context);
        let standards: Vec<Tally> =
            catalogues.iter().map(|catalogue| Tally::of(catalogue, &clauses)).collect();
        let main = standards.iter().find(|tally| tally.key == MAIN);
        Report {
            standard: main.map_or(String::new(), |tally| tally.standard.clone()),
            instance: instance.into(),
            began: began.0,
            ended: context.now.0,
            counts: main.map_or(Counts::default(), |tally| tally.counts),
            standards,
            findings,
            clauses,
            troubles,
        }
    }
}

/// How each clause stands, by what was found and recorded.
pub fn standings(catalogues: &Catalogues, findings: &[Finding], context: &Context)
    -> Vec<Standing> {
    let findings = findings.iter().map(|found| (found.check.as_str(), found)).collect();
    let judge = Judge { catalogues, findings, context };
    catalogues.clauses().map(|(catalogue, clause)| Standing {
        standard: catalogue.key.clone(),
        state: judge.half(clause, side(clause)).unwrap_or(State::Error),
        tenant_state: match clause.duty {
            Side::Both => judge.half(clause, Half::Tenant),
            _ => None,
        },
        kept: match &clause.answer {
            Answer::Duty { .. } => context.duties.get(&clause.id).copied(),
            _ => None,
        },
        exception: context.exceptions.get(&clause.id).cloned().or_else(|| away(catalogue, clause)),
        clause: clause.clone(),
    }).collect()
}

/// That the one who brought a catalogue says of a row that it does not apply.
fn away(catalogue: &Catalogue, clause: &Clause) -> Option<Exception> {
    let reason = clause.not_applicable.clone();
    (!reason.is_empty()).then(|| Exception { reason, who: format!("the catalogue {}", catalogue.key) })
}

/// The half that a clause's own state is about.
fn side(clause: &Clause) -> Half {
    match clause.duty {
        Side::User => Half::Tenant,
        Side::Provider | Side::Both => Half::Provider,
    }
}

struct Judge<'a> {
    catalogues: &'a Catalogues,
    findings: BTreeMap<&'a str, &'a Finding>,
    context: &'a Context,
}

impl Judge<'_> {
    /// How a half of a clause stands; nothing if it has no such half.
    fn half(&self, clause: &Clause, half: Half) -> Option<State> {
        if clause.duty != Side::Both && half != side(clause) {
            return None;
        }
        if self.context.exceptions.contains_key(&clause.id) || !clause.not_applicable.is_empty() {
            return Some(State::NotApplicable);
        }
        if clause.duty == Side::Both && half == Half::Tenant
            && let Some(part) = &clause.tenant
        {
            return Some(match part.checks.is_empty() {
                true => State::Tenant,
                false => self.checks(&part.checks, ""),
            });
        }
        match &clause.answer {
            // The catalogue was read without circles, so this ends.
            Answer::SameAs { same_as } => same_as.iter()
                .filter_map(|id| self.half(self.catalogues.clause(id)?, half))
                // What those rows leave open is of the clause's own half.
                .chain((!clause.open.is_empty() && half == side(clause)).then_some(State::Partly))
                .max(),
            Answer::Facts { .. } => Some(State::Informative),
            // What follows answers the provider's half of a shared clause.
            _ if clause.duty == Side::Both && half == Half::Tenant => None,
            Answer::Checks { checks, missing, .. } => Some(self.checks(checks, missing)),
            Answer::Duty { duty } => Some(self.duty(clause, duty)),
            Answer::NotBuilt { .. } => Some(State::NotBuilt),
            Answer::Tenant { .. } => Some(State::Tenant),
        }
    }

    /// The worst of the checks' findings; a check that was not run proves nothing.
    fn checks(&self, names: &[String], missing: &str) -> State {
        let start = if missing.is_empty() { State::Met } else { State::Partly };
        let one = |name: &String| {
            let Some(found) = self.findings.get(name.as_str()) else { return State::Error };
            let age = self.context.now.0.saturating_sub(found.at);
            match found.verdict {
                Verdict::Failed => State::Failed,
                Verdict::Error => State::Error,
                Verdict::Met | Verdict::Partly if age > self.context.stale_after => State::Stale,
                Verdict::Partly => State::Partly,
                Verdict::Met => State::Met,
            }
        };
        names.iter().map(one).fold(start, State::max)
    }

    /// A record of work at a mechanism shows nothing where there is no mechanism: the clause is no better
    /// than the rows that the duty needs, and `partly` at best where records leave something open.
    fn duty(&self, clause: &Clause, duty: &Owed) -> State {
        let own = by_records(self.context.duties.get(&clause.id), self.context.now);
        duty.needs.iter()
            .filter_map(|id| self.half(self.catalogues.clause(id)?, Half::Provider))
            // Without a record nothing is answered, not even in part.
            .chain((!clause.open.is_empty() && own == State::Recorded).then_some(State::Partly))
            .fold(own, State::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::*;

    const MINUTE: i64 = 60 * Time::SECOND;

    fn found(check: &str, verdict: Verdict, at: i64) -> Finding {
        Finding {
            check: check.into(),
            verdict,
            population: 1,
            sampled: 1,
            method: Method::Check,
            at,
            half: Half::Provider,
            says: String::new(),
            says_nothing_about: String::new(),
            entries: Vec::new(),
        }
    }

    fn row(id: &str, duty: &str, kind: &str, rest: &str) -> String {
        format!(
            r#"{{"id": "{id}", "level": "basic", "duty": "{duty}", "kind": "{kind}", "area": "CPL",
                "title_zh": "甲", "title_en": "a", "platform": "p", "evidence": "e", {rest}}}"#
        )
    }

    fn duty(id: &str) -> String {
        row(id, "provider", "physical", r#""answer": {"duty": {"owner": "management",
            "every": "P1Y", "first": 30, "record": "report", "shows_en": "a", "shows_zh": "甲"}}"#)
    }

    fn joined(rows: &[String]) -> Catalogues {
        let text = format!(
            r#"{{"standard": "s", "title_zh": "甲", "title_en": "a", "about": "a", "clauses": [{}]}}"#,
            rows.join(", ")
        );
        Catalogues::join(vec![Catalogue::read("jrt0167", &text).unwrap()]).unwrap()
    }

    fn world() -> Catalogues {
        let checked = |id: &str, checks: &str| row(id, "provider", "technical", checks);
        joined(&[
            checked("two", r#""answer": {"checks": ["x", "y"]}"#),
            checked("open", r#""answer": {"checks": ["x"], "missing": "the rest"}"#),
            checked("none", r#""answer": {"not_built": "all"}"#),
            duty("duty"),
            row("list", "user", "technical", r#""answer": {"tenant": "it", "seen": "nothing"}"#),
            row("fact", "provider", "documentary", r#""answer": {"facts": "so"}"#),
            row("shared", "both", "technical", r#""answer": {"checks": ["x"]},
                "tenant": {"does": "it", "seen": "y", "checks": ["y"]}"#),
            row("handed", "both", "technical", r#""answer": {"not_built": "all"},
                "tenant": {"does": "it", "seen": "nothing"}"#),
            row("same", "provider", "technical", r#""answer": {"same_as": ["two", "duty"]}"#),
            row("same-shared", "both", "technical", r#""answer": {"same_as": ["same", "shared"]}"#),
            row("same-user", "user", "technical", r#""answer": {"same_as": ["shared", "list"]}"#),
        ])
    }

    fn states(findings: &[Finding], context: &Context) -> BTreeMap<String, (State, Option<State>)> {
        standings(&world(), findings, context).into_iter()
            .map(|s| (s.clause.id, (s.state, s.tenant_state))).collect()
    }

    #[test]
    fn states_follow_from_findings_and_age() {
        use Verdict as V;
        let now = Context { now: Time(100 * MINUTE), ..Context::default() };
        let (fresh, old) = (90 * MINUTE, 84 * MINUTE);
        // x, y; then the states of `two`, `open`, `shared` and of the tenant's half of that.
        let cases = [
            (Some((V::Met, fresh)), Some((V::Met, fresh)), [Met, Partly, Met, Met]),
            (Some((V::Met, fresh)), Some((V::Partly, fresh)), [Partly, Partly, Met, Partly]),
            (Some((V::Met, fresh)), Some((V::Error, fresh)), [Error, Partly, Met, Error]),
            (Some((V::Failed, fresh)), Some((V::Error, fresh)), [Failed, Failed, Failed, Error]),
            (Some((V::Met, fresh)), None, [Error, Partly, Met, Error]),
            (None, None, [Error, Error, Error, Error]),
            (Some((V::Met, old)), Some((V::Met, fresh)), [Stale, Stale, Stale, Met]),
            (Some((V::Partly, old)), Some((V::Met, old)), [Stale, Stale, Stale, Stale]),
            // A failure is one until it was looked at again.
            (Some((V::Failed, old)), Some((V::Met, old)), [Failed, Failed, Failed, Stale]),
            // To the microsecond; and a clock that went back makes nothing stale.
            (Some((V::Met, 85 * MINUTE)), Some((V::Met, 85 * MINUTE - 1)), [Stale, Partly, Met, Stale]),
            (Some((V::Met, 200 * MINUTE)), Some((V::Met, fresh)), [Met, Partly, Met, Met]),
        ];
        for (n, (x, y, want)) in cases.into_iter().enumerate() {
            let findings: Vec<Finding> = [("x", x), ("y", y)].into_iter()
                .filter_map(|(name, is)| is.map(|(verdict, at)| found(name, verdict, at))).collect();
            let states = states(&findings, &now);
            let (shared, tenants) = states["shared"];
            let got = [states["two"].0, states["open"].0, shared, tenants.unwrap()];
            assert_eq!(got, want, "case {n}");
        }
    }

    #[test]
    fn rows_without_checks_have_states_of_their_own() {
        let states = states(&[], &Context::default());
        let want = [("none", NotBuilt, None), ("duty", Due, None), ("list", Tenant, None),
            ("fact", Informative, None), ("handed", NotBuilt, Some(Tenant))];
        for (id, state, tenants) in want {
            assert_eq!(states[id], (state, tenants), "{id}");
        }
    }

    #[test]
    fn the_same_as_others_is_the_worst_of_them_in_each_half() {
        let findings = [found("x", Verdict::Met, 0), found("y", Verdict::Met, 0)];
        let kept = |last, due| Context {
            now: Time(10),
            duties: [("duty".to_string(), DutyStanding { last, due })].into(),
            ..Context::default()
        };
        for (context, same, of_duty) in [
            (kept(Some(1), 20), Recorded, Recorded),
            (kept(None, 20), Due, Due),
            (kept(Some(1), 9), Overdue, Overdue),
            (kept(None, 10), Due, Due),
        ] {
            let states = states(&findings, &context);
            assert_eq!(states["duty"].0, of_duty);
            assert_eq!(states["same"], (same, None));
            // The tenant's half is that of the one row that has such a half.
            assert_eq!(states["same-shared"], (same, Some(Met)));
            assert_eq!(states["same-user"], (Tenant, None));
        }
        let states = states(&[found("x", Verdict::Failed, 0)], &Context::default());
        assert_eq!(states["same"].0, Failed);
        assert_eq!(states["same-shared"], (Failed, Some(Error)));
        assert_eq!(states["same-user"].0, Error);
    }

    #[test]
    fn a_record_is_no_better_than_what_its_duty_needs() {
        let owed = |id: &str, needs: &str, open: &str| row(id, "provider", "physical", &format!(
            r#"{open} "answer": {{"duty": {{"owner": "management", "every": "P1Y", "first": 30,
                "record": "report", "shows_en": "a", "shows_zh": "甲" {needs}}}}}"#
        ));
        let all = joined(&[
            row("checked", "provider", "technical", r#""answer": {"checks": ["x"]}"#),
            // Its tenant's half, which is on a list, says nothing of the mechanism.
            row("none", "both", "technical", r#""answer": {"not_built": "all"},
                "tenant": {"does": "it", "seen": "nothing"}"#),
            owed("alone", "", ""),
            owed("tried", r#", "needs": ["checked", "alone"]"#, ""),
            owed("paper", r#", "needs": ["checked", "none"]"#, ""),
            owed("open", "", r#""open": "the rest", "#),
            row("same", "provider", "technical", r#""answer": {"same_as": ["paper"]}"#),
        ]);
        let duties = ["alone", "tried", "paper", "open"];
        let told = |x: Verdict, last: Option<i64>, due: i64, away: &[&str]| {
            let exception = Exception { reason: "no".into(), who: "somebody".into() };
            let context = Context {
                now: Time(10),
                duties: duties.map(|id| (id.to_string(), DutyStanding { last, due })).into(),
                exceptions: away.iter().map(|id| (id.to_string(), exception.clone())).collect(),
                ..Context::default()
            };
            let all = standings(&all, &[found("x", x, 0)], &context);
            let of = |id: &str| all.iter().find(|s| s.clause.id == id).unwrap();
            // By records alone, all stand alike.
            let own = |id: &str| of(id).duty_state(Time(10));
            assert_eq!([own("checked"), own("same")], [None, None]);
            assert_eq!(of("same").state, of("paper").state);
            (duties.map(|id| of(id).state), duties.map(own))
        };
        use Verdict as V;
        let done = Some(1);
        for (x, last, due, own, want) in [
            (V::Met, done, 20, Recorded, [Recorded, Recorded, NotBuilt, Partly]),
            (V::Partly, done, 20, Recorded, [Recorded, Partly, NotBuilt, Partly]),
            (V::Error, done, 20, Recorded, [Recorded, Error, NotBuilt, Partly]),
            (V::Failed, done, 20, Recorded, [Recorded, Failed, Failed, Partly]),
            (V::Met, None, 20, Due, [Due, Due, NotBuilt, Due]),
            (V::Met, done, 9, Overdue, [Overdue, Overdue, Overdue, Overdue]),
            (V::Failed, None, 9, Overdue, [Overdue, Failed, Failed, Overdue]),
        ] {
            assert_eq!(told(x, last, due, &[]), (want, [Some(own); 4]), "{x:?} {last:?} {due}");
        }
        // What does not apply takes nothing from a record.
        let (states, _) = told(V::Met, done, 20, &["none"]);
        assert_eq!(states, [Recorded, Recorded, Recorded, Partly]);
        let (states, own) = told(V::Met, done, 20, &["paper"]);
        assert_eq!((states[2], own[2]), (NotApplicable, Some(NotApplicable)));
    }

    #[test]
    fn an_exception_ends_the_question_in_both_halves() {
        let exception = Exception { reason: "no such room".into(), who: "a security officer".into() };
        let ids = ["two", "duty", "shared"];
        let context = Context {
            exceptions: ids.map(|id| (id.to_string(), exception.clone())).into(),
            ..Context::default()
        };
        let failing = [found("x", Verdict::Failed, 0), found("y", Verdict::Failed, 0)];
        let states = states(&failing, &context);
        assert_eq!(states["two"], (NotApplicable, None));
        assert_eq!(states["duty"], (NotApplicable, None));
        assert_eq!(states["shared"], (NotApplicable, Some(NotApplicable)));
        assert_eq!(states["same"], (NotApplicable, None));
        assert_eq!(states["open"].0, Failed);
        let all = standings(&world(), &failing, &context);
        let told: Vec<&str> = all.iter().filter(|s| s.exception.is_some())
            .map(|s| s.clause.id.as_str()).collect();
        assert_eq!(told, ids);
    }

    #[test]
    fn a_report_counts_and_can_be_read_again() {
        let context = Context { now: Time(MINUTE), ..Context::default() };
        let findings = vec![found("x", Verdict::Met, 0), found("y", Verdict::Met, 0)];
        let report = Report::new(&world(), "test", Time(0), findings, Vec::new(), &context);
        let counts = Counts {
            met: 2, partly: 1, not_built: 2, due: 3, tenant: 2, informative: 1, ..Counts::default()
        };
        assert_eq!(report.counts, counts);
        assert_eq!((report.counts.all(), report.counts.unmet()), (11, 2));
        assert_eq!(report.counts.get(Due), 3);
        assert_eq!(Counts::of(&report.clauses, Some(Level::Enhanced)), Counts::default());
        assert_eq!((report.standards.len(), report.ended), (1, MINUTE));
        let text = serde_json::to_string(&report).unwrap();
        let again: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(again, report);
    }
}
