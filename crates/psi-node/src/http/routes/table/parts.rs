//! What rows of the table have in common.

use axum::routing;
use psi_security::token::Role;

use super::super::{
    property::{Group, Kind, Property},
    route::{Answer, Body, Operation, Verb},
};
use crate::{calls::ops::Ops, node::identity::Requirement};

pub(super) const NODE: Property = Property::text("node", "the node that answers, or accepted the write");
pub(super) const TOKEN: Property =
    Property::text("token", "the session token, opaque and under 1 kB: what the client has now seen or written");
pub(super) const NAME: Property = Property::text("field", "the field");
pub(super) const EPOCH: Property = Property::text("epoch", "the field's epoch, an integer as text");
pub(super) const ENGINE: Property = Property::text("engine", "what scores its steps");
pub(super) const WIDTH: Property = Property::integer("width", "numbers in an input vector");
pub(super) const K: Property = Property::integer("k", "the field's merged step count");
pub(super) const SECONDS: Property = Property::number("timestamp", "seconds since the Unix epoch");
pub(super) const UTC: Property = Property::text("timestamp", "RFC 3339 in UTC, to the millisecond");
pub(super) const STATUS: Property = Property::text("status", "");
pub(super) const MODE: Property = Property::text("mode", "watch or intervene");
pub(super) const NOVELTY: Property = Property::number("novelty", "root mean square z-score of the latest input");
pub(super) const ATT_GAIN: Property = Property::number("att_gain", "g0 + g1·Ψ − g2·PE");
pub(super) const TIME: Property =
    Property::number("t", "the sum of all effective steps, seconds, where the engine keeps it").optional();
pub(super) const DRIFT: Property = Property::object(
    "drift",
    "status, severity, columns and column_names: whether the inputs still come from where the baseline came from",
);
pub(super) const REPLICATED: Property =
    Property::object("replicated", "how far the write got, if the request asked for a level").optional();

pub(super) const LABEL: Property = Property::text("label", "what people call the field").nullable();
pub(super) const NAMES: Property =
    Property::new("names", Kind::Texts, "what people call its columns, in their order").nullable();

/// What is said of a field's red flag.
pub(super) const RED_FLAG: &[Property] = &[
    Property::boolean("red_flag", "whether it is up"),
    Property::text("reason", "why it is up").nullable(),
    Property::integer("step", "the step that raised it").nullable(),
    Property::boolean("current_threat", "whether the latest step is a threat"),
    Property::text("current_threat_reason", "").nullable(),
    NAME,
    MODE,
    NODE,
    TOKEN,
];

pub(super) const OF_A_NAME: &[&str] = &["NOT_READY", "UNKNOWN_FIELD", "BAD_NAME", "BAD_QUERY"];
pub(super) const OF_A_TOKEN: &[&str] = &[
    "BAD_DEADLINE",
    "SESSION_TOKEN_NOT_REACHED",
    "SESSION_TOKEN_MALFORMED",
    "SESSION_TOKEN_DAMAGED",
    "SESSION_TOKEN_FORMAT_UNKNOWN",
    "SESSION_TOKEN_TOO_MANY_ORIGINS",
    "SESSION_TOKEN_OTHER_CLUSTER",
    "SESSION_TOKEN_FROM_THE_FUTURE",
];
pub(super) const OF_A_REQUEST: &[&str] =
    &["UNKNOWN_LEVEL", "BAD_REQUEST_ID", "REQUEST_ID_REUSED", "REQUEST_UNDERWAY", "FIELD_BUSY"];
pub(super) const OF_AN_INPUT: &[&str] =
    &["WRONG_WIDTH", "NOT_FINITE", "OUT_OF_RANGE", "FIELD_FULL", "STATE_FULL", "ENGINE_NOT_HERE"];
pub(super) const OF_A_VERSION: &[&str] = &["BAD_KEY", "BAD_OUTCOME", "TOO_MANY_VERSIONS"];
pub(super) const OF_A_BODY: &[&str] = &[
    "BAD_JSON",
    "BAD_BODY",
    "WRONG_CONTENT_TYPE",
    "WRONG_ENCODING",
    "BODY_TOO_LARGE",
    "BODY_TOO_SLOW",
    "BODY_CUT_OFF",
];
pub(super) const OF_A_SETUP: &[&str] =
    &["UNKNOWN_ENGINE", "BAD_SHAPE", "BAD_PARAMETER", "UNKNOWN_GUARDIAN_MODE", "FIELD_BUSY"];

/// What routes need of a caller: of which field is for the operation to check, unless it is of all.
pub(super) const OPEN: Requirement = Requirement::Nothing;
pub(super) const READ: Requirement = Requirement::Role(Role::Read);
pub(super) const READ_ALL: Requirement = Requirement::Whole(Role::Read);
pub(super) const FEED: Requirement = Requirement::Role(Role::Step);
pub(super) const CHANGE: Requirement = Requirement::Role(Role::Operator);
pub(super) const CHANGE_ALL: Requirement = Requirement::Whole(Role::Operator);

pub(super) const fn get(
    need: Requirement,
    help: &'static str,
    answer: Answer,
    handler: fn() -> routing::MethodRouter<Ops>,
) -> Operation {
    Operation::new(Verb::Get, need, help, answer, handler)
}

pub(super) const fn post(
    need: Requirement,
    help: &'static str,
    answer: Answer,
    handler: fn() -> routing::MethodRouter<Ops>,
) -> Operation {
    Operation::new(Verb::Post, need, help, answer, handler)
}

/// A change by an operator, of what the path names.
pub(super) const fn change(
    help: &'static str,
    answer: Answer,
    body: &'static [Group],
    refusals: &'static [&'static [&'static str]],
    handler: fn() -> routing::MethodRouter<Ops>,
) -> Operation {
    post(CHANGE_ALL, help, answer, handler).body(Body::Json(body)).refuses(refusals)
}

pub(super) const fn answer(properties: &'static [Group]) -> Answer {
    Answer::Json(200, properties)
}
