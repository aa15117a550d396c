//! How far a write got: the levels that a client may ask for, and waiting for them.
//!
//! A node holds a write once it has acknowledged it on a link, even if it dies later. Known nodes are those that
//! gossip remembers, dead ones within their grace period included: after a partition, a majority of one side is no
//! majority. A node that leaves counts neither as a holder nor as known, so a cluster that was made smaller reaches
//! every level at once. A level out of reach is still waited for, since a node may return within the deadline; only a
//! node that knows no other answers at once.

use std::collections::BTreeSet;

use psi_replica::{LinkId, NodeId, Origin, Version};
use psi_state::Replica;
use tokio::time::Instant;

use super::level::{Level, ReplicationReach};
use crate::{cluster::members::Member, node::context::NodeContext};

/// Waits until a write of this node's `run` has reached the level, or until the deadline. The node may go on as another
/// run meanwhile.
pub(crate) async fn wait_for(
    context: &NodeContext,
    run: &Origin,
    version: Version,
    target: Level,
    deadline: Instant,
) -> ReplicationReach {
    // Not at the next flush: the caller waits for it.
    context.write(|replica, _| replica.flush());
    let (mut acknowledged, mut members) = (context.acknowledgements(), context.members.subscribe());
    let mut holders = BTreeSet::from([context.settings.node.clone()]);
    loop {
        acknowledged.mark_unchanged();
        members.mark_unchanged();
        holders.extend(context.read(|replica| holders_of(replica, run, version)));
        let (nodes, of) = acknowledged_by(context, &holders);
        if target.is_reached(nodes, of) || of == 1 {
            return ReplicationReach { level: target.reached(nodes, of), nodes, of };
        }
        tokio::select! {
            _ = acknowledged.changed() => {}
            _ = members.changed() => {}
            () = tokio::time::sleep_until(deadline) => {
                return ReplicationReach { level: target.reached(nodes, of), nodes, of };
            }
            () = context.stop.cancelled() => return ReplicationReach { level: target.reached(nodes, of), nodes, of },
        }
    }
}

/// Linked nodes that are known to hold a write of a run of this node, which need not be its present one.
fn holders_of(replica: &Replica, run: &Origin, version: Version) -> BTreeSet<NodeId> {
    if replica.origin() == Some(run) {
        return replica.holders(version);
    }
    // Once the run has ended, who has as new a base holds as much of it as counts.
    let (held, wanted) = match (replica.end_of(run), replica.base_of(run)) {
        (Some(end), Some(base)) if end >= version => (base.clone(), replica.held(&base)),
        (Some(_), _) => return BTreeSet::new(),
        (None, _) => (run.clone(), version),
    };
    let holds = |link: LinkId| replica.peer_frontier(link).is_some_and(|frontier| frontier.version(&held) >= wanted);
    replica.links().filter(|(link, _)| holds(*link)).filter_map(|(_, link)| Some(link.peer?.node)).collect()
}

/// The reach of a write that was accepted just now.
pub(crate) fn reach_now(context: &NodeContext, target: Level) -> ReplicationReach {
    let (nodes, of) = acknowledged_by(context, &BTreeSet::from([context.settings.node.clone()]));
    ReplicationReach { level: target.reached(nodes, of), nodes, of }
}

/// How many nodes hold a write, and how many are known.
fn acknowledged_by(context: &NodeContext, holders: &BTreeSet<NodeId>) -> (usize, usize) {
    let linked = context.read(|replica| replica.holders(Version::ZERO));
    count(&context.settings.node, &context.members.borrow(), holders, &linked)
}

/// How many of the `holders` stay, and how many nodes that stay are known: by gossip, or because they hold the write
/// or have a link. `own` stays until it has answered.
fn count(own: &NodeId, members: &[Member], holders: &BTreeSet<NodeId>, linked: &BTreeSet<NodeId>) -> (usize, usize) {
    let left: BTreeSet<&NodeId> = members.iter().filter(|member| member.left).map(|member| &member.node).collect();
    let stays = |node: &&NodeId| *node == own || !left.contains(node);
    let known: BTreeSet<&NodeId> =
        holders.iter().chain(members.iter().map(|member| &member.node)).chain(linked).filter(stays).collect();
    (holders.iter().filter(stays).count(), known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_left_is_counted_neither_as_a_holder_nor_among_all() {
        let node = |name: &str| NodeId::new(name).unwrap();
        let nodes = |names: &str| names.split_whitespace().map(node).collect::<BTreeSet<_>>();
        let addresses = crate::settings::Addresses {
            grpc: ([127, 0, 0, 1], 1).into(),
            http: ([127, 0, 0, 1], 2).into(),
            gossip: ([127, 0, 0, 1], 3).into(),
        };
        let members = |stay: &str, left: &str| -> Vec<Member> {
            let stays = nodes(stay).into_iter().map(|node| Member::own(&node, addresses));
            let gone = |node| Member { live: false, left: true, ..Member::own(&node, addresses) };
            stays.chain(nodes(left).into_iter().map(gone)).collect()
        };
        for (stay, left, holders, linked, want) in [
            ("a b c", "", "a b", "b c", (2, 3)),
            ("a b", "c d e", "a b", "b", (2, 2)),
            // It acknowledges what others wrote until its link ends, and takes that with it.
            ("a b", "c", "a c", "b c", (1, 2)),
            ("", "a b", "a b", "b", (1, 1)),
            // Gossip does not know it yet.
            ("a", "", "a b", "b c", (2, 3)),
        ] {
            let reach = count(&node("a"), &members(stay, left), &nodes(holders), &nodes(linked));
            assert_eq!(reach, want, "{stay}, left {left}, held by {holders}, linked to {linked}");
        }
    }
}
