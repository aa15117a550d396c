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
mod refusal;
pub(crate) mod server;
mod status;

use std::{future::Future, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::HeaderMap,
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use tokio::net::TcpListener;
use tracing::{Instrument, debug, field::Empty, info_span};

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
    server::serve(router(Ops { shared }), listener, stop).await;
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
        .route("/step", post(field::step))
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
        .layer(middleware::from_fn_with_state(ops.clone(), observe))
        .with_state(ops)
}

/// Times and traces a request. Its path is a label only where it is one of the routes.
async fn observe(State(ops): State<Ops>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("other", MatchedPath::as_str);
    let span = info_span!("http", method = %request.method(), path, trace_id = Empty);
    if let Some(trace_id) = trace_id(request.headers()) {
        span.record("trace_id", trace_id);
    }
    let answer = async {
        let answer = next.run(request).await;
        debug!(status = answer.status().as_u16(), "answered");
        answer
    };
    let answer = answer.instrument(span).await;
    ops.shared.metrics.http(path, answer.status().as_u16(), begun.elapsed());
    answer
}

/// The trace that a call belongs to: the second part of the header `traceparent`, 32 hexadecimal digits of which
/// one at least is not 0 (W3C Trace Context, level 1). Anything else counts as none.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, id) = (parts.next()?, parts.next()?);
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let valid = version.len() == 2 && hex(version) && version != "ff" && id.len() == 32 && hex(id);
    (valid && id.bytes().any(|byte| byte != b'0')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_names_a_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (header, want) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(id)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", Some(id)),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
            ("00-4bf9-00f067aa0ba902b7-01", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", header.parse().unwrap());
            assert_eq!(trace_id(&headers), want, "{header}");
        }
    }
}
