//! Acts one and two: the incident with replication off, and on.

use std::{collections::BTreeMap, time::Instant};

use psi_api::v1::Intervention;
use serde::Serialize;

use super::nodes::{agree, prediction_errors, refused, settled, spread, state, step};
use crate::{
    commands::experiments::demo::{
        board::Board,
        stage::{Stage, until},
    },
    output::Failure,
    source::Incident,
};

/// Steps that act one and two deal, unevenly: node, how many.
const DEALT: [(usize, usize); 2] = [(0, 5), (1, 2)];
/// What every node must say after nigredo and albedo, to four digits: the incident's own figures.
const AFTER: [(&str, f64); 6] =
    [("Psi", 0.5259), ("Phi", 0.1535), ("C", 0.7757), ("U", 0.6370), ("H", 0.6332), ("PE", 0.8625)];
const HALF_DIGIT: f64 = 5e-5;
/// Steps whose way to the other nodes is timed.
const PROBES: usize = 30;
/// Spread of the prediction error over replicas at which PsiFieldPodDrift fires.
pub(crate) const DRIFT_ALERT: f64 = 0.3;
/// Act one, as measured.
#[derive(Debug, Serialize)]
pub(crate) struct DriftResult {
    /// Prediction error of the last step, by node.
    pub(crate) prediction_error: BTreeMap<String, f64>,
    /// Greatest minus least of them.
    pub(crate) spread: f64,
}

/// Act two, as measured.
#[derive(Debug, Serialize)]
pub(crate) struct AgreementResult {
    pub(crate) prediction_error: BTreeMap<String, f64>,
    pub(crate) spread: f64,
    /// Whether gRPC, /state and /metrics of every node gave the incident's figures.
    pub(crate) figures_match: bool,
    /// What did not, if anything.
    pub(crate) deviations: Vec<String>,
    /// From the answer to a step on one node until the last of the others shows it, milliseconds.
    pub(crate) visible_ms_median: f64,
    pub(crate) visible_ms_max: f64,
    pub(crate) digests_equal: bool,
}

/// The incident with replication off: every node goes its own way.
pub(crate) async fn apart(board: &Board, nodes: usize) -> Result<DriftResult, Failure> {
    board.say("Act one: the pod-drift incident, replication off.");
    board.say("  nigredo and albedo reach node-1 only; the same vector then goes to every node.");
    let stage = Stage::set(nodes, false).await?;
    intervene(&stage, [0, 0]).await?;
    deal(board, &stage, "each node on its own").await?;
    let errors = prediction_errors(&stage, "").await?;
    board.keep(&stage, "").await;
    stage.strike().await;
    Ok(DriftResult { spread: spread(&errors), prediction_error: errors })
}

/// The same with replication on.
pub(crate) async fn together(board: &Board, stage: &Stage) -> Result<AgreementResult, Failure> {
    board.say("\nAct two: the same, replication on. nigredo goes to node-1, albedo to node-2.");
    intervene(stage, [0, 1]).await?;
    let dealt = deal(board, stage, "deltas on their way").await?;
    settled(stage, "", dealt).await?;
    let times = probe(board, stage, dealt).await?;
    let digests_equal = agree(stage).await?;
    let errors = prediction_errors(stage, "").await?;
    let deviations = deviations(stage).await?;
    board.keep(stage, "").await;
    Ok(AgreementResult {
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
    refused(first, first.intervene(Intervention::Nigredo).await)?;
    until("the second node knows of the first intervention", async || Ok(state(second, "").await?.interventions == 1))
        .await?;
    refused(second, second.intervene(Intervention::Albedo).await)?;
    if first.name != second.name {
        for actor in &stage.actors {
            until("all nodes know of both", async || Ok(state(actor, "").await?.interventions == 2)).await?;
        }
    }
    Ok(())
}

/// Deals the incident's vector unevenly; every node gets at least one. Returns how many steps that was.
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
