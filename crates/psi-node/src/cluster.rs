//! Membership by gossip: which nodes belong to the cluster, and their addresses. A hint, proven on links.

pub(crate) mod address;
mod detector;
mod facts;
pub(crate) mod gossip;
pub(crate) mod members;
mod seeds;
