//! How far a write got: the levels that a client may ask for, and waiting for them.
//!
//! A node counts as holding a write once it has acknowledged it on a link, whether it lives on or not. All known nodes
//! are those that gossip remembers, the dead within its grace period included: a majority of what is left after a
//! partition is none. One that has said that it leaves counts neither as a holder nor among all, so that a cluster that
//! was made smaller reaches every level at once. A level that can't be reached while things are as they are is waited for all the same, since a
//! node may return within the deadline; only a node that knows of no other answers at once.

use std::collections::BTreeSet;

use psi_api::{Cause, v1};
use psi_replica::{NodeId, Version};
use tokio::time::Instant;
use tonic::Code;

use crate::{members::Member, shared::Shared};

/// How many nodes are to hold a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// The one that took it.
    Local,
    /// One other.
    One,
    /// More than half of all.
    Majority,
    /// All.
    All,
}

impl Level {
    const ALL: [Self; 4] = [Self::Local, Self::One, Self::Majority, Self::All];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::One => "one",
            Self::Majority => "majority",
            Self::All => "all",
        }
    }

    /// # Errors
    /// [`Cause`] if there is no level of that name.
    pub(crate) fn parse(name: &str) -> Result<Self, Cause> {
        Self::ALL.into_iter().find(|level| level.as_str() == name).ok_or_else(|| unknown(name))
    }

    /// From a message; `None` if it does not ask for any.
    ///
    /// # Errors
    /// [`Cause`] if there is no such level.
    pub(crate) fn from_proto(level: i32) -> Result<Option<Self>, Cause> {
        Ok(match v1::ReplicationLevel::try_from(level) {
            Ok(v1::ReplicationLevel::Unspecified) => None,
            Ok(v1::ReplicationLevel::Local) => Some(Self::Local),
            Ok(v1::ReplicationLevel::One) => Some(Self::One),
            Ok(v1::ReplicationLevel::Majority) => Some(Self::Majority),
            Ok(v1::ReplicationLevel::All) => Some(Self::All),
            Err(_) => return Err(unknown(&level.to_string())),
        })
    }

    fn is_reached(self, nodes: usize, of: usize) -> bool {
        match self {
            Self::Local => true,
            Self::One => nodes > 1,
            Self::Majority => nodes > of / 2,
            Self::All => nodes >= of,
        }
    }

    /// The highest level up to this one that so many nodes make.
    fn reached(self, nodes: usize, of: usize) -> Self {
        let up_to = Self::ALL.into_iter().filter(|level| *level <= self);
        up_to.filter(|level| level.is_reached(nodes, of)).max().unwrap_or(Self::Local)
    }
}

fn unknown(got: &str) -> Cause {
    let message = format!("no replication level is called `{got}`; there are local, one, majority and all");
    Cause::new(Code::InvalidArgument, "UNKNOWN_LEVEL", message).with("got", got)
}

/// How far a write had got when it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replicated {
    /// The level reached, up to the one asked for.
    pub(crate) level: Level,
    /// Nodes that hold the write and stay.
    pub(crate) nodes: usize,
    /// Nodes known that stay.
    pub(crate) of: usize,
}

impl From<Replicated> for v1::Replicated {
    fn from(replicated: Replicated) -> Self {
        let level = match replicated.level {
            Level::Local => v1::ReplicationLevel::Local,
            Level::One => v1::ReplicationLevel::One,
            Level::Majority => v1::ReplicationLevel::Majority,
            Level::All => v1::ReplicationLevel::All,
        };
        let count = |nodes| u32::try_from(nodes).unwrap_or(u32::MAX);
        Self { level: level.into(), nodes: count(replicated.nodes), of: count(replicated.of) }
    }
}

/// Waits until an own write has got as far as asked for, or until the deadline.
pub(crate) async fn wait(shared: &Shared, version: Version, asked: Level, deadline: Instant) -> Replicated {
    // Not at the next flush: the caller waits for it.
    shared.write(|replica, _| replica.flush());
    let (mut acknowledged, mut members) = (shared.acknowledgements(), shared.members.subscribe());
    let mut holders = BTreeSet::from([shared.settings.node.clone()]);
    loop {
        acknowledged.mark_unchanged();
        members.mark_unchanged();
        holders.extend(shared.read(|replica| replica.holders(version)));
        let (nodes, of) = counted(shared, &holders);
        if asked.is_reached(nodes, of) || of == 1 {
            return Replicated { level: asked.reached(nodes, of), nodes, of };
        }
        tokio::select! {
            _ = acknowledged.changed() => {}
            _ = members.changed() => {}
            () = tokio::time::sleep_until(deadline) => {
                return Replicated { level: asked.reached(nodes, of), nodes, of };
            }
            () = shared.stop.cancelled() => return Replicated { level: asked.reached(nodes, of), nodes, of },
        }
    }
}

/// How far a write has got that was taken just now.
pub(crate) fn at_once(shared: &Shared, asked: Level) -> Replicated {
    let (nodes, of) = counted(shared, &BTreeSet::from([shared.settings.node.clone()]));
    Replicated { level: asked.reached(nodes, of), nodes, of }
}

/// How many nodes hold a write, and how many are known.
fn counted(shared: &Shared, holders: &BTreeSet<NodeId>) -> (usize, usize) {
    let linked = shared.read(|replica| replica.holders(Version::ZERO));
    count(&shared.settings.node, &shared.members.borrow(), holders, &linked)
}

/// How many of the `holders` stay, and how many nodes that stay are known: by gossip, or because they hold the write or
/// have a link. `own` stays until it has answered.
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
    fn a_level_is_reached_by_so_many_nodes_of_all() {
        use Level::{All, Local, Majority, One};
        for (asked, nodes, of, want) in [
            (Local, 1, 5, Local),
            (One, 1, 3, Local),
            (One, 2, 3, One),
            (One, 3, 3, One),
            (Majority, 1, 2, Local),
            (Majority, 2, 2, Majority),
            (Majority, 2, 3, Majority),
            (Majority, 2, 4, One),
            (Majority, 3, 4, Majority),
            (All, 2, 3, Majority),
            (All, 3, 3, All),
            (All, 1, 3, Local),
            // A node alone is all that there is, and still no other.
            (One, 1, 1, Local),
            (Majority, 1, 1, Majority),
            (All, 1, 1, All),
        ] {
            assert_eq!(asked.reached(nodes, of), want, "{asked:?} {nodes} of {of}");
        }
    }

    #[test]
    fn who_has_left_is_counted_neither_as_a_holder_nor_among_all() {
        let node = |name: &str| NodeId::new(name).unwrap();
        let nodes = |names: &str| names.split_whitespace().map(node).collect::<BTreeSet<_>>();
        let addresses = crate::shared::Addresses {
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
            // Gossip has not heard of it yet.
            ("a", "", "a b", "b c", (2, 3)),
        ] {
            let counted = count(&node("a"), &members(stay, left), &nodes(holders), &nodes(linked));
            assert_eq!(counted, want, "{stay}, left {left}, held by {holders}, linked to {linked}");
        }
    }

    #[test]
    fn an_unknown_level_is_named() {
        for level in Level::ALL {
            assert_eq!(Level::parse(level.as_str()).unwrap(), level);
        }
        assert!(Level::parse("most").unwrap_err().message.contains("`most`"));
        assert_eq!(Level::from_proto(9).unwrap_err().reason, "UNKNOWN_LEVEL");
        assert_eq!(Level::from_proto(0).unwrap(), None);
    }
}
