//! Rows of the table about drift and red flags, by the names that other programs know; and whether the node is up.

use axum::routing;

use super::{
    super::{
        properties::{AFTER, BASELINE_BODY, DEADLINE_MS, READ_PARAMS},
        property::{Group, Kind, Property},
        route::{Body, Operation, Route, Verb},
    },
    parts::{
        CHANGE, NODE, OF_A_BODY, OF_A_NAME, OF_A_TOKEN, READ, READ_ALL, RED_FLAG, STATUS, TOKEN, answer, get, post,
    },
};
use crate::http::{fields::drift, guardian, health};

const MODEL: &[Property] = &[
    Property::text("model", "the field, without what X-Tenant-ID puts before it"),
    Property::text("version", "of its baseline").nullable(),
    Property::text(
        "status",
        "OFF, NO_BASELINE, LEARNING, INSUFFICIENT_DATA, STABLE, WARNING (severity from 0.5) or DRIFT (from 0.8)",
    ),
    Property::number("severity", "0 to 1"),
    Property::boolean("driftDetected", "whether the status is WARNING or DRIFT"),
    Property::new("columns", Kind::Numbers, "that have changed, from 0, the most severe first"),
    Property::new("columnNames", Kind::Texts, "of these columns, where the field's have names").nullable(),
    Property::text("since", "when the first window ended that showed it; RFC 3339 in UTC").nullable(),
    Property::text("until", "inputs after this are not looked at yet").nullable(),
    NODE,
    TOKEN,
];
const ANALYSIS: &[Property] = &[
    Property::integer("inputs", "in the longest window"),
    Property::new("kept", Kind::Numbers, "inputs that are kept by seconds, minutes, hours and days"),
    Property::new("frozen", Kind::Numbers, "columns that have one value in the longest window, and had several before"),
    Property::new("frozenNames", Kind::Texts, "of these columns, where the field's have names").nullable(),
    Property::new(
        "analysis",
        Kind::Objects,
        "column, name, pairedWith, pairedWithName, severity, psi, excess, probability, inputs: of each column, then of \
         pairs",
    ),
    Property::object("baseline", "version, source, setBy, setAt, first, last, inputs and more").nullable(),
];
const QUERY: &[Property] = &[AFTER, DEADLINE_MS];

pub(super) const MODELS: Route = Route {
    path: "/api/v1/drift/models",
    operations: &[get(
        READ_ALL,
        "every model, that is, every field; header X-Tenant-ID: those whose names begin with it and a dot",
        answer(&[Group::Each(&[Property::new("content", Kind::Objects, "each as its status shows it")])]),
        || routing::get(drift::models),
    )
    .refuses(&[&["NOT_READY", "BAD_NAME", "BAD_QUERY"]])],
};

pub(super) const ANALYZE: Route = Route {
    path: "/api/v1/drift/models/{name}/analyze",
    operations: &[get(
        READ,
        "the verdict on a model, column by column, and what it is compared with",
        answer(&[Group::Each(MODEL), Group::Each(ANALYSIS)]),
        || routing::get(drift::analyze),
    )
    .query(QUERY)
    .refuses(&[OF_A_NAME, OF_A_TOKEN])],
};

pub(super) const MODEL_STATUS: Route = Route {
    path: "/api/v1/drift/models/{name}/status",
    operations: &[get(READ, "the verdict on a model in short", answer(&[Group::Each(MODEL)]), || {
        routing::get(drift::status)
    })
    .query(QUERY)
    .refuses(&[OF_A_NAME, OF_A_TOKEN])],
};

pub(super) const BASELINE: Route = Route {
    path: "/api/v1/drift/models/{name}/baseline",
    operations: &[
        post(
            CHANGE,
            "makes what is kept of a model's inputs its baseline",
            answer(&[Group::Each(MODEL), Group::Each(ANALYSIS)]),
            || routing::post(drift::set_baseline),
        )
        .query(QUERY)
        .body(Body::Changes(&[Group::Each(BASELINE_BODY)]))
        .refuses(&[
            OF_A_NAME,
            OF_A_TOKEN,
            &["BAD_BASELINE", "NOT_WATCHED", "TOO_FEW_INPUTS", "FIELD_BUSY"],
            OF_A_BODY,
        ]),
        Operation::new(
            Verb::Delete,
            CHANGE,
            "takes the baseline away; none comes by itself then",
            answer(&[Group::Each(MODEL), Group::Each(ANALYSIS)]),
            || routing::delete(drift::clear_baseline),
        )
        .query(QUERY)
        .refuses(&[OF_A_NAME, OF_A_TOKEN, &["NOT_WATCHED", "FIELD_BUSY"]]),
    ],
};

pub(super) const ACKNOWLEDGE: Route = Route {
    path: "/guardian/acknowledge",
    operations: &[post(
        CHANGE,
        "takes a field's red flag down without an intervention, until the next threat",
        answer(&[Group::Each(RED_FLAG)]),
        || routing::post(guardian::acknowledge),
    )
    .query(READ_PARAMS)
    .refuses(&[OF_A_NAME, OF_A_TOKEN, &["FIELD_BUSY"]])],
};

pub(super) const ACTUATOR_HEALTH: Route = Route {
    path: "/actuator/health",
    operations: &[get(
        READ,
        "UP if the node accepts steps; else DOWN, and why, with 503",
        answer(&[Group::Each(&[STATUS])]),
        || routing::get(health::actuator),
    )],
};
