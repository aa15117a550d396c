//! What one turn measures on a node of a loaded cluster.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use psi_api::v1::{ListMembersRequest, StepBatchRequest};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::loaded_cluster::{LoadedCluster, STEPS_YOUNG};
use crate::{
    client,
    cluster::{
        fields,
        process::Launch,
        rig::{self, until},
    },
    error::BenchError,
    rounds::{Case, Label, Plan, Sample},
};

/// Steps in each measured batch.
pub(crate) const STEPS_A_BATCH: usize = 64;
/// An idle node is watched for this many times the time of a turn.
pub(crate) const LONGER: u32 = 5;
/// A node that is seldom called is watched for this many times.
const SELDOM_LONGER: u32 = 2;
/// Between two steps that are seldom: a node flushes every 20 ms, so each of them has a flush of its own.
const SELDOM: Duration = Duration::from_millis(25);
const MIB: f64 = 1024.0 * 1024.0;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quantity {
    /// CPU of a node without calls.
    Idle,
    /// Memory that is resident.
    Memory,
    /// CPU of a step in the field that is there.
    Step,
    /// CPU of a step in the same field that comes alone, with all that a flush takes.
    Seldom,
    /// CPU of a step in a field that is made for it, and has taken some.
    StepYoung,
    /// The time that a fresh node takes to get it all.
    CatchUp { fields: u32 },
}

impl Quantity {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Idle => "% of a core",
            Self::Memory => "MiB",
            Self::Step | Self::StepYoung => "µs CPU/step",
            Self::Seldom => "µs CPU/seldom step",
            Self::CatchUp { .. } => "s",
        }
    }
}

/// One row.
pub(crate) struct CapacityCase {
    quantity: Quantity,
    cluster: Arc<LoadedCluster>,
    label: Label,
    turns: u32,
}

impl CapacityCase {
    pub(crate) fn new(quantity: Quantity, cluster: Arc<LoadedCluster>, label: Label) -> Self {
        Self { quantity, cluster, label, turns: 0 }
    }
}

impl Case for CapacityCase {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, BenchError> {
        self.turns += 1;
        let cluster = &self.cluster;
        let figure = match self.quantity {
            Quantity::Idle => idle_percent(cluster, &plan.longer(LONGER)).await?,
            Quantity::Memory => cluster.node().usage()?.memory_bytes as f64 / MIB,
            Quantity::Step => step_cpu_us(cluster, rig::FIELD, plan).await?,
            Quantity::Seldom => seldom_cpu_us(cluster, &plan.longer(SELDOM_LONGER)).await?,
            Quantity::StepYoung => {
                let field = format!("{}-young-{}", rig::FIELD, self.turns);
                let created = client::fields(cluster.channel.clone()).create_field(rig::create_request(&field)).await;
                created.map_err(|status| BenchError::refused("a node", &status))?;
                cluster.step(&field, STEPS_YOUNG).await?;
                step_cpu_us(cluster, &field, plan).await?
            }
            Quantity::CatchUp { fields } => catch_up_s(cluster, fields, self.turns).await?,
        };
        Ok(Sample { figure, ..Sample::default() })
    }
}

/// Of a core, over the time of the plan.
async fn idle_percent(cluster: &LoadedCluster, plan: &Plan) -> Result<f64, BenchError> {
    sleep(plan.warm_up()).await;
    let (begun, before) = (Instant::now(), cluster.node().usage()?);
    sleep(plan.time).await;
    let (after, seconds) = (cluster.node().usage()?, begun.elapsed().as_secs_f64());
    Ok(100.0 * after.cpu_s_since(&before) / seconds)
}

/// CPU that each step of one caller's batches costs the node.
async fn step_cpu_us(cluster: &LoadedCluster, field: &str, plan: &Plan) -> Result<f64, BenchError> {
    let requests: Vec<StepBatchRequest> =
        (0..rig::VECTORS).step_by(STEPS_A_BATCH).map(|from| rig::step_batch(field, from, STEPS_A_BATCH)).collect();
    let mut client = client::fields(cluster.channel.clone());
    let mut begun = Instant::now();
    let mut counted = None;
    let mut steps = 0;
    for request in requests.iter().cycle() {
        if counted.is_none() && begun.elapsed() >= plan.warm_up() {
            counted = Some(cluster.node().usage()?);
            (begun, steps) = (Instant::now(), 0);
        }
        if counted.is_some() && steps > 0 && begun.elapsed() >= plan.time {
            break;
        }
        client.step_batch(request.clone()).await.map_err(|status| BenchError::refused("a node", &status))?;
        steps += STEPS_A_BATCH;
    }
    let now = cluster.node().usage()?;
    Ok(1e6 * counted.map_or(0.0, |before| now.cpu_s_since(&before)) / steps as f64)
}

/// CPU of a step that comes alone: all that the node does from one step to the next.
async fn seldom_cpu_us(cluster: &LoadedCluster, plan: &Plan) -> Result<f64, BenchError> {
    let mut client = client::fields(cluster.channel.clone());
    let mut clock = interval(SELDOM);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let requests = rig::step_requests(rig::FIELD);
    let mut requests = requests.iter().cycle();
    let mut take = async |time: Duration| {
        let (begun, mut steps) = (Instant::now(), 0_u32);
        while steps == 0 || begun.elapsed() < time {
            clock.tick().await;
            let Some(request) = requests.next() else { break };
            client.step(request.clone()).await.map_err(|status| BenchError::refused("a node", &status))?;
            steps += 1;
        }
        Ok::<u32, BenchError>(steps)
    };
    take(plan.warm_up()).await?;
    let before = cluster.node().usage()?;
    let steps = take(plan.time).await?;
    Ok(1e6 * cluster.node().usage()?.cpu_s_since(&before) / f64::from(steps))
}

/// Seconds from the start of a node that holds nothing until it is ready and holds all fields.
async fn catch_up_s(cluster: &LoadedCluster, fields: u32, number: u32) -> Result<f64, BenchError> {
    let begun = Instant::now();
    let seed = cluster.node().gossip;
    let fresh = Launch::new(format!("fresh-{number}")).with("--cluster-seeds", &seed).start().await?;
    let channel = fresh.connect().await?;
    let is_ready = async || {
        let members = client::cluster(channel.clone()).list_members(ListMembersRequest {}).await?.into_inner().members;
        Ok(members.iter().any(|member| member.node == fresh.name && member.ready))
    };
    until("a fresh node to be ready", is_ready).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let got = fields::count(channel.clone()).await.map_err(|status| BenchError::refused("a fresh node", &status))?;
    if got != fields as usize {
        return Err(BenchError::failed(format!("a fresh node said that it was ready with {got} of {fields} fields")));
    }
    Ok(seconds)
}
