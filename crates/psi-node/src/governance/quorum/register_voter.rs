//! The voter of one register, of either kind.

use psi_quorum::{LeaseVoter, Outcome, PendingResponse, Record, RecordError, Register, Request, Response, Voter};
use psi_security::node_key::NodePublicKey;

use super::registers::{boot_time, is_lease};

/// A voter: that of a lease waits before it helps anyone but the holder.
pub(crate) enum RegisterVoter {
    Lease(LeaseVoter),
    Value(Voter),
}

impl RegisterVoter {
    /// One that never voted in this register under its key.
    pub(super) fn new(key: NodePublicKey, register: &Register) -> Self {
        if is_lease(register.name()) {
            Self::Lease(LeaseVoter::new(key, register, boot_time()))
        } else {
            Self::Value(Voter::new(key, register))
        }
    }

    /// The one that synced this record last.
    pub(super) fn restore(key: NodePublicKey, register: &Register, record: Record) -> Result<Self, RecordError> {
        if is_lease(register.name()) {
            LeaseVoter::restore(key, register, record, boot_time()).map(Self::Lease)
        } else {
            Voter::restore(key, register, record).map(Self::Value)
        }
    }

    pub(super) fn voter(&self) -> &Voter {
        match self {
            Self::Lease(voter) => voter.voter(),
            Self::Value(voter) => voter,
        }
    }

    pub(super) fn handle(&mut self, request: &Request) -> Outcome {
        match self {
            Self::Lease(voter) => voter.handle(boot_time(), request),
            Self::Value(voter) => voter.handle(request),
        }
    }

    /// The response, now that its record is on the disk.
    pub(super) fn synced(&mut self, pending: PendingResponse) -> Response {
        match self {
            Self::Lease(voter) => voter.into_response(pending),
            Self::Value(voter) => voter.into_response(pending),
        }
    }
}
