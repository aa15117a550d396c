//! The state of a field.

use psi_api::v1;
use serde::Serialize;

use super::{drift::Drift, field::Field, guardian, metrics::Metrics};
use crate::output::numbers;

/// A field as all nodes' entries make it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct State {
    pub(crate) field: Option<Field>,
    pub(crate) k: u64,
    pub(crate) timestamp: Option<String>,
    pub(crate) last_node: Option<String>,
    pub(crate) last: Option<Metrics>,
    pub(crate) window_mean: Option<Metrics>,
    pub(crate) window_steps: u64,
    pub(crate) noise: f64,
    pub(crate) interventions: u64,
    pub(crate) steps_dropped: u64,
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
    pub(crate) node: String,
    pub(crate) token: String,
    /// Of the last step; null before the first, as the next.
    pub(crate) novelty: Option<f64>,
    pub(crate) attention_gain: Option<f64>,
    /// t, seconds; null where the engine keeps none.
    pub(crate) time: Option<f64>,
    /// Why the guardian's red flag is up; null if it is down.
    pub(crate) red_flag: Option<&'static str>,
    /// Null where the engine does not learn.
    pub(crate) learned: Option<LearnerState>,
    pub(crate) drift: Option<Drift>,
}

/// What an engine that learns holds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LearnerState {
    pub(crate) updates: u64,
    pub(crate) latents: u32,
    pub(crate) working_memories: u32,
    pub(crate) episodic_memories: u32,
}

impl From<v1::LearnedState> for LearnerState {
    fn from(from: v1::LearnedState) -> Self {
        let v1::LearnedState { updates, latents, working_memories, episodic_memories } = from;
        Self { updates, latents, working_memories, episodic_memories }
    }
}

impl From<v1::FieldState> for State {
    fn from(from: v1::FieldState) -> Self {
        let red_flag = guardian::threat(from.red_flag());
        let v1::FieldState {
            field,
            k,
            last,
            timestamp,
            last_node,
            window_mean,
            window_steps,
            mean,
            variance,
            noise,
            interventions,
            steps_dropped,
            node,
            token,
            novelty,
            attention_gain,
            time,
            red_flag: _,
            learned,
            drift,
        } = from;
        Self {
            field: field.map(Into::into),
            timestamp: timestamp.map(|time| numbers::time(time.seconds, time.nanos)),
            last_node: Some(last_node).filter(|node| !node.is_empty()),
            last: last.map(Into::into),
            window_mean: window_mean.map(Into::into),
            learned: learned.map(Into::into),
            drift: drift.map(Into::into),
            red_flag,
            k,
            window_steps,
            noise,
            interventions,
            steps_dropped,
            mean,
            variance,
            node,
            token,
            novelty,
            attention_gain,
            time,
        }
    }
}
