//! Connections that speak HTTP/2 at once, without TLS: a gRPC client that was given the wrong port, for instance. Each
//! request is refused in words; HTTP/1.1 alone would close the connection and say nothing.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use psi_api::Cause;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::{Code, Status};

use crate::{http::refusal::Refusal, node::identity::tls::ClientStream};

/// After this long the connection is closed, whatever comes.
const SERVED: Duration = Duration::from_secs(5);

const MESSAGE: &str = "this port speaks HTTP/1.1 and not HTTP/2; gRPC has a port of its own (grpc.listen, 50051 by default). \
                       Use that port, or HTTP/1.1 here (curl --http1.1)";

/// Refuses the requests of a connection that speaks HTTP/2 to the port of HTTP/1.1.
pub(super) async fn refuse_version(stream: ClientStream) {
    let cause = Cause::new(Code::Unimplemented, "WRONG_PROTOCOL", MESSAGE);
    refuse(stream, StatusCode::HTTP_VERSION_NOT_SUPPORTED, &cause).await;
}

/// Refuses the requests of a connection, with this status where they are not of gRPC.
pub(in crate::http) async fn refuse<S>(stream: S, status: StatusCode, cause: &Cause)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = |request: Request<Incoming>| std::future::ready(Ok::<_, Infallible>(refusal(&request, status, cause)));
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    let _ = tokio::time::timeout(SERVED, served).await;
}

fn refusal(request: &Request<Incoming>, status: StatusCode, cause: &Cause) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    if content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
        return Status::from(cause.clone()).into_http();
    }
    Refusal::new(status, cause.reason, &cause.message).into_response()
}
