//! What a node does, without its files and connections: it reads registers, votes for what follows, and has transitions
//! decided for its clients. psi-node does it in the same order.

mod body;
mod decide;
mod job;
mod voter;

pub(super) use body::Body;
pub(super) use job::{Draft, Job};
