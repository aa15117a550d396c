//! Membership by gossip: which nodes belong to the cluster, and their addresses. A hint, proven on links. And the claim
//! of each run to its node's name.

pub(crate) mod address;
pub(crate) mod claim;
pub(crate) mod claimants;
mod detector;
mod facts;
pub(crate) mod gossip;
pub(crate) mod members;
mod namesakes;
mod seeds;
mod transport;
