//! What the task of a lease is sent, and what it answers.

use std::time::Instant;

use psi_quorum::{ClientName, Fence, Grant, LeaseDuration, LeaseValue, LeaseVerdict, Response};
use psi_security::node_key::NodePublicKey;
use tokio::sync::oneshot;

/// What a caller wants of a lease.
#[derive(Clone, Debug)]
pub(crate) enum LeaseCall {
    Acquire { client: ClientName, duration: LeaseDuration },
    Release { client: ClientName },
    Look,
}

/// How that ended.
#[derive(Clone, Debug)]
pub(crate) enum LeaseOutcome {
    Verdict(LeaseVerdict),
    /// What this run knows of the lease, and what one of its clients was granted.
    Status(LeaseStatus),
    /// Most voters did not answer in time.
    NoMajority,
}

/// What a run knows of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseStatus {
    pub(crate) fence: Fence,
    /// `None`: released, or never held.
    pub(crate) value: Option<LeaseValue>,
    /// What one of the clients of this node may rely on.
    pub(crate) grant: Option<Grant>,
}

/// What the task of a lease is sent.
pub(crate) enum LeaseMessage {
    Call { call: LeaseCall, deadline: Instant, answer: oneshot::Sender<LeaseOutcome> },
    Response { from: NodePublicKey, response: Box<Response> },
}
