//! A client of a psi-field cluster in Rust: steps that move on to another node, a stream of steps, and the state, read
//! on one node with what was written on another.
//!
//! ```text
//! cargo run -p psi-field-example -- 127.0.0.1:50051 127.0.0.1:50052
//! ```
//!
//! Where the cluster has a key, give it an access token of role `step`:
//!
//! ```text
//! export PSI_TOKEN=$(psi-field token --role step --name example --days 1)     # where cluster.key is
//! ```
//!
//! It makes six steps in the field `default`, and they count. The exit code is 0 if everything was answered as it
//! should be, else 1. CI runs it against a fresh node, without a key and with one.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use backon::{ExponentialBuilder, Retryable};
use clap::Parser;
use psi_api::{
    cause_of,
    v1::{
        FieldState, GetStateRequest, ReplicationLevel, StepRequest, StepResponse,
        psi_field_service_client::PsiFieldServiceClient, step_stream_response::Outcome,
    },
};
use psi_client::{Access, Connection};
use tonic::{Code, Status, transport::Endpoint};

type Client = PsiFieldServiceClient<Connection>;

/// Numbers in a vector of the field `default`.
const WIDTH: u8 = 16;
const STREAM_STEPS: u8 = 5;

/// A client of a psi-field cluster.
#[derive(Parser)]
struct Arguments {
    /// Nodes, tried in turn
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:50051")]
    addresses: Vec<String>,

    /// Access token, where the cluster has a key
    #[arg(long, env = "PSI_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
    token: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { addresses, token } = Arguments::parse();
    // It says which nodes to trust, too. Without one, connections have no TLS.
    let access = Access::of_token(&token).context("--token, or PSI_TOKEN")?;
    let nodes = addresses.iter().map(|address| client(address, &access)).collect::<Result<Vec<_>>>()?;

    let step = step_somewhere(&nodes, &vector(0)).await.context("no node took the step")?;
    let density = step.metrics.map(|metrics| metrics.density).unwrap_or_default();
    println!("step: node {}, k = {}, density {density:.6}", step.node, step.k);
    if let Some(replicated) = step.replicated {
        println!("held by {} of {} nodes", replicated.nodes, replicated.of);
    }

    let (taken, session_token) = stream_steps(&nodes).await.context("no node took the stream")?;
    println!("stream: {taken} steps taken");

    // Another node first, if there is one: it answers once it holds what the session token covers.
    let others: Vec<Client> = nodes.iter().skip(1).chain(&nodes[..1]).cloned().collect();
    let state = state_somewhere(&others, &session_token).await.context("no node answered with its state")?;
    println!("state: node {}, k = {}, noise {}, mean {:?}", state.node, state.k, state.noise, state.mean);
    if state.k < taken {
        bail!("{taken} steps were streamed, and the state counts {}", state.k);
    }

    match step_somewhere(&nodes, &[1.0]).await {
        Ok(_) => bail!("a vector of one number was taken"),
        Err(status) => {
            let (reason, values) = cause_of(&status).context("the refusal names no reason")?;
            println!("refused as it should be: {reason} {values:?}");
        }
    }
    Ok(())
}

/// Connects at the first call, and again whenever the connection is lost.
fn client(address: &str, access: &Access) -> Result<Client> {
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).with_context(|| format!("bad address {address}"))?;
    let endpoint = endpoint.connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(5));
    Ok(Client::new(access.connect_lazily(&endpoint)))
}

/// Any vector will do.
fn vector(seed: u8) -> Vec<f64> {
    (0..WIDTH).map(|dimension| (f64::from(seed) + f64::from(dimension) / 4.0).sin()).collect()
}

/// Makes one call on each node in turn until one answers, with growing pauses, for about three seconds.
///
/// Only `UNAVAILABLE` is tried again: it says that a node can't answer now, not that the request is wrong. If an
/// answer is lost on its way, the step counts a second time where it is tried again, on another node; on the same one, a
/// `request_id` keeps it from that.
async fn on_some_node<T>(nodes: &[Client], call: impl AsyncFn(Client) -> Result<T, Status>) -> Result<T, Status> {
    let mut turn = nodes.iter().cycle();
    let attempt = || {
        let node = turn.next().cloned();
        let call = &call;
        async move { call(node.ok_or_else(|| Status::invalid_argument("no nodes"))?).await }
    };
    let pauses = ExponentialBuilder::new().with_min_delay(Duration::from_millis(50)).with_max_times(6);
    attempt.retry(pauses).when(|status| status.code() == Code::Unavailable).await
}

async fn step_somewhere(nodes: &[Client], input: &[f64]) -> Result<StepResponse, Status> {
    let request = StepRequest {
        input: input.to_vec(),
        // Drawn once for all attempts.
        request_id: format!("{:032x}", rand::random::<u128>()),
        // Whether a second node came to hold it in this time is in the answer; if not, that is no error.
        replicate_to: ReplicationLevel::One.into(),
        deadline_ms: 1_000,
        ..StepRequest::default()
    };
    on_some_node(nodes, async |mut node| Ok(node.step(request.clone()).await?.into_inner())).await
}

/// The state as it is once all that the session token stands for is held.
async fn state_somewhere(nodes: &[Client], session_token: &str) -> Result<FieldState, Status> {
    let request = GetStateRequest { after: session_token.to_owned(), ..GetStateRequest::default() };
    on_some_node(nodes, async |mut node| Ok(node.get_state(request.clone()).await?.into_inner())).await
}

/// Sends steps without waiting for each answer; returns how many were taken, and the session token of the last. A
/// refused one doesn't end the stream.
async fn stream_steps(nodes: &[Client]) -> Result<(u64, String), Status> {
    on_some_node(nodes, async |mut node| {
        let steps = (1..=STREAM_STEPS).map(|seed| StepRequest { input: vector(seed), ..StepRequest::default() });
        let mut answers = node.step_stream(tokio_stream::iter(steps)).await?.into_inner();
        let (mut taken, mut session_token) = (0, String::new());
        while let Some(answer) = answers.message().await? {
            match answer.outcome {
                Some(Outcome::Step(step)) => {
                    taken += 1;
                    session_token = step.token;
                }
                Some(Outcome::Error(error)) => eprintln!("step {} refused: {}", answer.sequence, error.reason),
                None => {}
            }
        }
        Ok((taken, session_token))
    })
    .await
}
