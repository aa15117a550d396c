//! The three acts.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use psi_api::v1::{FieldState, Intervention, MemberState, OriginPosition};
use psi_stats::{Moments, Scale, quantize};
use serde::Serialize;
use tonic::Status;

use super::{
    board::Board,
    stage::{Actor, PATIENCE, Stage, until},
};
use crate::{
    output::Failure,
    source::{Host, Incident, RandomWalk, Source},
};

/// Steps that act one and two deal, unevenly: node, how many.
const DEALT: [(usize, usize); 2] = [(0, 5), (1, 2)];
/// Spread of the prediction error over replicas at which PsiFieldPodDrift fires.
pub(super) const DRIFT_ALERT: f64 = 0.3;
/// What every node must say after nigredo and albedo, to four digits: the incident's own figures.
const AFTER: [(&str, f64); 6] =
    [("Psi", 0.5259), ("Phi", 0.1535), ("C", 0.7757), ("U", 0.6370), ("H", 0.6332), ("PE", 0.8625)];
const HALF_DIGIT: f64 = 5e-5;
/// Steps whose way to the other nodes is timed.
const PROBES: usize = 30;
/// Steps a second of act three.
const FEED_HZ: u64 = 20;
const HOST_FIELD: &str = "host";

/// Act one, as measured.
#[derive(Debug, Serialize)]
pub(super) struct Apart {
    /// Prediction error of the last step, by node.
    pub(super) prediction_error: BTreeMap<String, f64>,
    /// Greatest less least of them.
    pub(super) spread: f64,
}

/// Act two, as measured.
#[derive(Debug, Serialize)]
pub(super) struct Together {
    pub(super) prediction_error: BTreeMap<String, f64>,
    pub(super) spread: f64,
    /// Whether gRPC, /state and /metrics of every node gave the incident's figures.
    pub(super) figures_match: bool,
    /// What did not, if anything.
    pub(super) deviations: Vec<String>,
    /// From the answer to a step on one node until the last of the others shows it, milliseconds.
    pub(super) visible_ms_median: f64,
    pub(super) visible_ms_max: f64,
    pub(super) digests_equal: bool,
}

/// Act three, as measured.
#[derive(Debug, Serialize)]
pub(super) struct Returning {
    /// What was fed.
    pub(super) source: String,
    pub(super) node: String,
    pub(super) steps_accepted: u64,
    /// Steps that a node did not take and the next one did.
    pub(super) steps_retried: u64,
    /// Steps that no node took.
    pub(super) steps_failed: u64,
    /// From the end of the stop until the first node no longer lists the stopped one as live, milliseconds.
    pub(super) noticed_gone_ms: f64,
    /// From being listed as live again until it holds all that the first node held then, milliseconds.
    pub(super) caught_up_ms: f64,
    pub(super) digests_equal: bool,
    /// Whether every node's count, mean and variance equal, to the last bit, those of one that saw every step.
    pub(super) equals_one_node: bool,
    pub(super) steps: BTreeMap<String, u64>,
}

/// The incident with replication off: every node goes its own way.
pub(super) async fn apart(board: &Board, nodes: usize) -> Result<Apart, Failure> {
    board.say("Act one: the pod-drift incident, replication off.");
    board.say("  nigredo and albedo reach node-1 only; the same vector then goes to every node.");
    let stage = Stage::set(nodes, false).await?;
    intervene(&stage, [0, 0]).await?;
    deal(board, &stage, "each node on its own").await?;
    let errors = prediction_errors(&stage, "").await?;
    board.keep(&stage, "").await;
    stage.strike().await;
    Ok(Apart { spread: spread(&errors), prediction_error: errors })
}

/// The same with replication on.
pub(super) async fn together(board: &Board, stage: &Stage) -> Result<Together, Failure> {
    board.say("\nAct two: the same, replication on. nigredo goes to node-1, albedo to node-2.");
    intervene(stage, [0, 1]).await?;
    let dealt = deal(board, stage, "deltas on their way").await?;
    settled(stage, "", dealt).await?;
    let times = probe(board, stage, dealt).await?;
    let digests_equal = agree(stage).await?;
    let errors = prediction_errors(stage, "").await?;
    let deviations = deviations(stage).await?;
    board.keep(stage, "").await;
    Ok(Together {
        spread: spread(&errors),
        prediction_error: errors,
        figures_match: deviations.is_empty(),
        deviations,
        visible_ms_median: times[times.len() / 2],
        visible_ms_max: times[times.len() - 1],
        digests_equal,
    })
}

/// nigredo on the first of the two nodes, then albedo on the second, once it knows.
async fn intervene(stage: &Stage, [first, second]: [usize; 2]) -> Result<(), Failure> {
    let (first, second) = (&stage.actors[first], &stage.actors[second]);
    first.intervene(Intervention::Nigredo).await.map_err(|status| Failure::refused(&first.name, &status))?;
    until("the second node knows of the first intervention", async || Ok(state(second, "").await?.interventions == 1))
        .await?;
    second.intervene(Intervention::Albedo).await.map_err(|status| Failure::refused(&second.name, &status))?;
    if first.name != second.name {
        for actor in &stage.actors {
            until("all nodes know of both", async || Ok(state(actor, "").await?.interventions == 2)).await?;
        }
    }
    Ok(())
}

/// Deals the incident's vector unevenly; every node gets at least one. Tells how many steps that was.
async fn deal(board: &Board, stage: &Stage, caption: &str) -> Result<u64, Failure> {
    let uneven = |index| DEALT.iter().find(|(node, _)| *node == index).map_or(1, |(_, steps)| *steps);
    let mut dealt = 0;
    for (index, actor) in stage.actors.iter().enumerate() {
        for _ in 0..uneven(index) {
            step(actor, "", &Incident::VECTOR).await?;
            dealt += 1;
        }
        board.draw(stage, "", caption).await;
    }
    Ok(dealt)
}

/// Times the way of single steps from one node to all the others.
async fn probe(board: &Board, stage: &Stage, mut k: u64) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    for turn in 0..PROBES {
        let from = turn % stage.actors.len();
        step(&stage.actors[from], "", &Incident::VECTOR).await?;
        k += 1;
        let acknowledged = Instant::now();
        for (index, actor) in stage.actors.iter().enumerate() {
            if index != from {
                until("a step is visible everywhere", async || Ok(state(actor, "").await?.k >= k)).await?;
            }
        }
        times.push(acknowledged.elapsed().as_secs_f64() * 1e3);
        if turn % 5 == 0 {
            board.draw(stage, "", "timing the way of single steps").await;
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Where a node's gRPC, /state or /metrics differs from the incident's figures.
async fn deviations(stage: &Stage) -> Result<Vec<String>, Failure> {
    let mut deviations = Vec::new();
    for actor in &stage.actors {
        let last = state(actor, "").await?.last.unwrap_or_default();
        let over_grpc = [
            last.density,
            last.phase_coherence,
            last.continuity,
            last.futurity,
            last.temporal_entropy,
            last.prediction_error,
        ];
        let over_http: serde_json::Value = serde_json::from_str(&actor.get("/state").await?)
            .map_err(|error| Failure::failed(format!("{}: /state is not JSON: {error}", actor.name)))?;
        let scraped = actor.get("/metrics").await?;
        for ((symbol, want), grpc) in AFTER.into_iter().zip(over_grpc) {
            let state = over_http[symbol].as_f64().unwrap_or(f64::NAN);
            let metric = gauge(&scraped, symbol).unwrap_or(f64::NAN);
            for (surface, got) in [("gRPC", grpc), ("/state", state), ("/metrics", metric)] {
                if got.is_nan() || (got - want).abs() > HALF_DIGIT {
                    deviations.push(format!("{} {surface}: {symbol} is {got}, not {want}", actor.name));
                }
            }
        }
    }
    Ok(deviations)
}

/// A gauge of field `default` in a scrape.
fn gauge(scraped: &str, symbol: &str) -> Option<f64> {
    let name = match symbol {
        "Psi" => "density",
        "Phi" => "phase_coherence",
        "C" => "continuity",
        "U" => "futurity",
        "H" => "temporal_entropy",
        _ => "prediction_error",
    };
    let series = format!("psi_field_{name}{{");
    let line = scraped.lines().find(|line| line.starts_with(&series) && line.contains("field=\"default\""))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Telemetry through all nodes while one goes and comes back.
pub(super) async fn returning(
    board: &Board,
    mut stage: Stage,
    length: Duration,
) -> Result<(Stage, Returning), Failure> {
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

    stage.leave(away).await;
    let stopped = Instant::now();
    let noticed = feed
        .run_until(board, &stage, &mut *source, "one node stopped", async |stage: &Stage| {
            Ok(!lists_live(&stage.actors[0], &name).await?)
        })
        .await?
        .duration_since(stopped);
    feed.run(board, &stage, &mut *source, first_part, "one node stopped, and noticed").await?;

    stage.enter_again(away).await?;
    let live = feed
        .run_until(board, &stage, &mut *source, "started again", async |stage: &Stage| {
            lists_live(&stage.actors[0], &name).await
        })
        .await?;
    let target = frontier(&stage.actors[0]).await?;
    until("the returned node has everything", async || {
        Ok(stage.actors[away].frontier().await.is_ok_and(|held| covers(&held, &target)))
    })
    .await?;
    let caught_up = live.elapsed();
    feed.run(board, &stage, &mut *source, length - 2 * first_part, "all nodes up again").await?;

    settled(&stage, HOST_FIELD, feed.accepted.len() as u64).await?;
    let digests_equal = agree(&stage).await?;
    let equals_one_node = equals_one_node(&stage, &feed.accepted).await?;
    board.keep(&stage, HOST_FIELD).await;
    let mut steps = BTreeMap::new();
    for actor in &stage.actors {
        steps.insert(actor.name.clone(), state(actor, HOST_FIELD).await?.k);
    }
    let returning = Returning {
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
    first.create(HOST_FIELD, width).await.map_err(|status| Failure::refused(&first.name, &status))?;
    for actor in &stage.actors {
        until("all nodes know the field", async || Ok(actor.state(HOST_FIELD).await.is_ok())).await?;
    }
    Ok(())
}

/// Feeds steps round robin, each to the next node that takes it.
struct Feed {
    accepted: Vec<Vec<f64>>,
    retried: u64,
    failed: u64,
    turn: usize,
}

impl Feed {
    fn new() -> Self {
        Self { accepted: Vec::new(), retried: 0, failed: 0, turn: 0 }
    }

    async fn run(
        &mut self,
        board: &Board,
        stage: &Stage,
        source: &mut dyn Source,
        length: Duration,
        caption: &str,
    ) -> Result<(), Failure> {
        let end = Instant::now() + length;
        self.run_until(board, stage, source, caption, async |_: &Stage| Ok(Instant::now() >= end)).await.map(|_| ())
    }

    /// Feeds until `done`, which is asked before every step; tells when that was.
    async fn run_until(
        &mut self,
        board: &Board,
        stage: &Stage,
        source: &mut dyn Source,
        caption: &str,
        done: impl AsyncFn(&Stage) -> Result<bool, Failure>,
    ) -> Result<Instant, Failure> {
        let mut ticks = tokio::time::interval(Duration::from_millis(1000 / FEED_HZ));
        let begun = Instant::now();
        loop {
            ticks.tick().await;
            if done(stage).await? {
                return Ok(Instant::now());
            }
            if begun.elapsed() > PATIENCE + Duration::from_secs(3600) {
                return Err(Failure::failed(format!("nothing changed while feeding ({caption})")));
            }
            let input = source.next().map_err(|error| Failure::failed(error.to_string()))?;
            if let Some(input) = input {
                self.step(stage, input).await;
            }
            if self.accepted.len().is_multiple_of(4) {
                let caption = format!("{} steps accepted; {caption}", self.accepted.len());
                board.draw(stage, HOST_FIELD, &caption).await;
            }
        }
    }

    async fn step(&mut self, stage: &Stage, input: Vec<f64>) {
        self.turn += 1;
        for attempt in 0..stage.actors.len() {
            let actor = &stage.actors[(self.turn + attempt) % stage.actors.len()];
            if actor.step(HOST_FIELD, &input).await.is_ok() {
                self.accepted.push(input);
                return;
            }
            self.retried += 1;
        }
        self.failed += 1;
    }
}

async fn lists_live(actor: &Actor, name: &str) -> Result<bool, Failure> {
    let members = actor.members().await.map_err(|status| Failure::refused(&actor.name, &status))?;
    Ok(members.iter().any(|member| member.node == name && member.state() == MemberState::Live))
}

async fn frontier(actor: &Actor) -> Result<Vec<OriginPosition>, Failure> {
    actor.frontier().await.map_err(|status| Failure::refused(&actor.name, &status))
}

fn covers(held: &[OriginPosition], target: &[OriginPosition]) -> bool {
    let same = |a: &OriginPosition, b: &OriginPosition| a.node == b.node && a.incarnation == b.incarnation;
    target.iter().all(|want| held.iter().any(|have| same(have, want) && have.version >= want.version))
}

async fn step(actor: &Actor, field: &str, input: &[f64]) -> Result<(), Failure> {
    refused(actor, actor.step(field, input).await).map(|_| ())
}

async fn state(actor: &Actor, field: &str) -> Result<FieldState, Failure> {
    refused(actor, actor.state(field).await)
}

fn refused<T>(actor: &Actor, answer: Result<T, Status>) -> Result<T, Failure> {
    answer.map_err(|status| Failure::refused(&actor.name, &status))
}

async fn prediction_errors(stage: &Stage, field: &str) -> Result<BTreeMap<String, f64>, Failure> {
    let mut errors = BTreeMap::new();
    for actor in &stage.actors {
        let last = state(actor, field).await?.last.unwrap_or_default();
        errors.insert(actor.name.clone(), last.prediction_error);
    }
    Ok(errors)
}

fn spread(errors: &BTreeMap<String, f64>) -> f64 {
    let greatest = errors.values().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = errors.values().copied().fold(f64::INFINITY, f64::min);
    greatest - least
}

/// Waits until every node counts `k` steps.
async fn settled(stage: &Stage, field: &str, k: u64) -> Result<(), Failure> {
    for actor in &stage.actors {
        until("every node has every step", async || Ok(state(actor, field).await?.k == k)).await?;
    }
    Ok(())
}

/// Waits until all frontiers are equal; tells whether the digests then are.
async fn agree(stage: &Stage) -> Result<bool, Failure> {
    let all = async || {
        let mut agreements = Vec::new();
        for actor in &stage.actors {
            agreements.push(refused(actor, actor.agreement().await)?);
        }
        Ok::<_, Failure>(agreements)
    };
    until("all frontiers are equal", async || {
        let agreements = all().await?;
        Ok(agreements.iter().all(|(frontier, _)| *frontier == agreements[0].0))
    })
    .await?;
    let agreements = all().await?;
    Ok(agreements.iter().all(|agreement| *agreement == agreements[0]))
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
