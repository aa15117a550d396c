//! The operations of a node, which gRPC and HTTP share: one function an operation, one kind of error. Here is what
//! the operations have in common.

use std::sync::Arc;

use psi_api::Cause;
use psi_replica::{FieldName, Now};
use psi_state::{Replica, WriteError};
use tonic::Code;

use crate::node::context::NodeContext;

/// The operations of a node.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) context: Arc<NodeContext>,
}

impl Ops {
    /// A write, and a token that covers it.
    pub(super) fn write<R>(
        &self,
        change: impl FnOnce(&mut Replica, Now) -> Result<R, WriteError>,
    ) -> Result<(R, String), Cause> {
        let write = |replica: &mut Replica, now| Ok((change(replica, now)?, replica.token().to_string()));
        self.context.write(write).map_err(|error: WriteError| self.record_cause(Cause::from(&error)))
    }

    /// Counts a refusal, if there is one.
    pub(super) fn record_refusal<T>(&self, result: Result<T, Cause>) -> Result<T, Cause> {
        result.map_err(|cause| self.record_cause(cause))
    }

    /// Counts a refusal by its cause.
    pub(crate) fn record_cause(&self, cause: Cause) -> Cause {
        self.context.metrics.record_refusal(cause.reason);
        cause
    }
}

/// The name of a field that a client gave; empty means `default`.
pub(super) fn field_name(name: &str) -> Result<FieldName, Cause> {
    if name.is_empty() {
        return Ok(FieldName::default_field());
    }
    FieldName::new(name).map_err(|error| Cause::from(&error))
}

pub(super) fn unknown_field(replica: &Replica, field: &FieldName) -> Cause {
    let known = replica.field_names().take(psi_state::FIELDS_SHOWN).collect();
    Cause::from(&WriteError::UnknownField { field: field.clone(), known })
}

/// A request of another kind had this id, and its content has the same hash.
pub(crate) fn of_another_kind() -> Cause {
    let message = "the request_id belongs to another request; draw a new one for each, for instance a UUID";
    Cause::new(Code::InvalidArgument, "REQUEST_ID_REUSED", message)
}
