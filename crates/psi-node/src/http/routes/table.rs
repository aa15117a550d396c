//! The table of routes: one row a path. The router, the answers to unknown paths and wrong methods, the labels of
//! metrics, `GET /`, `GET /openapi.json` and `docs/reference.md` all follow from it.

use axum::{
    extract::{Request, State},
    routing,
};

use super::{
    openapi,
    properties::{APPLY_GUARDIAN, FIELD_PARAMS, KNOWN_FIELD, LABEL_BODY, NEW_FIELD, READ_PARAMS, WRITE_PARAMS, X},
    property::{Group, Kind, Property},
    route::{Answer, Body, Operation, Route, Verb},
};
use crate::{
    calls::ops::Ops,
    http::{federation, fields, guardian, health, members, state, step},
};

const NODE: Property = Property::text("node", "the node that answers, or accepted the write");
const TOKEN: Property = Property::text("token", "opaque, under 1 kB: what the client has now seen or written");
const NAME: Property = Property::text("field", "the field");
const EPOCH: Property = Property::text("epoch", "the field's epoch, an integer as text");
const ENGINE: Property = Property::text("engine", "what scores its steps");
const WIDTH: Property = Property::integer("width", "numbers in an input vector");
const K: Property = Property::integer("k", "the field's merged step count");
const SECONDS: Property = Property::number("timestamp", "seconds since the Unix epoch");
const UTC: Property = Property::text("timestamp", "RFC 3339 in UTC, to the millisecond");
const STATUS: Property = Property::text("status", "");
const MODE: Property = Property::text("mode", "watch or intervene");
const NOVELTY: Property = Property::number("novelty", "root mean square z-score of the latest input");
const ATT_GAIN: Property = Property::number("att_gain", "g0 + g1·Ψ − g2·PE");
const TIME: Property =
    Property::number("t", "the sum of all effective steps, seconds, where the engine keeps it").optional();
const REPLICATED: Property =
    Property::object("replicated", "how far the write got, if the request asked for a level").optional();

const LABEL: Property = Property::text("label", "what people call the field").nullable();

const FIELD_ANSWER: &[Group] = &[Group::Each(&[
    Property::text("name", "the field"),
    LABEL,
    ENGINE,
    Property::text("guardian", "watch or intervene"),
    WIDTH,
    Property::integer("scale_exponent", ""),
    Property::text("seed", "an integer as text"),
    EPOCH,
    Property::object("parameters", "all parameters, by name"),
    NODE,
    TOKEN,
])];

const INTERVENTION_ANSWER: &[Group] = &[Group::Each(&[
    Property::text("action", "nigredo or albedo"),
    Property::boolean("success", "true"),
    UTC,
    NAME,
    Property::number("noise", "ν after the intervention"),
    NODE,
    TOKEN,
    REPLICATED,
])];

const SWARM_ANSWER: &[Group] = &[Group::Each(&[
    Property::object("swarm_metrics", "C_swarm, Phi_swarm, U_swarm, H_swarm, Psi_swarm"),
    Property::integer("members", "live members"),
    NAME,
    SECONDS,
])];

const OF_A_NAME: &[&str] = &["NOT_READY", "UNKNOWN_FIELD", "BAD_NAME", "BAD_QUERY"];
const OF_A_TOKEN: &[&str] = &[
    "BAD_DEADLINE",
    "TOKEN_NOT_REACHED",
    "TOKEN_MALFORMED",
    "TOKEN_DAMAGED",
    "TOKEN_FORMAT_UNKNOWN",
    "TOKEN_TOO_MANY_ORIGINS",
    "TOKEN_OTHER_CLUSTER",
    "TOKEN_FROM_THE_FUTURE",
];
const OF_A_REQUEST: &[&str] =
    &["UNKNOWN_LEVEL", "BAD_REQUEST_ID", "REQUEST_ID_REUSED", "REQUEST_UNDERWAY", "FIELD_BUSY"];
const OF_AN_INPUT: &[&str] = &["WRONG_WIDTH", "NOT_FINITE", "OUT_OF_RANGE", "FIELD_FULL", "ENGINE_NOT_HERE"];
const OF_A_BODY: &[&str] = &[
    "BAD_JSON",
    "BAD_BODY",
    "WRONG_CONTENT_TYPE",
    "WRONG_ENCODING",
    "BODY_TOO_LARGE",
    "BODY_TOO_SLOW",
    "BODY_CUT_OFF",
];
const OF_A_SETUP: &[&str] = &["UNKNOWN_ENGINE", "BAD_SHAPE", "BAD_PARAMETER", "UNKNOWN_GUARDIAN_MODE", "FIELD_BUSY"];

const fn get(help: &'static str, answer: Answer, handler: fn() -> routing::MethodRouter<Ops>) -> Operation {
    Operation::new(Verb::Get, help, answer, handler)
}

const fn post(help: &'static str, answer: Answer, handler: fn() -> routing::MethodRouter<Ops>) -> Operation {
    Operation::new(Verb::Post, help, answer, handler)
}

const fn answer(properties: &'static [Group]) -> Answer {
    Answer::Json(200, properties)
}

/// Every route, in the order in which `GET /` shows them.
pub(super) static ROUTES: &[Route] = &[
    Route {
        path: "/",
        operations: &[get(
            "this page",
            answer(&[Group::Each(&[
                Property::text("name", ""),
                Property::text("version", ""),
                STATUS,
                SECONDS,
                NODE,
                Property::text("cluster", ""),
                Property::object("paths", "every path, with its methods and what they do"),
            ])]),
            || routing::get(|ops: State<Ops>| health::root(ops, ROUTES)),
        )],
    },
    Route {
        path: "/health",
        operations: &[get(
            "what the node is up to; 200 whatever it is",
            answer(&[Group::Each(&[
                STATUS,
                Property::boolean("import_success", "true"),
                Property::boolean("engine_initialized", "true"),
                Property::text("engine", "what scores the steps of `default`").nullable(),
                Property::boolean("ready", "whether the node accepts steps"),
                Property::text("why", "why it does not").nullable(),
                Property::object("members", "how many are live, left and dead"),
                NODE,
                SECONDS,
            ])]),
            || routing::get(health::health),
        )],
    },
    Route {
        path: "/health/live",
        operations: &[get("200 while the process runs", answer(&[Group::Each(&[STATUS])]), || {
            routing::get(health::live)
        })],
    },
    Route {
        path: "/health/ready",
        operations: &[get("200 if the node accepts steps, else 503", answer(&[Group::Each(&[STATUS])]), || {
            routing::get(health::ready)
        })
        .refuses(&[&["NOT_READY"]])],
    },
    Route {
        path: "/metrics",
        operations: &[get("for Prometheus", Answer::Text(prometheus::TEXT_FORMAT), || routing::get(health::metrics))],
    },
    Route {
        path: "/openapi.json",
        operations: &[get(
            "this interface as OpenAPI 3.1",
            answer(&[Group::Each(&[
                Property::text("openapi", ""),
                Property::object("info", ""),
                Property::object("paths", ""),
                Property::object("components", ""),
            ])]),
            || routing::get(|| openapi::show(ROUTES)),
        )],
    },
    Route {
        path: "/params",
        operations: &[get(
            "parameters of a field; ?field= chooses it, here and below",
            answer(&[Group::Parameters, Group::Each(&[SECONDS, NAME, EPOCH, ENGINE, WIDTH])]),
            || routing::get(state::params),
        )
        .query(FIELD_PARAMS)
        .refuses(&[OF_A_NAME])],
    },
    Route {
        path: "/init",
        operations: &[post(
            "resets a field, with the parameters in the body",
            answer(&[Group::Each(&[
                STATUS,
                Property::object("params", "all parameters, by name"),
                SECONDS,
                NAME,
                EPOCH,
                NODE,
                TOKEN,
            ])]),
            || routing::post(state::init),
        )
        .query(FIELD_PARAMS)
        .body(Body::Changes(&[Group::Parameters]))
        .refuses(&[OF_A_NAME, &["BAD_PARAMETER", "FIELD_BUSY"], OF_A_BODY])],
    },
    Route {
        path: "/state",
        operations: &[get(
            "a field, merged from the steps of all nodes; ?after=TOKEN waits until this node has reached the token",
            answer(&[
                Group::Metrics,
                Group::Each(&[
                    K,
                    UTC,
                    NODE,
                    TOKEN,
                    NAME,
                    LABEL,
                    ENGINE,
                    EPOCH,
                    WIDTH,
                    Property::number("noise", "ν: the fold of all interventions"),
                    Property::integer("interventions", "in this epoch"),
                    Property::new("mean", Kind::Numbers, "of the inputs; empty before the first step"),
                    Property::new("variance", Kind::Numbers, "sample variance of the inputs; empty before the second"),
                    Property::object("window", "means of the metrics over the 60 s up to the latest step, and `steps`"),
                    Property::integer("steps_dropped", "that resets and drops of the field have discarded"),
                    Property::text("last_node", "accepted the latest step; empty before the first"),
                    NOVELTY,
                    ATT_GAIN,
                    TIME,
                    Property::boolean("red_flag", "whether the guardian's red flag is up"),
                    Property::object("learned", "what the engine holds, where it learns").optional(),
                ]),
            ]),
            || routing::get(state::state),
        )
        .query(READ_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN])],
    },
    Route {
        path: "/step",
        operations: &[post(
            "scores and absorbs the vector `x` in the body; also: after, deadline_ms, replicate_to, request_id",
            answer(&[
                Group::Metrics,
                Group::Each(&[
                    K,
                    UTC,
                    NODE,
                    TOKEN,
                    NAME,
                    ENGINE,
                    REPLICATED,
                    NOVELTY,
                    ATT_GAIN,
                    TIME,
                    Property::object("guardian", "its action and the threat, if it intervened after the step")
                        .optional(),
                ]),
            ]),
            // `observe` calls it directly, so that a step does not pay for the router.
            || routing::post(|State(ops): State<Ops>, request: Request| step::step(ops, request)),
        )
        .query(&WRITE_PARAMS)
        .body(Body::Json(&[Group::Each(&[X, APPLY_GUARDIAN]), Group::Each(&WRITE_PARAMS)]))
        .refuses(&[OF_A_NAME, OF_A_TOKEN, OF_A_REQUEST, OF_AN_INPUT, OF_A_BODY])],
    },
    Route {
        path: "/guardian/status",
        operations: &[get(
            "whether a field's red flag is up, and why",
            answer(&[Group::Each(&[
                Property::boolean("red_flag", ""),
                Property::text("reason", "why it is up").nullable(),
                Property::boolean("current_threat", "whether the latest step is a threat"),
                Property::text("current_threat_reason", "").nullable(),
                NAME,
                MODE,
                NODE,
                TOKEN,
            ])]),
            || routing::get(guardian::status),
        )
        .query(READ_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN])],
    },
    Route {
        path: "/guardian/statistics",
        operations: &[get(
            "what a field's guardian has seen, its thresholds, and what was done",
            answer(&[Group::Each(&[
                Property::text("kind", ""),
                Property::integer("history_size", "steps that it judges by"),
                Property::object("thresholds", "psi_low, pe_high, h_high, and their type"),
                Property::object("statistics", "psi, pe and h: mean, std, min, max, p95"),
                Property::object("interventions", "total, last_step, automatic, superseded, and the red flag"),
                NAME,
                MODE,
                NODE,
                TOKEN,
            ])]),
            || routing::get(guardian::statistics),
        )
        .query(READ_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN])],
    },
    Route {
        path: "/guardian/nigredo",
        operations: &[post("raises a field's noise by 1.5, to at most 1.5", answer(INTERVENTION_ANSWER), || {
            routing::post(guardian::nigredo)
        })
        .query(&WRITE_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN, OF_A_REQUEST])],
    },
    Route {
        path: "/guardian/albedo",
        operations: &[post("lowers a field's noise by 0.7, to at least 0", answer(INTERVENTION_ANSWER), || {
            routing::post(guardian::albedo)
        })
        .query(&WRITE_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN, OF_A_REQUEST])],
    },
    Route {
        path: "/fields",
        operations: &[
            get(
                "all fields",
                answer(&[Group::Each(&[
                    Property::new("fields", Kind::Objects, "every field, as GET shows one"),
                    NODE,
                ])]),
                || routing::get(fields::list),
            )
            .refuses(&[&["NOT_READY", "BAD_QUERY"]]),
            post(
                "creates the one in the body: name, engine, width, guardian, parameters and more",
                Answer::Json(201, FIELD_ANSWER),
                || routing::post(fields::create),
            )
            .body(Body::Json(&[Group::Each(NEW_FIELD)]))
            .refuses(&[&["NOT_READY", "FIELD_EXISTS", "BAD_NAME", "BAD_QUERY"], OF_A_SETUP, OF_A_BODY]),
        ],
    },
    Route {
        path: "/fields/{name}",
        operations: &[
            get("a field", answer(FIELD_ANSWER), || routing::get(fields::show)).refuses(&[OF_A_NAME]),
            Operation::new(Verb::Patch, "changes what the body names and keeps the rest", answer(FIELD_ANSWER), || {
                routing::patch(fields::change)
            })
            .body(Body::Changes(&[Group::Each(KNOWN_FIELD)]))
            .refuses(&[OF_A_NAME, &["FIELD_HAS_HISTORY"], OF_A_SETUP, OF_A_BODY]),
            Operation::new(
                Verb::Delete,
                "removes it",
                answer(&[Group::Each(&[Property::text("dropped", "the field"), NODE, TOKEN])]),
                || routing::delete(fields::drop_field),
            )
            .refuses(&[OF_A_NAME, &["PROTECTED_FIELD", "FIELD_BUSY"]]),
        ],
    },
    Route {
        path: "/fields/{name}/reset",
        operations: &[post(
            "resets a field to what the body names, parameters at their defaults",
            answer(FIELD_ANSWER),
            || routing::post(fields::reset),
        )
        .body(Body::Changes(&[Group::Each(KNOWN_FIELD)]))
        .refuses(&[OF_A_NAME, OF_A_SETUP, OF_A_BODY])],
    },
    Route {
        path: "/fields/{name}/label",
        operations: &[Operation::new(
            Verb::Put,
            "attaches a label to a field, which outlives resets; null takes it away",
            answer(FIELD_ANSWER),
            || routing::put(fields::label),
        )
        .body(Body::Json(&[Group::Each(LABEL_BODY)]))
        .refuses(&[OF_A_NAME, &["BAD_LABEL"], OF_A_BODY])],
    },
    Route {
        path: "/members",
        operations: &[get(
            "the members that the node knows, the runs of nodes that it holds, and what it knows of ended runs",
            answer(&[Group::Each(&[
                Property::new("members", Kind::Objects, "node, state, ready, linked and addresses of each"),
                Property::new(
                    "runs",
                    Kind::Objects,
                    "runs that have not ended: node, incarnation, stage (live, closed, silent), version, bytes, silence_ms",
                ),
                Property::object(
                    "ended",
                    "names, checkpoint, horizon_ms, base_bytes, bytes_freed, late_runs, waits_ms, missing",
                ),
                Property::text("cluster", ""),
                NODE,
            ])]),
            || routing::get(members::list),
        )
        .refuses(&[&["BAD_QUERY"]])],
    },
    Route {
        path: "/members/{name}",
        operations: &[Operation::new(
            Verb::Delete,
            "says that a node will not come back: the others wait for it no longer and end its runs",
            answer(&[Group::Each(&[
                Property::text("forgotten", "the node"),
                Property::new("runs", Kind::Objects, "its runs, as GET /members shows them, and the steps that they count"),
                NODE,
            ])]),
            || routing::delete(members::forget),
        )
        .refuses(&[&["NOT_READY", "UNKNOWN_NODE", "OWN_NODE", "NODE_IS_LIVE", "BAD_NAME", "BAD_QUERY"]])],
    },
    Route {
        path: "/federation/metrics",
        operations: &[get(
            "metrics of the latest step, for other agents",
            answer(&[Group::Each(&[
                Property::text("agent_id", "the node that answers"),
                Property::number("psi", ""),
                Property::object("metrics", "C, U, Phi, H, PE and M"),
                NAME,
                K,
                SECONDS,
            ])]),
            || routing::get(federation::metrics),
        )
        .query(FIELD_PARAMS)
        .refuses(&[OF_A_NAME])],
    },
    Route {
        path: "/federation/swarm",
        operations: &[
            get("metrics of all live members together", answer(SWARM_ANSWER), || routing::get(federation::swarm))
                .query(FIELD_PARAMS)
                .refuses(&[OF_A_NAME]),
            post("metrics of all live members together", answer(SWARM_ANSWER), || routing::post(federation::swarm))
                .query(FIELD_PARAMS)
                .refuses(&[OF_A_NAME]),
        ],
    },
];
