//! Connections without TLS to a node that wants it: they are told so, in the version that they speak.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use psi_api::Cause;
use tokio::net::TcpStream;
use tonic::Code;

use super::version;
use crate::{http::refusal::Refusal, node::connections::preface::begins_as_http2};

/// It is told so at once, and then closed.
const HEADERS_READ: Duration = Duration::from_secs(5);
const MESSAGE: &str = "this node speaks TLS alone, since its cluster has a key. With psi-field give --token (make one with \
                       `psi-field token`); with others use https:// and the authority that `psi-field ca` prints, or that of \
                       tls.ca";

/// Refuses the requests of a connection.
pub(in crate::http) async fn refuse(stream: TcpStream) {
    let cause = Cause::new(Code::Unauthenticated, "TLS_REQUIRED", MESSAGE);
    match begins_as_http2(&stream).await {
        Some(true) => version::refuse(stream, StatusCode::BAD_REQUEST, &cause).await,
        Some(false) => {
            let answer = service_fn(|_| std::future::ready(Ok::<_, Infallible>(answer(&cause))));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_READ)
                .serve_connection(TokioIo::new(stream), answer);
            let _ = served.await;
        }
        None => {}
    }
}

fn answer(cause: &Cause) -> Response {
    let mut answer = Refusal::new(StatusCode::BAD_REQUEST, cause.reason, &cause.message).into_response();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}
