//! Rows of the table about processes.

use axum::routing;

use super::{
    super::{
        properties::processes::{ABORTION, ADVANCE, APPLICATION, EMERGENCY, EVIDENCE, MODE, PROCESS_BASELINE},
        property::{Group, Kind, Property},
        route::Route,
    },
    parts::{NODE, OF_A_BODY, READ_ALL, answer, change, get},
};
use crate::http::governance::processes::{
    self,
    changes::{self, Change},
};

const STATE: &[Property] = &[
    Property::text("process", "the process"),
    Property::text("task", "the task of it; null for the process itself").nullable(),
    Property::text("spec", "SHA-256 of the spec that it follows"),
    Property::text("mode", "watch or enforce"),
    Property::text("phase", "of a task").nullable(),
    Property::text("phase_hash", "what statements about the phase name as their subject").nullable(),
    Property::text("head", "the newest transition: the one that the next must name"),
    Property::integer("step", "how many steps were decided"),
    Property::integer("returns", "how often a failed gate sent the task back"),
    Property::text("end", "done or aborted; null while it goes on").nullable(),
    Property::text("time", "RFC 3339 in UTC, of the newest transition").nullable(),
    Property::text("baseline", "set or missing"),
    Property::boolean("emergency", "whether the emergency switch is on, so that no gate blocks"),
    Property::new("judgements", Kind::Objects, "of a task: gate, verdict, hold, reason, readings and missing of each"),
    Property::new("evidence", Kind::Objects, "of a task: name, sha256 and size of each piece"),
    Property::new("nodes", Kind::Objects, "of a process: what each node runs, and its status against the baseline"),
    NODE,
];
const PAGE_SIZE: Property = Property::integer("page_size", "most of a page; at most 200 of a log").optional();
const PAGE_TOKEN: Property = Property::text("page_token", "`next_page_token` of the page before").optional();
const NEXT: Property = Property::text("next_page_token", "for the next page; null at the end").nullable();
const TASK: Property = Property::text("task", "a task of the process; the process itself if left out").optional();
const LISTED: &[Property] = &[Property::text("process", "the tasks of this one").optional(), PAGE_SIZE, PAGE_TOKEN];
const LOGGED: &[Property] = &[TASK, PAGE_SIZE, PAGE_TOKEN];
const OF_A_TASK: &[Property] = &[Property::text("task", "the task of the process")];
const PIECES: Property = Property::new("evidence", Kind::Objects, "name, sha256 and size of each piece");
const SWITCH: &[Property] = &[
    Property::boolean("on", "whether it is on"),
    Property::text("reason", "why it is").nullable(),
    Property::text("actor", "who switched it last").nullable(),
    Property::text("time", "RFC 3339 in UTC, when it was").nullable(),
    NODE,
];
const OF_A_PROCESS: &[&str] =
    &["NOT_READY", "BAD_PROCESS", "UNKNOWN_PROCESS", "PROCESS_CONFLICT", "SPEC_NOT_HERE", "BAD_QUERY"];
/// What steps are refused for that voters decide.
const OF_A_DECISION: &[&str] = &[
    "STALE_PREDECESSOR",
    "PROCESS_ENDED",
    "TRANSITION_REFUSED",
    "NO_VOTERS",
    "NO_MAJORITY",
    "LEDGER_UNREADABLE",
    "STATE_FULL",
    "TOO_MANY_REGISTERS",
    "TOO_MANY_TASKS",
];
const OF_A_LEASE: &[&str] =
    &["LEASE_HELD", "LEASE_SPENT", "LEASE_LAPSED", "LEASE_CONFLICT", "BAD_LEASE", "NO_TASK", "REVIEW_LATE"];

pub(super) const PROCESSES: Route = Route {
    path: "/api/v1/processes",
    operations: &[
        get(
            READ_ALL,
            "processes, or the tasks of one, by name and in pages",
            answer(&[Group::Each(&[
                Property::new("processes", Kind::Objects, "each as its own path shows it, without judgements"),
                NEXT,
                NODE,
            ])]),
            || routing::get(processes::list),
        )
        .query(LISTED)
        .refuses(&[&["NOT_READY", "BAD_PROCESS", "BAD_QUERY"]]),
        change(
            "begins a process by the spec in the body, or changes its spec",
            answer(&[Group::Each(STATE)]),
            &[Group::Each(APPLICATION)],
            &[OF_A_PROCESS, OF_A_DECISION, &["BAD_SPEC", "FOLD_UNSUPPORTED", "TOO_MANY_PROCESSES"], OF_A_BODY],
            || routing::post(changes::apply),
        ),
    ],
};

pub(super) const PROCESS: Route = Route {
    path: "/api/v1/processes/{name}",
    operations: &[get(
        READ_ALL,
        "where a process or a task stands, and what its gates say now",
        answer(&[Group::Each(STATE)]),
        || routing::get(processes::status),
    )
    .query(&[TASK])
    .refuses(&[OF_A_PROCESS])],
};

pub(super) const LOG: Route = Route {
    path: "/api/v1/processes/{name}/log",
    operations: &[get(
        READ_ALL,
        "what was decided of a process or a task, the latest first, in pages",
        answer(&[Group::Each(&[
            Property::new("transitions", Kind::Objects, "step, hash, action, from, to, actor, judgements and so on"),
            NEXT,
            NODE,
        ])]),
        || routing::get(processes::log),
    )
    .query(LOGGED)
    .refuses(&[OF_A_PROCESS, &["BAD_PAGE"]])],
};

pub(super) const ADVANCES: Route = Route {
    path: "/api/v1/processes/{name}/advance",
    operations: &[change(
        "starts a task, or judges the gates of its phase and does what they say",
        answer(&[Group::Each(&[
            Property::text("action", "start, advance or return; null where the task stays where it is").nullable(),
            Property::new("judgements", Kind::Objects, "gate, verdict, hold, reason, readings and missing of each"),
            Property::object("state", "where the task stands then"),
        ])]),
        &[Group::Each(ADVANCE)],
        &[OF_A_PROCESS, OF_A_DECISION, OF_A_LEASE, OF_A_BODY],
        || Change::Advance.handler(),
    )],
};

pub(super) const ABORTIONS: Route = Route {
    path: "/api/v1/processes/{name}/abort",
    operations: &[change(
        "ends a task where it is, or lets a process start no more tasks",
        answer(&[Group::Each(STATE)]),
        &[Group::Each(ABORTION)],
        &[OF_A_PROCESS, OF_A_DECISION, OF_A_BODY],
        || Change::Abort.handler(),
    )],
};

pub(super) const MODES: Route = Route {
    path: "/api/v1/processes/{name}/mode",
    operations: &[change(
        "lets gates block, or only be recorded",
        answer(&[Group::Each(STATE)]),
        &[Group::Each(MODE)],
        &[OF_A_PROCESS, OF_A_DECISION, OF_A_BODY],
        || Change::Mode.handler(),
    )],
};

pub(super) const BASELINES: Route = Route {
    path: "/api/v1/processes/{name}/baseline",
    operations: &[change(
        "sets what nodes are to run, which the answering one does, or what the work of a task is",
        answer(&[Group::Each(STATE)]),
        &[Group::Each(PROCESS_BASELINE)],
        &[OF_A_PROCESS, OF_A_DECISION, OF_A_BODY],
        || Change::Baseline.handler(),
    )],
};

pub(super) const PIECES_OF_EVIDENCE: Route = Route {
    path: "/api/v1/processes/{name}/evidence",
    operations: &[
        get(READ_ALL, "the evidence of a task", answer(&[Group::Each(&[PIECES, NODE])]), || {
            routing::get(processes::evidence)
        })
        .query(OF_A_TASK)
        .refuses(&[OF_A_PROCESS]),
        change(
            "keeps a piece of evidence of a task, here and on all nodes that can be reached",
            answer(&[Group::Each(&[PIECES, Property::new("nodes", Kind::Texts, "those that keep the new piece")])]),
            &[Group::Each(EVIDENCE)],
            &[OF_A_PROCESS, &["PROCESS_ENDED", "TOO_MUCH_EVIDENCE", "LEDGER_UNREADABLE"], OF_A_BODY],
            || Change::Evidence.handler(),
        ),
    ],
};

/// Not below `/processes`, where a process may have any name.
pub(super) const EMERGENCY_SWITCH: Route = Route {
    path: "/api/v1/process-emergency",
    operations: &[
        get(READ_ALL, "whether the emergency switch is on", answer(&[Group::Each(SWITCH)]), || {
            routing::get(processes::emergency)
        })
        .refuses(&[&["BAD_QUERY"]]),
        change(
            "switches it on, so that no gate of any process blocks, or off",
            answer(&[Group::Each(SWITCH)]),
            &[Group::Each(EMERGENCY)],
            &[&["NOT_READY", "BAD_PROCESS", "PROCESS_CONFLICT", "BAD_QUERY"], OF_A_DECISION, OF_A_BODY],
            || routing::post(changes::switch_emergency),
        ),
    ],
};
