//! What is looked at in one turn, on a node that holds what it holds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use psi_api::v1::{ListMembersRequest, StepBatchRequest};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::held::{Held, STEPS_YOUNG};
use crate::{
    client,
    commands::bench::{
        fields,
        plan::Plan,
        process::Launch,
        rig::{self, until},
        rounds::{Case, Sample},
        row::Label,
    },
    failure::Failure,
};

/// Steps in a batch of those that are measured.
pub(super) const STEPS_A_BATCH: usize = 64;
/// An idle node is watched for so many times the time of a turn.
pub(super) const LONGER: u32 = 5;
/// A node that is seldom called, for so many times.
const SELDOM_LONGER: u32 = 2;
/// Between two steps that are seldom: a node flushes every 20 ms, so each of them has a flush of its own.
const SELDOM: Duration = Duration::from_millis(25);
const MIB: f64 = 1024.0 * 1024.0;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// CPU of a node that nobody calls.
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

impl What {
    pub(super) fn unit(self) -> &'static str {
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
pub(super) struct Capacity {
    what: What,
    held: Arc<Held>,
    label: Label,
    turns: u32,
}

impl Capacity {
    pub(super) fn new(what: What, held: Arc<Held>, label: Label) -> Self {
        Self { what, held, label, turns: 0 }
    }
}

impl Case for Capacity {
    fn label(&self) -> &Label {
        &self.label
    }

    async fn turn(&mut self, plan: &Plan) -> Result<Sample, Failure> {
        self.turns += 1;
        let held = &self.held;
        let figure = match self.what {
            What::Idle => idle_percent(held, &plan.longer(LONGER)).await?,
            What::Memory => held.node().usage()?.memory_bytes as f64 / MIB,
            What::Step => step_cpu_us(held, rig::FIELD, plan).await?,
            What::Seldom => seldom_cpu_us(held, &plan.longer(SELDOM_LONGER)).await?,
            What::StepYoung => {
                let field = format!("{}-young-{}", rig::FIELD, self.turns);
                let created = client::fields(held.channel.clone()).create_field(rig::create_request(&field)).await;
                created.map_err(|status| Failure::refused("a node", &status))?;
                held.step(&field, STEPS_YOUNG).await?;
                step_cpu_us(held, &field, plan).await?
            }
            What::CatchUp { fields } => catch_up_s(held, fields, self.turns).await?,
        };
        Ok(Sample { figure, ..Sample::default() })
    }
}

/// Of a core, over the time of the plan.
async fn idle_percent(held: &Held, plan: &Plan) -> Result<f64, Failure> {
    sleep(plan.warm_up()).await;
    let (begun, before) = (Instant::now(), held.node().usage()?);
    sleep(plan.time).await;
    let (after, seconds) = (held.node().usage()?, begun.elapsed().as_secs_f64());
    Ok(100.0 * after.cpu_s_since(&before) / seconds)
}

/// What one caller's batches cost the node, each step.
async fn step_cpu_us(held: &Held, field: &str, plan: &Plan) -> Result<f64, Failure> {
    let requests: Vec<StepBatchRequest> =
        (0..rig::VECTORS).step_by(STEPS_A_BATCH).map(|from| step_batch(field, from, STEPS_A_BATCH)).collect();
    let mut client = client::fields(held.channel.clone());
    let mut begun = Instant::now();
    let mut counted = None;
    let mut steps = 0;
    for request in requests.iter().cycle() {
        if counted.is_none() && begun.elapsed() >= plan.warm_up() {
            counted = Some(held.node().usage()?);
            (begun, steps) = (Instant::now(), 0);
        }
        if counted.is_some() && steps > 0 && begun.elapsed() >= plan.time {
            break;
        }
        client.step_batch(request.clone()).await.map_err(|status| Failure::refused("a node", &status))?;
        steps += STEPS_A_BATCH;
    }
    let now = held.node().usage()?;
    Ok(1e6 * counted.map_or(0.0, |before| now.cpu_s_since(&before)) / steps as f64)
}

/// What a step costs that comes alone: all that the node does from one to the next.
async fn seldom_cpu_us(held: &Held, plan: &Plan) -> Result<f64, Failure> {
    let mut client = client::fields(held.channel.clone());
    let mut clock = interval(SELDOM);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let requests = rig::step_requests(rig::FIELD);
    let mut requests = requests.iter().cycle();
    let mut take = async |time: Duration| {
        let (begun, mut steps) = (Instant::now(), 0_u32);
        while steps == 0 || begun.elapsed() < time {
            clock.tick().await;
            let Some(request) = requests.next() else { break };
            client.step(request.clone()).await.map_err(|status| Failure::refused("a node", &status))?;
            steps += 1;
        }
        Ok::<u32, Failure>(steps)
    };
    take(plan.warm_up()).await?;
    let before = held.node().usage()?;
    let steps = take(plan.time).await?;
    Ok(1e6 * held.node().usage()?.cpu_s_since(&before) / f64::from(steps))
}

/// Seconds from the start of a node that holds nothing until it is ready and holds all fields.
async fn catch_up_s(held: &Held, fields: u32, number: u32) -> Result<f64, Failure> {
    let begun = Instant::now();
    let seed = held.node().gossip;
    let fresh = Launch::new(format!("fresh-{number}")).with("--cluster-seeds", &seed).start().await?;
    let channel = fresh.connect().await?;
    let is_ready = async || {
        let members = client::cluster(channel.clone()).list_members(ListMembersRequest {}).await?.into_inner().members;
        Ok(members.iter().any(|member| member.node == fresh.name && member.ready))
    };
    until("a fresh node to be ready", is_ready).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let got = fields::count(channel.clone()).await.map_err(|status| Failure::refused("a fresh node", &status))?;
    if got != fields as usize {
        return Err(Failure::failed(format!("a fresh node said that it was ready with {got} of {fields} fields")));
    }
    Ok(seconds)
}

/// A batch of vectors, from one on.
pub(super) fn step_batch(field: &str, from: usize, count: usize) -> StepBatchRequest {
    let inputs = rig::batch_of(&rig::vectors(), from, count);
    StepBatchRequest { field: field.to_owned(), inputs, ..StepBatchRequest::default() }
}
