//! Connections of HTTP/1.1: a time-out on headers, and an orderly end. `axum::serve` has neither.

use std::{convert::Infallible, future::Future, pin, time::Duration};

use axum::{http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::{debug, warn};

/// A connection that has not sent a request's headers in this time is closed, whether slow or idle.
const HEADERS_READ: Duration = Duration::from_secs(30);
/// Requests in progress have this long to end once the server stops. They take microseconds, or wait, which ends
/// then; what takes longer is a client that does not send the rest of its request.
const DRAIN: Duration = Duration::from_secs(1);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Answers what comes to `listener` by `service`, a router for instance, until `stop` resolves and requests in
/// progress have ended.
pub async fn serve<S>(service: S, listener: TcpListener, stop: impl Future<Output = ()> + Send)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let closing = CancellationToken::new();
    // Owns the connections: none outlives the server.
    let mut connections = JoinSet::new();
    let mut stop = pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, service.clone(), closing.clone()));
                }
                Err(error) => {
                    warn!("can't accept an HTTP connection: {error}");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    closing.cancel();
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, ended).await;
}

/// One connection, to its end. Idle ones end as soon as the server stops.
async fn connection<S>(stream: TcpStream, service: S, closing: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_READ)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut served = pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = closing.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        debug!("HTTP connection ended: {error}");
    }
}
