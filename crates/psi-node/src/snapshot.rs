//! Snapshots on disk: every few seconds if anything changed, and when the node stops; read when it starts.
//!
//! Nothing on disk can keep a node from starting: what can't be read whole is set aside, said and counted, and the
//! node catches up from its peers. A write that fails is tried again at the next interval. Disks block, so all of it
//! runs off the async workers.

pub(crate) mod directory;
mod parts;
pub(crate) mod store;
pub(crate) mod task;
