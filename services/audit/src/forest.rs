//! Inner nodes of the journal's two trees, for proofs.
//!
//! A proof about one entry needs a few dozen inner nodes of trees that have millions. The store keeps
//! leaves only: the write path should not pay for nodes that are seldom asked for. So the roots of
//! complete subtrees of 256 leaves (and of 256 of those, and so on) are kept here in memory, a
//! quarter of a byte for each entry; what lies below is hashed again from the leaves of one block.
//! They are made when the first proof is asked for and grow with the journal.
//! Not a proof from all leaves, as the tests of `kernel/journal` make it: that takes the whole
//! journal's leaves into memory for each question.

use jinyun_base::Fault;
use jinyun_journal::HashKind;
use jinyun_journal::entry::Leaf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Reads the leaves of the entries `from..to`; fewer, if there are not so many.
pub type Read<'a> = &'a mut dyn FnMut(u64, u64) -> Result<Vec<Leaf>, Fault>;

/// A row of the forest has the roots of 2^8 nodes of the row below.
const BITS: u32 = 8;
/// Leaves in a block.
const BLOCK: u64 = 1 << BITS;
/// At most so many blocks are read at a time.
const STEP: u64 = 32;

/// The kept nodes, in both trees at once.
#[derive(Default)]
pub struct Forest {
    rows: Mutex<Vec<Vec<Leaf>>>,
}

fn gap() -> Fault {
    Fault::new("the journal in the state has a gap")
}

/// The node above two.
fn join(left: &Leaf, right: &Leaf) -> Leaf {
    Leaf {
        sha256: HashKind::Sha256.node(&left.sha256, &right.sha256),
        sm3: HashKind::Sm3.node(&left.sm3, &right.sm3),
    }
}

/// The root over nodes, of which there is a power of two.
fn fold(nodes: &[Leaf]) -> Option<Leaf> {
    let mut row = nodes.to_vec();
    while row.len() > 1 {
        row = (0..row.len() / 2).map(|i| join(&row[2 * i], &row[2 * i + 1])).collect();
    }
    row.pop()
}

/// The largest power of two below `n` (`n` > 1).
fn split(n: u64) -> u64 {
    1 << (u64::BITS - 1 - (n - 1).leading_zeros())
}

impl Forest {
    fn rows(&self) -> MutexGuard<'_, Vec<Vec<Leaf>>> {
        // Whoever panicked left whole nodes: each is pushed once it is made.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the nodes over the first `size` entries.
    fn grow(&self, size: u64, read: Read<'_>) -> Result<(), Fault> {
        let mut rows = self.rows();
        if rows.is_empty() {
            rows.push(Vec::new());
        }
        loop {
            let done = rows[0].len() as u64;
            let some = (size / BLOCK).saturating_sub(done).min(STEP);
            if some == 0 {
                return Ok(());
            }
            let leaves = read(done * BLOCK, (done + some) * BLOCK)?;
            if leaves.len() as u64 != some * BLOCK {
                return Err(gap());
            }
            for block in leaves.chunks(BLOCK as usize) {
                let root = fold(block).ok_or_else(gap)?;
                push(&mut rows, root)?;
            }
        }
    }

    /// The root of the 2^`level` leaves from `start` on; at least a block.
    fn node(&self, start: u64, level: u32) -> Option<Leaf> {
        let row = level / BITS - 1;
        let unit = BITS * (row + 1);
        let first = usize::try_from(start >> unit).ok()?;
        let count = 1usize << (level - unit);
        fold(self.rows().get(row as usize)?.get(first..first + count)?)
    }
}

fn push(rows: &mut Vec<Vec<Leaf>>, node: Leaf) -> Result<(), Fault> {
    let mut node = node;
    for row in 0.. {
        if rows.len() == row {
            rows.push(Vec::new());
        }
        rows[row].push(node);
        let length = rows[row].len();
        if !length.is_multiple_of(BLOCK as usize) {
            break;
        }
        node = fold(&rows[row][length - BLOCK as usize..]).ok_or_else(gap)?;
    }
    Ok(())
}

/// A look at the trees of one size.
pub struct Look<'a> {
    forest: &'a Forest,
    read: Read<'a>,
    size: u64,
    near: Option<(u64, Vec<Leaf>)>,
}

impl<'a> Look<'a> {
    /// At the trees over the first `size` entries.
    pub fn new(forest: &'a Forest, size: u64, read: Read<'a>) -> Result<Look<'a>, Fault> {
        forest.grow(size, read)?;
        Ok(Look { forest, read, size, near: None })
    }

    /// The root of the 2^`level` leaves from `start` on, which must be a multiple of that.
    pub fn subtree(&mut self, start: u64, level: u32) -> Result<Leaf, Fault> {
        if level >= BITS {
            return self.forest.node(start, level).ok_or_else(gap);
        }
        let block = start / BLOCK;
        if self.near.as_ref().is_none_or(|(near, _)| *near != block) {
            let end = ((block + 1) * BLOCK).min(self.size);
            self.near = Some((block, (self.read)(block * BLOCK, end)?));
        }
        let at = (start % BLOCK) as usize;
        let leaves = self.near.as_ref().and_then(|(_, leaves)| leaves.get(at..at + (1 << level)));
        leaves.and_then(fold).ok_or_else(gap)
    }

    /// The root over `low..high`, as it stands in a tree in which `low` begins a subtree.
    fn range(&mut self, low: u64, high: u64) -> Result<Leaf, Fault> {
        let size = high - low;
        if size.is_power_of_two() {
            return self.subtree(low, size.ilog2());
        }
        let middle = low + split(size);
        Ok(join(&self.range(low, middle)?, &self.range(middle, high)?))
    }

    /// The leaf of an entry and its inclusion proofs (RFC 9162, 2.1.3.1).
    pub fn inclusion(&mut self, number: u64) -> Result<(Leaf, Vec<Leaf>), Fault> {
        let (mut low, mut high) = (0, self.size);
        let mut proof = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            if number < middle {
                proof.push(self.range(middle, high)?);
                high = middle;
            } else {
                proof.push(self.range(low, middle)?);
                low = middle;
            }
        }
        proof.reverse();
        Ok((self.subtree(number, 0)?, proof))
    }

    /// Consistency proofs from the first `old` entries to all (RFC 9162, 2.1.4.1).
    pub fn consistency(&mut self, old: u64) -> Result<Vec<Leaf>, Fault> {
        let (mut low, mut high) = (0, self.size);
        let (mut proof, mut whole) = (Vec::new(), true);
        if old == 0 || old >= high {
            return Ok(proof);
        }
        while old != high {
            let middle = low + split(high - low);
            if old <= middle {
                proof.push(self.range(middle, high)?);
                high = middle;
            } else {
                proof.push(self.range(low, middle)?);
                (low, whole) = (middle, false);
            }
        }
        if !whole {
            proof.push(self.range(low, high)?);
        }
        proof.reverse();
        Ok(proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_journal::merkle;

    fn leaves(n: u64) -> Vec<Leaf> {
        (0..n).map(|i| Leaf::of(&i.to_le_bytes())).collect()
    }

    fn check(forest: &Forest, all: &[Leaf], asked: &[u64], old: &[u64]) {
        let size = all.len() as u64;
        let mut read = |from: u64, to: u64| -> Result<Vec<Leaf>, Fault> {
            Ok(all[from as usize..to as usize].to_vec())
        };
        let mut look = Look::new(forest, size, &mut read).unwrap();
        for kind in HashKind::BOTH {
            let plain: Vec<_> = all.iter().map(|leaf| leaf.get(kind)).collect();
            for number in asked {
                let (leaf, proof) = look.inclusion(*number).unwrap();
                assert_eq!(leaf, all[*number as usize]);
                let proof: Vec<_> = proof.iter().map(|node| node.get(kind)).collect();
                let want = merkle::inclusion(kind, &plain, *number as usize);
                assert_eq!(proof, want, "entry {number} of {size}");
            }
            for old in old {
                let proof = look.consistency(*old).unwrap();
                let proof: Vec<_> = proof.iter().map(|node| node.get(kind)).collect();
                let want = merkle::consistency(kind, &plain, *old as usize);
                assert_eq!(proof, want, "from {old} to {size}");
            }
        }
    }

    #[test]
    fn proofs_are_those_of_the_journals_own_functions() {
        let forest = Forest::default();
        let all = leaves(600);
        for size in [1u64, 2, 3, 7, 64, 255, 256, 257, 511, 512, 513, 600] {
            let asked: Vec<u64> = (0..size).filter(|n| n.is_multiple_of(37) || n + 2 >= size).collect();
            check(&forest, &all[..size as usize], &asked, &asked);
        }
    }

    #[test]
    fn they_are_so_above_the_second_row_too() {
        let all = leaves((1 << 16) + (1 << 9) + 300);
        let size = all.len() as u64;
        check(&Forest::default(), &all, &[0, 65_535, 65_536, size - 1], &[1, 65_536, size - 1]);
    }

    #[test]
    fn a_gap_is_told() {
        let mut read = |_: u64, _: u64| -> Result<Vec<Leaf>, Fault> { Ok(Vec::new()) };
        assert!(Look::new(&Forest::default(), 256, &mut read).is_err());
        let forest = Forest::default();
        // Nothing is read before it is needed.
        let mut look = Look::new(&forest, 5, &mut read).unwrap();
        assert!(look.inclusion(3).is_err());
    }
}
