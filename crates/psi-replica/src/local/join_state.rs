//! How far a replica has come in joining.

use crate::{
    entry::{clock::TickMs, frontier::Frontier, name::NodeId},
    links::link::Link,
};

/// How far the replica has come in joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JoinState {
    /// No ready member has shown itself.
    Alone { since: TickMs },
    /// Reaching what a ready member held at first contact.
    Following(JoinTarget),
    /// Caught up.
    Done,
}

/// What a joiner has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinTarget {
    pub(crate) member: NodeId,
    pub(crate) frontier: Frontier,
    /// What of it may still be missing: to move beyond it is no progress.
    pub(crate) pending: Frontier,
    /// When it last came nearer.
    pub(crate) progress: TickMs,
}

impl JoinTarget {
    /// What a ready member is known to hold; `None` if the link's peer may not lead.
    pub(crate) fn of(link: &Link, progress: TickMs) -> Option<Self> {
        let peer = link.peer().filter(|_| link.may_lead())?;
        let frontier = link.peer_frontier().clone();
        Some(Self { member: peer.node.clone(), pending: frontier.clone(), frontier, progress })
    }
}
