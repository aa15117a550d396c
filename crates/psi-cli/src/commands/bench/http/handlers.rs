//! What `POST /step` is measured against: two handlers in a process of their own, started from this program by a command
//! that no help shows.

use std::{net::SocketAddr, process};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::{
    commands::bench::process::{Process, this_program},
    failure::Failure,
    output::Output,
    signals,
};

/// The name of the command.
pub(crate) const COMMAND: &str = "bench-handlers";
/// The path that ignores the body.
pub(super) const EMPTY: &str = "/empty";
/// The path that parses it and answers.
pub(super) const PARSING: &str = "/parsing";

/// Answer HTTP without being a node, for `psi-field bench http`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  psi-field bench-handlers '{\"Psi\":0.5}' --output json")]
pub(crate) struct ServeHandlers {
    /// What the parsing handler answers
    answer: String,
}

/// What it says once it listens.
#[derive(Serialize, Deserialize)]
struct Started {
    http: SocketAddr,
}

impl ServeHandlers {
    /// Serves until told to stop.
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let unbound = |error: std::io::Error| Failure::failed(format!("can't listen on the loopback: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(unbound)?;
        let started = Started { http: listener.local_addr().map_err(unbound)? };
        output.print(&started, |started| format!("answering on {} (process {})", started.http, process::id()))?;
        psi_node::serve_http(router(self.answer.into()), listener, signals::stop()).await;
        Ok(())
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
pub(super) struct Handlers {
    pub(super) address: SocketAddr,
    _process: Process,
}

impl Handlers {
    /// Starts it; the parsing handler will give this answer.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) async fn start(answer: &str) -> Result<Self, Failure> {
        let mut command = this_program()?;
        command.args(["--output", "json", COMMAND, answer]);
        let process = Process::start(command).await?;
        let Started { http } = process.said()?;
        Ok(Self { address: http, _process: process })
    }
}
