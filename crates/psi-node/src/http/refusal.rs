//! Refused requests: the status, and a body that serves people and programs.
//!
//! ```json
//! {"detail": "there is no field `x`; create it first, or use one of: default",
//!  "error": {"reason": "UNKNOWN_FIELD", "message": "there is no field `x`; …", "field": "x"}}
//! ```
//!
//! `error` holds the reason and values (all strings) of the same error over gRPC. `detail` is the message, except
//! with 422. There it is the list that the original service gave, one `{loc, msg, type}` a problem.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use psi_api::Cause;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tonic::Code;

use super::requests::body_params::BodyParams;
use crate::calls::ops::Ops;

/// Longest text of a client that is shown back to it, in characters.
const SHOWN_MAX: usize = 200;

/// A request that was refused; nothing was changed by it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    cause: Cause,
    /// With 422: each problem.
    problems: Vec<Problem>,
}

/// The reason of a refusal, in the extensions of its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusalReason(pub(super) &'static str);

/// One problem of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Problem {
    loc: Vec<Place>,
    msg: String,
    #[serde(rename = "type")]
    kind: String,
}

/// One step of the path to a problem: a name in an object, or a position in an array.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Place {
    Name(String),
    Index(usize),
}

impl From<&str> for Place {
    fn from(name: &str) -> Self {
        Self::Name(shorten(name))
    }
}

impl From<usize> for Place {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Problem {
    /// `kind` is for programs: words joined by `.` and `_`.
    pub(super) fn new<const N: usize>(loc: [Place; N], kind: &str, msg: impl Into<String>) -> Self {
        Self::at(loc, kind, msg)
    }

    /// The same, of any length.
    pub(super) fn at(loc: impl IntoIterator<Item = Place>, kind: &str, msg: impl Into<String>) -> Self {
        Self { loc: loc.into_iter().collect(), msg: shorten(&msg.into()), kind: kind.to_owned() }
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }
}

impl Refusal {
    /// A refusal by HTTP itself, before any operation.
    pub(super) fn new(status: StatusCode, reason: &'static str, message: impl ToString) -> Self {
        // The gRPC code is not shown.
        Self { status, ..Cause::new(Code::InvalidArgument, reason, message).into() }
    }

    /// The same, of a request whose body, not its address, carried these parameters.
    pub(super) fn in_body(self, named: BodyParams) -> Self {
        match param_of(self.cause.reason) {
            Some(name) if named.has(name) => self.placed(["body".into(), name.into()]),
            _ => self,
        }
    }

    /// The same of a request whose path names the field.
    pub(super) fn in_path(self) -> Self {
        if self.cause.reason == "BAD_NAME" { self.placed(["path".into(), "name".into()]) } else { self }
    }

    fn placed(mut self, loc: [Place; 2]) -> Self {
        self.problems = vec![Problem { loc: loc.into(), ..self.only_problem() }];
        self
    }

    /// A request that can be read, but not carried out.
    pub(super) fn invalid(reason: &'static str, problems: Vec<Problem>) -> Self {
        let message = problems.iter().map(|problem| problem.msg.as_str()).collect::<Vec<_>>().join("; ");
        Self { problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, reason, message) }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.cause = self.cause.with(name, value);
        self
    }

    /// For the counter of errors.
    pub(super) fn reason(&self) -> &'static str {
        self.cause.reason
    }

    /// As it is answered.
    pub(super) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("reason".to_owned(), self.cause.reason.into());
        error.insert("message".to_owned(), self.cause.message.clone().into());
        error.extend(self.cause.metadata.iter().map(|(name, value)| ((*name).to_owned(), shorten(value).into())));
        json!({ "detail": self.detail(), "error": error })
    }

    fn detail(&self) -> Value {
        if self.status != StatusCode::UNPROCESSABLE_ENTITY {
            return self.cause.message.clone().into();
        }
        if self.problems.is_empty() { json!([self.only_problem()]) } else { json!(self.problems) }
    }

    /// A position that the cause names.
    fn position(&self, name: &str) -> Option<Place> {
        let (_, position) = self.cause.metadata.iter().find(|(known, _)| *known == name)?;
        position.parse().ok().map(Place::Index)
    }

    /// An operation's refusal as a problem with a place in the request.
    fn only_problem(&self) -> Problem {
        let loc = match self.cause.reason {
            "WRONG_WIDTH" | "NOT_FINITE" | "OUT_OF_RANGE" => {
                let vector = self.position("position");
                let member = if vector.is_some() { "inputs" } else { "x" };
                ["body".into(), member.into()].into_iter().chain(vector).chain(self.position("index")).collect()
            }
            "BATCH_SIZE" => vec!["body".into(), "inputs".into()],
            "BAD_LABEL" => vec!["body".into(), "label".into()],
            "BAD_KEY" => vec!["body".into(), "key".into()],
            "BAD_OUTCOME" => vec!["body".into(), "outcome".into()],
            "BAD_NAMES" => vec!["body".into(), "names".into()],
            reason => match param_of(reason) {
                Some(name) => vec!["query".into(), name.into()],
                None => vec!["body".into()],
            },
        };
        Problem {
            loc,
            msg: self.cause.message.clone(),
            kind: format!("value_error.{}", self.cause.reason.to_lowercase()),
        }
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self { status: status(cause.code), cause, problems: Vec::new() }
    }
}

/// Counts a refusal that no operation has counted.
pub(super) fn record_refusal<T>(ops: &Ops, result: Result<T, Refusal>) -> Result<T, Refusal> {
    result.inspect_err(|refusal| ops.context.metrics.record_refusal(refusal.reason()))
}

/// What of a request's address or body a reason is about.
fn param_of(reason: &str) -> Option<&'static str> {
    match reason {
        "BAD_NAME" => Some("field"),
        "BAD_DEADLINE" => Some("deadline_ms"),
        "UNKNOWN_LEVEL" => Some("replicate_to"),
        "BAD_REQUEST_ID" | "REQUEST_ID_REUSED" => Some("request_id"),
        token if token.starts_with("SESSION") => Some("after"),
        _ => None,
    }
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(psi_api::http_status(code)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(self.body())).into_response();
        answer.extensions_mut().insert(RefusalReason(self.cause.reason));
        if self.status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        answer
    }
}

/// A client's text for an answer, cut if it is long.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
