//! Merkle trees of RFC 9162, for any hash of 32 bytes.
//!
//! A tree that only grows needs no stored inner nodes to be extended: the roots of the complete
//! subtrees along its right edge (one for each bit of its size) are enough. [`Tree`] keeps those;
//! proofs are computed from leaf hashes when somebody asks.

use sha2::Digest;

/// A hash value of either tree.
pub type Hash = [u8; 32];

/// Which of the twin trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-256.
    Sha256,
    /// SM3 (GB/T 32905).
    Sm3,
}

impl HashKind {
    /// Both, in the order in which the format names them.
    pub const BOTH: [HashKind; 2] = [HashKind::Sha256, HashKind::Sm3];

    /// The name in the format.
    pub fn name(self) -> &'static str {
        match self {
            HashKind::Sha256 => "sha256",
            HashKind::Sm3 => "sm3",
        }
    }

    fn digest(self, parts: &[&[u8]]) -> Hash {
        match self {
            HashKind::Sha256 => parts.iter().fold(sha2::Sha256::new(), |h, p| h.chain_update(p))
                .finalize().into(),
            HashKind::Sm3 => {
                use sm3::Digest;
                parts.iter().fold(sm3::Sm3::new(), |h, p| h.chain_update(p)).finalize().into()
            }
        }
    }

    /// The hash of a leaf.
    pub fn leaf(self, entry: &[u8]) -> Hash {
        self.digest(&[&[0], entry])
    }

    /// The hash of an inner node.
    pub fn node(self, left: &Hash, right: &Hash) -> Hash {
        self.digest(&[&[1], left, right])
    }

    /// The root of an empty tree.
    pub fn empty(self) -> Hash {
        self.digest(&[])
    }
}

/// A growing tree: its size and the roots of its complete subtrees, largest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    kind: HashKind,
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// An empty tree.
    pub fn new(kind: HashKind) -> Tree {
        Tree { kind, size: 0, peaks: Vec::new() }
    }

    /// A tree of a given size from its complete subtrees; `None` if their number does not fit.
    pub fn from_peaks(kind: HashKind, size: u64, peaks: Vec<Hash>) -> Option<Tree> {
        (size.count_ones() as usize == peaks.len()).then_some(Tree { kind, size, peaks })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut size = self.size;
        while size & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = self.kind.node(&left, &hash);
            }
            size >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root hash.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => self.kind.empty(),
            Some(last) => peaks.fold(*last, |right, left| self.kind.node(left, &right)),
        }
    }
}

/// The root of a list of leaf hashes.
pub fn root(kind: HashKind, leaves: &[Hash]) -> Hash {
    let mut tree = Tree::new(kind);
    leaves.iter().for_each(|l| tree.push(*l));
    tree.root()
}

/// The largest power of two below `n` (`n` > 1).
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

/// Inclusion proof of leaf `index` (RFC 9162, 2.1.3.1).
pub fn inclusion(kind: HashKind, leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 || index >= leaves.len() {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) = if index < k {
        (inclusion(kind, left, index), root(kind, right))
    } else {
        (inclusion(kind, right, index - k), root(kind, left))
    };
    proof.push(other);
    proof
}

/// The root that an inclusion proof leads to (RFC 9162, 2.1.3.2); `None` if it does not fit.
pub fn inclusion_root(kind: HashKind, leaf: Hash, index: u64, size: u64, proof: &[Hash])
    -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut fn_, mut sn, mut hash) = (index, size - 1, leaf);
    for p in proof {
        if sn == 0 {
            return None;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            hash = kind.node(p, &hash);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            hash = kind.node(&hash, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    (sn == 0).then_some(hash)
}

/// Consistency proof from the first `old` leaves to all of them (RFC 9162, 2.1.4.1).
pub fn consistency(kind: HashKind, leaves: &[Hash], old: usize) -> Vec<Hash> {
    if old == 0 || old >= leaves.len() {
        return Vec::new();
    }
    subproof(kind, leaves, old, true)
}

fn subproof(kind: HashKind, leaves: &[Hash], m: usize, whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![root(kind, leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut proof, other) = if m <= k {
        (subproof(kind, left, m, whole), root(kind, right))
    } else {
        (subproof(kind, right, m - k, false), root(kind, left))
    };
    proof.push(other);
    proof
}

/// Whether a consistency proof joins two roots (RFC 9162, 2.1.4.2).
pub fn consistent(kind: HashKind, old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> bool {
    if old.0 == 0 || old.0 == new.0 {
        return proof.is_empty() && (old.0 == 0 || old.1 == new.1);
    }
    if old.0 > new.0 {
        return false;
    }
    let mut path = proof.to_vec();
    if old.0.is_power_of_two() {
        path.insert(0, old.1);
    }
    let Some((first, rest)) = path.split_first() else { return false };
    let (mut fn_, mut sn) = (old.0 - 1, new.0 - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut fr, mut sr) = (*first, *first);
    for c in rest {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = kind.node(c, &fr);
            sr = kind.node(c, &sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = kind.node(&sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && fr == old.1 && sr == new.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(kind: HashKind, n: usize) -> Vec<Hash> {
        (0..n).map(|i| kind.leaf(format!("entry {i}").as_bytes())).collect()
    }

    #[test]
    fn known_answers() {
        // RFC 6962 test vectors: the empty tree and a leaf of no bytes.
        let hex = |h: Hash| crate::to_hex(&h);
        assert_eq!(hex(HashKind::Sha256.empty()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(HashKind::Sha256.leaf(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        // GB/T 32905-2016, example 1 is SM3("abc"); the empty string is well known too.
        assert_eq!(hex(HashKind::Sm3.empty()),
            "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b");
    }

    #[test]
    fn every_proof_up_to_forty_leaves_holds_and_no_altered_one_does() {
        for kind in HashKind::BOTH {
            let all = leaves(kind, 40);
            for n in 1..=all.len() {
                let whole = root(kind, &all[..n]);
                for i in 0..n {
                    let proof = inclusion(kind, &all[..n], i);
                    let got = inclusion_root(kind, all[i], i as u64, n as u64, &proof);
                    assert_eq!(got, Some(whole), "{} leaf {i} of {n}", kind.name());
                    let other = all[(i + 1) % all.len()];
                    let forged = inclusion_root(kind, other, i as u64, n as u64, &proof);
                    assert_ne!(forged, Some(whole));
                }
                for m in 1..=n {
                    let old = (m as u64, root(kind, &all[..m]));
                    let new = (n as u64, whole);
                    let mut proof = consistency(kind, &all[..n], m);
                    assert!(consistent(kind, old, new, &proof), "{m} to {n}");
                    if let Some(first) = proof.first_mut() {
                        first[0] ^= 1;
                        assert!(!consistent(kind, old, new, &proof), "altered {m} to {n}");
                    }
                }
            }
        }
    }
}
