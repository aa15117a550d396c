//! What a node shows over HTTP, without TLS.

use std::net::SocketAddr;

use axum::{
    body::Bytes,
    http::{Request, header},
};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{client::root_cause, error::BenchError};

/// The body of a page.
///
/// # Errors
/// If the node can't be reached, or refuses it.
pub async fn page(address: SocketAddr, path: &str) -> Result<String, BenchError> {
    let failed = |why: &dyn std::fmt::Display| BenchError::failed(format!("GET http://{address}{path}: {why}"));
    let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&root_cause(&error)))?;
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, address.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| failed(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| failed(&root_cause(&error)))?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| failed(&root_cause(&error)))?.to_bytes();
    if !status.is_success() {
        return Err(failed(&format!("the node answered {status}")));
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
