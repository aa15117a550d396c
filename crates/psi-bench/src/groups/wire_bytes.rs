//! Group `bytes`: what a step costs on the wire between two nodes, by how many steps there are in a second.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use psi_api::v1::StepBatchRequest;
use psi_client::Connection;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tonic::Status;

use crate::{
    client,
    cluster::{
        process::Launch,
        relay::{ByteCount, Relay},
        rig::{self, Rig},
    },
    error::BenchError,
    plural::pluralize,
    report::{
        GroupReport,
        question::{Part, Question, RowHeader, Target},
    },
    rounds::{Case, Label, Plan, Progress, Sample},
};

pub(crate) const GROUP: &str = "bytes";
/// Of a turn: long enough for what is said every two seconds to be said some times.
const LONGER: u32 = 5;
/// Steps a second that one caller keeps up with, with room to spare.
const CALLER_RATE: u32 = 12_500;

/// How many steps are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    /// In a second.
    steps: u32,
    /// Steps of a call.
    batch: u32,
    /// Bytes a step that are allowed.
    most: f64,
}

/// The slowest first.
const RATES: [Rate; 3] = [
    Rate { steps: 10, batch: 1, most: 1_500.0 },
    Rate { steps: 1_000, batch: 1, most: 100.0 },
    Rate { steps: 50_000, batch: 50, most: 2.0 },
];

impl Rate {
    fn header(self) -> RowHeader {
        let steps = pluralize(self.steps.into(), "step");
        let label = Label::new(format!("a step and peer, at {steps}/s")).nodes(2).callers(self.callers());
        let questions = vec![
            Question::itself("bytes a step", Part::Figure).target(Target::AtMost(self.most)),
            Question::itself("steps/s taken", Part::Rate),
        ];
        RowHeader { label, unit: "bytes/step", questions }
    }

    fn callers(self) -> u32 {
        self.steps.div_ceil(CALLER_RATE)
    }

    /// Between two calls of one caller.
    fn pace(self) -> Duration {
        Duration::from_secs(1) * self.batch * self.callers() / self.steps
    }
}

fn idle_header() -> RowHeader {
    RowHeader { label: Label::new("link that has nothing to say").nodes(2), unit: "bytes/s", questions: Vec::new() }
}

/// One row: two nodes, and a rate of steps; without a rate no steps at all.
struct WireCase {
    rate: Option<Rate>,
    label: Label,
    channel: Connection,
    bytes: ByteCount,
}

impl Case for WireCase {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError> {
        let plan = plan.longer(LONGER);
        let steps = Arc::<AtomicU64>::default();
        // Ends with the turn.
        let mut callers = JoinSet::new();
        if let Some(rate) = self.rate {
            for _ in 0..rate.callers() {
                callers.spawn(step_at(self.channel.clone(), rate, steps.clone()));
            }
        }
        tokio::select! {
            sample = self.count(&plan, &steps) => sample,
            Some(ended) = callers.join_next() => Err(ended.map_or_else(
                |error| BenchError::failed(format!("a caller ended: {error}; this is a bug")),
                |status| BenchError::refused("a node", &status),
            )),
        }
    }
}

impl WireCase {
    async fn count(&self, plan: &Plan, steps: &AtomicU64) -> Result<Sample, BenchError> {
        let look = || (Instant::now(), self.bytes.total(), steps.load(Ordering::Relaxed));
        sleep(plan.warm_up()).await;
        let (begun, bytes_before, steps_before) = look();
        sleep(plan.time).await;
        let (ended, bytes, steps) = look();
        let seconds = (ended - begun).as_secs_f64();
        let (bytes, steps) = ((bytes - bytes_before) as f64, (steps - steps_before) as f64);
        match self.rate {
            None => Ok(Sample { figure: bytes / seconds, ..Sample::default() }),
            Some(_) if steps == 0.0 => {
                Err(BenchError::failed("no step was taken within the turn; measure longer with --seconds"))
            }
            Some(_) => Ok(Sample { figure: bytes / steps, rate: Some(steps / seconds), ..Sample::default() }),
        }
    }
}

/// Steps without end, at the rate; why it ended.
async fn step_at(channel: Connection, rate: Rate, steps: Arc<AtomicU64>) -> Status {
    let (vectors, mut client) = (rig::vectors(), client::fields(channel));
    let mut clock = interval(rate.pace());
    // What was late is caught up with, so that the rate is kept.
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut from = 0;
    loop {
        clock.tick().await;
        let inputs = rig::batch_of(&vectors, from, rate.batch as usize);
        let request = StepBatchRequest { field: rig::FIELD.to_owned(), inputs, ..StepBatchRequest::default() };
        if let Err(status) = client.step_batch(request).await {
            return status;
        }
        steps.fetch_add(rate.batch.into(), Ordering::Relaxed);
        from = (from + rate.batch as usize) % vectors.len();
    }
}

/// A port of the loopback that was free just now. A node behind a relay must know its own in advance,
/// because it advertises the relay's.
fn free_address() -> Result<SocketAddr, BenchError> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.map_err(|error| BenchError::failed(format!("no free port on the loopback: {error}")))
}

/// Two nodes that reach each other through relays alone.
async fn start(bytes: &ByteCount) -> Result<(Rig, Vec<Relay>), BenchError> {
    let (mut nodes, mut relays) = (Vec::new(), Vec::new());
    let mut seed = None;
    for name in ["node-1", "node-2"] {
        let listen = free_address()?;
        let relay = Relay::start(listen, bytes.clone()).await?;
        let mut launch = Launch::new(name).with("--grpc-listen", &listen).with("--grpc-advertise", &relay.address);
        if let Some(seed) = seed {
            launch = launch.with("--cluster-seeds", &seed);
        }
        let node = launch.start().await?;
        seed = Some(node.gossip);
        nodes.push(node);
        relays.push(relay);
    }
    let rig = Rig::of(nodes).await?;
    if bytes.total() == 0 {
        return Err(BenchError::failed("two nodes are linked, but not through the relay; this is a bug"));
    }
    Ok((rig, relays))
}

/// Measures the group.
///
/// # Errors
/// If the nodes can't be started.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    progress.preparing("starting 2 nodes with a relay between them");
    let bytes = ByteCount::default();
    // They stand until the end.
    let (rig, _relays) = start(&bytes).await?;
    let channel = rig.nodes[0].connect().await?;
    let rates = std::iter::once(None).chain(RATES.map(Some));
    let headers: Vec<RowHeader> = rates.clone().map(|rate| rate.map_or_else(idle_header, Rate::header)).collect();
    let case = |(rate, header): (Option<Rate>, &RowHeader)| WireCase {
        rate,
        label: header.label.clone(),
        channel: channel.clone(),
        bytes: bytes.clone(),
    };
    let cases: Vec<WireCase> = rates.zip(&headers).map(case).collect();
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

fn notes() -> Vec<String> {
    vec![format!(
        "bytes: payload of TCP in both directions on the link between two nodes, counted by a relay that they advertise; \
         HTTP/2 framing and whatever else the link says are in it, gossip (UDP) is not. One field, engine synthetic, {} \
         numbers. All steps are taken at one node, in batches of {} at the highest rate; over {LONGER} times --seconds, \
         after a warm-up.",
        rig::WIDTH,
        RATES[2].batch,
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_together_keep_the_rate() {
        for rate in RATES {
            let calls_a_second = f64::from(rate.callers()) / rate.pace().as_secs_f64();
            let steps_a_second = calls_a_second * f64::from(rate.batch);
            assert!((steps_a_second / f64::from(rate.steps) - 1.0).abs() < 1e-6, "{rate:?}: {steps_a_second}");
        }
    }
}
