//! The table of routes: one row a path. The router, the answers to unknown paths and wrong methods, the labels of
//! metrics, `GET /`, `GET /openapi.json` and `docs/reference.md` all follow from it.

mod drift;
mod ledger;
mod parts;
mod plans;
mod processes;
mod rollouts;
mod steps;
mod versions;

use axum::routing;
use tower_http::compression::CompressionLayer;

use self::parts::{
    ATT_GAIN, CHANGE, CHANGE_ALL, DRIFT, ENGINE, EPOCH, K, LABEL, MODE, NAME, NAMES, NODE, NOVELTY, OF_A_BODY,
    OF_A_NAME, OF_A_REQUEST, OF_A_SETUP, OF_A_TOKEN, OPEN, READ, READ_ALL, RED_FLAG, REPLICATED, SECONDS, STATUS, TIME,
    TOKEN, UTC, WIDTH, answer, get, post,
};
use super::{
    openapi,
    properties::{
        FIELD_PARAMS, KNOWN_FIELD, LABEL_BODY, NAMES_BODY, NEW_FIELD, PAGE_PARAMS, READ_PARAMS, WRITE_PARAMS,
    },
    property::{Group, Kind, Property},
    route::{Answer, Body, Operation, Route, Verb},
};
use crate::{
    calls::ops::Ops,
    http::{
        fields, guardian, health,
        members::{self, federation},
        state,
    },
};

const FIELD_ANSWER: &[Group] = &[Group::Each(&[
    Property::text("name", "the field"),
    LABEL,
    NAMES,
    ENGINE,
    Property::text("guardian", "watch or intervene"),
    WIDTH,
    Property::integer("scale_exponent", ""),
    Property::text("seed", "an integer as text"),
    EPOCH,
    Property::object("parameters", "all parameters, by name"),
    Property::integer("steps", "steps of all nodes that it counts"),
    Property::text("last_step", "when the latest of them was taken, RFC 3339 in UTC").nullable(),
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

/// Every route, in the order in which `GET /` shows them.
pub(super) static ROUTES: &[Route] = &[
    Route {
        path: "/",
        operations: &[get(READ,
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
            || routing::get(|ops: Ops| health::root(ops, ROUTES)),
        )],
    },
    Route {
        path: "/health",
        operations: &[get(READ,
            "what the node is up to; 200 whatever it is",
            answer(&[Group::Each(&[
                STATUS,
                Property::boolean("import_success", "true"),
                Property::boolean("engine_initialized", "true"),
                Property::text("engine", "what scores the steps of `default`").nullable(),
                Property::boolean("ready", "whether the node accepts steps"),
                Property::text("why", "why it does not").nullable(),
                Property::object("members", "how many are live, left and dead"),
                Property::object("clock", "offset_ms, is_off and lead_ms: the node's clocks against the members'"),
                NODE,
                SECONDS,
            ])]),
            || routing::get(health::health),
        )],
    },
    Route {
        path: "/health/live",
        operations: &[get(OPEN, "200 while the process runs", answer(&[Group::Each(&[STATUS])]), || {
            routing::get(health::live)
        })],
    },
    Route {
        path: "/health/ready",
        operations: &[get(OPEN, "200 if the node accepts steps, else 503", answer(&[Group::Each(&[STATUS])]), || {
            routing::get(health::ready)
        })
        .refuses(&[&["NOT_READY"]])],
    },
    drift::ACTUATOR_HEALTH,
    Route {
        path: "/metrics",
        operations: &[get(READ_ALL, "for Prometheus", Answer::Text(prometheus::TEXT_FORMAT), || {
            // A full scrape is large, and all alike.
            routing::get(health::metrics).layer(CompressionLayer::new())
        })],
    },
    Route {
        path: "/openapi.json",
        operations: &[get(READ,
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
        operations: &[get(READ,
            "parameters of a field; ?field= chooses it, here and below",
            answer(&[Group::Parameters, Group::Each(&[SECONDS, NAME, EPOCH, ENGINE, WIDTH])]),
            || routing::get(state::params),
        )
        .query(FIELD_PARAMS)
        .refuses(&[OF_A_NAME])],
    },
    Route {
        path: "/init",
        operations: &[post(CHANGE,
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
        operations: &[get(READ,
            "a field, merged from the steps of all nodes; ?after=SESSION_TOKEN waits until this node has reached it",
            answer(&[
                Group::Metrics,
                Group::Each(&[
                    K,
                    UTC,
                    NODE,
                    TOKEN,
                    NAME,
                    LABEL,
                    NAMES,
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
                    DRIFT,
                    Property::object("learned", "what the engine holds, where it learns").optional(),
                ]),
            ]),
            || routing::get(state::state),
        )
        .query(READ_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN])],
    },
    steps::WATCH_STATE,
    steps::STEP,
    steps::STEPS,
    Route {
        path: "/guardian/status",
        operations: &[get(READ,
            "whether a field's red flag is up, and why",
            answer(&[Group::Each(RED_FLAG)]),
            || routing::get(guardian::status),
        )
        .query(READ_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN])],
    },
    drift::ACKNOWLEDGE,
    Route {
        path: "/guardian/statistics",
        operations: &[get(READ,
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
        operations: &[post(CHANGE, "raises a field's noise by 1.5, to at most 1.5", answer(INTERVENTION_ANSWER), || {
            routing::post(guardian::nigredo)
        })
        .query(&WRITE_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN, OF_A_REQUEST])],
    },
    Route {
        path: "/guardian/albedo",
        operations: &[post(CHANGE, "lowers a field's noise by 0.7, to at least 0", answer(INTERVENTION_ANSWER), || {
            routing::post(guardian::albedo)
        })
        .query(&WRITE_PARAMS)
        .refuses(&[OF_A_NAME, OF_A_TOKEN, OF_A_REQUEST])],
    },
    Route {
        path: "/fields",
        operations: &[
            get(READ,
                "all fields, page by page",
                answer(&[Group::Each(&[
                    Property::new("fields", Kind::Objects, "in the order of their names, each as GET shows it"),
                    Property::text("next_page_token", "for the page after; null at the end").nullable(),
                    NODE,
                ])]),
                || routing::get(fields::list),
            )
            .query(PAGE_PARAMS)
            .refuses(&[&["NOT_READY", "BAD_QUERY", "BAD_PAGE"]]),
            post(CHANGE,
                "creates the one in the body: name, engine, width, guardian, parameters and more",
                Answer::Json(201, FIELD_ANSWER),
                || routing::post(fields::create),
            )
            .body(Body::Json(&[Group::Each(NEW_FIELD)]))
            .refuses(&[&["NOT_READY", "FIELD_EXISTS", "BAD_NAME", "BAD_NAMES", "BAD_QUERY", "TOO_MANY_FIELDS", "STATE_FULL"], OF_A_SETUP, OF_A_BODY]),
        ],
    },
    Route {
        path: "/fields/{name}",
        operations: &[
            get(READ, "a field", answer(FIELD_ANSWER), || routing::get(fields::show)).refuses(&[OF_A_NAME]),
            Operation::new(Verb::Patch, CHANGE, "changes what the body names and keeps the rest", answer(FIELD_ANSWER), || {
                routing::patch(fields::change)
            })
            .body(Body::Changes(&[Group::Each(KNOWN_FIELD)]))
            .refuses(&[OF_A_NAME, &["FIELD_HAS_HISTORY"], OF_A_SETUP, OF_A_BODY]),
            Operation::new(
                Verb::Delete, CHANGE,
                "removes it",
                answer(&[Group::Each(&[Property::text("dropped", "the field"), NODE, TOKEN])]),
                || routing::delete(fields::drop_field),
            )
            .refuses(&[OF_A_NAME, &["PROTECTED_FIELD", "FIELD_BUSY"]]),
        ],
    },
    Route {
        path: "/fields/{name}/reset",
        operations: &[post(CHANGE,
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
            Verb::Put, CHANGE,
            "attaches a label to a field, which outlives resets; null takes it away",
            answer(FIELD_ANSWER),
            || routing::put(fields::label),
        )
        .body(Body::Json(&[Group::Each(LABEL_BODY)]))
        .refuses(&[OF_A_NAME, &["BAD_LABEL"], OF_A_BODY])],
    },
    Route {
        path: "/fields/{name}/names",
        operations: &[Operation::new(
            Verb::Put, CHANGE,
            "names the columns of a field, which outlives resets; null takes the names away",
            answer(FIELD_ANSWER),
            || routing::put(fields::names),
        )
        .body(Body::Json(&[Group::Each(NAMES_BODY)]))
        .refuses(&[OF_A_NAME, &["BAD_NAMES"], OF_A_BODY])],
    },
    drift::MODELS,
    drift::MODEL_STATUS,
    drift::ANALYZE,
    drift::BASELINE,
    plans::CONFIG,
    versions::VERSIONS,
    ledger::RECORDS,
    ledger::RECORD_OF_A_RUN,
    ledger::PROOF,
    ledger::HEADS,
    ledger::EXPORT,
    processes::PROCESSES,
    processes::PROCESS,
    processes::LOG,
    processes::ADVANCES,
    processes::ABORTIONS,
    processes::MODES,
    processes::BASELINES,
    processes::PIECES_OF_EVIDENCE,
    processes::EMERGENCY_SWITCH,
    rollouts::DEPLOYMENTS,
    rollouts::CANARIES,
    rollouts::DEPLOYMENT,
    rollouts::DEPLOYMENT_CHANGES,
    rollouts::PROMOTIONS,
    plans::REMEDIATIONS,
    plans::PLANS,
    plans::PLAN_BY_ID,
    plans::ACTIONS,
    plans::ACTIONS_OF_A_PLAN,
    Route {
        path: "/members",
        operations: &[get(READ_ALL,
            "the members that the node knows, the runs of nodes that it holds, and what it knows of ended runs",
            answer(&[Group::Each(&[
                Property::new(
                    "members",
                    Kind::Objects,
                    "node, state, ready, linked, addresses, version, protocol, namesakes and node_key of each",
                ),
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
            Verb::Delete, CHANGE_ALL,
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
        operations: &[get(READ,
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
            get(READ, "metrics of all live members together", answer(SWARM_ANSWER), || routing::get(federation::swarm))
                .query(FIELD_PARAMS)
                .refuses(&[OF_A_NAME]),
            post(READ, "metrics of all live members together", answer(SWARM_ANSWER), || routing::post(federation::swarm))
                .query(FIELD_PARAMS)
                .refuses(&[OF_A_NAME]),
        ],
    },
];
