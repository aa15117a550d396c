//! What `POST /step` is measured against: two handlers in a process of their own, started from this program by a command
//! that no help shows.

use std::{future::Future, net::SocketAddr};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::{
    cluster::process::{Process, this_program},
    error::BenchError,
};

/// The name of the command that serves them.
pub const COMMAND: &str = "bench-handlers";
/// The path that ignores the body.
pub(crate) const EMPTY: &str = "/empty";
/// The path that parses it and answers.
pub(crate) const PARSING: &str = "/parsing";

/// Where the handlers listen, as their process says on standard output once it is there.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HandlerAddress {
    /// On the loopback.
    pub http: SocketAddr,
}

/// The two handlers, in their own process.
pub struct HandlerServer {
    listener: TcpListener,
    address: HandlerAddress,
}

impl HandlerServer {
    /// Listens on a free port of the loopback.
    ///
    /// # Errors
    /// If it can't.
    pub async fn bind() -> Result<Self, BenchError> {
        let unbound = |error: std::io::Error| BenchError::failed(format!("can't listen on the loopback: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(unbound)?;
        let address = HandlerAddress { http: listener.local_addr().map_err(unbound)? };
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> HandlerAddress {
        self.address
    }

    /// Serves until `stop` resolves; the parsing handler gives this answer.
    pub async fn serve(self, answer: String, stop: impl Future<Output = ()> + Send + 'static) {
        psi_node::serve_http(router(answer.into()), self.listener, stop).await;
    }
}

fn router(answer: Bytes) -> Router {
    Router::new().route(EMPTY, post(empty)).route(PARSING, post(parsing)).with_state(answer)
}

async fn empty() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The body of a step.
#[derive(Deserialize)]
struct Body {
    x: Vec<f64>,
    #[serde(default)]
    apply_guardian: bool,
    #[serde(default)]
    field: Option<String>,
}

async fn parsing(State(answer): State<Bytes>, Json(body): Json<Body>) -> impl IntoResponse {
    let Body { x, apply_guardian, field } = body;
    std::hint::black_box((x, apply_guardian, field));
    ([(header::CONTENT_TYPE, "application/json")], answer)
}

/// The process of the handlers; killed when dropped.
pub(crate) struct HandlerProcess {
    pub(crate) address: SocketAddr,
    _process: Process,
}

impl HandlerProcess {
    /// Starts it; the parsing handler will give this answer.
    ///
    /// # Errors
    /// If it does not start.
    pub(crate) async fn start(answer: &str) -> Result<Self, BenchError> {
        let mut command = this_program()?;
        command.args(["--output", "json", COMMAND, answer]);
        let process = Process::start(command).await?;
        let HandlerAddress { http } = process.first_line()?;
        Ok(Self { address: http, _process: process })
    }
}
