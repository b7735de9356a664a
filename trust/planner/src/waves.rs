//! The order of a migration, as a question about a graph.
//!
//! Problem: what a system needs must be there first or come along; systems that share data move
//! together; low risk goes first; and all of that may run in circles. Mechanism: "needs" is an edge
//! one way, "shares data with" an edge both ways. Systems that reach each other move as one group; a
//! group moves in the latest of its members' own turns, and not before any group it needs. What is
//! undecided holds up whatever needs it. Pure: numbers in, numbers out.

use std::collections::BTreeSet;

/// Whether a system moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It stays where it is; nobody waits for it.
    Stays,
    /// It cannot be said yet.
    Waits,
    /// Not before this turn; within it, a lower score goes earlier.
    Moves {
        /// Its own turn, from 1.
        turn: usize,
        /// Its score.
        score: i32,
    },
}

/// A system.
#[derive(Debug, Clone)]
pub struct Node {
    /// Whether it moves.
    pub state: State,
    /// What it cannot run without.
    pub needs: Vec<usize>,
    /// With whom it shares data.
    pub shares: Vec<usize>,
}

/// Where a system stands in the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    /// Its wave, from 1; none if it stays or waits.
    pub wave: Option<usize>,
    /// Its place in the wave, from 1.
    pub place: Option<usize>,
    /// Its group, if it is not alone.
    pub group: Option<usize>,
    /// Members of its group or systems needed that made its wave later than its own turn.
    pub held_by: Vec<usize>,
    /// Undecided systems that it waits for.
    pub waits_for: Vec<usize>,
}

/// Systems that move as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joint {
    /// All.
    pub members: Vec<usize>,
    /// Those that need each other in a circle.
    pub circle: Vec<usize>,
    /// Those that share data with another member.
    pub sharing: Vec<usize>,
}

/// For each system, all that it reaches over the edges.
fn closure(edges: &[Vec<usize>]) -> Vec<BTreeSet<usize>> {
    let from = |start: usize| {
        let mut seen = BTreeSet::new();
        let mut open = edges[start].clone();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&edges[next]);
            }
        }
        seen
    };
    (0..edges.len()).map(from).collect()
}

/// The order of all systems, and the groups.
pub fn order(nodes: &[Node]) -> (Vec<Placed>, Vec<Joint>) {
    let moves = |i: &usize| nodes[*i].state != State::Stays;
    let mut needs: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut shares: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate().filter(|(i, _)| moves(i)) {
        needs[i] = node.needs.iter().copied().filter(moves).collect();
        for other in node.shares.iter().copied().filter(moves) {
            shares[i].push(other);
            shares[other].push(i);
        }
    }
    let both: Vec<Vec<usize>> =
        needs.iter().zip(&shares).map(|(n, s)| n.iter().chain(s).copied().collect()).collect();
    let (reach, circles) = (closure(&both), closure(&needs));
    let mutual = |sets: &[BTreeSet<usize>], a: usize, b: usize| {
        sets[a].contains(&b) && sets[b].contains(&a)
    };
    // A group is known by its first member.
    let leaders: Vec<usize> = (0..nodes.len())
        .map(|i| (0..i).find(|j| mutual(&reach, *j, i)).unwrap_or(i)).collect();
    let members = |leader: usize| -> Vec<usize> {
        (0..nodes.len()).filter(|i| leaders[*i] == leader).collect()
    };
    let mut joints = Vec::new();
    let mut placed = vec![Placed::default(); nodes.len()];
    for leader in (0..nodes.len()).filter(|i| leaders[*i] == *i) {
        let all = members(leader);
        if all.len() < 2 {
            continue;
        }
        for i in &all {
            placed[*i].group = Some(joints.len());
        }
        let with = |i: &usize, test: &dyn Fn(usize) -> bool| all.iter().any(|j| j != i && test(*j));
        let circle = all.iter().copied().filter(|i| with(i, &|j| mutual(&circles, *i, j))).collect();
        let sharing = all.iter().copied().filter(|i| with(i, &|j| shares[*i].contains(&j))).collect();
        joints.push(Joint { members: all, circle, sharing });
    }
    settle(nodes, &needs, &leaders, &mut placed);
    number(nodes, &needs, &leaders, &mut placed);
    (placed, joints)
}

/// Gives each group its wave, and says who made it so late.
fn settle(nodes: &[Node], needs: &[Vec<usize>], leaders: &[usize], placed: &mut [Placed]) {
    let count = nodes.len();
    let own = |i: usize| match nodes[i].state {
        State::Moves { turn, .. } => Some(turn),
        State::Stays | State::Waits => None,
    };
    // By leader: none is "waits"; a group begins with the latest turn of its members.
    let mut waves: Vec<Option<usize>> = (0..count).map(|leader| {
        let turns = (0..count).filter(|i| leaders[*i] == leader).map(own);
        turns.collect::<Option<Vec<usize>>>().and_then(|turns| turns.into_iter().max())
    }).collect();
    // Waves only rise and waiting only spreads, so this comes to an end.
    loop {
        let before = waves.clone();
        for (i, list) in needs.iter().enumerate() {
            for needed in list {
                let (mine, theirs) = (leaders[i], leaders[*needed]);
                waves[mine] = match (waves[mine], waves[theirs]) {
                    (Some(mine), Some(theirs)) => Some(mine.max(theirs)),
                    _ => None,
                };
            }
        }
        if waves == before {
            break;
        }
    }
    for (i, node) in nodes.iter().enumerate().filter(|(_, node)| node.state != State::Stays) {
        let wave = waves[leaders[i]];
        let group = (0..count).filter(|j| leaders[*j] == leaders[i] && *j != i);
        let near: BTreeSet<usize> = group.chain(needs[i].iter().copied()).collect();
        let is = |j: &usize| waves[leaders[*j]];
        placed[i].wave = wave;
        match (wave, own(i)) {
            (Some(wave), Some(turn)) if wave > turn => {
                // What is needed counts by its wave; a member of the group by its own turn, or by
                // what it needs itself.
                let late = |j: &usize| match leaders[*j] == leaders[i] {
                    false => is(j) == Some(wave),
                    true => {
                        let mut beyond = outside(needs, leaders, *j);
                        own(*j) == Some(wave) || beyond.any(|k| is(&k) == Some(wave))
                    }
                };
                placed[i].held_by = near.iter().copied().filter(late).collect();
            }
            (None, _) if node.state != State::Waits => {
                let outside = |j: &usize| leaders[*j] != leaders[i];
                let cause = |j: &usize| nodes[*j].state == State::Waits || outside(j);
                let open: Vec<usize> = near.iter().copied().filter(|j| is(j).is_none()).collect();
                let causes: Vec<usize> = open.iter().copied().filter(cause).collect();
                placed[i].waits_for = if causes.is_empty() { open } else { causes };
            }
            _ => {}
        }
    }
}

/// What a system needs outside of its group.
fn outside<'a>(needs: &'a [Vec<usize>], leaders: &'a [usize], i: usize)
    -> impl Iterator<Item = usize> + 'a {
    needs[i].iter().copied().filter(move |needed| leaders[*needed] != leaders[i])
}

/// Numbers the systems of each wave: what is needed first, then the lowest score, then the order of
/// the inventory; a group stays together.
fn number(nodes: &[Node], needs: &[Vec<usize>], leaders: &[usize], placed: &mut [Placed]) {
    let score = |i: usize| match nodes[i].state {
        State::Moves { score, .. } => score,
        State::Stays | State::Waits => 0,
    };
    let waves: BTreeSet<usize> = placed.iter().filter_map(|p| p.wave).collect();
    for wave in waves {
        let here: Vec<usize> =
            (0..nodes.len()).filter(|i| placed[*i].wave == Some(wave)).collect();
        let mut left: BTreeSet<usize> = here.iter().map(|i| leaders[*i]).collect();
        let mut next = 1;
        while !left.is_empty() {
            let members = |leader: usize| here.iter().copied().filter(move |i| leaders[*i] == leader);
            let ready = |leader: &&usize| {
                let mut needed = members(**leader).flat_map(|i| outside(needs, leaders, i));
                !needed.any(|j| left.contains(&leaders[j]))
            };
            let key = |leader: &&usize| (members(**leader).map(score).max(), **leader);
            // Groups that reach each other were joined, so one is always ready.
            let Some(leader) = left.iter().filter(ready).min_by_key(key).copied() else { break };
            let mut group: Vec<usize> = members(leader).collect();
            group.sort_by_key(|i| (score(*i), *i));
            for i in group {
                placed[i].place = Some(next);
                next += 1;
            }
            left.remove(&leader);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `turn` 0 stays, 9 waits.
    fn node(turn: usize, needs: &[usize], shares: &[usize]) -> Node {
        let state = match turn {
            0 => State::Stays,
            9 => State::Waits,
            turn => State::Moves { turn, score: 0 },
        };
        Node { state, needs: needs.to_vec(), shares: shares.to_vec() }
    }

    #[test]
    fn orders() {
        let n = node;
        let cases: &[(&str, Vec<Node>, &[usize])] = &[
            ("alone, by their own turns", vec![n(2, &[], &[]), n(1, &[], &[])], &[2, 1]),
            ("not before what is needed", vec![n(1, &[1], &[]), n(3, &[], &[])], &[3, 3]),
            ("over two steps", vec![n(1, &[1], &[]), n(1, &[2], &[]), n(4, &[], &[])], &[4, 4, 4]),
            ("sharing, the latest decides", vec![n(1, &[], &[1]), n(3, &[], &[])], &[3, 3]),
            ("a circle", vec![n(1, &[1], &[]), n(2, &[2], &[]), n(3, &[0], &[])], &[3, 3, 3]),
            ("nobody waits for what stays", vec![n(1, &[1], &[1]), n(0, &[], &[])], &[1, 0]),
            ("what is undecided holds up", vec![n(1, &[1], &[]), n(9, &[], &[])], &[0, 0]),
            ("also by sharing", vec![n(9, &[], &[1]), n(1, &[], &[]), n(1, &[1], &[])], &[0, 0, 0]),
            ("but not what it needs itself", vec![n(9, &[1], &[]), n(1, &[], &[])], &[0, 1]),
            ("needs of a member hold the whole group",
                vec![n(1, &[2], &[1]), n(1, &[], &[]), n(4, &[], &[])], &[4, 4, 4]),
        ];
        for (what, nodes, want) in cases {
            let (placed, _) = order(nodes);
            let got: Vec<usize> = placed.iter().map(|p| p.wave.unwrap_or(0)).collect();
            assert_eq!(got, *want, "{what}");
        }
    }

    #[test]
    fn groups_say_why() {
        let nodes = [node(1, &[1], &[]), node(1, &[0], &[2]), node(2, &[], &[]), node(1, &[], &[])];
        let (placed, joints) = order(&nodes);
        let want = Joint { members: vec![0, 1, 2], circle: vec![0, 1], sharing: vec![1, 2] };
        assert_eq!(joints, [want]);
        assert_eq!(placed[0].held_by, [2]);
        assert_eq!(placed[3], Placed { wave: Some(1), place: Some(1), ..Placed::default() });
        let waiting = order(&[node(1, &[1], &[]), node(9, &[], &[])]).0;
        assert_eq!(waiting[0].waits_for, [1]);
    }

    #[test]
    fn places_follow_needs_then_scores() {
        let scored = |score, needs: &[usize]| Node {
            state: State::Moves { turn: 1, score },
            needs: needs.to_vec(),
            shares: Vec::new(),
        };
        let nodes = [scored(-3, &[2]), scored(-1, &[]), scored(5, &[]), scored(-1, &[])];
        let places: Vec<_> = order(&nodes).0.iter().map(|p| p.place.unwrap()).collect();
        // The first would be first, but needs the one with the worst score.
        assert_eq!(places, [4, 1, 3, 2]);
    }
}
