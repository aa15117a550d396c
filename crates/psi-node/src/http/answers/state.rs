//! The answer that shows a field's state.

use psi_state::{CurrentSpec, FieldView, InterventionsView, LearnedView, MomentsView, Setup, Shape, Spec};
use serde::Serialize;

use super::{
    drift::DriftAnswer,
    names,
    scores::{Scores, latest},
    times::utc,
};

/// To `GET /state`.
#[derive(Debug, Serialize)]
pub(in crate::http) struct StateAnswer {
    /// Of the latest step.
    #[serde(flatten)]
    scores: Scores,
    k: u64,
    /// When the latest step was accepted; before the first, now.
    timestamp: String,
    /// The node that answers.
    node: String,
    token: String,
    field: String,
    label: Option<String>,
    /// Of the columns.
    names: Option<Vec<String>>,
    engine: String,
    /// Text: most JSON readers round integers of this size.
    epoch: String,
    width: usize,
    noise: f64,
    interventions: u64,
    /// Of the inputs, one number a dimension; empty before the first step.
    mean: Vec<f64>,
    /// Sample variance of the inputs; empty before the second step.
    variance: Vec<f64>,
    window: Window,
    steps_dropped: u64,
    /// The node that accepted the latest step; empty before the first.
    last_node: String,
    /// Of the latest step; 0 before the first, as the next.
    novelty: f64,
    att_gain: f64,
    /// Where the engine keeps it, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<f64>,
    red_flag: bool,
    drift: DriftAnswer,
    /// Where the engine learns.
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<LearnedAnswer>,
}

/// What the field holds of what its engine learned.
#[derive(Debug, Serialize)]
struct LearnedAnswer {
    updates: u64,
    latents: usize,
    working_memories: usize,
    episodic_memories: usize,
}

impl From<LearnedView> for LearnedAnswer {
    fn from(view: LearnedView) -> Self {
        // Its time is shown as `t`.
        let LearnedView { time: _, updates, latents, working_memories, episodic_memories } = view;
        Self { updates, latents, working_memories, episodic_memories }
    }
}

/// Means of the metrics over the 60 s up to the latest step; only `steps` before the first.
#[derive(Debug, Serialize)]
struct Window {
    #[serde(flatten)]
    means: Option<Scores>,
    steps: u64,
}

impl StateAnswer {
    pub(in crate::http) fn new(view: &FieldView, node: &str, token: String, now_ms: u64) -> Self {
        let FieldView {
            spec,
            // The parts are read out below, as mean and variance.
            moments: MomentsView { count, parts: _ },
            window,
            last,
            interventions: InterventionsView { noise, counted },
            guardian,
            learned,
            steps_dropped,
            label,
            names,
            // Reported by itself.
            anchored: _,
            baseline: _,
            drift_onset: _,
            outcomes: _,
            drift,
        } = view;
        let CurrentSpec { field, epoch, spec: Spec { setup, dropped: _, clock: _ } } = spec;
        let Setup { shape: Shape { engine, width, scale: _, seed: _ }, parameters: _, guardian: _ } = setup;
        let last_node = last.as_ref().map(|last| last.origin.node.to_string());
        Self {
            scores: Scores(latest(view)),
            k: *count,
            timestamp: utc(last.as_ref().map_or(now_ms, |last| last.clock.wall_ms)),
            node: node.to_owned(),
            token,
            field: field.to_string(),
            label: label.as_ref().map(|label| label.as_str().to_owned()),
            names: names::all(names.as_ref()),
            engine: engine.clone(),
            epoch: epoch.to_string(),
            width: *width,
            noise: noise.value(),
            interventions: *counted,
            mean: view.mean().unwrap_or_default(),
            variance: view.variance().unwrap_or_default(),
            window: Window { means: view.window_mean().map(Scores), steps: window.count() },
            steps_dropped: *steps_dropped,
            last_node: last_node.unwrap_or_default(),
            novelty: last.as_ref().map_or(0.0, |last| last.novelty),
            att_gain: last.as_ref().map_or(0.0, |last| last.attention_gain),
            t: learned.map(|learned| learned.time.seconds()),
            red_flag: guardian.flag.is_some(),
            drift: DriftAnswer::new(drift, names.as_ref()),
            learned: learned.map(Into::into),
        }
    }
}
