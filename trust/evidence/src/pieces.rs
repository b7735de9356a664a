//! Records decoded once: checks ask for the same kinds again and again.
//!
//! Problem: decoding ten thousand records takes longer than looking at them, and between two looks
//! one of them has changed. Mechanism: what was decoded is kept beside the world and brought up to
//! date by the ids that changed; it is lent to checks for the time in which they run. Not a member of
//! the world: a world is what was observed, tests write it member by member, and this is a saving.
//! Without a loan every question decodes, with the same answer.
//!
//! While it is lent, the kinds that a check asks for are written down, so that after a change only
//! those checks run that asked for what has changed.

use crate::world::World;
use jinyun_base::Id;
use jinyun_engine::{Have, Resource, Stored};
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;

thread_local! {
    static LENT: RefCell<Option<Lent>> = const { RefCell::new(None) };
}

struct Lent {
    world: usize,
    kept: Kept,
}

/// Records that were decoded before.
#[derive(Default)]
pub struct Kept {
    slots: HashMap<&'static str, Box<dyn Any + Send>>,
    changed: HashMap<String, BTreeSet<Id>>,
    asked: BTreeSet<&'static str>,
}

/// The records of a kind.
struct Slot<R: Resource> {
    /// By id.
    good: Vec<Have<R>>,
    /// Those that cannot be decoded, and why.
    bad: BTreeMap<Id, String>,
}

fn address(world: &World) -> usize {
    std::ptr::from_ref(world).addr()
}

/// Where a record stands among rows by kind and id, or where it would.
pub(crate) fn place(rows: &[Stored], kind: &str, id: &str) -> Result<usize, usize> {
    rows.binary_search_by(|s| (s.row.kind.as_str(), s.row.id.as_str()).cmp(&(kind, id)))
}

impl Kept {
    /// A record has changed, come or gone.
    pub(crate) fn touch(&mut self, kind: &str, id: &Id) {
        if self.slots.contains_key(kind) {
            self.changed.entry(kind.into()).or_default().insert(id.clone());
        }
    }

    /// Lends itself to whoever asks this world, whose rows must be sorted by kind and id, while the
    /// work goes on. Returns the kinds that were asked for too.
    pub fn lend<T>(&mut self, world: &World, work: impl FnOnce() -> T)
        -> (T, BTreeSet<&'static str>) {
        // Comes back whatever happens to the work.
        struct Back<'k>(&'k mut Kept);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                if let Some(lent) = LENT.take() {
                    *self.0 = lent.kept;
                }
            }
        }
        LENT.set(Some(Lent { world: address(world), kept: std::mem::take(self) }));
        let back = Back(self);
        let done = work();
        drop(back);
        (done, std::mem::take(&mut self.asked))
    }
}

impl<R: Resource> Slot<R> {
    fn of<'s>(rows: impl Iterator<Item = &'s Stored>) -> Slot<R> {
        let mut slot = Slot { good: Vec::new(), bad: BTreeMap::new() };
        for stored in rows {
            match Have::decode(stored.clone()) {
                Ok(have) => slot.good.push(have),
                Err(e) => {
                    slot.bad.insert(stored.row.id.clone(), e.to_string());
                }
            }
        }
        slot
    }

    /// Decodes those of these ids again.
    fn again(&mut self, rows: &[Stored], changed: &BTreeSet<Id>) {
        for id in changed {
            self.bad.remove(id);
            let fresh = place(rows, R::KIND.0, id.as_str()).ok()
                .map(|n| Have::<R>::decode(rows[n].clone()));
            let at = self.good.binary_search_by(|have| have.id.cmp(id));
            match (fresh, at) {
                (Some(Ok(have)), Ok(n)) => self.good[n] = have,
                (Some(Ok(have)), Err(n)) => self.good.insert(n, have),
                (gone, at) => {
                    if let Ok(n) = at {
                        self.good.remove(n);
                    }
                    if let Some(Err(e)) = gone {
                        self.bad.insert(id.clone(), e.to_string());
                    }
                }
            }
        }
    }
}

/// The records of a kind, while somebody looks at them.
pub struct Each<'w, R: Resource> {
    world: &'w World,
    slot: Option<Box<Slot<R>>>,
    lent: bool,
}

impl<R: Resource> Deref for Each<'_, R> {
    type Target = [Have<R>];

    fn deref(&self) -> &[Have<R>] {
        match &self.slot {
            Some(slot) => &slot.good,
            None => &[],
        }
    }
}

impl<R: Resource> Drop for Each<'_, R> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take().filter(|_| self.lent) else { return };
        let world = address(self.world);
        LENT.with_borrow_mut(|lent| {
            if let Some(lent) = lent.as_mut().filter(|lent| lent.world == world) {
                lent.kept.slots.insert(R::KIND.0, slot);
            }
        });
    }
}

impl<R: Resource> Each<'_, R> {
    /// Everybody's own copy.
    pub(crate) fn copies(mut self) -> Vec<Have<R>> {
        if self.lent {
            return self.iter().map(copy).collect();
        }
        self.slot.take().map(|slot| slot.good).unwrap_or_default()
    }
}

/// A kind's marker cannot be cloned, so a record cannot either, but all of its members can.
fn copy<R: Resource>(have: &Have<R>) -> Have<R> {
    Have {
        id: have.id.clone(),
        domain: have.domain.clone(),
        project: have.project.clone(),
        generation: have.generation,
        spec: have.spec.clone(),
        status: have.status.clone(),
        phase: have.phase.clone(),
        observed: have.observed,
        error: have.error.clone(),
        created: have.created,
        updated: have.updated,
        phase_since: have.phase_since,
        deleting: have.deleting,
    }
}

/// All records of a kind in a world.
pub(crate) fn each<R: Resource>(world: &World) -> Result<Each<'_, R>, String> {
    let (kind, here) = (R::KIND.0, address(world));
    let kept = LENT.with_borrow_mut(|lent| {
        let kept = &mut lent.as_mut().filter(|lent| lent.world == here)?.kept;
        kept.asked.insert(kind);
        let slot = kept.slots.remove(kind).and_then(|slot| slot.downcast::<Slot<R>>().ok());
        Some((slot, kept.changed.remove(kind).unwrap_or_default()))
    });
    let lent = kept.is_some();
    let slot = match kept {
        Some((Some(mut slot), changed)) => {
            slot.again(&world.rows, &changed);
            slot
        }
        Some((None, _)) => {
            let from = world.rows.partition_point(|s| s.row.kind.as_str() < kind);
            let to = world.rows.partition_point(|s| s.row.kind.as_str() <= kind);
            Box::new(Slot::of(world.rows[from..to].iter()))
        }
        None => Box::new(Slot::of(world.rows.iter().filter(|s| s.row.kind == kind))),
    };
    let each = Each { world, slot: Some(slot), lent };
    let bad = each.slot.as_ref().and_then(|slot| slot.bad.values().next().cloned());
    bad.map_or(Ok(each), Err)
}
