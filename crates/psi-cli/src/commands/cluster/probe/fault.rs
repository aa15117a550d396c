//! What can go wrong with a probe: a fixed list of reasons, and what was said.

use serde::Serialize;
use tonic::{Code, Status};

use crate::output::{Failure, broke_off};

/// Why a probe failed. The later in this list, the more it weighs: of several, the greatest is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    /// The name can't be looked up.
    Unresolved,
    /// No connection.
    Unreachable,
    /// The node is joining, stopping, or its clock is off; or it is overloaded.
    NotReady,
    /// No answer within the deadline.
    Late,
    /// The connection broke during a call.
    Broken,
    /// Any other refusal.
    Refused,
    /// What one node had acknowledged was not on another within the deadline.
    NotReplicated,
    /// The node claimed to have reached it, and showed less. A bug in the node.
    Stale,
}

impl Reason {
    pub(super) const ALL: [Self; 8] = [
        Self::Unresolved,
        Self::Unreachable,
        Self::NotReady,
        Self::Late,
        Self::Broken,
        Self::Refused,
        Self::NotReplicated,
        Self::Stale,
    ];

    /// As a label and in JSON.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Unreachable => "unreachable",
            Self::NotReady => "not_ready",
            Self::Late => "late",
            Self::Broken => "broken",
            Self::Refused => "refused",
            Self::NotReplicated => "not_replicated",
            Self::Stale => "stale",
        }
    }
}

/// A reason, and what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) said: String,
    /// Another access token may help.
    pub(super) about_access: bool,
}

impl Fault {
    pub(super) fn new(reason: Reason, said: impl Into<String>) -> Self {
        Self { reason, said: said.into(), about_access: false }
    }

    /// What the node at `address` answered.
    pub(super) fn of_status(address: &str, status: &Status) -> Self {
        let cause = psi_api::cause_of(status).map(|(reason, _)| reason);
        let reason = match (cause.as_deref(), status.code()) {
            (Some("SESSION_TOKEN_NOT_REACHED"), _) => Reason::NotReplicated,
            (Some("NOT_READY"), _) => Reason::NotReady,
            (Some(_), _) => Reason::Refused,
            (None, Code::DeadlineExceeded) => Reason::Late,
            (None, Code::Internal | Code::Unavailable) if std::error::Error::source(status).is_some() => Reason::Broken,
            (None, _) if broke_off(status) => Reason::Broken,
            // Too many calls at once, or no more of them since it stops.
            (None, Code::Unavailable | Code::ResourceExhausted) => Reason::NotReady,
            (None, _) => Reason::Refused,
        };
        let failure = Failure::refused(address, status);
        Self { about_access: failure.is_about_access(), ..Self::new(reason, failure.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_as_labels_and_in_json() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn the_list_is_in_the_order_of_weight() {
        assert!(Reason::ALL.is_sorted());
    }

    #[test]
    fn an_error_without_a_cause_is_named_by_its_code() {
        let mut broken = Status::unknown("transport error");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("reset")));
        for (status, want) in [
            (Status::deadline_exceeded(""), Reason::Late),
            (Status::resource_exhausted(""), Reason::NotReady),
            (Status::unimplemented(""), Reason::Refused),
            (broken, Reason::Broken),
        ] {
            assert_eq!(Fault::of_status("a:1", &status).reason, want, "{status:?}");
        }
    }
}
