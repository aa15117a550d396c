//! Whether the node may be read, written and shown as healthy: the only file that asks the replica.

use psi_api::Cause;
use psi_replica::{NotReady, StopCause};
use psi_state::{Replica, WriteError};

/// Whether the node accepts writes, which is what `ready` means everywhere.
pub(crate) fn is_writable(replica: &Replica) -> bool {
    replica.readiness().is_serving()
}

/// # Errors
/// Why the node accepts no writes.
pub(crate) fn writable(replica: &Replica) -> Result<(), Cause> {
    replica.readiness().for_writing().map_err(not_ready)
}

/// # Errors
/// Why the node shows no state: one that has not caught up would show too little.
pub(crate) fn readable(replica: &Replica) -> Result<(), Cause> {
    replica.readiness().for_reading().map_err(not_ready)
}

/// Why the node is not healthy, for people; `None` if it is.
pub(crate) fn why_not_healthy(replica: &Replica) -> Option<String> {
    replica.readiness().for_writing().err().map(|error| error.to_string())
}

/// The node is about to stop: it accepts no more writes.
pub(crate) fn stopping() -> WriteError {
    WriteError::NotReady(NotReady::Stopping(StopCause::Requested))
}

fn not_ready(error: NotReady) -> Cause {
    Cause::from(&WriteError::NotReady(error))
}
