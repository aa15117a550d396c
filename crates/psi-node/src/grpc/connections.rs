//! gRPC connections: HTTP/2 with bounds on what one of them may take.

use std::sync::Arc;

use hyper::server::conn::{http1, http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::sync::Semaphore;
use tonic::service::Routes;
use tower::service_fn;
use tracing::debug;

use super::calls::CallService;
use crate::{
    calls::ops::Ops,
    http,
    links::{KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT},
    node::{
        connections::{accept::Connection, preface::is_http2},
        identity::tls::{Admission, ClientStream},
    },
};

/// Streams of HTTP/2 that a connection may have open for each call in progress. Calls between the two limits are
/// refused in words; those beyond wait in the client, which then can't tell why.
const STREAMS_PER_CALL: usize = 2;
/// As many at least, which RFC 9113 (section 6.5.2) recommends.
const STREAMS_MIN: usize = 100;
/// Largest headers of a call.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// What a client may send of a stream, and of all its streams, before it is read.
const STREAM_BYTES: u32 = 64 * 1024;
const CONNECTION_BYTES: u32 = 256 * 1024;
/// Answers that a client does not read wait in as many bytes for each stream. h2 takes about 300 bytes more for each
/// frame, which is more than a step of a watch has.
const UNREAD_BYTES: usize = 4 * 1024;

/// Serves one connection, to its end.
pub(super) async fn serve(connection: Connection, routes: Routes, ops: Ops) {
    let Connection { accepted, activity, closing } = connection;
    let (stream, shown) = match accepted {
        Admission::Ready(stream, shown) => (stream, shown),
        Admission::Unencrypted(stream) => return http::refuse_unencrypted(stream).await,
    };
    match is_http2(&stream).await {
        Some(true) => {}
        Some(false) => return refuse_http1(*stream, ops).await,
        None => return,
    }
    let calls_max = ops.context.settings.calls_per_connection_max;
    let streams_max = calls_max.saturating_mul(STREAMS_PER_CALL).max(STREAMS_MIN);
    let service = CallService { routes, ops, activity, shown, slots: Arc::new(Semaphore::new(calls_max)) };
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(u32::try_from(streams_max).unwrap_or(u32::MAX))
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(STREAM_BYTES)
        .initial_connection_window_size(CONNECTION_BYTES)
        .max_send_buf_size(UNREAD_BYTES)
        // Each refused call is one, and its client is to hear of it.
        .max_local_error_reset_streams(None)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = closing.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        debug!("gRPC connection ended: {error:?}");
    }
}

/// Refuses the request of a connection that speaks HTTP/1.
async fn refuse_http1(stream: ClientStream, ops: Ops) {
    let answer = service_fn(move |_| std::future::ready(Ok::<_, std::convert::Infallible>(http::refuse_http1(&ops))));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEPALIVE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(answer));
    let _ = served.await;
}
