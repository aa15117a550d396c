//! Who is linked to whom. Every two members are, up to 32 of them. In larger clusters each has a few links only, and
//! entries are relayed.
//!
//! The links of a large cluster are the neighbours on a few rings, each a random order of all members that every node
//! works out for itself. Rings connect everybody by construction; a union of random ones is an expander, so that any
//! two members are about log n links apart (Law and Siu, 2003, build overlays this way). Each ring is reshuffled
//! now and then, one at a time, so that no bad draw lasts and most links stand meanwhile. Nodes whose pictures of
//! the members differ for a moment draw slightly different rings: a link that only its dialling end wants still stands.

use std::collections::BTreeSet;

use crate::entry::{clock::WallMs, name::NodeId};

/// Up to so many members, every two are linked, unless told otherwise.
pub const FULL_MESH_MAX: usize = 32;
/// Rings of a larger cluster; a member has two neighbours on each.
pub const RINGS: u64 = 3;
/// How long a ring stays as it is, milliseconds.
const RING_MS: u64 = 10 * 60 * 1000;

/// The members that `own` is to be linked to, among `members` that are live: all of them up to `full_mesh_max`.
#[must_use]
pub fn neighbours(own: &NodeId, members: &BTreeSet<NodeId>, full_mesh_max: usize, wall: WallMs) -> BTreeSet<NodeId> {
    let others = members.iter().filter(|member| *member != own);
    if members.len() <= full_mesh_max {
        return others.cloned().collect();
    }
    let mut chosen = BTreeSet::new();
    for ring in 0..RINGS {
        let turn = turn(ring, wall);
        let mut order: Vec<(u64, &NodeId)> =
            others.clone().chain([own]).map(|member| (position(ring, turn, member), member)).collect();
        order.sort_unstable();
        let Some(at) = order.iter().position(|(_, member)| *member == own) else { continue };
        let (before, after) = (at.checked_sub(1).unwrap_or(order.len() - 1), (at + 1) % order.len());
        chosen.extend([before, after].map(|at| order[at].1.clone()));
    }
    chosen
}

/// When some ring is shuffled next, by the wall clock.
#[must_use]
pub fn reshuffled_at(wall: WallMs) -> WallMs {
    let next = |ring| (turn(ring, wall) + 1).saturating_mul(RING_MS).saturating_sub(ring * RING_MS / RINGS);
    WallMs((0..RINGS).map(next).min().unwrap_or(u64::MAX))
}

/// How often a ring was shuffled; rings take turns.
fn turn(ring: u64, wall: WallMs) -> u64 {
    wall.0.saturating_add(ring * RING_MS / RINGS) / RING_MS
}

fn position(ring: u64, turn: u64, member: &NodeId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&ring.to_le_bytes());
    hasher.update(&turn.to_le_bytes());
    hasher.update(member.as_str().as_bytes());
    crate::entry::digest::Digest::from(hasher).short()
}

#[cfg(test)]
mod tests {
    use super::{neighbours as neighbours_beyond, *};

    fn neighbours(own: &NodeId, members: &BTreeSet<NodeId>, wall: WallMs) -> BTreeSet<NodeId> {
        neighbours_beyond(own, members, FULL_MESH_MAX, wall)
    }

    fn members(count: usize) -> BTreeSet<NodeId> {
        (0..count).map(|n| NodeId::new(&format!("n{n}")).unwrap()).collect()
    }

    /// Links from the first member to the farthest.
    fn eccentricity(members: &BTreeSet<NodeId>, wall: WallMs) -> usize {
        let mut reached: BTreeSet<NodeId> = members.iter().take(1).cloned().collect();
        let mut hops = 0;
        while reached.len() < members.len() {
            let next: Vec<_> = reached.iter().flat_map(|member| neighbours(member, members, wall)).collect();
            let before = reached.len();
            reached.extend(next);
            assert!(reached.len() > before, "all are connected");
            hops += 1;
        }
        hops
    }

    #[test]
    fn up_to_thirty_two_members_all_are_linked_and_above_that_a_few() {
        for count in [1, 2, 31, 32] {
            let members = members(count);
            assert!(members.iter().all(|own| neighbours(own, &members, WallMs(0)).len() == count - 1), "{count}");
        }
        for count in [33, 128, 400] {
            let members = members(count);
            for own in &members {
                let linked = neighbours(own, &members, WallMs(5));
                assert!(linked.len() <= 6 && !linked.contains(own), "{linked:?}");
                assert!(
                    linked.iter().all(|other| neighbours(other, &members, WallMs(5)).contains(own)),
                    "both want it"
                );
            }
        }
    }

    #[test]
    fn any_two_of_many_members_are_a_few_links_apart() {
        for (count, hours, most) in [(33, 3, 4), (128, 3, 5), (1000, 1, 7)] {
            for hour in 0..hours {
                let hops = eccentricity(&members(count), WallMs(hour * 3_600_000));
                assert!(hops <= most, "{count} members: {hops} hops");
            }
        }
    }

    #[test]
    fn one_ring_is_shuffled_at_a_time() {
        let members = members(100);
        let mut wall = WallMs(1_750_000_000_000);
        for _ in 0..6 {
            let next = reshuffled_at(wall);
            assert!(next > wall && next.0 - wall.0 <= RING_MS / RINGS + 1, "{wall:?} {next:?}");
            let (mut kept, mut before) = (0, 0);
            for own in &members {
                let old = neighbours(own, &members, WallMs(next.0 - 1));
                let new = neighbours(own, &members, next);
                kept += old.intersection(&new).count();
                before += old.len();
            }
            assert!(kept < before && 5 * kept > 3 * before, "{kept} of {before} links stand");
            wall = next;
        }
    }

    #[test]
    fn a_member_that_goes_moves_the_links_of_its_neighbours_only() {
        let all = members(100);
        let gone = all.first().unwrap();
        let left: BTreeSet<_> = all.iter().skip(1).cloned().collect();
        let beside = neighbours(gone, &all, WallMs(0));
        for own in &left {
            let same = neighbours(own, &all, WallMs(0)) == neighbours(own, &left, WallMs(0));
            assert!(same || beside.contains(own), "{own}");
        }
    }
}
