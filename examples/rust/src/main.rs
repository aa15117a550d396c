//! A client of a psi-field cluster in Rust: steps that move on to another node, a stream of steps, the state.
//!
//! ```text
//! cargo run -p psi-field-example -- 127.0.0.1:50051 127.0.0.1:50052
//! ```

use std::time::Duration;

use anyhow::{Context, Result, bail};
use backon::{ExponentialBuilder, Retryable};
use psi_api::{
    cause_of,
    v1::{
        FieldState, GetStateRequest, StepRequest, StepResponse, psi_field_service_client::PsiFieldServiceClient,
        step_stream_response::Outcome,
    },
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

type Client = PsiFieldServiceClient<Channel>;

/// Numbers in a vector of the field `default`.
const WIDTH: u8 = 16;
const STREAM_STEPS: u8 = 5;

#[tokio::main]
async fn main() -> Result<()> {
    let mut addresses: Vec<String> = std::env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses.push("127.0.0.1:50051".to_owned());
    }
    let nodes = addresses.iter().map(|address| client(address)).collect::<Result<Vec<_>>>()?;

    let step = step_somewhere(&nodes, &vector(0)).await.context("no node took the step")?;
    let density = step.metrics.map(|metrics| metrics.density).unwrap_or_default();
    println!("step: node {}, k = {}, density {density:.6}", step.node, step.k);

    let taken = stream_steps(&nodes).await.context("no node took the stream")?;
    println!("stream: {taken} steps taken");

    let state = state_somewhere(&nodes).await.context("no node told its state")?;
    println!("state: k = {}, noise {}, mean {:?}", state.k, state.noise, state.mean);

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
fn client(address: &str) -> Result<Client> {
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).with_context(|| format!("bad address {address}"))?;
    let endpoint = endpoint.connect_timeout(Duration::from_secs(1)).timeout(Duration::from_secs(5));
    Ok(Client::new(endpoint.connect_lazy()))
}

/// Any vector will do.
fn vector(seed: u8) -> Vec<f64> {
    (0..WIDTH).map(|dimension| (f64::from(seed) + f64::from(dimension) / 4.0).sin()).collect()
}

/// Makes one call on each node in turn until one answers, with growing pauses, for about three seconds.
///
/// Only `UNAVAILABLE` is tried again: it says that a node can't answer now, not that the request is wrong. If an
/// answer is lost on its way, the step counts a second time where it is tried again.
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
    on_some_node(nodes, async |mut node| {
        let request = StepRequest { input: input.to_vec(), ..StepRequest::default() };
        Ok(node.step(request).await?.into_inner())
    })
    .await
}

async fn state_somewhere(nodes: &[Client]) -> Result<FieldState, Status> {
    on_some_node(nodes, async |mut node| Ok(node.get_state(GetStateRequest::default()).await?.into_inner())).await
}

/// Sends steps without waiting for each answer; returns how many were taken. A refused one doesn't end the stream.
async fn stream_steps(nodes: &[Client]) -> Result<usize, Status> {
    on_some_node(nodes, async |mut node| {
        let steps = (1..=STREAM_STEPS).map(|seed| StepRequest { input: vector(seed), ..StepRequest::default() });
        let mut answers = node.step_stream(tokio_stream::iter(steps)).await?.into_inner();
        let mut taken = 0;
        while let Some(answer) = answers.message().await? {
            match answer.outcome {
                Some(Outcome::Step(_)) => taken += 1,
                Some(Outcome::Error(error)) => eprintln!("step {} refused: {}", answer.sequence, error.reason),
                None => {}
            }
        }
        Ok(taken)
    })
    .await
}
