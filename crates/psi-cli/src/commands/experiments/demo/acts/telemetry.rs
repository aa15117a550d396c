//! Act three: telemetry through all nodes while one is stopped and started again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use psi_api::v1::{MemberState, OriginPosition};
use psi_stats::{Moments, Scale, quantize};
use serde::Serialize;

use super::{
    feed::{Feed, HOST_FIELD},
    nodes::{agree, refused, settled, state},
};
use crate::{
    commands::experiments::demo::{
        board::Board,
        stage::{Actor, Stage, until},
    },
    output::Failure,
    source::{Host, RandomWalk, Source},
};

/// Act three, as measured.
#[derive(Debug, Serialize)]
pub(crate) struct ReturnResult {
    /// What was fed.
    pub(crate) source: String,
    pub(crate) node: String,
    pub(crate) steps_accepted: u64,
    /// Steps that a node did not take and the next one did.
    pub(crate) steps_retried: u64,
    /// Steps that no node took.
    pub(crate) steps_failed: u64,
    /// From the end of the stop until the first node no longer lists the stopped one as live, milliseconds.
    pub(crate) noticed_gone_ms: f64,
    /// From being listed as live again until it holds all that the first node held then, milliseconds.
    pub(crate) caught_up_ms: f64,
    pub(crate) digests_equal: bool,
    /// Whether every node's count, mean and variance equal, to the last bit, those of one that saw every step.
    pub(crate) equals_one_node: bool,
    pub(crate) steps: BTreeMap<String, u64>,
}

/// Telemetry through all nodes while one goes and comes back.
pub(crate) async fn returning(
    board: &Board,
    mut stage: Stage,
    length: Duration,
) -> Result<(Stage, ReturnResult), Failure> {
    let (mut source, described) = telemetry();
    let away = stage.actors.len() - 1;
    let name = stage.actors[away].name.clone();
    board.say(&format!(
        "\nAct three: {described} through all nodes for {} s. {name} is stopped and started again.",
        length.as_secs()
    ));
    create_field(&stage).await?;
    let mut feed = Feed::new();
    let first_part = length / 4;
    feed.run(board, &stage, &mut *source, first_part, "all nodes up").await?;

    let noticed = stop(board, &mut stage, away, &mut feed, &mut *source).await?;
    feed.run(board, &stage, &mut *source, first_part, "one node stopped, and noticed").await?;

    let caught_up = start_again(board, &mut stage, away, &mut feed, &mut *source).await?;
    feed.run(board, &stage, &mut *source, length - 2 * first_part, "all nodes up again").await?;

    settled(&stage, HOST_FIELD, feed.accepted.len() as u64).await?;
    let digests_equal = agree(&stage).await?;
    let equals_one_node = equals_one_node(&stage, &feed.accepted).await?;
    board.keep(&stage, HOST_FIELD).await;
    let mut steps = BTreeMap::new();
    for actor in &stage.actors {
        steps.insert(actor.name.clone(), state(actor, HOST_FIELD).await?.k);
    }
    let returning = ReturnResult {
        source: described,
        node: name,
        steps_accepted: feed.accepted.len() as u64,
        steps_retried: feed.retried,
        steps_failed: feed.failed,
        noticed_gone_ms: noticed.as_secs_f64() * 1e3,
        caught_up_ms: caught_up.as_secs_f64() * 1e3,
        digests_equal,
        equals_one_node,
        steps,
    };
    Ok((stage, returning))
}

/// Stops a node, and feeds until the first one notices; how long that took after the stop.
async fn stop(
    board: &Board,
    stage: &mut Stage,
    away: usize,
    feed: &mut Feed,
    source: &mut dyn Source,
) -> Result<Duration, Failure> {
    let name = stage.actors[away].name.clone();
    stage.leave(away).await;
    let stopped = Instant::now();
    let is_noticed = async |stage: &Stage| Ok(!lists_live(&stage.actors[0], &name).await?);
    let noticed = feed.run_until(board, stage, source, "one node stopped", is_noticed).await?;
    Ok(noticed.duration_since(stopped))
}

/// Starts the node again, and feeds until it is listed as live; then how long it takes to hold all that the first node
/// held at that moment.
async fn start_again(
    board: &Board,
    stage: &mut Stage,
    away: usize,
    feed: &mut Feed,
    source: &mut dyn Source,
) -> Result<Duration, Failure> {
    let name = stage.actors[away].name.clone();
    stage.enter_again(away).await?;
    let is_live = async |stage: &Stage| lists_live(&stage.actors[0], &name).await;
    let live = feed.run_until(board, stage, source, "started again", is_live).await?;
    let target = frontier(&stage.actors[0]).await?;
    until("the returned node has everything", async || {
        Ok(stage.actors[away].frontier().await.is_ok_and(|frontier| covers(&frontier, &target)))
    })
    .await?;
    Ok(live.elapsed())
}

/// Telemetry of this machine, or a random walk where it has none to give; and what it is.
fn telemetry() -> (Box<dyn Source>, String) {
    match Host::new() {
        Ok(host) => (Box::new(host), format!("telemetry of this machine ({} numbers from /proc)", Host::NAMES.len())),
        Err(error) => {
            let walk = RandomWalk::new(1, RandomWalk::WIDTH_DEFAULT);
            let described = format!("{} (no telemetry: {error})", walk.describe());
            (Box::new(walk), described)
        }
    }
}

async fn create_field(stage: &Stage) -> Result<(), Failure> {
    let first = &stage.actors[0];
    let width = u32::try_from(Host::NAMES.len()).unwrap_or(16);
    refused(first, first.create(HOST_FIELD, width, &Host::NAMES.map(|(name, _)| name)).await)?;
    for actor in &stage.actors {
        until("all nodes know the field", async || Ok(actor.state(HOST_FIELD).await.is_ok())).await?;
    }
    Ok(())
}

async fn lists_live(actor: &Actor, name: &str) -> Result<bool, Failure> {
    let members = refused(actor, actor.members().await)?;
    Ok(members.iter().any(|member| member.node == name && member.state() == MemberState::Live))
}

async fn frontier(actor: &Actor) -> Result<Vec<OriginPosition>, Failure> {
    refused(actor, actor.frontier().await)
}

fn covers(frontier: &[OriginPosition], target: &[OriginPosition]) -> bool {
    let same = |a: &OriginPosition, b: &OriginPosition| a.node == b.node && a.incarnation == b.incarnation;
    target.iter().all(|want| frontier.iter().any(|have| same(have, want) && have.version >= want.version))
}

/// Compares every node with exact sums over everything that was fed.
async fn equals_one_node(stage: &Stage, accepted: &[Vec<f64>]) -> Result<bool, Failure> {
    let scale = Scale::default();
    let mut alone = Moments::new(accepted.first().map_or(0, Vec::len));
    for input in accepted {
        let fixed = quantize(input, scale).map_err(|error| Failure::failed(error.to_string()))?;
        alone.add(&fixed).map_err(|error| Failure::failed(error.to_string()))?;
    }
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let want = [alone.mean(scale), alone.variance(scale)].map(|values| bits(values.unwrap_or_default()));
    for actor in &stage.actors {
        let state = state(actor, HOST_FIELD).await?;
        if state.k != alone.count() || [bits(state.mean), bits(state.variance)] != want {
            return Ok(false);
        }
    }
    Ok(true)
}
