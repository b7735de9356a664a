//! The provider's register of risks: whether what is open is looked at in time.
//!
//! Problem: a clause that fails writes itself up as a risk, and a register that only grows is treated by
//! nobody. Mechanism: of each risk of the provider that is open, what its record says: since when it is
//! there, whether somebody has assessed it, whether its acceptance or the day on which somebody wanted
//! to look again is over. The register's own service is not asked: its records are read as they are
//! stored, and one that cannot be read is an error and no risk less.

use super::{Found, all_right, error, met};
use crate::finding::Verdict;
use crate::world::World;
use jinyun_base::{Day, Time};
use jinyun_policy::PROVIDER;
use serde::Deserialize;
use serde_json::Value;

const KIND: &str = "risk";
/// Within so many days a risk is assessed.
const DAYS: i64 = 7;

/// What is read of a risk.
#[derive(Deserialize)]
struct Open {
    clause: String,
    likelihood: i64,
    impact: i64,
    review: Option<Day>,
    accepted: Option<Accepted>,
    closed: Option<Value>,
}

#[derive(Deserialize)]
struct Accepted {
    until: Day,
}

/// What is not done about a risk that should be.
fn late(risk: &Open, since: Time, now: Time) -> Option<&'static str> {
    let today = Day::of(now);
    let assessed = risk.likelihood > 0 && risk.impact > 0;
    if !assessed && since.0 < now.0.saturating_sub(DAYS * 86_400 * Time::SECOND) {
        return Some("was not assessed within a week");
    }
    if risk.accepted.as_ref().is_some_and(|accepted| accepted.until < today) {
        return Some("was accepted until a day that is over");
    }
    risk.review.is_some_and(|day| day < today).then_some("was to be looked at again by now")
}

/// Every open risk of the provider's is assessed within a week, and nothing about it is over its time.
pub(super) fn risks_treated(world: &World) -> Found {
    let (mut count, mut open, mut young, mut accepted) = (0u64, 0u64, 0u64, 0u64);
    let mut wrong = Vec::new();
    let ours = |kind: &str, domain: &str| kind == KIND && domain == PROVIDER;
    for row in world.rows.iter().map(|stored| &stored.row)
        .filter(|row| ours(&row.kind, row.domain.as_str()))
    {
        let risk: Open = match serde_json::from_str(&row.spec) {
            Ok(risk) => risk,
            Err(_) => return error(format!("risk {} cannot be read", row.id)),
        };
        count += 1;
        if risk.closed.is_some() {
            continue;
        }
        open += 1;
        young += u64::from(risk.likelihood == 0 || risk.impact == 0);
        accepted += u64::from(risk.accepted.is_some());
        if let Some(why) = late(&risk, row.created, world.now) {
            let about = match risk.clause.as_str() {
                "" => String::new(),
                clause => format!(" (clause {clause})"),
            };
            wrong.push(format!("risk {}{about} {why}", row.id));
        }
    }
    if count == 0 && !world.rows.is_empty() {
        // It was looked at: nothing is late, and nothing shows that it would be treated.
        let found = met(0, "the provider's register has no risk, open or closed");
        return Found { verdict: Verdict::Partly, ..found };
    }
    all_right(count, &wrong, "no record was read", format!(
        "{count} risks of the provider's: {} closed, {open} open, of which {accepted} are accepted for a \
         time and {young} wait for their assessment, none for a week; no acceptance and no review is over",
        count - open
    ))
}
