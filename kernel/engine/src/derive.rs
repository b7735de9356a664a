//! Writing what follows from a spec: claims, links, fields, quota, meters.
//!
//! Used by commands and by the replay of the journal, so that both make the same rows.

use crate::registry::Registry;
use crate::resource::Derived;
use jinyun_base::{Fault, Time};
use jinyun_store::{Claim, Row, Writer};

/// Items whose amount differs, with the amounts before and after.
pub(crate) fn charges(old: &Derived, new: &Derived) -> Vec<(&'static str, i64, i64)> {
    let sum = |d: &Derived, item: &str| -> i64 {
        d.costs.iter().filter(|c| c.item == item).map(|c| c.amount).sum()
    };
    let mut items: Vec<_> = old.costs.iter().chain(&new.costs).map(|c| c.item).collect();
    items.sort_unstable();
    items.dedup();
    items.into_iter().map(|i| (i, sum(old, i), sum(new, i))).filter(|(_, a, b)| a != b).collect()
}

/// Writes the difference between what followed before and what follows now. Returns the claim that
/// somebody else holds, if one does; then the caller gives the whole command up.
pub(crate) fn write(writer: &mut Writer, row: &Row, old: &Derived, new: &Derived, now: Time)
    -> Result<Option<Claim>, Fault> {
    let (kind, id) = (row.kind.as_str(), &row.id);
    for claim in old.claims.iter().filter(|c| !new.claims.contains(c)) {
        writer.unclaim(claim, kind, id)?;
    }
    for claim in new.claims.iter().filter(|c| !old.claims.contains(c)) {
        if writer.claim(claim, kind, id)?.is_some() {
            return Ok(Some(claim.clone()));
        }
    }
    for link in old.links.iter().filter(|l| !new.links.contains(l)) {
        writer.unlink(kind, id, link)?;
    }
    for link in new.links.iter().filter(|l| !old.links.contains(l)) {
        writer.link(kind, id, link)?;
    }
    for (name, value) in old.fields.iter().filter(|f| !new.fields.contains(f)) {
        writer.unfield(kind, id, name, value)?;
    }
    for (name, value) in new.fields.iter().filter(|f| !old.fields.contains(f)) {
        writer.field(kind, id, name, value)?;
    }
    for (item, was, is) in charges(old, new) {
        writer.use_quota(&row.project, item, is - was)?;
        if was > 0 {
            writer.meter_close(item, kind, id, now)?;
        }
        if is > 0 {
            writer.meter_open(&row.project, item, kind, id, now, is)?;
        }
    }
    Ok(None)
}

/// Drops a row with everything that followed from it.
pub(crate) fn drop_row(writer: &mut Writer, registry: &Registry, row: &Row, now: Time)
    -> Result<(), Fault> {
    let (kind, id) = (row.kind.as_str(), &row.id);
    for (item, was, _) in charges(&registry.derived(row)?, &Derived::default()) {
        writer.use_quota(&row.project, item, -was)?;
        writer.meter_close(item, kind, id, now)?;
    }
    writer.drop_resource(kind, id)
}
