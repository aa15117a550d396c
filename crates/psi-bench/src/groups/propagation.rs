//! Group `propagation`: how long after its answer a step shows at the other nodes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use psi_api::v1::{GetStateRequest, StepRequest};
use psi_client::Connection;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tonic::Status;

use crate::{
    client,
    cluster::rig::{self, Rig},
    error::BenchError,
    report::{
        GroupReport,
        question::{Part, Question, RowHeader, Target},
    },
    rounds::{Case, Label, Plan, Progress, Sample},
};

pub(crate) const GROUP: &str = "propagation";
/// Clusters that are measured.
const NODES: [u32; 2] = [3, 9];
/// Between two steps that are followed.
const PACE: Duration = Duration::from_millis(50);
/// Callers that step meanwhile, where there is load, spread over all nodes.
const CALLERS: u32 = 64;
/// Connections to each node that they share.
const CONNECTIONS: usize = 4;
/// A turn follows one step each [`PACE`], so it takes longer than others.
const LONGER: u32 = 3;
/// The longest time that is distinguished from longer ones, microseconds.
const SEEN_US_MAX: u64 = 60_000_000;
/// A step that shows nowhere by then is a failure, milliseconds.
const DEADLINE_MS: u32 = 10_000;

/// What else the cluster does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Idle,
    Full,
}

impl Load {
    const ALL: [Self; 2] = [Self::Idle, Self::Full];

    fn header(self, nodes: u32) -> RowHeader {
        let (label, most_ms) = match self {
            Self::Idle => (Label::new("acknowledged to visible, idle"), 60.0),
            Self::Full => (Label::new("acknowledged to visible, under load").callers(CALLERS), 250.0),
        };
        let asked = Question::itself("p99, ms", Part::Figure).target(Target::AtMost(most_ms));
        RowHeader { label: label.nodes(nodes), unit: "ms (p99)", questions: vec![asked] }
    }
}

/// One row: a cluster, with load or without.
struct PropagationCase {
    load: Load,
    label: Label,
    /// To each node, the one that steps are followed from first.
    channels: Arc<[Connection]>,
    /// To each node, for the load.
    loaded: Arc<[Connection]>,
    requests: Arc<[StepRequest]>,
}

impl Case for PropagationCase {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError> {
        let plan = plan.longer(LONGER);
        // Ends with the turn.
        let mut load = JoinSet::new();
        for number in 0..if self.load == Load::Full { CALLERS as usize } else { 0 } {
            let channel = self.loaded[number % self.loaded.len()].clone();
            load.spawn(step_on(channel, self.requests.clone(), number * 17));
        }
        tokio::select! {
            sample = follow(&self.channels, &self.requests, &plan) => {
                sample.map_err(|status| BenchError::refused("a node", &status))
            }
            Some(ended) = load.join_next() => Err(ended.map_or_else(
                |error| BenchError::failed(format!("a caller ended: {error}; this is a bug")),
                |status| BenchError::refused("a node", &status),
            )),
        }
    }
}

/// Steps without end; why it ended.
async fn step_on(channel: Connection, requests: Arc<[StepRequest]>, from: usize) -> Status {
    let mut client = client::fields(channel);
    for request in requests.iter().cycle().skip(from) {
        if let Err(status) = client.step(request.clone()).await {
            return status;
        }
    }
    Status::internal("there is nothing to send")
}

/// Takes a step now and then, and waits until it shows at every other node.
async fn follow(channels: &[Connection], requests: &[StepRequest], plan: &Plan) -> Result<Sample, Status> {
    let mut seen_us = Vec::new();
    let (begun, mut clock) = (Instant::now(), interval(PACE));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for request in requests.iter().cycle() {
        clock.tick().await;
        let counts = begun.elapsed() >= plan.warm_up();
        let token = client::fields(channels[0].clone()).step(request.clone()).await?.into_inner().token;
        let seen = visible(&channels[1..], &token).await?;
        if counts {
            seen_us.extend(seen);
        }
        if begun.elapsed() >= plan.warm_up() + plan.time && !seen_us.is_empty() {
            break;
        }
    }
    Ok(sample(&seen_us))
}

fn sample(seen_us: &[u64]) -> Sample {
    let mut all = Histogram::<u64>::new_with_bounds(1, SEEN_US_MAX, 3).expect("three digits are allowed");
    for &us in seen_us {
        all.saturating_record(us);
    }
    let us = |quantile: f64| all.value_at_quantile(quantile) as f64;
    Sample { figure: us(0.99) / 1e3, p50_us: Some(us(0.5)), p99_us: Some(us(0.99)), ..Sample::default() }
}

/// Asks each of the nodes at once for what was acknowledged just now; when they answered, microseconds.
async fn visible(channels: &[Connection], token: &str) -> Result<Vec<u64>, Status> {
    let acknowledged = Instant::now();
    let mut asked = JoinSet::new();
    for channel in channels {
        let mut client = client::fields(channel.clone());
        let request =
            GetStateRequest { field: rig::FIELD.to_owned(), after: token.to_owned(), deadline_ms: DEADLINE_MS };
        asked.spawn(async move {
            client.get_state(request).await?;
            Ok(u64::try_from(acknowledged.elapsed().as_micros()).unwrap_or(u64::MAX))
        });
    }
    asked.join_all().await.into_iter().collect()
}

/// Measures the group.
///
/// # Errors
/// If the clusters can't be started.
pub(crate) async fn measure(plan: &Plan, progress: &Progress) -> Result<GroupReport, BenchError> {
    let requests = rig::step_requests(rig::FIELD);
    // All stand until the end.
    let (mut rigs, mut cases, mut headers) = (Vec::new(), Vec::new(), Vec::new());
    for nodes in NODES {
        progress.preparing(format!("starting {nodes} nodes"));
        let rig = Rig::start(nodes).await?;
        let (mut channels, mut loaded) = (Vec::new(), Vec::new());
        for node in &rig.nodes {
            channels.push(node.connect().await?);
            for _ in 0..CONNECTIONS {
                loaded.push(node.connect().await?);
            }
        }
        rigs.push(rig);
        let (channels, loaded): (Arc<[Connection]>, Arc<[Connection]>) = (channels.into(), loaded.into());
        for load in Load::ALL {
            let header = load.header(nodes);
            let (channels, loaded, requests) = (channels.clone(), loaded.clone(), requests.clone());
            cases.push(PropagationCase { load, label: header.label.clone(), channels, loaded, requests });
            headers.push(header);
        }
    }
    Ok(GroupReport::measure(GROUP, headers, cases, plan, progress).await.with_notes(notes()))
}

fn notes() -> Vec<String> {
    vec![format!(
        "propagation: each {} ms a step at the first node; from its answer until each other node answers a read that waits \
         for the step's token. Over all nodes and steps of {LONGER} times --seconds. Under load {CALLERS} callers take unary \
         steps meanwhile, spread over all nodes, as fast as they are answered, on the same cores.",
        PACE.as_millis(),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_any_length_are_distinguished() {
        for us in [3, 1_500, 90_000, 5_000_000] {
            let figures = sample(&[us; 100]);
            let p50 = figures.p50_us.unwrap();
            assert!((p50 / us as f64 - 1.0).abs() < 2e-3 && figures.p99_us == Some(p50), "{us}: {figures:?}");
            assert!((figures.figure * 1e3 - p50).abs() < 1e-6, "{us}: {figures:?}");
        }
    }
}
