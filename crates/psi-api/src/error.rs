//! Errors with a cause: one table from the inner crates' refusals to gRPC codes, reasons and values. HTTP answers
//! are made from the same [`Cause`].

use std::collections::HashMap;

use psi_replica::{LinkError, NameError, TokenError};
use psi_rollout::{KeyError, LatencyError, LiveVersionsError, VersionName};
use psi_state::WriteError;
use psi_stats::FixedError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `ErrorInfo` of this program.
pub const DOMAIN: &str = "psi-field";

/// Why a call was refused: for a program, the code, reason and values; for people, the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// gRPC status code.
    pub code: Code,
    /// One of the words listed in `field.proto`.
    pub reason: &'static str,
    /// Names the value, the limit and the way out.
    pub message: String,
    /// The values concerned, by name.
    pub metadata: Vec<(&'static str, String)>,
}

/// Longest message and value, in characters: they travel in a header, and a client may have made them up.
const TEXT_MAX: usize = 1_000;

#[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and references alike")]
impl Cause {
    /// A cause without values.
    #[must_use]
    pub fn new(code: Code, reason: &'static str, message: impl ToString) -> Self {
        Self { code, reason, message: cut(message.to_string()), metadata: Vec::new() }
    }

    /// The same with one more value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.metadata.push((name, cut(value.to_string())));
        self
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl From<Cause> for Status {
    fn from(cause: Cause) -> Self {
        let metadata: HashMap<String, String> =
            cause.metadata.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let details = ErrorDetails::with_error_info(cause.reason, DOMAIN, metadata);
        Self::with_error_details(cause.code, cause.message, details)
    }
}

/// The reason and values that a status of this program carries; `None` for another's.
#[must_use]
pub fn cause_of(status: &Status) -> Option<(String, HashMap<String, String>)> {
    let info = status.get_details_error_info()?;
    (info.domain == DOMAIN).then_some((info.reason, info.metadata))
}

impl From<&NameError> for Cause {
    fn from(error: &NameError) -> Self {
        Self::new(Code::InvalidArgument, "BAD_NAME", error).with("what", error.what).with("got", &error.got)
    }
}

impl From<&psi_rollout::NameError> for Cause {
    fn from(error: &psi_rollout::NameError) -> Self {
        Self::new(Code::InvalidArgument, "BAD_NAME", error).with("what", error.what).with("got", &error.got)
    }
}

impl From<&KeyError> for Cause {
    fn from(error: &KeyError) -> Self {
        Self::new(Code::InvalidArgument, "BAD_KEY", error).with("got", &error.got).with("bytes", error.bytes)
    }
}

impl From<&LatencyError> for Cause {
    fn from(error: &LatencyError) -> Self {
        Self::new(Code::InvalidArgument, "BAD_OUTCOME", error).with("latency_ms", error.0)
    }
}

impl From<&TokenError> for Cause {
    fn from(error: &TokenError) -> Self {
        let cause = Self::new(Code::InvalidArgument, error.reason(), error);
        match error {
            TokenError::Cluster { ours, theirs, .. } => cause.with("ours", ours).with("theirs_hash", theirs),
            TokenError::Future { origin, claimed, written } => {
                cause.with("origin", origin).with("claimed", claimed).with("written", written)
            }
            _ => cause,
        }
    }
}

fn too_many_versions(full: &LiveVersionsError, error: &WriteError) -> Cause {
    let live: Vec<&str> = full.live.iter().map(VersionName::as_str).collect();
    Cause::new(Code::FailedPrecondition, "TOO_MANY_VERSIONS", error).with("live", live.join(","))
}

impl From<&WriteError> for Cause {
    fn from(error: &WriteError) -> Self {
        use Code::{AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Unavailable};
        let cause = |code, reason| Self::new(code, reason, error);
        let too_many =
            |reason, got: &usize, max: &usize| cause(ResourceExhausted, reason).with("got", got).with("limit", max);
        match error {
            WriteError::NotReady(_) => cause(Unavailable, "NOT_READY"),
            WriteError::UnknownField { field, .. } => cause(NotFound, "UNKNOWN_FIELD").with("field", field),
            WriteError::FieldExists(field) => cause(AlreadyExists, "FIELD_EXISTS").with("field", field),
            WriteError::Protected => cause(FailedPrecondition, "PROTECTED_FIELD"),
            WriteError::Width { field, got, want } => {
                cause(InvalidArgument, "WRONG_WIDTH").with("field", field).with("got", got).with("want", want)
            }
            WriteError::NamesNumber { field, got, want } => {
                cause(InvalidArgument, "BAD_NAMES").with("field", field).with("got", got).with("want", want)
            }
            WriteError::Component { index, source: FixedError::NotFinite { value } } => {
                cause(InvalidArgument, "NOT_FINITE").with("index", index).with("value", value)
            }
            WriteError::Component { index, source: FixedError::OutOfRange { value, limit } } => {
                let cause = cause(InvalidArgument, "OUT_OF_RANGE");
                cause.with("index", index).with("value", value).with("limit", limit)
            }
            WriteError::InBatch { position, source } => {
                let inner = Self::from(&**source);
                Self { message: error.to_string(), ..inner }.with("position", position)
            }
            WriteError::BatchSize(got) => {
                cause(InvalidArgument, "BATCH_SIZE").with("got", got).with("limit", psi_state::BATCH_MAX)
            }
            WriteError::Fixed { field, count, changed } => {
                let cause = cause(FailedPrecondition, "FIELD_HAS_HISTORY").with("field", field).with("count", count);
                cause.with("changed", changed.join(","))
            }
            WriteError::NotWatched(field) => cause(FailedPrecondition, "NOT_WATCHED").with("field", field),
            WriteError::NoBaseline { field, spans, inputs } => {
                let cause = cause(FailedPrecondition, "TOO_FEW_INPUTS").with("field", field);
                cause.with("spans", spans).with("inputs", inputs)
            }
            WriteError::Full { field, count } => {
                cause(ResourceExhausted, "FIELD_FULL").with("field", field).with("count", count)
            }
            WriteError::TooManyFields { fields: got, max } => too_many("TOO_MANY_FIELDS", got, max),
            WriteError::TooManyRegisters { registers: got, max } => too_many("TOO_MANY_REGISTERS", got, max),
            WriteError::StateFull { bytes: got, max } => too_many("STATE_FULL", got, max),
            WriteError::Busy(field) => cause(Unavailable, "FIELD_BUSY").with("field", field),
            WriteError::EngineHere { field, engine } => {
                cause(FailedPrecondition, "ENGINE_NOT_HERE").with("field", field).with("engine", engine)
            }
            WriteError::UnknownEngine(unknown) => cause(InvalidArgument, "UNKNOWN_ENGINE").with("got", &unknown.got),
            WriteError::WidthRange(got) => {
                cause(InvalidArgument, "BAD_SHAPE").with("got", got).with("limit", psi_state::WIDTH_MAX)
            }
            WriteError::VersionName(name) => Self::from(name),
            WriteError::LiveVersions(full) => too_many_versions(full, error),
            WriteError::Parameters(_) => cause(InvalidArgument, "BAD_PARAMETER"),
            _ => cause(Code::Internal, "INTERNAL"),
        }
    }
}

impl From<&LinkError> for Cause {
    fn from(error: &LinkError) -> Self {
        use Code::{FailedPrecondition, InvalidArgument};
        let (code, reason) = match error {
            LinkError::Cluster { .. } => (FailedPrecondition, "WRONG_CLUSTER"),
            LinkError::Protocol { .. } => (FailedPrecondition, "UNKNOWN_PROTOCOL"),
            LinkError::SameNode(_) => (FailedPrecondition, "SAME_NODE"),
            LinkError::OwnFuture { .. } => (FailedPrecondition, "OWN_FUTURE"),
            LinkError::Name(_) => (InvalidArgument, "BAD_NAME"),
            LinkError::Origin(_) => (InvalidArgument, "BAD_ORIGIN"),
            LinkError::OutOfTurn(_) => (InvalidArgument, "OUT_OF_TURN"),
            LinkError::TooManyOrigins { .. } => (InvalidArgument, "TOO_MANY_ORIGINS"),
            LinkError::TooManyMoves { .. } => (InvalidArgument, "TOO_MANY_MOVES"),
            _ => (InvalidArgument, "UNKNOWN_FRAME"),
        };
        Self::new(code, reason, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_made_up_does_not_travel_back_at_length() {
        let name = "é".repeat(1_000_000);
        let error = psi_replica::FieldName::new(&name).expect_err("too long");
        let cause = Cause::from(&error);
        assert!(cause.message.len() + cause.metadata[1].1.len() < 4_096);
    }

    #[test]
    fn a_cause_survives_the_way_through_a_status() {
        let field = psi_replica::FieldName::default_field();
        let one = WriteError::Width { field: field.clone(), got: 1, want: 16 };
        assert_eq!(one.to_string(), "input has 1 number, field `default` takes 16");
        let status = Status::from(Cause::from(&WriteError::Width { field, got: 3, want: 16 }));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "input has 3 numbers, field `default` takes 16");
        let (reason, metadata) = cause_of(&status).expect("it carries one");
        assert_eq!(reason, "WRONG_WIDTH");
        assert_eq!((metadata["got"].as_str(), metadata["want"].as_str()), ("3", "16"));
    }
}
