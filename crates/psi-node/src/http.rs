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
mod openapi;
mod property;
mod refusal;
mod route;
mod routes;
pub(crate) mod server;
mod status;

pub(crate) use route::table as routes_table;

use std::{future::Future, sync::Arc};

use tokio::net::TcpListener;

use self::observe::Observed;
use crate::{ops::Ops, shared::Shared};

/// Serves HTTP until `stop` resolves and requests in progress have ended.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
    let ops = Ops { shared };
    server::serve(Observed::new(route::router(ops.clone()), ops), listener, stop).await;
}
