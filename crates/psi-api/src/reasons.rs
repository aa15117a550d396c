//! The catalogue of reasons: one row for each word by which a program distinguishes refusals.
//!
//! `docs/reference.md` and the OpenAPI description are made from these rows; a test in `tests/tests/catalogue.rs`
//! finds every reason that the code gives among them. Left out: the messages, which name the values.

use tonic::Code;

/// Where a reason is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Any call, over gRPC with this code and over HTTP with [`http_status`] of it.
    Call(Code),
    /// Likewise: a call that carries a token.
    Token(Code),
    /// gRPC itself, with this code, before any operation.
    Grpc(Code),
    /// HTTP itself, with this status, before any operation.
    Http(u16),
    /// A link between nodes, which is closed.
    Link,
    /// One delta on a link, which goes on.
    Delta,
    /// A snapshot file found at the start, which is set aside.
    Snapshot,
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// The word that programs compare.
    pub name: &'static str,
    /// Where it is met.
    pub surface: Surface,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it; empty where the meaning says all.
    pub remedy: &'static str,
}

impl Reason {
    /// The HTTP status that comes with it; `None` where HTTP never carries it.
    #[must_use]
    pub const fn http_status(&self) -> Option<u16> {
        match self.surface {
            Surface::Call(code) | Surface::Token(code) => Some(http_status(code)),
            Surface::Http(status) => Some(status),
            Surface::Grpc(_) | Surface::Link | Surface::Delta | Surface::Snapshot => None,
        }
    }

    /// The row of a reason.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        REASONS.iter().find(|row| row.name == name)
    }
}

/// The HTTP status that stands for a gRPC code.
#[must_use]
pub const fn http_status(code: Code) -> u16 {
    match code {
        Code::InvalidArgument | Code::OutOfRange => 422,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        // A full field included: not 429 or 507, since a retry does not help and a reset of the field does.
        Code::AlreadyExists | Code::FailedPrecondition | Code::ResourceExhausted => 409,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Unimplemented => 501,
        _ => 500,
    }
}

const fn call(name: &'static str, code: Code, meaning: &'static str, remedy: &'static str) -> Reason {
    Reason { name, surface: Surface::Call(code), meaning, remedy }
}

const fn token(name: &'static str, code: Code, meaning: &'static str, remedy: &'static str) -> Reason {
    Reason { name, surface: Surface::Token(code), meaning, remedy }
}

const fn grpc(name: &'static str, code: Code, meaning: &'static str, remedy: &'static str) -> Reason {
    Reason { name, surface: Surface::Grpc(code), meaning, remedy }
}

const fn http(name: &'static str, status: u16, meaning: &'static str) -> Reason {
    Reason { name, surface: Surface::Http(status), meaning, remedy: "" }
}

const fn link(name: &'static str, meaning: &'static str, remedy: &'static str) -> Reason {
    Reason { name, surface: Surface::Link, meaning, remedy }
}

const fn delta(name: &'static str, meaning: &'static str) -> Reason {
    Reason { name, surface: Surface::Delta, meaning, remedy: "" }
}

const fn snapshot(name: &'static str, meaning: &'static str) -> Reason {
    Reason { name, surface: Surface::Snapshot, meaning, remedy: "" }
}

const DAMAGED: &str = "the delta was damaged on the way; the peer sends it again";
const FORBIDDEN: &str = "an origin may not write this; a bug in the peer if it lasts";
const STRANGER: &str = "the peer does not follow the protocol";
const STRANGER_REMEDY: &str = "another program talks to the gRPC port, or this is a bug";

/// Every reason, in the order in which people read about them.
#[rustfmt::skip] // a table, one reason a row
pub const REASONS: &[Reason] = &[
    call("NOT_READY", Code::Unavailable, "the node is joining, stopping, waits for its name, or its time is ahead of the members'; the message says which", "try another node, or retry later"),
    call("WRONG_WIDTH", Code::InvalidArgument, "the input has another length than the field takes", "send as many numbers as `want` says"),
    call("NOT_FINITE", Code::InvalidArgument, "NaN or infinity at `index`", "leave it out, or clean the input"),
    call("OUT_OF_RANGE", Code::InvalidArgument, "a number is 2²⁴ × scale or more in size", "create the field with a larger scale"),
    call("UNKNOWN_FIELD", Code::NotFound, "no field has that name", "create it; if it was just created on another node, send the session token of that answer"),
    call("FIELD_EXISTS", Code::AlreadyExists, "a field already has that name", "use it, or drop it first"),
    call("PROTECTED_FIELD", Code::FailedPrecondition, "`default` can't be dropped", "reset it instead"),
    call("TOO_MANY_FIELDS", Code::ResourceExhausted, "there are `limits.fields_max` fields", "drop fields, or raise the setting on every node"),
    call("STATE_FULL", Code::ResourceExhausted, "the nodes hold `limits.state_bytes_max` bytes, so no field is made and no step is taken in", "drop or reset fields, or raise the setting on every node"),
    call("FIELD_FULL", Code::ResourceExhausted, "the field has counted 2⁴⁷ steps", "reset it"),
    call("BAD_NAME", Code::InvalidArgument, "a name is not 1 to 64 of `A-Z a-z 0-9 . _ -`, or a field's begins with a dot; only a field of a version has an `@`, once", "choose another"),
    call("BAD_KEY", Code::InvalidArgument, "the key of a step is empty or over 256 bytes", "shorten it, or leave it out"),
    call("BAD_OUTCOME", Code::InvalidArgument, "a latency is outside 0 to 3,600,000 ms, the step is of no version, or a batch has another number of keys or outcomes than vectors", "the message says which"),
    call("TOO_MANY_VERSIONS", Code::FailedPrecondition, "four other versions of the model take steps", "drop or reset the field of one"),
    call("UNKNOWN_MODEL", Code::NotFound, "no field is a version of the model, or no version of it has a stage", "create its field `model@version`, or promote the version that answers now"),
    call("BAD_SHAPE", Code::InvalidArgument, "the width or scale is out of range", "see the limits in the message"),
    call("BAD_PARAMETER", Code::InvalidArgument, "a parameter is unknown or out of range; the message names each with its limits", "correct it"),
    call("UNKNOWN_ENGINE", Code::InvalidArgument, "no engine has that name", "the message suggests the nearest"),
    call("UNKNOWN_GUARDIAN_MODE", Code::InvalidArgument, "the guardian has no mode of that name or number", "`watch` or `intervene`"),
    call("BAD_LABEL", Code::InvalidArgument, "a label is over 256 bytes, or not one line without control characters", "shorten it, or leave out the `character`"),
    call("BAD_NAMES", Code::InvalidArgument, "names of columns of another number than the field has columns; one that is not one line of 1 to 64 bytes without commas, or comes twice; or over 16 KiB of them", "correct the one that the message names"),
    call("NO_VOTERS", Code::FailedPrecondition, "nobody has named who votes on leases", "psi-field lease voters set n1 n2 n3"),
    call("NO_TASK", Code::NotFound, "a lease `process/NAME/TASK` is that of a task that goes on, and no such task does", "start the task first (`psi-field process advance`)"),
    call("LEASE_HELD", Code::FailedPrecondition, "another holds the lease", "wait `left_ms`, or ask with `wait_ms`"),
    call("LEASE_SPENT", Code::FailedPrecondition, "the lease of a task was renewed as often as the spec of its process allows", "release it, and take it again"),
    call("LEASE_LAPSED", Code::FailedPrecondition, "the lease was won too late to hold it", "ask again, or for longer"),
    call("LEASE_CONFLICT", Code::FailedPrecondition, "two leases of this name were made with different voters", "use another name"),
    call("BAD_LEASE", Code::InvalidArgument, "a name, a client or a duration that no lease has", ""),
    call("BAD_VOTERS", Code::InvalidArgument, "no set of voters", "name 1 to 15 live nodes, each once"),
    call("NO_MAJORITY", Code::DeadlineExceeded, "most voters did not answer in time", "see `psi-field members`; ask again"),
    call("TOO_MANY_REGISTERS", Code::ResourceExhausted, "the cluster has as many leases as it may", "use names again"),
    call("UNKNOWN_REGISTER", Code::Unavailable, "a voter has not heard of the lease yet", "it is asked again"),
    call("BAD_SPEC", Code::InvalidArgument, "no spec of a process; the message says in which line and why", "correct it"),
    call("FOLD_UNSUPPORTED", Code::InvalidArgument, "the spec decides by fold, and this version by quorum only", "write decide = \"quorum\""),
    call("BAD_PROCESS", Code::InvalidArgument, "a name, hash, mode, reason or size that no process, task or evidence has", "the message says which"),
    call("UNKNOWN_PROCESS", Code::NotFound, "nobody applied a spec of that name, or started that task", "`psi-field process list` shows them"),
    call("STALE_PREDECESSOR", Code::FailedPrecondition, "another transition is the current one than the one that was named", "read the state again, and decide again"),
    call("PROCESS_ENDED", Code::FailedPrecondition, "the task or process has ended, and nothing counts after that", "use another name"),
    call("TRANSITION_REFUSED", Code::FailedPrecondition, "the rules of processes refuse the transition", "the message says which"),
    call("PROCESS_CONFLICT", Code::FailedPrecondition, "the process can't be decided by its voters", "the message says why; use another name if they do not come back"),
    call("BAD_ROLLOUT", Code::InvalidArgument, "a name, stage, command, plan or text that no rollout has", "the message says which"),
    call("UNKNOWN_ROLLOUT", Code::NotFound, "the model has no such rollout, or it ended too long ago", "list the rollouts of the model"),
    call("ROLLOUT_REFUSED", Code::FailedPrecondition, "status, gates, members or stages do not allow it; nothing has changed", "the message says which, and the way out"),
    call("ROLLOUT_CONFLICT", Code::FailedPrecondition, "the model can't be changed by its voters", "the message says why"),
    call("TOO_MANY_MODELS", Code::ResourceExhausted, "the cluster has 256 models", "use another cluster"),
    call("TOO_MANY_PROCESSES", Code::ResourceExhausted, "the cluster has as many processes as it may", "change the spec of one"),
    call("TOO_MANY_TASKS", Code::ResourceExhausted, "tasks that go on fill the bucket of 4,096 bytes that a hash of the name leads to", "end those that are over, or use another name"),
    call("TOO_MUCH_EVIDENCE", Code::ResourceExhausted, "a task has 500 pieces of evidence, or a node 64 MiB of documents", "give long ones by hash, or end tasks that are over"),
    call("REVIEW_LATE", Code::DeadlineExceeded, "the evidence of a task could not be fetched and judged in time; nothing was proposed", "ask again, with more time"),
    call("SPEC_NOT_HERE", Code::Unavailable, "neither this node nor one that it reaches holds a spec or a transition", "start a node that does"),
    call("NOT_HELD", Code::NotFound, "a node does not hold what another asks it for of a process", "another is asked"),
    call("BAD_RECORD_NAME", Code::InvalidArgument, "no name of a ledger, or no range of records that a ledger has", "`psi-field ledger list --heads` shows the ledgers"),
    call("BAD_KIND", Code::InvalidArgument, "no kind of record in a ledger", "the message lists the kinds"),
    call("UNKNOWN_LOG", Code::NotFound, "this node holds no such ledger", "ask another node"),
    call("UNKNOWN_PLAN", Code::NotFound, "no model keeps that plan: each keeps its latest four", "`GET /api/v1/plans` lists them"),
    call("UNKNOWN_RECORD", Code::NotFound, "this node does not hold that record of a ledger", "ask another node"),
    call("LEDGER_UNREADABLE", Code::Unavailable, "the disk of this node does not give its ledger", "ask another node; look at the log of this one"),
    call("BAD_BASELINE", Code::InvalidArgument, "version, source or name of a baseline is over 256 bytes or not one line, or its window over 36,500 days", "shorten it"),
    call("NOT_WATCHED", Code::FailedPrecondition, "the field's parameter `drift` is 0", "change it to 1"),
    call("TOO_FEW_INPUTS", Code::FailedPrecondition, "what is kept of the field's inputs does not make a baseline: 100 in 8 spans of time do", "go on sending, and ask again"),
    call("FIELD_HAS_HISTORY", Code::FailedPrecondition, "the field has counted steps, so `changed` is fixed", "reset the field with the change, which drops its history, or create another"),
    call("ENGINE_NOT_HERE", Code::FailedPrecondition, "the field runs an engine that this version does not have", "upgrade this node"),
    call("BATCH_SIZE", Code::InvalidArgument, "a batch has no vectors, or too many", "split it"),
    call("BAD_PAGE", Code::InvalidArgument, "`page_token` is none that a page of a list gave", "send `next_page_token` of the page before, or none"),
    call("UNKNOWN_ACTION", Code::InvalidArgument, "an intervention is neither nigredo nor albedo", "correct it"),
    call("UNKNOWN_LEVEL", Code::InvalidArgument, "`replicate_to` is none of local, one, majority, all", "correct it"),
    call("BAD_DEADLINE", Code::InvalidArgument, "`deadline_ms` is over 60,000", "wait less"),
    call("BAD_REQUEST_ID", Code::InvalidArgument, "a `request_id` has more than 128 characters, or characters outside printable ASCII", "use a UUID"),
    call("REQUEST_ID_REUSED", Code::InvalidArgument, "another request had that `request_id` within 5 minutes", "draw a new id for each request"),
    call("FIELD_BUSY", Code::DeadlineExceeded, "this node is still computing a batch in the field; nothing was written", "retry, try another node, or allow more time"),
    call("REQUEST_UNDERWAY", Code::DeadlineExceeded, "the first request with that id is still in progress", "retry with the same id on the same node"),
    call("UNKNOWN_NODE", Code::NotFound, "no run of a node of that name is held that has not ended", "the message lists the nodes"),
    call("OWN_NODE", Code::FailedPrecondition, "a node can't be told to forget itself", "ask another node, or stop this one"),
    call("NODE_IS_LIVE", Code::FailedPrecondition, "the node that is to be forgotten was heard in the last 30 s", "stop it first, or wait"),
    call("INTERNAL", Code::Internal, "a bug in ψ-field", "report it with the log"),
    token("SESSION_TOKEN_NOT_REACHED", Code::DeadlineExceeded, "the node did not reach the session token in time; the message names the gaps", "try another node, or allow more time"),
    token("SESSION_TOKEN_MALFORMED", Code::InvalidArgument, "not a session token, or too long for one", "send what an answer held, whole"),
    token("SESSION_TOKEN_DAMAGED", Code::InvalidArgument, "its checksum is wrong", "send what an answer held, whole"),
    token("SESSION_TOKEN_FORMAT_UNKNOWN", Code::InvalidArgument, "a later version made it", "upgrade the node, or ask one that is upgraded"),
    token("SESSION_TOKEN_TOO_MANY_ORIGINS", Code::InvalidArgument, "it lists more than 40 origins", "send what an answer held, whole"),
    token("SESSION_TOKEN_OTHER_CLUSTER", Code::InvalidArgument, "a cluster of another name made it", "check which cluster the client talks to"),
    token("SESSION_TOKEN_FROM_THE_FUTURE", Code::InvalidArgument, "it claims writes that this node has not made", "send what an answer held, whole"),
    call("TOO_MUCH_UNDERWAY", Code::Unavailable, "the request came too slowly while the node was receiving many others", "send it at once, or try another node"),
    call("TOO_MANY_STREAMS", Code::Unavailable, "the node has `limits.streams_max` streams open: watches, streams of steps", "end some, use another node, or raise the setting"),
    grpc("MESSAGE_TOO_SLOW", Code::DeadlineExceeded, "the message did not arrive whole within 10 s", "send it at once"),
    grpc("TOO_MANY_CALLS", Code::ResourceExhausted, "the connection has `grpc.calls_per_connection_max` calls in progress; an open stream is one of them", "end some, open another connection, or raise the setting"),
    call("ACCESS_TOKEN_MISSING", Code::Unauthenticated, "the cluster has a key, and the call shows no access token", "make one with `psi-field token`, and send it as `authorization: Bearer TOKEN`"),
    call("ACCESS_TOKEN_REFUSED", Code::Unauthenticated, "the access token is expired, revoked, changed, or of another key or cluster; the message says which", "make a new one with `psi-field token`"),
    call("ROLE_TOO_LOW", Code::PermissionDenied, "the role of the access token is too low for the call", "make an access token of the role that the message names"),
    call("FIELD_NOT_ALLOWED", Code::PermissionDenied, "the access token is for other fields, or the call concerns all of them", "make an access token for this field, or for all"),
    grpc("NOT_A_NODE", Code::PermissionDenied, "only a node of the cluster may call this, by its certificate", "nodes do it by themselves"),
    http("ORIGIN_NOT_ALLOWED", 403, "a web page of an origin that `http.cors_origins` does not name would change something"),
    http("HOST_NOT_ALLOWED", 421, "the cluster has no key, and the request's `Host` is neither an address, `localhost`, the node's name, nor in `http.hosts`"),
    http("TLS_REQUIRED", 400, "the cluster has a key, so the node speaks TLS alone; over gRPC this is UNAUTHENTICATED"),
    http("WRONG_PROTOCOL", 505, "HTTP/2 on the HTTP port, over which gRPC gets UNIMPLEMENTED; or HTTP/1 on the gRPC port"),
    http("UNKNOWN_PATH", 404, "no such path; the message lists the paths, or suggests the nearest"),
    http("WRONG_METHOD", 405, "the path does not take this method; the message lists those it takes"),
    http("WRONG_CONTENT_TYPE", 415, "send `application/json`"),
    http("WRONG_ENCODING", 415, "send the body uncompressed"),
    http("BAD_JSON", 400, "the body is not JSON; the message says where"),
    http("BAD_BODY", 422, "the body has another shape than this call takes; each problem is listed with its place"),
    http("BAD_QUERY", 422, "the address carries a parameter that this path does not take"),
    http("BODY_TOO_LARGE", 413, "the body is over `http.body_bytes_max`"),
    http("BODY_TOO_SLOW", 408, "the body did not arrive in time"),
    http("BODY_CUT_OFF", 400, "the body ended early"),
    link("WRONG_CLUSTER", "the peer's `cluster.name` is another", "check names and seeds; two clusters never merge"),
    link("UNKNOWN_PROTOCOL", "the two have no protocol version in common", "upgrade by at most one protocol version at a time"),
    link("SAME_NODE", "the peer has this node's `node.id`", "give each node a name of its own"),
    link("OWN_FUTURE", "the peer claims what this node has not written", "a node started from a copy of another's disk: empty its `data.dir`"),
    link("BAD_ORIGIN", STRANGER, STRANGER_REMEDY),
    link("OUT_OF_TURN", STRANGER, STRANGER_REMEDY),
    link("UNKNOWN_FRAME", STRANGER, STRANGER_REMEDY),
    link("NOT_A_FRAME", STRANGER, STRANGER_REMEDY),
    link("TOO_MANY_ORIGINS", STRANGER, STRANGER_REMEDY),
    link("TOO_MANY_MOVES", STRANGER, STRANGER_REMEDY),
    link("SILENT_PEER", "the peer did not introduce itself in time", STRANGER_REMEDY),
    link("WRONG_PEER", "another node answers at the address, or a node introduces itself by a name that its certificate does not have", "check what the two nodes advertise, and their certificates"),
    delta("digest_mismatch", DAMAGED),
    delta("digest_length", DAMAGED),
    delta("inconsistent_frames", DAMAGED),
    delta("version_gap", "it starts after the version that is held; the peer sends it again from there"),
    delta("entry_version", FORBIDDEN),
    delta("version_unwritten", FORBIDDEN),
    delta("empty_delta", FORBIDDEN),
    delta("duplicate_key", FORBIDDEN),
    delta("below_tombstone", FORBIDDEN),
    delta("tombstone_alone", FORBIDDEN),
    delta("bad_name", FORBIDDEN),
    delta("bad_key", FORBIDDEN),
    delta("bad_value", FORBIDDEN),
    delta("value_too_large", FORBIDDEN),
    delta("own_origin", "only the node that receives it may write it; a bug in the peer if it lasts"),
    delta("delta_too_large", "over a limit that the log names"),
    delta("too_many_deltas", "over a limit that the log names"),
    delta("clock_ahead", "the writer's time is over 60 s ahead of agreed time; nothing is lost: set its clock, the peer sends the delta until it fits"),
    delta("ended", "the run has ended at an earlier version, which counts; what is beyond it came too late and is lost"),
    delta("ending", "this node has agreed to end the run at an earlier version; it is sent again if that is not decided"),
    delta("below_horizon", "the run is so old that its name may be forgotten: it may have ended, so nothing of it is taken"),
    delta("bad_base", "what ended runs came to could not be read; a bug in the peer if it lasts"),
    snapshot("not_a_snapshot", "the file begins with something else"),
    snapshot("truncated", "the file ends early"),
    snapshot("from_future", "a later version wrote it"),
    snapshot("checksum", "its checksum is wrong"),
    snapshot("wrong_cluster", "another cluster wrote it"),
    snapshot("malformed", "its parts do not add up"),
    snapshot("bad_origin", "it names no valid origin"),
    snapshot("unreadable", "the disk did not give it"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_one_row_on_its_surface() {
        let mut seen = BTreeSet::new();
        for row in REASONS {
            assert!(seen.insert(row.name), "{} has two rows", row.name);
        }
        assert_eq!(Reason::find("WRONG_WIDTH").and_then(Reason::http_status), Some(422));
        assert_eq!(Reason::find("version_gap").and_then(Reason::http_status), None);
        assert!(Reason::find("MADE_UP").is_none());
    }
}
