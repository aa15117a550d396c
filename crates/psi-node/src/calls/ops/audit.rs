//! What operators do: a line in the log for each action, after its outcome, and a record in the ledger for each that may
//! have changed something.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::Extensions;
use psi_ledger::{
    body,
    record::{Actor, Kind},
};
use psi_security::token::Role;
use tracing::info;

use crate::node::{
    context::NodeContext,
    identity::{Requirement, caller::Caller},
};

/// The outcome of an action that was done.
const OK: &str = "ok";
/// The outcome of an action whose caller went away before the answer: it may have been done.
const UNANSWERED: &str = "unanswered";

/// A call that was allowed.
#[derive(Clone)]
pub(crate) struct AllowedCall {
    pub(crate) caller: Caller,
    /// Of an operator's action.
    pub(crate) audit: Option<AuditEntry>,
}

/// An action of an operator on its way to its outcome. It is logged once: by [`AuditEntry::end`], or when nobody holds it
/// any more.
#[derive(Clone)]
pub(crate) struct AuditEntry(Arc<Action>);

struct Action {
    context: Arc<NodeContext>,
    by: Caller,
    from: SocketAddr,
    method: String,
    subject: Mutex<ActionSubject>,
}

/// What the call is found to be about.
#[derive(Debug, Default)]
struct ActionSubject {
    object: Option<String>,
    /// Where the method does not say it.
    action: Option<String>,
    /// What its record is about.
    kind: Option<Kind>,
    is_logged: bool,
}

impl AuditEntry {
    pub(crate) fn new(context: Arc<NodeContext>, by: Caller, from: SocketAddr, method: String) -> Self {
        Self(Arc::new(Action { context, by, from, method, subject: Mutex::default() }))
    }

    /// Logs the action with its outcome: none, or the reason of a refusal.
    pub(crate) fn end(&self, refusal: Option<&str>) {
        self.0.log(refusal.unwrap_or(OK));
    }

    /// Names the field, node or time that the call is about.
    pub(crate) fn record_object(&self, object: &str) {
        self.0.subject().object = Some(object.to_owned());
    }

    /// Says what the action does, or why, where its method does not.
    pub(crate) fn record_action(&self, action: &str) {
        self.0.subject().action = Some(action.to_owned());
    }

    /// Says what its record is about.
    pub(crate) fn record_kind(&self, kind: Kind) {
        self.0.subject().kind = Some(kind);
    }

    /// It changes nothing, so it is not logged.
    pub(crate) fn withdraw(&self) {
        self.0.subject().is_logged = true;
    }
}

impl Action {
    fn subject(&self) -> MutexGuard<'_, ActionSubject> {
        self.subject.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, outcome: &str) {
        let mut subject = self.subject();
        if subject.is_logged {
            return;
        }
        subject.is_logged = true;
        let Self { context, by, from, method, subject: _ } = self;
        let ActionSubject { object, action, kind, is_logged: _ } = &*subject;
        info!(target: "psi_node::audit", %by, %from, method, object, action, outcome, "operator action");
        // What was refused for what it asked has changed nothing.
        if outcome == OK || outcome == UNANSWERED {
            let action = body::Action {
                method: method.clone(),
                object: object.clone().unwrap_or_default(),
                action: action.clone().unwrap_or_default(),
                outcome: outcome.to_owned(),
                address: from.to_string(),
                count: 0,
            };
            context.record(kind.unwrap_or(Kind::OperatorAction), actor(by), &action);
        }
    }
}

impl Drop for Action {
    fn drop(&mut self) {
        self.log(UNANSWERED);
    }
}

/// The call that a request was allowed as.
pub(crate) fn call_of(extensions: &Extensions) -> Option<&AllowedCall> {
    extensions.get()
}

/// Whether what needs this is an operator's action.
pub(crate) fn is_action(need: Requirement) -> bool {
    matches!(need, Requirement::Role(Role::Operator) | Requirement::Whole(Role::Operator))
}

/// Logs and records an action that was refused to a caller who is known, and how many such.
pub(crate) fn record_refused(
    context: &NodeContext,
    (by, from): (&Caller, SocketAddr),
    method: String,
    outcome: &str,
    count: u64,
) {
    info!(target: "psi_node::audit", %by, %from, method, outcome, count, "operator action");
    let action = body::Action {
        method,
        outcome: outcome.to_owned(),
        address: from.to_string(),
        count,
        ..body::Action::default()
    };
    context.record(Kind::AuthorityRefusal, actor(by), &action);
}

/// A caller as records name it.
pub(super) fn actor(by: &Caller) -> Actor {
    match by {
        Caller::Anyone | Caller::Stranger => Actor::Anyone,
        Caller::Node(node) => Actor::Node(node.clone()),
        Caller::Token(token) => Actor::Token { token: token.label(), role: token.role() },
    }
}
