//! HTTP: drop-in for the service that this one replaces. The same paths and keys, and more of both; errors that
//! name the value, the limit and the way out.
//!
//! Every refusal is `{"detail": …, "error": {"reason", "message", …}}`, see [`refusal::Refusal`]. Left out: TLS,
//! authentication, HTTP/2 (programs that need them use gRPC, or a proxy).

mod answer;
mod asked;
mod body;
mod federation;
mod field;
mod fields;
mod guardian;
mod observe;
mod refusal;
pub(crate) mod server;
mod status;

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    routing::{get, post},
};
use tokio::net::TcpListener;

use self::observe::Observed;
use crate::{ops::Ops, shared::Shared};

/// What there is, in the order in which it is shown. `/` shows it; a misspelt path is compared with it.
const PATHS: [(&str, &str, &str); 18] = [
    ("/", "GET", "this page"),
    ("/health", "GET", "what the node is up to; 200 whatever it is"),
    ("/health/live", "GET", "200 while the process runs"),
    ("/health/ready", "GET", "200 if the node takes steps, else 503"),
    ("/metrics", "GET", "for Prometheus"),
    ("/params", "GET", "parameters of a field; ?field= chooses it, here and below"),
    ("/init", "POST", "starts a field over with the parameters in the body"),
    ("/state", "GET", "a field as all nodes' steps make it; ?after=TOKEN waits until what a token tells of is held"),
    (
        "/step",
        "POST",
        "scores the vector `x` in the body and takes it in; also: after, deadline_ms, replicate_to, request_id",
    ),
    ("/guardian/status", "GET", "whether a field's red flag is up, and why"),
    ("/guardian/statistics", "GET", "what a field's guardian has seen, its thresholds, and what was done"),
    ("/guardian/nigredo", "POST", "raises a field's noise by 1.5, to at most 1.5"),
    ("/guardian/albedo", "POST", "lowers a field's noise by 0.7, to at least 0"),
    (
        "/fields",
        "GET, POST",
        "all fields; makes the one in the body: name, engine, width, guardian, parameters and more",
    ),
    ("/fields/{name}", "GET, PATCH, DELETE", "a field; changes what the body names and keeps the rest; removes it"),
    ("/fields/{name}/reset", "POST", "starts a field over with what the body names, parameters at their defaults"),
    ("/federation/metrics", "GET", "metrics of the latest step, for other agents"),
    ("/federation/swarm", "GET, POST", "metrics of all live members together"),
];

/// Serves HTTP until `stop` resolves and requests in progress have ended.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
    let ops = Ops { shared };
    server::serve(Observed::new(router(ops.clone()), ops), listener, stop).await;
}

fn router(ops: Ops) -> Router {
    Router::new()
        .route("/", get(status::root))
        .route("/health", get(status::health))
        .route("/health/live", get(status::live))
        .route("/health/ready", get(status::ready))
        .route("/metrics", get(status::metrics))
        .route("/params", get(field::params))
        .route("/init", post(field::init))
        .route("/state", get(field::state))
        .route("/step", post(|State(ops): State<Ops>, request: Request| field::step(ops, request)))
        .route("/guardian/status", get(guardian::status))
        .route("/guardian/statistics", get(guardian::statistics))
        .route("/guardian/nigredo", post(guardian::nigredo))
        .route("/guardian/albedo", post(guardian::albedo))
        .route("/fields", get(fields::list).post(fields::create))
        .route("/fields/{name}", get(fields::show).patch(fields::change).delete(fields::drop_field))
        .route("/fields/{name}/reset", post(fields::reset))
        .route("/federation/metrics", get(federation::metrics))
        .route("/federation/swarm", get(federation::swarm).post(federation::swarm))
        .fallback(refusal::unknown_path)
        .method_not_allowed_fallback(refusal::wrong_method)
        .with_state(ops)
}
