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

use tokio::net::TcpListener;

use self::routes::{observe::ObservedRouter, router::router};
use crate::{calls::ops::Ops, node::context::NodeContext};

/// Serves HTTP until `stop` resolves and requests in progress have ended.
pub(crate) async fn serve(
    context: Arc<NodeContext>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let ops = Ops { context };
    server::serve(ObservedRouter::new(router(ops.clone()), ops), listener, stop).await;
}
