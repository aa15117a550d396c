//! Rows of the table about processes.

use axum::routing;

use super::{
    super::{
        property::{Group, Kind, Property},
        route::Route,
    },
    parts::{NODE, READ_ALL, answer, get},
};
use crate::http::governance::processes;

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
const OF_A_PROCESS: &[&str] =
    &["NOT_READY", "BAD_PROCESS", "UNKNOWN_PROCESS", "PROCESS_CONFLICT", "SPEC_NOT_HERE", "BAD_QUERY"];

pub(super) const PROCESSES: Route = Route {
    path: "/api/v1/processes",
    operations: &[get(
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
    .refuses(&[&["NOT_READY", "BAD_PROCESS", "BAD_QUERY"]])],
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
