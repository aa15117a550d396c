//! What a refusal means for a client: whether another node may accept the call, or another access token.

use std::error::Error;

use psi_client::is_distrust;
use tonic::{Code, Status};

/// Whether a refusal says that another node may take the call: this one is starting, stopping, gone or overloaded.
pub(crate) fn may_go_elsewhere(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        // Made on this side: the connection broke under the call, which may or may not have been taken.
        Code::Internal | Code::Unknown | Code::Cancelled => status.source().is_some(),
        // Too many calls at once on one connection; of an earlier node, without a cause.
        Code::ResourceExhausted => match psi_api::cause_of(status) {
            Some((reason, _)) => reason == "TOO_MANY_CALLS",
            None => status.source().is_none(),
        },
        _ => false,
    }
}

/// Whether it is the access token that keeps the call from being done, or the lack of one. Another token may help.
pub(crate) fn is_access_refusal(status: &Status) -> bool {
    const REASONS: [&str; 5] =
        ["ACCESS_TOKEN_MISSING", "ACCESS_TOKEN_REFUSED", "ROLE_TOO_LOW", "FIELD_NOT_ALLOWED", "TLS_REQUIRED"];
    match psi_api::cause_of(status) {
        Some((reason, _)) => REASONS.contains(&reason.as_str()),
        // The node shows a certificate that the token does not trust.
        None => status.source().is_some_and(is_distrust),
    }
}

/// Whether the connection broke during a call: what the node did is not known, and it may be gone.
pub(crate) fn broke_off(status: &Status) -> bool {
    matches!(status.code(), Code::Unknown | Code::Cancelled) && status.source().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_that_is_not_available_passes_a_call_on() {
        for (code, want) in [
            (Code::Unavailable, true),
            (Code::ResourceExhausted, true),
            (Code::DeadlineExceeded, false),
            (Code::InvalidArgument, false),
            (Code::Internal, false),
        ] {
            assert_eq!(may_go_elsewhere(&Status::new(code, "")), want, "{code:?}");
        }
    }

    #[test]
    fn a_connection_that_breaks_passes_a_call_on() {
        for code in [Code::Internal, Code::Unknown, Code::Cancelled] {
            let mut broken = Status::new(code, "h2 protocol error");
            broken.set_source(std::sync::Arc::new(std::io::Error::other("broken pipe")));
            assert!(may_go_elsewhere(&broken), "{code:?}");
        }
    }
}
