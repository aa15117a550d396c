//! HTTP: drop-in for the service that this one replaces. The same paths and keys, and more of both; errors that
//! name the value, the limit and the way out.
//!
//! Every refusal is `{"detail": …, "error": {"reason", "message", …}}`, see [`refusal::Refusal`]. Left out: TLS,
//! authentication, HTTP/2 (programs that need them use gRPC, or a proxy).

mod answers;
mod federation;
mod fields;
mod guardian;
mod health;
mod members;
mod refusal;
mod requests;
pub(crate) mod routes;
pub(crate) mod server;
mod state;
mod step;

use std::{future::Future, sync::Arc};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

use self::{
    refusal::Refusal,
    routes::{observe::ObservedRouter, router::router},
};
use crate::{calls::ops::Ops, node::context::NodeContext};

/// Serves HTTP until `stop` resolves and requests in progress have ended.
pub(crate) async fn serve(
    context: Arc<NodeContext>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let (table, ops) = (context.connections.clone(), Ops { context });
    server::serve_within(table, ObservedRouter::new(router(ops.clone()), ops), listener, stop).await;
}

/// The answer to a request of HTTP/1 that came to the port of gRPC.
pub(crate) fn refuse_http1(ops: &Ops) -> Response {
    let address = ops.context.addresses().http;
    let message = format!("this port speaks gRPC over HTTP/2 only; HTTP/1.1 has a port of its own: http://{address}");
    let refusal = Refusal::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "WRONG_PROTOCOL", message);
    let mut answer = refusal.with("http", address).into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}
