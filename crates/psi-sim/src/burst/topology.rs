//! Who is linked to whom in an experiment.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::{NodeId, WallMs, overlay};

use crate::plan::rng::Rng;

/// How links are chosen. All are two-way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Every two nodes.
    FullMesh,
    /// Each node opens so many, to others at random.
    Opened(usize),
    /// As nodes of a cluster of more than 32 do: neighbours on a few rings.
    Rings,
}

impl Links {
    /// The pairs of nodes that are linked.
    pub(super) fn draw(self, nodes: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
        match self {
            Self::FullMesh => (0..nodes).flat_map(|one| (one + 1..nodes).map(move |other| (one, other))).collect(),
            Self::Opened(opened) => opened_at_random(nodes, opened.max(1), rng),
            Self::Rings => rings(nodes, rng),
        }
    }
}

/// What the `n`th node is called.
pub(super) fn name_of(n: usize) -> NodeId {
    NodeId::new(&format!("node-{n}")).expect("letters and digits")
}

fn rings(nodes: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let (numbers, wall) =
        ((0..nodes).map(|node| (name_of(node), node)).collect::<BTreeMap<_, _>>(), WallMs(rng.below(u64::MAX / 2)));
    let members = numbers.keys().cloned().collect();
    let pairs: BTreeSet<_> = numbers
        .iter()
        .flat_map(|(own, one)| {
            let peers = overlay::neighbours(own, &members, 0, wall);
            peers.into_iter().map(|peer| ordered(*one, numbers[&peer])).collect::<Vec<_>>()
        })
        .collect();
    pairs.into_iter().collect()
}

/// Drawn again until all are connected: with three links each that is all but certain at once.
fn opened_at_random(nodes: usize, opened: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    loop {
        let mut pairs = BTreeSet::new();
        for one in 0..nodes {
            let free = |pairs: &BTreeSet<(usize, usize)>| {
                (0..nodes).filter(|other| *other != one && !pairs.contains(&ordered(one, *other))).collect::<Vec<_>>()
            };
            for _ in 0..opened {
                if let Some(other) = rng.pick(&free(&pairs)) {
                    pairs.insert(ordered(one, *other));
                }
            }
        }
        if is_connected(nodes, &pairs) {
            return pairs.into_iter().collect();
        }
    }
}

fn ordered(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}

fn is_connected(nodes: usize, pairs: &BTreeSet<(usize, usize)>) -> bool {
    let mut peers = vec![Vec::new(); nodes];
    for (one, other) in pairs {
        peers[*one].push(*other);
        peers[*other].push(*one);
    }
    let mut reached = BTreeSet::from([0]);
    let mut fresh = vec![0];
    while let Some(node) = fresh.pop() {
        fresh.extend(peers[node].iter().filter(|peer| reached.insert(**peer)));
    }
    reached.len() == nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_opens_its_links_and_all_are_connected() {
        for seed in 0..20 {
            let pairs = Links::Opened(3).draw(128, &mut Rng::new(seed, "links"));
            assert_eq!(pairs.len(), 3 * 128, "no two nodes have two links");
            assert!(is_connected(128, &pairs.into_iter().collect()));
        }
        let rings = Links::Rings.draw(128, &mut Rng::new(0, "links"));
        assert!((3 * 128 - 20..=3 * 128).contains(&rings.len()), "{} links: a pair may meet on two rings", rings.len());
        assert_eq!(Links::FullMesh.draw(5, &mut Rng::new(0, "links")).len(), 10);
        assert_eq!(Links::Opened(9).draw(4, &mut Rng::new(0, "links")).len(), 6, "there are no more");
    }
}
