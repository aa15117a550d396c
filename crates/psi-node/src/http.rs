//! HTTP: drop-in for the service that this one replaces. The same paths and keys, and more of both; errors that
//! name the value, the limit and the way out.
//!
//! Every refusal is `{"detail": …, "error": {"reason", "message", …}}`, see [`refusal::Refusal`]. Left out:
//! HTTP/2 (programs that need it use gRPC, or a proxy).

mod answers;
mod fields;
mod governance;
mod guardian;
mod health;
mod members;
mod refusal;
mod requests;
pub(crate) mod routes;
pub(crate) mod server;
mod state;
mod step;

use std::{convert::Infallible, future::Future, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use tokio::net::{TcpListener, TcpStream};

use self::{
    refusal::Refusal,
    routes::{observe::ObservedRouter, router::router},
};
use crate::{
    calls::ops::Ops,
    node::{context::NodeContext, identity::port::Port},
};

/// The operations, for the caller of a request.
impl FromRequestParts<Ops> for Ops {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Infallible> {
        Ok(ops.called_by(&parts.extensions))
    }
}

/// Refuses what comes without TLS to a node that wants it.
pub(crate) async fn refuse_unencrypted(stream: TcpStream) {
    server::unencrypted::refuse(stream).await;
}

/// Serves HTTP until `stop` resolves and requests in progress have ended.
pub(crate) async fn serve(
    context: Arc<NodeContext>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let (door, ops) = (context.door(Port::Http), Ops::new(context));
    server::serve_at(door, ObservedRouter::new(router(ops.clone()), ops), listener, stop).await;
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
