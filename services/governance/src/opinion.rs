//! What an assessor says about a clause: the verdict of a person who was there.
//!
//! The platform's own verdicts follow from findings and nobody can write one. An assessor's is the
//! opposite, somebody's word, and stands beside them: agreed, disagreed, or a remark, with the sample
//! that was picked. It is never changed; the newest one counts. An assessor may also name a nonce
//! that the next probes have to carry, so that what they see was not made before they came.

use crate::{check_text, check_title, read};
use jinyun_base::{Fault, Id, Kind, Refusal, check_name};
use jinyun_engine::{Command, Ctx, Failure, Place, Query, Resource, View};
use jinyun_policy::PROVIDER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest nonce, in characters.
const NONCE: usize = 64;
/// Most things that a sample names.
const SAMPLE: usize = 200;

/// What an assessor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It is as the platform says.
    Agree,
    /// It is not.
    Disagree,
    /// Something to know.
    Note,
}

/// The kind.
pub struct Opinion;

/// What an opinion is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpinionSpec {
    /// The clause; empty for the whole assessment.
    pub clause: String,
    /// The organisation whose word it is.
    pub assessor: String,
    /// What it says.
    pub says: Says,
    /// Why.
    pub text: String,
    /// What was looked at: ids, names, numbers of entries.
    pub sample: Vec<String>,
    /// What the next probes have to carry; empty if nothing.
    pub nonce: String,
    /// The digest of the report that it is about; empty if none.
    pub report: String,
    /// The audit administrator who wrote it down.
    pub by: Id,
}

impl Resource for Opinion {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("opinion");
    type Spec = OpinionSpec;
    type Status = ();

    fn name(spec: &OpinionSpec) -> &str {
        &spec.clause
    }

    fn check(new: &OpinionSpec, _: Option<&OpinionSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_title("assessor", &new.assessor)?;
        let bare = new.nonce.is_empty() && new.sample.is_empty();
        check_text("text", &new.text, bare || new.says == Says::Disagree)?;
        if new.sample.len() > SAMPLE {
            return Err(Refusal::invalid("sample", format!("names more than {SAMPLE}")).into());
        }
        new.sample.iter().try_for_each(|one| check_name("sample", one))?;
        // It goes into the payload of probes.
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if new.nonce.len() > NONCE || !new.nonce.chars().all(good) {
            let say = format!("must be at most {NONCE} letters, digits, dots, dashes and underscores");
            return Err(Refusal::invalid("nonce", say).into());
        }
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if !new.report.is_empty() && (new.report.len() != 64 || !new.report.chars().all(hex)) {
            return Err(Refusal::invalid("report", "must be a SHA-256 in lower-case hex").into());
        }
        Ok(())
    }

    fn fields(spec: &OpinionSpec) -> Vec<(&'static str, String)> {
        match spec.nonce.as_str() {
            "" => Vec::new(),
            _ => vec![("nonce", "yes".into())],
        }
    }
}

/// What is written down.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub clause: String,
    pub assessor: String,
    pub says: Says,
    pub text: String,
    pub sample: Vec<String>,
    pub nonce: String,
    pub report: String,
}

/// Writes an opinion down.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Asked { clause, assessor, says, text, sample, nonce, report } = read(command, "opinion")?;
    let by = ctx.actor.id.clone();
    let spec = OpinionSpec { clause, assessor, says, text, sample, nonce, report, by };
    let row = ctx.create::<Opinion>(&PROVIDER.into(), &"".into(), spec)?;
    Ok(json!({ "id": row.id }))
}

/// What the next probes have to carry: the newest nonce that somebody named. It holds until the next
/// one; whoever probes tells under which it did.
pub fn nonce(view: &mut View<'_>) -> Result<Option<String>, Fault> {
    let all = view.list::<Opinion>(&Query::field("nonce", "yes"))?;
    let newest = all.into_iter().max_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    Ok(newest.map(|have| have.spec.nonce))
}
