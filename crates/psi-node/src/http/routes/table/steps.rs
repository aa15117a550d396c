//! Rows of the table about steps and the watch of what they come to.

use axum::{extract::Request, routing};

use super::{
    super::{
        properties::{AFTER, BATCH_BODY, DEADLINE_MS, FIELD, STEP_BODY, WRITE_PARAMS},
        property::{Group, Kind, Property},
        route::{Answer, Body, Route},
    },
    parts::{
        ATT_GAIN, DRIFT, ENGINE, FEED, K, NAME, NODE, NOVELTY, OF_A_BODY, OF_A_NAME, OF_A_REQUEST, OF_A_TOKEN,
        OF_A_VERSION, OF_AN_INPUT, READ, REPLICATED, TIME, TOKEN, UTC, answer, get, post,
    },
};
use crate::{
    calls::ops::Ops,
    http::{state::watch, step},
};

const IGNORED: Property = Property::new(
    "ignored",
    Kind::Objects,
    "members of the body that no step has, and of each the known one that was probably meant",
)
.optional();

pub(super) const STEP: Route = Route {
    path: "/step",
    operations: &[post(
        FEED,
        "scores and absorbs the vector `x` in the body; also: after, deadline_ms, replicate_to, request_id",
        answer(&[
            Group::Metrics,
            Group::Each(&[
                K,
                UTC,
                NODE,
                TOKEN,
                NAME,
                Property::text("version", "which version answered, where the field is one").optional(),
                ENGINE,
                REPLICATED,
                NOVELTY,
                ATT_GAIN,
                TIME,
                Property::object("guardian", "its action and the threat, if it intervened after the step").optional(),
                DRIFT,
                Property::new(
                    "novel_columns",
                    Kind::Objects,
                    "column, from 0, z, and name if it has one: the three farthest off",
                ),
                Property::boolean("unusual", "whether it is unlike all before it"),
                Property::text("threat", "what the guardian takes the step for, in mode watch too").nullable(),
                IGNORED,
            ]),
        ]),
        // `observe` calls it directly, so that a step does not pay for the router.
        || routing::post(|ops: Ops, request: Request| step::step(ops, request)),
    )
    .query(&WRITE_PARAMS)
    .body(Body::Json(&[Group::Each(STEP_BODY), Group::Each(&WRITE_PARAMS)]))
    .refuses(&[OF_A_NAME, OF_A_TOKEN, OF_A_REQUEST, OF_AN_INPUT, OF_A_VERSION, OF_A_BODY])],
};

pub(super) const STEPS: Route = Route {
    path: "/steps",
    operations: &[post(
        FEED,
        "scores and absorbs the vectors `inputs` in the body in their order, as one write: all or none",
        answer(&[Group::Each(&[
            Property::new("steps", Kind::Objects, "each as POST /step answers it; the last has a session token"),
            K,
            NAME,
            NODE,
            TOKEN,
            REPLICATED,
            IGNORED,
        ])]),
        || routing::post(step::batch::batch),
    )
    .query(&WRITE_PARAMS)
    .body(Body::Json(&[Group::Each(BATCH_BODY), Group::Each(&WRITE_PARAMS)]))
    .refuses(&[OF_A_NAME, OF_A_TOKEN, OF_A_REQUEST, OF_AN_INPUT, &["BATCH_SIZE", "TOO_MANY_VERSIONS"], OF_A_BODY])],
};

const WATCH_PARAMS: &[Property] = &[
    FIELD,
    AFTER,
    DEADLINE_MS,
    Property::integer("interval_ms", "least milliseconds between two events; 1,000 if left out, at least 20")
        .optional(),
    Property::integer("events", "ends the stream after so many; it has no end if left out").optional(),
];

pub(super) const WATCH_STATE: Route = Route {
    path: "/state/watch",
    operations: &[get(
        READ,
        "server-sent events: the state now and whenever it changed, each as GET /state answers it",
        Answer::Text("text/event-stream"),
        || routing::get(watch::watch),
    )
    .query(WATCH_PARAMS)
    .refuses(&[OF_A_NAME, OF_A_TOKEN])],
};
