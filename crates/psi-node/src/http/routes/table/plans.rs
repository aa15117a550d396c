//! Rows of the table about what drift leads to by itself.

use axum::routing;

use super::{
    super::{
        properties::rollouts::{DRIFT_CONFIG, REMEDIATION},
        property::{Group, Kind, Property},
        route::{Body, Operation, Route, Verb},
    },
    parts::{CHANGE_ALL, NODE, OF_A_BODY, READ_ALL, answer, get},
    rollouts::{OF_A_DECISION, OF_A_MODEL},
};
use crate::http::governance::plans;

const PLAN: &[Property] = &[
    Property::text("id", "what it is called"),
    Property::text("planType", "DRIFT_REMEDIATION"),
    Property::text("status", "PENDING, EXECUTING, COMPLETED or PARTIAL"),
    Property::text("model", "the model"),
    Property::text("rimNodeId", "rim:model:MODEL"),
    Property::text("champion", "the version whose inputs drift"),
    Property::number("severity", "how severe that was when it was found, 0 to 1"),
    Property::text("since", "RFC 3339 in UTC, since when they drift"),
    Property::text("found", "RFC 3339 in UTC"),
    Property::text("version", "the version that is tried").nullable(),
    Property::text("deployment", "its rollout").nullable(),
    Property::text("began", "RFC 3339 in UTC").nullable(),
    Property::text("ended", "RFC 3339 in UTC").nullable(),
    Property::text("next", "what follows or, in words, why nothing does").nullable(),
    Property::new("actions", Kind::Objects, "what is done, in order: id, planId, rimNodeId, tool, status, at"),
];
const SAID: &[Property] = &[
    Property::text("model", "the model"),
    Property::text("mode", "off, watch or on"),
    Property::object("config", "how a rollout goes that begins by itself"),
    Property::number("severity", "how severe the drift of the champion's inputs is, 0 to 1"),
    Property::text("next", "what follows now or, in words, why nothing does"),
    NODE,
];
const PARAMS: &[Property] = &[
    Property::text("planType", "DRIFT_REMEDIATION; there is no other").optional(),
    Property::text("status", "those of this status").optional(),
    Property::text("model", "those of this model").optional(),
    Property::text("rimNodeId", "the same as rim:model:MODEL").optional(),
    Property::integer("limit", "at most so many; 100 if left out").optional(),
];
const LIST: &[Group] = &[Group::Each(&[Property::new("content", Kind::Objects, "the latest first"), NODE])];

pub(super) const PLANS: Route = Route {
    path: "/api/v1/plans",
    operations: &[get(READ_ALL, "what drift led to: the latest four plans of each model", answer(LIST), || {
        routing::get(plans::list)
    })
    .query(PARAMS)
    .refuses(&[OF_A_MODEL])],
};

pub(super) const PLAN_BY_ID: Route = Route {
    path: "/api/v1/plans/{id}",
    operations: &[get(READ_ALL, "a plan, with what follows", answer(&[Group::Each(PLAN)]), || {
        routing::get(plans::show)
    })
    .refuses(&[OF_A_MODEL, &["UNKNOWN_PLAN"]])],
};

pub(super) const ACTIONS: Route = Route {
    path: "/api/v1/actions/nexus",
    operations: &[get(READ_ALL, "the actions of all plans, or of a model's", answer(LIST), || {
        routing::get(plans::actions)
    })
    .query(PARAMS)
    .refuses(&[OF_A_MODEL])],
};

pub(super) const ACTIONS_OF_A_PLAN: Route = Route {
    path: "/api/v1/actions/by-plato-plan/{id}",
    operations: &[get(READ_ALL, "the actions of a plan, in their order", answer(LIST), || {
        routing::get(plans::actions_of)
    })
    .refuses(&[OF_A_MODEL, &["UNKNOWN_PLAN"]])],
};

pub(super) const REMEDIATIONS: Route = Route {
    path: "/api/v1/models/{name}/remediation",
    operations: &[
        get(
            READ_ALL,
            "what follows by itself where the inputs of the champion drift",
            answer(&[Group::Each(SAID)]),
            || routing::get(plans::remediation),
        )
        .refuses(&[OF_A_MODEL]),
        Operation::new(
            Verb::Put,
            CHANGE_ALL,
            "says what follows by itself: nothing, a note of what would, or a rollout of the version in STAGING",
            answer(&[Group::Each(SAID)]),
            || routing::put(plans::set_remediation),
        )
        .body(Body::Json(&[Group::Each(REMEDIATION)]))
        .refuses(&[OF_A_MODEL, OF_A_DECISION, OF_A_BODY]),
    ],
};

pub(super) const CONFIG: Route = Route {
    path: "/api/v1/config/drift",
    operations: &[Operation::new(
        Verb::Put,
        CHANGE_ALL,
        "turns remediation on or off for all models, or for those of X-Tenant-ID",
        answer(&[Group::Each(&[
            Property::boolean("autoRemediationEnabled", "as it was asked for"),
            Property::object("models", "the mode of each"),
            NODE,
        ])]),
        || routing::put(plans::configure),
    )
    .body(Body::Json(&[Group::Each(DRIFT_CONFIG)]))
    .refuses(&[OF_A_MODEL, OF_A_DECISION, OF_A_BODY])],
};
