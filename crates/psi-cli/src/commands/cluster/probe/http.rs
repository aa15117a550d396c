//! What the probe answers over HTTP: `/metrics` for Prometheus, `/health/live` for what restarts it.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::metrics::Metrics;
use crate::output::Failure;

pub(super) type SharedMetrics = Arc<Mutex<Metrics>>;

/// Takes the port.
///
/// # Errors
/// If it is not free.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(format!("can't listen on {address} for HTTP: {error}; set --listen to a free address"))
    })
}

pub(super) async fn serve(metrics: SharedMetrics, listener: TcpListener, stop: impl Future<Output = ()> + Send) {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/health/live", get(async || Json(json!({ "status": "live" }))))
        .fallback(unknown)
        .with_state(metrics);
    psi_node::serve_http(router, listener, stop).await;
}

async fn scrape(State(metrics): State<SharedMetrics>) -> ([(HeaderName, &'static str); 1], String) {
    let text = metrics.lock().unwrap_or_else(PoisonError::into_inner).render();
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text)
}

async fn unknown() -> (StatusCode, Json<Value>) {
    (StatusCode::NOT_FOUND, Json(json!({ "detail": "there are /metrics and /health/live" })))
}
