//! Limits that hold, and what can be taken out again.

use super::{Found, all_right, error, failed, met, tried};
use crate::finding::Verdict;
use crate::world::World;
use std::collections::BTreeSet;

/// A project at its limit gets nothing more, and what each project uses is what it has.
pub(super) fn limits_hold(world: &World) -> Found {
    let found = tried(world, "limits-hold");
    if found.verdict != Verdict::Met {
        return found;
    }
    let quotas = match &world.site.quotas {
        Ok(quotas) => quotas,
        Err(why) => return error(format!("quotas: {why}")),
    };
    let wrong: Vec<String> = quotas.iter().filter(|quota| quota.used != quota.counted)
        .map(|quota| format!(
            "project {} uses {} of {} by its account, and has {}", quota.project, quota.used,
            quota.item, quota.counted
        )).collect();
    let projects: BTreeSet<_> = quotas.iter().map(|quota| &quota.project).collect();
    let all = quotas.len() as u64;
    match (all, wrong.is_empty()) {
        (0, _) => error(format!("no project uses anything{}", super::NOTHING)),
        (_, false) => failed(all, &wrong),
        _ => met(all, format!(
            "{}; {all} accounts of {} projects agree with what the records add up to", found.says,
            projects.len()
        )),
    }
}

/// What was put in comes out again, the same.
pub(super) fn taken_out(world: &World) -> Found {
    let taken = match &world.site.taken {
        Ok(taken) => taken,
        Err(why) => return error(format!("nothing was taken out: {why}")),
    };
    let (mut wrong, mut told) = (Vec::new(), Vec::new());
    for one in taken {
        match &one.same {
            Ok(bytes) => told.push(format!("{} of {bytes} bytes", one.what)),
            Err(why) => wrong.push(format!("{}: {why}", one.what)),
        }
    }
    all_right(taken.len() as u64, &wrong, "nothing was taken out", format!(
        "put in by a tenant and taken out again, the same by every byte and by its digest: {}",
        told.join(", ")
    ))
}
