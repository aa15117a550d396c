//! Connections of HTTP/1.1: a time-out on headers, and an orderly end. `axum::serve` has neither.

pub(super) mod unencrypted;
pub(super) mod version;

use std::{convert::Infallible, future::Future, pin, sync::Arc, time::Duration};

use axum::{http::Request, response::Response};
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::Service;
use tracing::debug;

use crate::node::{
    connections::{
        accept::{self, Connection, Door},
        preface::is_http2,
        table::ConnectionTable,
    },
    identity::{Identity, port::Port, tls::Admission},
};

/// A connection that has not sent a request's headers in this time is closed, whether slow or idle.
const HEADERS_READ: Duration = Duration::from_secs(30);
/// Largest headers of a request, and most of a body that is read in one go.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Requests in progress have this long to end once the server stops. They take microseconds, or wait, which ends
/// then; what takes longer is a client that does not send the rest of its request.
const DRAIN: Duration = Duration::from_secs(1);

/// Answers what comes to `listener` by `service`, a router for instance, until `stop` resolves and requests in
/// progress have ended. There may be any number of connections.
pub async fn serve<S>(service: S, listener: TcpListener, stop: impl Future<Output = ()> + Send)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let table = Arc::new(ConnectionTable::new(usize::MAX));
    let door = Door { port: Port::Http, table, identity: Arc::new(Identity::without_key()) };
    serve_at(door, service, listener, stop).await;
}

/// As [`serve`], behind a door.
pub(super) async fn serve_at<S>(door: Door, service: S, listener: TcpListener, stop: impl Future<Output = ()> + Send)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let connection = move |connection| serve_one(connection, service.clone());
    accept::serve(listener, door, stop, DRAIN, connection).await;
}

/// One connection, to its end. Idle ones end as soon as the server stops.
async fn serve_one<S>(connection: Connection, service: S)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static,
{
    let Connection { accepted, activity, closing } = connection;
    let (stream, shown) = match accepted {
        Admission::Ready(stream, shown) => (stream, shown),
        Admission::Unencrypted(stream) => return unencrypted::refuse(stream).await,
    };
    let first = tokio::select! {
        first = is_http2(&stream) => first,
        () = closing.cancelled() => return,
    };
    match first {
        Some(false) => {}
        Some(true) => return version::refuse_version(*stream).await,
        None => return,
    }
    let service = TowerToHyperService::new(service);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let call = activity.begin();
        request.extensions_mut().insert(activity.clone());
        request.extensions_mut().insert(shown.clone());
        service.call(request).inspect(move |_| drop(call))
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_READ)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer);
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
