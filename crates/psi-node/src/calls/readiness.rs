//! Whether the node may be read, written and shown as healthy: the only file that asks the replica.

use psi_api::Cause;
use psi_replica::{NotReady, StopCause};
use psi_state::{Replica, WriteError};

use crate::{
    cluster::claim::{NameClaim, waiting_text},
    node::context::NodeContext,
};

/// The reason of refusals by a node that is not ready.
const NOT_READY: &str = "NOT_READY";

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
pub(crate) fn why_not_healthy(context: &NodeContext) -> Option<String> {
    let of_replica = || context.read(|replica| replica.readiness().for_writing().err().map(|error| error.to_string()));
    why_unnamed(context).or_else(of_replica)
}

/// Why the node does nothing, if another run has its name.
fn why_unnamed(context: &NodeContext) -> Option<String> {
    match context.claim.now() {
        NameClaim::Waits { holder } => Some(waiting_text(context.settings.node.as_str(), holder)),
        NameClaim::Open | NameClaim::Held => None,
    }
}

/// A refusal with what the replica does not know: that the node is not ready since another run has its name.
pub(crate) fn explained(context: &NodeContext, cause: Cause) -> Cause {
    match why_unnamed(context) {
        Some(why) if cause.reason == NOT_READY => Cause::new(cause.code, NOT_READY, why),
        _ => cause,
    }
}

/// The node is about to stop: it accepts no more writes.
pub(crate) fn stopping() -> WriteError {
    WriteError::NotReady(NotReady::Stopping(StopCause::Requested))
}

fn not_ready(error: NotReady) -> Cause {
    Cause::from(&WriteError::NotReady(error))
}
