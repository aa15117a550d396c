//! For agents outside the cluster: the metrics of one agent, and of the swarm.
//!
//! Both are read from the merged view: the latest step of the chosen field, whichever node took it; zeros before the
//! first. So every node gives the same figures, except the number of live members as gossip knows it.

use axum::Json;
use psi_engine::Metrics;
use serde_json::{Map, Value, json};

use crate::{
    calls::ops::Ops,
    http::{
        answers::{
            scores::{Scores, latest},
            times::seconds,
        },
        health,
        refusal::Refusal,
        requests::address::FieldParam,
    },
};

pub(in crate::http) async fn metrics(ops: Ops, FieldParam(field): FieldParam) -> Result<Json<Value>, Refusal> {
    let (view, _) = ops.state(&field).map_err(|cause| ops.record_cause(cause))?;
    let metrics = latest(&view);
    // Psi stands by itself, and dt_eff says nothing to other agents.
    let others = Scores(metrics).iter().filter(|(symbol, _)| !matches!(*symbol, "Psi" | "dt_eff"));
    let parts: Map<String, Value> = others.map(|(symbol, number)| (symbol.to_owned(), number.into())).collect();
    Ok(Json(json!({
        "agent_id": ops.context.settings.node.as_str(),
        "psi": metrics.density,
        "metrics": parts,
        "field": view.spec.field.as_str(),
        "k": view.moments.count,
        "timestamp": seconds(ops.context.now().wall.0),
    })))
}

/// A body is not looked at: the members are known by gossip, their metrics by replication.
pub(in crate::http) async fn swarm(ops: Ops, FieldParam(field): FieldParam) -> Result<Json<Value>, Refusal> {
    let (view, _) = ops.state(&field).map_err(|cause| ops.record_cause(cause))?;
    let swarm = view.last.as_ref().map(|last| Swarm::of(&last.metrics)).unwrap_or_default();
    let (live, _, _) = health::members(&ops);
    Ok(Json(json!({
        "swarm_metrics": {
            "C_swarm": swarm.continuity,
            "Phi_swarm": swarm.phase_coherence,
            "U_swarm": swarm.futurity,
            "H_swarm": swarm.temporal_entropy,
            "Psi_swarm": swarm.density,
        },
        "members": live,
        "field": view.spec.field.as_str(),
        "timestamp": seconds(ops.context.now().wall.0),
    })))
}

/// The metrics of all live members together; zeros before the first step.
#[derive(Default)]
struct Swarm {
    density: f64,
    continuity: f64,
    futurity: f64,
    phase_coherence: f64,
    temporal_entropy: f64,
}

impl Swarm {
    /// With σ the logistic function, and means over the live members:
    ///
    /// ```text
    /// C, U, H = mean C, mean U, mean H
    /// Φ       = |mean e^(iΦ)|
    /// Ψ       = σ(0.7·C + 0.6·Φ + 0.5·U − 0.4·H)
    /// ```
    ///
    /// The members hold one merged view, so each has the same metrics: the means are these, and Φ is 1.
    fn of(member: &Metrics) -> Self {
        let Metrics {
            density: _,
            continuity,
            futurity,
            phase_coherence: _,
            temporal_entropy,
            prediction_error: _,
            memory: _,
            time_dilation: _,
        } = *member;
        let phase_coherence = 1.0;
        let tension = 0.7 * continuity + 0.6 * phase_coherence + 0.5 * futurity - 0.4 * temporal_entropy;
        let density = 1.0 / (1.0 + libm::exp(-tension));
        Self { density, continuity, futurity, phase_coherence, temporal_entropy }
    }
}
