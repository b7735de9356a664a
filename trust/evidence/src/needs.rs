//! Which facts a check reads.
//!
//! Problem: evidence is worth what it is young, but reading all facts again for each check would
//! cost more than the cloud itself. Mechanism: facts come in sorts, each with a period of its own. A
//! check names the sorts that it reads; it is run again when the slowest of them was read again, and
//! its finding is as old as the oldest of them. Not by watching what a check touches: one that names
//! too little is caught by a test, one that is watched is caught by nobody.

use crate::attack;

/// Sorts of facts of a [`crate::World`], as a set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs(u16);

/// The sorts by place, for people.
const NAMES: [&str; Needs::COUNT] = ["records", "policy", "listeners", "key file", "journal", "hosts",
    "doors", "ports", "platform's door", "shelves", "attacks", "images", "verification"];

impl Needs {
    /// How many sorts there are.
    pub const COUNT: usize = 13;
    /// Records and what is known of secrets: `rows`, `secrets`.
    pub const ROWS: Needs = Needs(1);
    /// What the policy says: `reach`.
    pub const POLICY: Needs = Needs(1 << 1);
    /// The listeners as a client finds them: `listeners`, `sockets`.
    pub const LISTENERS: Needs = Needs(1 << 2);
    /// The root key's file and what lies beside it: `key_file`, `store`.
    pub const KEY_FILE: Needs = Needs(1 << 3);
    /// The journal's entries: `journal.entries`.
    pub const JOURNAL: Needs = Needs(1 << 4);
    /// What is installed on hosts, with the records of the same moment: `hosts`, `left`,
    /// `secrets_left`.
    pub const HOSTS: Needs = Needs(1 << 5);
    /// TLS at the listeners and the hosts' door, tried from outside, and what the national algorithms
    /// answer: `site.doors` without requests, `site.knock`, `answers`, and of `tried` what was tried
    /// at listeners.
    pub const DOORS: Needs = Needs(1 << 6);
    /// Attacks between ports of the synthetic tenant that stand: of `tried` those in
    /// [`crate::attack::BETWEEN`].
    pub const PORTS: Needs = Needs(1 << 7);
    /// Attacks on the platform through such a port: of `tried` those in [`crate::attack::INWARD`].
    pub const INWARD: Needs = Needs(1 << 8);
    /// Another project's image, and one that is taken out: of `tried` those in
    /// [`crate::attack::SHELVES`], `site.taken`.
    pub const SHELVES: Needs = Needs(1 << 9);
    /// All other attacks on the synthetic tenant, and what is read with them: the rest of `tried`,
    /// `asked`, `no_stage`, `sights`, `remains`, the rest of `site`.
    pub const ATTACKS: Needs = Needs(1 << 10);
    /// Files of images: `images`.
    pub const IMAGES: Needs = Needs(1 << 11);
    /// The journal verified and replayed: its members beside `entries`.
    pub const PROOF: Needs = Needs(1 << 12);
    /// What is done in the synthetic tenant while it stands.
    pub(crate) const CAMP: Needs = Needs::PORTS.and(Needs::INWARD).and(Needs::SHELVES);
    /// What carries an assessor's nonce.
    pub(crate) const NONCE: Needs = Needs::PORTS.and(Needs::INWARD).and(Needs::ATTACKS);
    /// Everything that costs next to nothing.
    pub const QUICK: Needs = Needs(0b1_1111);
    /// What a check reads that does not say: whatever is read at least every half minute.
    pub const USUAL: Needs = Needs::QUICK.and(Needs::HOSTS);

    /// Both.
    pub const fn and(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether all of those are among these.
    pub const fn has(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of those is among these.
    pub const fn meets(self, other: Needs) -> bool {
        self.0 & other.0 != 0
    }

    /// The sort of facts that an attack is, by the name of its check.
    pub(crate) fn of_attack(check: &str) -> Needs {
        match check {
            "tls-damage" => Needs::DOORS,
            check if attack::BETWEEN.contains(&check) => Needs::PORTS,
            check if attack::INWARD.contains(&check) => Needs::INWARD,
            check if attack::SHELVES.contains(&check) => Needs::SHELVES,
            _ => Needs::ATTACKS,
        }
    }

    /// Whether a check that reads these has to run, now that those were read again.
    pub fn due(self, fresh: Needs) -> bool {
        let slow = self.0 & !Needs::QUICK.0;
        match slow {
            0 => fresh.meets(self),
            slow => fresh.has(Needs(1 << slow.ilog2())),
        }
    }

    /// Each sort, by place.
    pub(crate) fn each() -> impl Iterator<Item = Needs> {
        (0..Needs::COUNT).map(|place| Needs(1 << place))
    }

    /// Their places, from 0 on.
    pub(crate) fn places(self) -> impl Iterator<Item = usize> {
        (0..Needs::COUNT).filter(move |place| self.0 & (1 << place) != 0)
    }

    /// Their names.
    pub(crate) fn names(self) -> String {
        self.places().map(|place| NAMES[place]).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_runs_when_its_slowest_facts_are_fresh() {
        let both = Needs::ROWS.and(Needs::KEY_FILE);
        let hosts = Needs::ROWS.and(Needs::HOSTS);
        let proof = hosts.and(Needs::PROOF).and(Needs::ATTACKS);
        let door = Needs::HOSTS.and(Needs::DOORS);
        let cases = [
            (door, Needs::DOORS, true),
            (door, Needs::HOSTS, false),
            (Needs::PORTS, Needs::ATTACKS, false),
            (both, Needs::ROWS, true),
            (both, Needs::QUICK, true),
            (both, Needs::JOURNAL, false),
            (hosts, Needs::QUICK, false),
            (hosts, Needs::HOSTS, true),
            (hosts, Needs::PROOF, false),
            (proof, Needs::ATTACKS.and(Needs::HOSTS), false),
            (proof, Needs::PROOF, true),
            (Needs::USUAL, Needs::QUICK, false),
            (Needs::USUAL, Needs::HOSTS, true),
            (Needs::default(), Needs::QUICK, false),
        ];
        for (n, (needs, fresh, due)) in cases.into_iter().enumerate() {
            assert_eq!(needs.due(fresh), due, "case {n}");
        }
        assert_eq!(proof.names(), "records, hosts, attacks, verification");
    }
}
