//! Who proposes, and under which ballot.

use std::fmt;

use psi_security::node_key::NodePublicKey;

/// One run of a node, as far as it proposes. A node that restarts is another proposer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposerId {
    /// The key of the node.
    pub key: NodePublicKey,
    /// The incarnation of the run, never 0. No two runs of a key may share one.
    pub run: u64,
}

/// The rank of a proposal within a step: ordered by number, then by proposer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// 0 belongs to the proposer of the step before, is used once, and needs no promise.
    pub number: u64,
    /// Who proposes under it.
    pub proposer: ProposerId,
}

/// The first hex digits of the key, and the run.
impl fmt::Display for ProposerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.8}@{}", self.key.to_string(), self.run)
    }
}

impl fmt::Debug for ProposerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.number, self.proposer)
    }
}

impl fmt::Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
