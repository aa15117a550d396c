//! Rows of the table about the ledger.

use axum::routing;

use super::{
    super::{
        property::{Group, Kind, Property},
        route::{Answer, Route},
    },
    parts::{NODE, READ_ALL, answer, get},
};
use crate::http::governance::ledger;

const RECORD: &[Property] = &[
    Property::text("log", "the ledger: psi-field/ledger/CLUSTER/NODE/RUN"),
    Property::integer("index", "its place in the ledger, from 0"),
    Property::text("time", "RFC 3339 in UTC, by the run's hybrid clock").nullable(),
    Property::integer("counter", "tells records of one millisecond apart"),
    Property::text("kind", "such as field_removal"),
    Property::text("actor", "anyone, a node, or the role and the name of an access token"),
    Property::text("method", "what was called or acted"),
    Property::text("object", "the field, node or time that it is about"),
    Property::text("action", "where the method does not say what was done"),
    Property::text("outcome", "ok, the reason of a refusal, or unanswered"),
    Property::text("address", "where the caller was"),
    Property::integer("count", "how many like it the record stands for"),
    Property::text("leaf_hash", "the hash of the record, 64 hexadecimal digits"),
    Property::new("evidence", Kind::Objects, "name, sha256 and size of each piece"),
];
const QUERY: &[Property] = &[
    Property::integer("page_size", "most of a page; 100 if left out, at most 1,000").optional(),
    Property::text("page_token", "`next_page_token` of the page before").optional(),
    Property::text("node", "only records of this node").optional(),
    Property::text("kind", "only records of this kind").optional(),
];
const OF_A_RECORD: &[&str] = &["BAD_RECORD_NAME", "UNKNOWN_LOG", "UNKNOWN_RECORD", "LEDGER_UNREADABLE", "BAD_QUERY"];

pub(super) const RECORDS: Route = Route {
    path: "/api/v1/ledger/records",
    operations: &[get(
        READ_ALL,
        "what nodes and operators did, the latest first, in pages",
        answer(&[Group::Each(&[
            Property::new("records", Kind::Objects, "each as its own path shows it"),
            Property::text("next_page_token", "for the next page; null at the end").nullable(),
            NODE,
        ])]),
        || routing::get(ledger::records),
    )
    .query(QUERY)
    .refuses(&[&["BAD_PAGE", "BAD_KIND", "BAD_QUERY", "LEDGER_UNREADABLE"]])],
};

pub(super) const RECORD_OF_A_RUN: Route = Route {
    path: "/api/v1/ledger/records/{node}/{run}/{index}",
    operations: &[get(READ_ALL, "one record", answer(&[Group::Each(RECORD)]), || routing::get(ledger::record))
        .refuses(&[OF_A_RECORD])],
};

pub(super) const PROOF: Route = Route {
    path: "/api/v1/ledger/records/{node}/{run}/{index}/proof",
    operations: &[get(
        READ_ALL,
        "a proof that the record is in its ledger: a file for `psi-field ledger verify`",
        Answer::Text("text/plain; charset=utf-8"),
        || routing::get(ledger::proof),
    )
    .refuses(&[OF_A_RECORD])],
};

pub(super) const HEADS: Route = Route {
    path: "/api/v1/ledger/heads",
    operations: &[get(
        READ_ALL,
        "the signed heads of all ledgers that this node believes",
        answer(&[Group::Each(&[
            Property::new("heads", Kind::Objects, "log, size, held, time, note, public_key and conflicts of each"),
            NODE,
        ])]),
        || routing::get(ledger::heads),
    )
    .refuses(&[&["LEDGER_UNREADABLE", "BAD_QUERY"]])],
};

pub(super) const EXPORT: Route = Route {
    path: "/api/v1/ledger/export",
    operations: &[get(
        READ_ALL,
        "all that this node holds of the ledgers: a file for `psi-field ledger verify`",
        Answer::Text(ledger::EXPORT_TYPE),
        || routing::get(ledger::export),
    )
    .refuses(&[&["BAD_QUERY", "TOO_MANY_STREAMS"]])],
};
