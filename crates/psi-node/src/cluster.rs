//! Who belongs to the cluster and where they are reached, as gossip has it: a hint, proven on links.

pub(crate) mod address;
mod detector;
mod facts;
pub(crate) mod gossip;
pub(crate) mod members;
mod seeds;
