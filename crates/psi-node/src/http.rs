//! HTTP: drop-in for the service that this one replaces.

use std::{future::Future, io, sync::Arc};

use axum::{Router, routing::get};
use tokio::net::TcpListener;

use crate::shared::Shared;

/// Serves HTTP until `stop` resolves.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().route("/metrics", get(|| async move { shared.metrics.render(&shared) }));
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
