//! What a report is made from.
//!
//! Problem: reports are made from an assessment, which another part of the product makes, and from
//! files that an assessor kept for years. Mechanism: a model of our own, read from JSON; members
//! that it does not know are passed over, most that are missing are empty, a state that it does not
//! know is shown as unknown and counts as nothing good. `docs/reports.md` is its description. Why
//! not the types of `jinyun-evidence`: a report of last year has to be compared with today's.

mod flat;

use jinyun_base::Time;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a clause, or a duty, stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything that it asks of a platform was looked at and is so.
    Met,
    /// A part of it.
    Partly,
    /// Something is not so.
    Failed,
    /// Could not be tried.
    Error,
    /// Was proved too long ago.
    Stale,
    /// A duty that is to be done.
    Due,
    /// A duty that is late.
    Overdue,
    /// A duty with a record in date.
    Recorded,
    /// Technical, and nothing answers it.
    NotBuilt,
    /// The tenant's.
    Tenant,
    /// Does not apply here.
    NotApplicable,
    /// Asks for nothing.
    Informative,
    /// A duty without a date.
    Duty,
    /// A word that this report does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As the clause wants it.
    Met,
    /// A part of it.
    Partly,
    /// Not.
    Failed,
    /// Could not be tried, or a word that this report does not know.
    #[default]
    #[serde(other)]
    Error,
}

/// How it was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The forbidden thing was tried.
    Attack,
    /// Something was read and compared.
    #[default]
    #[serde(other)]
    Check,
}

/// Whose part of a clause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// The tenant's.
    Tenant,
    /// The provider's.
    #[default]
    #[serde(other)]
    Provider,
}

/// Who has to do it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The provider of the cloud.
    Provider,
    /// Who uses it.
    User,
    /// Each a part.
    Both,
    /// A word that this report does not know.
    #[default]
    #[serde(other)]
    Other,
}

/// The program that was assessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SHA-256 of the binary, hex.
    pub binary_sha256: String,
    /// Which file or process has this digest.
    pub measured: String,
}

impl Default for Product {
    fn default() -> Product {
        let (version, binary_sha256, measured) = Default::default();
        Product { name: "Jinyun".into(), version, binary_sha256, measured }
    }
}

/// From when to when, microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Period {
    /// Begin.
    pub from: i64,
    /// End.
    pub to: i64,
}

impl Period {
    /// How long it is, seconds.
    pub fn seconds(&self) -> i64 {
        self.to.saturating_sub(self.from).max(0) / Time::SECOND
    }
}

/// A standard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standard {
    /// A short word: `jrt0167`.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its clauses, in its order.
    pub clauses: Vec<Clause>,
}

/// A bullet of a clause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bullet {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// A clause and how it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clause {
    /// As in the standard.
    pub id: String,
    /// The part of the standard, where the id does not tell it.
    pub part: String,
    /// It stands beside the standard's own clauses and is not counted among them.
    pub supplement: bool,
    /// Grade: `basic`, `extended`, `enhanced`.
    pub level: String,
    /// Whose.
    pub duty: Side,
    /// `technical`, `operational`, `documentary`, `physical`.
    pub kind: String,
    /// Area of the platform.
    pub area: String,
    /// Paraphrase in Chinese.
    pub title_zh: String,
    /// Paraphrase in English.
    pub title_en: String,
    /// What the platform does.
    pub platform: String,
    /// The same in Chinese; like all such texts empty if it was not told.
    pub platform_zh: String,
    /// What proves it.
    pub evidence: String,
    /// The same in Chinese.
    pub evidence_zh: String,
    /// Its bullets.
    pub items: Vec<Bullet>,
    /// How the provider's half stands.
    pub state: State,
    /// How the tenant's half stands, where it has one.
    pub tenant_state: Option<State>,
    /// What of it nothing answers.
    pub missing: String,
    /// The same in Chinese.
    pub missing_zh: String,
    /// What answers it.
    pub checks: Vec<String>,
    /// Clauses by which it is answered instead, all of them.
    pub same_as: Vec<String>,
    /// What the tenant has to do.
    pub tenant_does: String,
    /// The same in Chinese.
    pub tenant_does_zh: String,
    /// What the platform sees of that.
    pub seen: String,
    /// The same in Chinese.
    pub seen_zh: String,
    /// A remark.
    pub note: String,
    /// The same in Chinese.
    pub note_zh: String,
    /// Clauses about the same subject.
    pub see: Vec<String>,
    /// Since when its state is so, microseconds.
    pub since: Option<i64>,
}

/// How a check came out before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// When, microseconds.
    pub at: i64,
    /// How.
    pub verdict: Verdict,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// Name of the check.
    pub check: String,
    /// How it came out.
    pub verdict: Verdict,
    /// How many there are.
    pub population: u64,
    /// At how many it looked.
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
    /// The same in Chinese; empty if it was not told.
    pub says_nothing_about_zh: String,
    /// Entries of the journal.
    pub entries: Vec<u64>,
    /// Since when it comes out so, microseconds.
    pub since: Option<i64>,
    /// How it came out before, oldest first.
    pub history: Vec<Before>,
    /// Over which time it was observed to come out so.
    pub period: Option<Period>,
}

impl Finding {
    /// Over which time it was observed to come out so: to when it was looked at last. Nothing if the
    /// assessment does not tell.
    pub fn observed(&self) -> Option<Period> {
        let told = || Some(Period { from: self.since?.min(self.at), to: self.at });
        self.period.or_else(told)
    }
}

/// A file that shows that a duty was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its digest, hex.
    pub sha256: String,
    /// When it was handed in, microseconds.
    pub at: i64,
    /// By whom.
    #[serde(deserialize_with = "words")]
    pub by: String,
    /// What is wrong with the file: such a record does not count. Empty if nothing is known.
    #[serde(deserialize_with = "words")]
    pub damage: String,
}

/// What somebody stated of a duty, where no file was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stated {
    /// What it is, in a line.
    pub title: String,
    /// The words.
    pub text: String,
    /// Whose they are.
    #[serde(deserialize_with = "words")]
    pub by: String,
    /// First day of the time that it answers.
    #[serde(deserialize_with = "words")]
    pub from: String,
    /// Last day.
    #[serde(deserialize_with = "words")]
    pub to: String,
    /// When it was recorded, microseconds.
    pub at: i64,
    /// The journal's entry that holds it.
    pub entry: Option<u64>,
}

/// Something that people do, again and again or once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Duty {
    /// The clause that asks for it.
    pub clause: String,
    /// Who owes it.
    #[serde(deserialize_with = "words")]
    pub owner: String,
    /// The same in Chinese, if it is one of the known posts.
    #[serde(deserialize_with = "words")]
    pub owner_zh: String,
    /// How often: ISO 8601 or a number of days.
    #[serde(deserialize_with = "words")]
    pub every: String,
    /// When it was last done, microseconds.
    pub last: Option<i64>,
    /// Until when, microseconds.
    pub due: Option<i64>,
    /// How it stands.
    pub state: State,
    /// What its record has to show, in Chinese.
    pub shows_zh: String,
    /// The same in English.
    pub shows_en: String,
    /// What shows it.
    pub records: Vec<Record>,
    /// The newest statement that shows it.
    pub statement: Option<Stated>,
}

/// What of the journal belongs to the assessment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Journal {
    /// First entry of the period.
    pub from: u64,
    /// Number of entries at the end of it.
    pub entries: u64,
    /// Checkpoints, as signed notes.
    pub checkpoints: Vec<String>,
}

/// A departure that somebody approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exception {
    /// Its id.
    #[serde(deserialize_with = "words")]
    pub id: String,
    /// The clause.
    pub clause: String,
    /// Why.
    pub why: String,
    /// Who approved it.
    #[serde(deserialize_with = "words")]
    pub by: String,
    /// From when, microseconds.
    pub from: Option<i64>,
    /// Until when, microseconds.
    pub until: Option<i64>,
}

/// A risk that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Risk {
    /// Its id.
    #[serde(deserialize_with = "words")]
    pub id: String,
    /// The clause.
    pub clause: String,
    /// In a few words.
    pub title: String,
    /// What can happen.
    pub statement: String,
    /// `open`, `investigating`, `remediating`, `deviation-requested`, `deviation-approved`, `closed`.
    pub status: String,
    /// Whose.
    #[serde(deserialize_with = "words")]
    pub owner: String,
    /// Until when it is to be treated, microseconds.
    pub due: Option<i64>,
}

/// What an assessor wrote about a clause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opinion {
    /// The clause.
    pub clause: String,
    /// In a word.
    pub opinion: String,
    /// In sentences.
    #[serde(deserialize_with = "words")]
    pub note: String,
    /// Who.
    #[serde(deserialize_with = "words")]
    pub by: String,
    /// When, microseconds.
    pub at: Option<i64>,
    /// What was looked at.
    pub sample: Vec<String>,
    /// What the probes had to carry from then on.
    #[serde(deserialize_with = "words")]
    pub nonce: String,
    /// The digest of the report that it is about.
    #[serde(deserialize_with = "words")]
    pub report: String,
}

/// A tenant, for its statement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tenant {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// How its half of clauses stands; of others what the clause says counts.
    pub states: BTreeMap<String, State>,
}

/// For how long a clause was in violation in the period.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Violation {
    /// The standard's id; none for a clause of a catalogue that is no more.
    pub standard: Option<String>,
    /// The clause.
    pub clause: String,
    /// Whose half.
    pub half: Half,
    /// When, the newest times.
    pub times: Vec<Period>,
    /// How many times there were.
    pub count: u64,
    /// How long in all, seconds.
    pub seconds: i64,
    /// It is so at the end of the period.
    pub lasts: bool,
}

/// How old proofs are, of the clauses that checks answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ages {
    /// How many clauses those are.
    pub count: u64,
    /// Half of them have a younger proof, seconds.
    pub median_seconds: Option<i64>,
    /// The oldest proof, seconds.
    pub worst_seconds: Option<i64>,
    /// Whose that is.
    pub worst_clause: Option<String>,
    /// How many have none.
    pub without_proof: u64,
}

/// What the platform sets itself for the ages of proofs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objective {
    /// The median is below so many seconds.
    pub median_below_seconds: i64,
    /// All are.
    pub worst_below_seconds: i64,
    /// The first is so.
    pub median_attained: bool,
    /// The second is so.
    pub worst_attained: bool,
    /// Both are.
    pub attained: bool,
}

/// A time in which nobody looked, as the platform's API tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lapse {
    /// Begin, RFC 3339.
    pub from: String,
    /// End.
    pub to: String,
    /// How long, seconds.
    pub seconds: i64,
}

/// How fresh evidence was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Freshness {
    /// When, RFC 3339.
    pub now: String,
    /// Ages of proofs.
    pub clauses: Ages,
    /// What they should be.
    pub objective: Objective,
    /// When nobody looked, of the day before.
    pub gaps: Vec<Lapse>,
}

impl Freshness {
    /// How long nobody looked, of the day before, seconds.
    pub fn unseen(&self) -> i64 {
        self.gaps.iter().fold(0, |sum: i64, gap| sum.saturating_add(gap.seconds.max(0)))
    }
}

/// What the platform refuses whatever anybody's role is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Guardrail {
    /// Its name.
    pub name: String,
    /// The clauses that it serves.
    pub clauses: Vec<String>,
    /// The least profile of a project in which it holds.
    pub profile: String,
    /// It holds in every project, and nobody is excused from it.
    pub always: bool,
    /// What it refuses.
    pub refuses: String,
    /// What to do instead.
    pub instead: String,
}

/// A whole assessment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Assessment {
    /// Name of the instance.
    pub instance: String,
    /// The program.
    pub product: Product,
    /// From when to when.
    pub period: Period,
    /// All clauses.
    pub standards: Vec<Standard>,
    /// What checks found.
    pub findings: Vec<Finding>,
    /// For how long which clauses were in violation in the period; none if the assessment does not tell.
    pub violations: Option<Vec<Violation>>,
    /// When in the period nobody looked.
    pub gaps: Vec<Period>,
    /// How fresh evidence was when the assessment began; none if the assessment does not tell.
    pub freshness: Option<Freshness>,
    /// Guardrails.
    pub guardrails: Vec<Guardrail>,
    /// What people owe.
    pub duties: Vec<Duty>,
    /// The journal.
    pub journal: Journal,
    /// Departures.
    pub exceptions: Vec<Exception>,
    /// Risks.
    pub risks: Vec<Risk>,
    /// The assessor's opinions.
    pub assessor: Vec<Opinion>,
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// What went wrong with the assessment itself.
    pub troubles: Vec<String>,
    /// SHA-256 of the report, as the journal has it.
    pub sha256: String,
    /// The journal's entry about it.
    pub entry: Option<u64>,
}

/// A word, a number, or nothing.
fn words<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    })
}

impl Assessment {
    /// Reads what `GET /evidence/v1/assessments/latest` answers, with or without its envelope: each
    /// standard with its clauses, or all clauses in one list.
    pub fn read(value: &Value) -> Result<Assessment, String> {
        let body = value.get("assessment").unwrap_or(value);
        let report = body.get("report").unwrap_or(body);
        let mut whole = match report.pointer("/standards/0/clauses") {
            Some(_) => report.clone(),
            None => flat::sorted(report).ok_or("it has no standard with clauses")?,
        };
        if let Some(members) = whole.as_object_mut().filter(|_| body.get("report").is_some()) {
            // A report by itself is of one moment; what is said of the time before stands beside it.
            for name in ["period", "violations", "gaps", "freshness"] {
                if let Some(beside) = body.get(name).filter(|beside| !beside.is_null()) {
                    members.insert(name.into(), beside.clone());
                }
            }
        }
        let mut read: Assessment = serde_json::from_value(whole).map_err(|e| e.to_string())?;
        let nameless = |s: &Standard| s.id.is_empty() || s.clauses.iter().any(|c| c.id.is_empty());
        if read.standards.iter().any(nameless) {
            return Err("a standard or a clause has no id".into());
        }
        if read.sha256.is_empty() {
            read.sha256 = body.get("sha256").and_then(Value::as_str).unwrap_or_default().into();
        }
        read.entry = read.entry.or_else(|| body.get("entry").and_then(Value::as_u64));
        // What was observed over which time stands beside a report, too.
        for found in read.findings.iter_mut().filter(|found| found.period.is_none()) {
            let told = body.get("observed").and_then(|all| all.get(&found.check));
            found.period = told.and_then(|told| serde_json::from_value(told.clone()).ok());
        }
        Ok(read)
    }

    /// Every clause with its standard.
    pub fn clauses(&self) -> impl Iterator<Item = (&Standard, &Clause)> {
        self.standards.iter().flat_map(|s| s.clauses.iter().map(move |c| (s, c)))
    }

    /// The findings that a clause rests on, in the order of its checks; those of the clauses that
    /// answer it instead.
    pub fn findings_of<'a>(&'a self, clause: &'a Clause) -> Vec<&'a Finding> {
        let mut found: Vec<&Finding> = Vec::new();
        self.collect(clause, 0, &mut found);
        found
    }

    fn collect<'a>(&'a self, clause: &'a Clause, depth: usize, found: &mut Vec<&'a Finding>) {
        for name in &clause.checks {
            for finding in self.findings.iter().filter(|f| f.check == *name) {
                if !found.iter().any(|f| f.check == finding.check) {
                    found.push(finding);
                }
            }
        }
        // Nobody promises that clauses do not lead to each other in a circle.
        if depth < 4 {
            for id in &clause.same_as {
                if let Some((_, other)) = self.clauses().find(|(_, c)| c.id == *id) {
                    self.collect(other, depth + 1, found);
                }
            }
        }
    }

    /// The clauses of which the report cannot say how they stand: they came without a state, or with a
    /// word that it does not know.
    pub fn unknown(&self) -> impl Iterator<Item = &Clause> {
        let lost = |c: &&Clause| c.state == State::Other || c.tenant_state == Some(State::Other);
        self.clauses().map(|(_, c)| c).filter(lost)
    }

    /// The guardrails that name a clause.
    pub fn guardrails_of<'a>(&'a self, clause: &'a Clause) -> impl Iterator<Item = &'a Guardrail> {
        self.guardrails.iter().filter(move |rail| rail.clauses.contains(&clause.id))
    }

    /// For how long halves of a clause were in violation.
    pub fn violations_of<'a>(&'a self, clause: &'a Clause) -> impl Iterator<Item = &'a Violation> {
        self.violations.iter().flatten().filter(move |v| v.clause == clause.id)
    }

    /// How much of the period nobody looked, seconds.
    pub fn unseen(&self) -> i64 {
        self.gaps.iter().fold(0, |sum: i64, gap| sum.saturating_add(gap.seconds()))
    }

    /// The duties that a clause asks for.
    pub fn duties_of<'a>(&'a self, clause: &'a Clause) -> impl Iterator<Item = &'a Duty> {
        self.duties.iter().filter(move |d| d.clause == clause.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_shape_is_read_and_others_refused() {
        let clause = json!({ "id": "7.1-E-a", "duty": "provider", "state": "duty", "checks": ["x"] });
        let old = json!({ "assessment": { "entry": 7, "sha256": "ab", "report": {
            "standard": "JR/T 0167-2020", "instance": "tour", "began": 1, "ended": 2,
            "counts": {}, "findings": [{ "check": "x", "verdict": "met", "method": "attack" }],
            "clauses": [clause], "troubles": [],
        } } });
        let read = Assessment::read(&old).unwrap();
        assert_eq!((read.instance.as_str(), read.period.to, read.entry), ("tour", 2, Some(7)));
        let (standard, clause) = read.clauses().next().unwrap();
        assert_eq!((standard.id.as_str(), clause.state), ("jrt0167", State::Duty));
        assert_eq!(read.findings_of(clause)[0].method, Method::Attack);

        let new = json!({ "instance": "tour", "standards": [{ "id": "guide", "clauses": [
            { "id": "GD-1", "state": "a word of next year", "more": 1, "tenant_state": "due" }] }],
            "duties": [{ "clause": "GD-1", "every": 30, "last": null, "records": [{ "by": null }] }],
            "more": {} });
        let read = Assessment::read(&new).unwrap();
        let clause = read.clauses().next().unwrap().1;
        assert_eq!((clause.state, clause.tenant_state), (State::Other, Some(State::Due)));
        assert_eq!(read.duties_of(clause).next().unwrap().every, "30");
        assert_eq!((read.violations, read.gaps.len()), (None, 0), "what is not told is not nothing");
        let mut beside = old.clone();
        beside["assessment"]["period"] = json!({ "from": 0, "to": 9_000_000 });
        beside["assessment"]["gaps"] = json!([{ "from": 1_000_000, "to": 3_500_000 }]);
        beside["assessment"]["violations"] =
            json!([{ "standard": "jrt0167", "clause": "7.1-E-a", "half": "tenant", "seconds": 7,
                "count": 1, "times": [{ "from": 1, "to": 7_000_001 }], "lasts": true }]);
        let read = Assessment::read(&beside).unwrap();
        assert_eq!((read.period.seconds(), read.unseen()), (9, 2));
        let clause = read.clauses().next().unwrap().1;
        let told: Vec<_> = read.violations_of(clause).map(|v| (v.half, v.seconds, v.lasts)).collect();
        assert_eq!(told, [(Half::Tenant, 7, true)]);
        assert_eq!((read.findings[0].observed(), &read.freshness), (None, &None));
        beside["assessment"]["observed"] = json!({ "x": { "from": 3, "to": 8 }, "gone": 1 });
        beside["assessment"]["freshness"] = json!({ "now": "2026-01-31T08:00:00Z", "more": [],
            "clauses": { "count": 9, "median_seconds": 12, "worst_seconds": null, "worst_clause": null },
            "gaps": [{ "from": "a", "to": "b", "seconds": 5 }, { "seconds": 7 }, { "seconds": -9 }] });
        let read = Assessment::read(&beside).unwrap();
        assert_eq!(read.findings[0].observed(), Some(Period { from: 3, to: 8 }));
        let fresh = read.freshness.as_ref().unwrap();
        assert_eq!((fresh.clauses.median_seconds, fresh.clauses.worst_seconds), (Some(12), None));
        assert_eq!((fresh.unseen(), fresh.objective.attained), (12, false));
        for bad in [json!({}), json!({ "standards": [{ "id": "", "clauses": [] }] }),
            json!({ "standards": [{ "id": "a", "clauses": [{}] }] }), json!({ "standards": 1 }),
            json!({ "clauses": 1 })] {
            assert!(Assessment::read(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_observed_has_a_begin_and_an_end() {
        let found = |rest: Value| -> Option<Period> {
            let mut one = json!({ "check": "x", "at": 50 });
            one.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            serde_json::from_value::<Finding>(one).unwrap().observed()
        };
        assert_eq!(found(json!({})), None);
        assert_eq!(found(json!({ "since": 20 })), Some(Period { from: 20, to: 50 }));
        // The entry of a verdict comes after the look.
        assert_eq!(found(json!({ "since": 60 })), Some(Period { from: 50, to: 50 }));
        let told = json!({ "since": 20, "period": { "from": 30, "to": 50 } });
        assert_eq!(found(told), Some(Period { from: 30, to: 50 }));
    }

    #[test]
    fn clauses_without_a_known_state_are_named() {
        let read = Assessment::read(&json!({ "standards": [{ "id": "s", "clauses": [
            { "id": "a", "state": "met" }, { "id": "b" }, { "id": "c", "state": "wonderful" },
            { "id": "d", "state": "met", "tenant_state": "grand" }] }] })).unwrap();
        assert_eq!(read.unknown().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
    }

    #[test]
    fn clauses_that_lead_to_each_other_end() {
        let read = Assessment::read(&json!({ "findings": [{ "check": "x" }, { "check": "y" }],
            "standards": [{ "id": "s", "clauses": [
                { "id": "a", "same_as": ["b", "nothing"], "checks": ["y"] },
                { "id": "b", "same_as": ["a"], "checks": ["x", "y"] }] }] })).unwrap();
        let names: Vec<&str> = read.findings_of(&read.standards[0].clauses[0]).iter()
            .map(|f| f.check.as_str()).collect();
        assert_eq!(names, ["y", "x"]);
    }
}
