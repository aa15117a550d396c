//! One caller: the same call again and again. Messages are made once; each call sends a copy.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use prost::Message;
use psi_api::v1::{PingRequest, StepBatchRequest, StepRequest, StepStreamResponse, step_stream_response::Outcome};
use psi_client::Connection;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::{client, cluster::rig, error::BenchError, rounds::meter::Meter};

/// Steps that are unanswered at most on a pipelined stream.
pub(crate) const WINDOW: usize = 64;
/// Steps in a batch.
pub(crate) const BATCH: usize = 64;

/// What a caller does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Ping,
    /// A ping whose request and answer together are as large as those of a step.
    LargePing,
    Step,
    Stream,
    Pipelined,
    Batch,
}

impl Call {
    pub(crate) const ALL: [Self; 6] =
        [Self::Ping, Self::LargePing, Self::Step, Self::Stream, Self::Pipelined, Self::Batch];
}

/// Messages to send, round and round.
#[derive(Clone)]
pub(crate) struct Requests {
    steps: Arc<[StepRequest]>,
    batches: Arc<[StepBatchRequest]>,
    next: usize,
}

impl Requests {
    pub(crate) fn new(field: &str) -> Self {
        let vectors = rig::vectors();
        let batch = |from: usize| StepBatchRequest {
            field: field.to_owned(),
            inputs: rig::batch_of(&vectors, from, BATCH),
            ..StepBatchRequest::default()
        };
        let batches = (0..vectors.len()).step_by(BATCH).map(batch).collect();
        Self { steps: rig::step_requests(field), batches, next: 0 }
    }

    /// The same for another caller, who begins elsewhere.
    pub(crate) fn from(&self, caller: u32) -> Self {
        Self { next: caller as usize * 17, ..self.clone() }
    }

    fn step(&mut self) -> StepRequest {
        self.next += 1;
        self.steps[self.next % self.steps.len()].clone()
    }

    /// What a ping carries both ways to be as large as a step and its answer together.
    async fn payload_of_a_step(mut self, channel: Connection) -> Result<Vec<u8>, Status> {
        let request = self.step();
        let sent = request.encoded_len();
        let answer = client::fields(channel).step(request).await?.into_inner();
        Ok(vec![0; usize::midpoint(sent, answer.encoded_len())])
    }

    fn batch(&mut self) -> StepBatchRequest {
        self.next += 1;
        self.batches[self.next % self.batches.len()].clone()
    }
}

/// Calls until the meter says that it is over.
pub(crate) async fn call(
    call: Call,
    channel: Connection,
    requests: Requests,
    meter: Meter,
) -> Result<Meter, BenchError> {
    let done = match call {
        Call::Ping => ping(channel, Vec::new(), meter).await,
        Call::LargePing => {
            let payload = requests.payload_of_a_step(channel.clone()).await;
            match payload {
                Ok(payload) => ping(channel, payload, meter).await,
                Err(status) => Err(status),
            }
        }
        Call::Step => step(channel, requests, meter).await,
        Call::Stream => stream(channel, requests, meter, 1).await,
        Call::Pipelined => stream(channel, requests, meter, WINDOW).await,
        Call::Batch => batch(channel, requests, meter).await,
    };
    done.map_err(|status| BenchError::refused("the node", &status))
}

async fn ping(channel: Connection, payload: Vec<u8>, mut meter: Meter) -> Result<Meter, Status> {
    let mut client = client::cluster(channel);
    loop {
        let begun = Instant::now();
        client.ping(PingRequest { payload: payload.clone() }).await?;
        if !meter.ended(begun, 1) {
            return Ok(meter);
        }
    }
}

async fn step(channel: Connection, mut requests: Requests, mut meter: Meter) -> Result<Meter, Status> {
    let mut client = client::fields(channel);
    loop {
        let begun = Instant::now();
        client.step(requests.step()).await?;
        if !meter.ended(begun, 1) {
            return Ok(meter);
        }
    }
}

async fn batch(channel: Connection, mut requests: Requests, mut meter: Meter) -> Result<Meter, Status> {
    let mut client = client::fields(channel);
    loop {
        let begun = Instant::now();
        client.step_batch(requests.batch()).await?;
        if !meter.ended(begun, BATCH as u64) {
            return Ok(meter);
        }
    }
}

/// Sends up to `window` steps, then one for each answer.
async fn stream(channel: Connection, mut requests: Requests, mut meter: Meter, window: usize) -> Result<Meter, Status> {
    let (send, sent) = mpsc::channel(window);
    let mut unanswered = VecDeque::with_capacity(window);
    for _ in 0..window {
        unanswered.push_back(Instant::now());
        let _ = send.try_send(requests.step());
    }
    let mut answers = client::fields(channel).step_stream(ReceiverStream::new(sent)).await?.into_inner();
    loop {
        accepted(&mut answers).await?;
        let begun = unanswered.pop_front().unwrap_or_else(Instant::now);
        if !meter.ended(begun, 1) {
            return Ok(meter);
        }
        unanswered.push_back(Instant::now());
        // There is room: what was answered has left the channel.
        let _ = send.try_send(requests.step());
    }
}

/// The next answer, if it is no refusal.
async fn accepted(answers: &mut Streaming<StepStreamResponse>) -> Result<(), Status> {
    match answers.message().await?.and_then(|answer| answer.outcome) {
        Some(Outcome::Step(_)) => Ok(()),
        Some(Outcome::Error(error)) => Err(Status::new(error.code.into(), error.message)),
        None => Err(Status::unavailable("the node ended the stream")),
    }
}
