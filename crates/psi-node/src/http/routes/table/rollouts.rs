//! Rows of the table about models and their rollouts.

use axum::routing;

use super::{
    super::{
        properties::rollouts::{CANARY, ROLLOUT_CHANGE, STAGE},
        property::{Group, Kind, Property},
        route::Route,
    },
    parts::{NODE, OF_A_BODY, READ_ALL, answer, change, get},
};
use crate::http::governance::rollouts;

const ROLLOUT: &[Property] = &[
    Property::text("id", "what it is called"),
    Property::text("model", "the model"),
    Property::text("champion", "the version that answers by default"),
    Property::text("version", "the version that is rolled out"),
    Property::text("status", "PENDING, IN_PROGRESS, PAUSED, PROMOTED, ROLLED_BACK or CANCELLED"),
    Property::number("percentage", "the share of keys that the version answers; after the end, how far it had come"),
    Property::text("since", "RFC 3339 in UTC, when this percentage began").nullable(),
    Property::text("began", "RFC 3339 in UTC").nullable(),
    Property::text("ended", "RFC 3339 in UTC").nullable(),
    Property::text("hold", "why nothing follows by itself yet").nullable(),
    Property::text("reason", "the same in words and numbers, or what follows").nullable(),
    Property::new("gates", Kind::Objects, "gate, verdict, hold and reason of each"),
    Property::new("outcomes", Kind::Objects, "of both versions at this percentage: steps, errors, mean latency_ms"),
    Property::object("config", "what it follows").nullable(),
    Property::boolean("decided", "whether a majority has decided this; a rollback counts before"),
    Property::boolean("late_rollback", "whether it was rolled back after its promotion was decided"),
    Property::text("changed_by", "who changed the model last").nullable(),
    Property::text("because", "why").nullable(),
    NODE,
];
const MODEL: &[Property] = &[
    Property::text("model", "the model"),
    Property::text("champion", "the version that answers").nullable(),
    Property::object("stages", "of each version"),
    Property::text("deployment", "the rollout that is under way").nullable(),
    Property::integer("step", "how often the model was changed"),
    NODE,
];
const STATUS: &[Property] = &[Property::text("status", "those of this status").optional()];
pub(super) const OF_A_MODEL: &[&str] = &["NOT_READY", "BAD_ROLLOUT", "UNKNOWN_MODEL", "BAD_QUERY"];
/// What changes are refused for that voters decide.
pub(super) const OF_A_DECISION: &[&str] = &[
    "ROLLOUT_REFUSED",
    "ROLLOUT_CONFLICT",
    "TOO_MANY_MODELS",
    "NO_VOTERS",
    "NO_MAJORITY",
    "LEDGER_UNREADABLE",
    "STATE_FULL",
    "TOO_MANY_REGISTERS",
];

pub(super) const DEPLOYMENTS: Route = Route {
    path: "/api/v1/models/{name}/deployments",
    operations: &[get(
        READ_ALL,
        "the rollouts of a model: those under way, and the last that have ended, the latest first",
        answer(&[Group::Each(&[Property::new("content", Kind::Objects, "each as its own path shows it"), NODE])]),
        || routing::get(rollouts::list),
    )
    .query(STATUS)
    .refuses(&[OF_A_MODEL])],
};

pub(super) const CANARIES: Route = Route {
    path: "/api/v1/models/{name}/deployments/canary",
    operations: &[change(
        "begins a rollout of a version, at the first percentage of its schedule",
        answer(&[Group::Each(ROLLOUT)]),
        &[Group::Each(CANARY)],
        &[OF_A_MODEL, OF_A_DECISION, OF_A_BODY],
        || routing::post(rollouts::start),
    )],
};

pub(super) const DEPLOYMENT: Route = Route {
    path: "/api/v1/models/{name}/deployments/{id}",
    operations: &[get(
        READ_ALL,
        "where a rollout stands, and what its gates say now",
        answer(&[Group::Each(ROLLOUT)]),
        || routing::get(rollouts::show),
    )
    .refuses(&[OF_A_MODEL, &["UNKNOWN_ROLLOUT"]])],
};

pub(super) const DEPLOYMENT_CHANGES: Route = Route {
    path: "/api/v1/models/{name}/deployments/{id}/{command}",
    operations: &[change(
        "advance, pause, resume, rollback, promote or cancel; a rollback needs no majority",
        answer(&[Group::Each(ROLLOUT)]),
        &[Group::Each(ROLLOUT_CHANGE)],
        &[OF_A_MODEL, &["UNKNOWN_ROLLOUT"], OF_A_DECISION, OF_A_BODY],
        || routing::post(rollouts::change),
    )],
};

pub(super) const PROMOTIONS: Route = Route {
    path: "/api/v1/models/{name}/versions/{version}/promote",
    operations: &[change(
        "says that a version comes to a stage; PRODUCTION makes it the champion",
        answer(&[Group::Each(MODEL)]),
        &[Group::Each(STAGE)],
        &[OF_A_MODEL, OF_A_DECISION, OF_A_BODY],
        || routing::post(rollouts::promote),
    )],
};
