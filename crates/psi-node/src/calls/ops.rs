//! The operations of a node, which gRPC and HTTP share: one function an operation, one kind of error. Here is what
//! the operations have in common.

pub(crate) mod audit;

use std::{future::Future, net::SocketAddr, sync::Arc};

use axum::http::{Extensions, HeaderValue};
use psi_api::Cause;
use psi_ledger::record::{Actor, Kind};
use psi_replica::{FieldName, Now};
use psi_security::token::Role;
use psi_state::{Replica, WriteError};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Code;

use self::audit::{AllowedCall, AuditEntry, is_action, record_refused};
use super::readiness::explained;
use crate::node::{
    context::NodeContext,
    identity::{Requirement, caller::Caller, shown::ShownIdentity},
};

/// The operations of a node, for one caller.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) context: Arc<NodeContext>,
    caller: Caller,
    /// Of an operator's action.
    pub(super) audit: Option<AuditEntry>,
}

impl Ops {
    /// The operations of a node, for a caller who may not do anything yet.
    pub(crate) fn new(context: Arc<NodeContext>) -> Self {
        Self { context, caller: Caller::Stranger, audit: None }
    }

    /// The same for the caller of a request, which was recorded when the call was allowed.
    pub(crate) fn called_by(&self, extensions: &Extensions) -> Self {
        let stranger = || AllowedCall { caller: Caller::Stranger, audit: None };
        let AllowedCall { caller, audit } = audit::call_of(extensions).cloned().unwrap_or_else(stranger);
        Self { context: self.context.clone(), caller, audit }
    }

    /// Allows a call, or refuses it. What it is called is only asked for an operator's action.
    ///
    /// # Errors What was shown does not suffice for what is needed. The refusal is counted. If the caller is known, it
    /// is logged as the outcome of its action, at most once a minute for each caller and method.
    pub(crate) fn allow(
        &self,
        (shown, authorization): (&ShownIdentity, Option<&HeaderValue>),
        need: Requirement,
        from: SocketAddr,
        method: impl FnOnce() -> String,
    ) -> Result<AllowedCall, Cause> {
        let identity = &self.context.identity;
        let error = match identity.admit(shown, authorization, need) {
            Ok(caller) => {
                let audit =
                    is_action(need).then(|| AuditEntry::new(self.context.clone(), caller.clone(), from, method()));
                return Ok(AllowedCall { caller, audit });
            }
            Err(error) => error,
        };
        let cause = self.record_cause(error.into());
        // Strangers are only counted: a log is no place for what anyone sends.
        if is_action(need)
            && let Ok(by) = identity.admit(shown, authorization, Requirement::Role(Role::Read))
        {
            let method = method();
            if let Some(count) = self.context.refused_actions.record(&format!("{by} {method}")) {
                record_refused(&self.context, (&by, from), method, cause.reason, count);
            }
        }
        Err(cause)
    }

    /// Names what an operator's action is about, for its entry in the audit.
    pub(crate) fn record_object(&self, object: &str) {
        if let Some(audit) = &self.audit {
            audit.record_object(object);
        }
    }

    /// Says why an operator does something.
    pub(crate) fn record_reason(&self, reason: &str) {
        if let Some(audit) = self.audit.as_ref().filter(|_| !reason.is_empty()) {
            audit.record_action(reason);
        }
    }

    /// Says what the record of an operator's action is about.
    pub(super) fn record_kind(&self, kind: Kind) {
        if let Some(audit) = &self.audit {
            audit.record_kind(kind);
        }
    }

    /// The caller as records name it.
    pub(super) fn actor(&self) -> Actor {
        audit::actor(&self.caller)
    }

    /// Resolves with the reason once the caller's token is accepted no longer; `None` for a caller without one.
    pub(crate) fn token_end(&self) -> Option<impl Future<Output = Cause> + Send + 'static + use<>> {
        let end = self.context.identity.token_end(&self.caller)?;
        let ops = self.clone();
        Some(async move { ops.record_cause(end.await.into()) })
    }

    /// The field that a client named, if it may use that; empty means `default`.
    pub(super) fn field_name(&self, name: &str) -> Result<FieldName, Cause> {
        let name = if name.is_empty() {
            FieldName::default_field()
        } else {
            FieldName::new(name).map_err(|error| Cause::from(&error))?
        };
        self.caller.check_field(name.as_str())?;
        Ok(name)
    }

    /// Refuses a caller who may not use a field or, of one that is a version, its model.
    pub(super) fn check_field(&self, field: &str) -> Result<(), Cause> {
        Ok(self.caller.check_field(field)?)
    }

    /// Whether the caller may use a field.
    pub(super) fn may_use(&self, field: &str) -> bool {
        self.caller.check_field(field).is_ok()
    }

    /// The field that an operator is about to change.
    pub(super) fn operator_field(&self, name: &str) -> Result<FieldName, Cause> {
        self.record_object(name);
        let field = FieldName::new(name).map_err(|error| Cause::from(&error))?;
        self.caller.check_field(field.as_str())?;
        Ok(field)
    }

    /// A write, and a token that covers it.
    pub(super) fn write<R>(
        &self,
        change: impl FnOnce(&mut Replica, Now) -> Result<R, WriteError>,
    ) -> Result<(R, String), Cause> {
        let write = |replica: &mut Replica, now| Ok((change(replica, now)?, replica.token().to_string()));
        self.context.write(write).map_err(|error: WriteError| self.record_cause(Cause::from(&error)))
    }

    /// A place among the open streams of the node.
    pub(crate) fn stream_slot(&self) -> Result<OwnedSemaphorePermit, Cause> {
        self.context.stream_slots.clone().try_acquire_owned().map_err(|_| {
            let limit = self.context.settings.streams_max;
            let message = format!(
                "this node already has {limit} streams open; end some, use another node, or raise limits.streams_max"
            );
            self.record_cause(Cause::new(Code::Unavailable, "TOO_MANY_STREAMS", message).with("limit", limit))
        })
    }

    /// Counts a refusal, if there is one.
    pub(super) fn record_refusal<T>(&self, result: Result<T, Cause>) -> Result<T, Cause> {
        result.map_err(|cause| self.record_cause(cause))
    }

    /// Counts a refusal by its cause, which is the whole one from then on.
    pub(crate) fn record_cause(&self, cause: Cause) -> Cause {
        let cause = explained(&self.context, cause);
        self.context.metrics.record_refusal(cause.reason);
        cause
    }
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
