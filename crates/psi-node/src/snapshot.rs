//! Snapshots on disk: every few seconds if anything changed, and when the node stops; read when it starts.
//!
//! No damage keeps a node from starting: a file that can't be read whole is set aside, logged and counted, and the node
//! catches up from its peers. Only with the snapshots of another cluster it does not start. A failed write is retried at the next interval. Disks block, so all of this
//! runs off the async workers.

pub(crate) mod directory;
mod parts;
pub(crate) mod store;
pub(crate) mod task;
