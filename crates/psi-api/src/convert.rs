//! From the inner crates' types to messages.

use psi_engine::{
    Metrics,
    guardian::{Mode, Summary, Threat, Thresholds},
};
use psi_replica::{Clock, CurrentSpec, Digest, FieldView, LearnedView, Step};

use crate::v1;

/// A hybrid clock as wall time; the counter orders what falls into one millisecond and is left out.
#[must_use]
pub fn timestamp(clock: Clock) -> prost_types::Timestamp {
    let seconds = i64::try_from(clock.wall_ms / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(clock.wall_ms % 1000).unwrap_or(0) * 1_000_000;
    prost_types::Timestamp { seconds, nanos }
}

/// An accepted step, its replication left out.
#[must_use]
pub fn step(field: &str, step: &Step, token: String) -> v1::StepResponse {
    v1::StepResponse {
        field: field.to_owned(),
        metrics: Some(step.metrics.into()),
        k: step.k,
        timestamp: Some(timestamp(step.clock)),
        node: step.origin.node.to_string(),
        token,
        engine: step.engine.as_str().to_owned(),
        replicated: None,
        novelty: step.novelty,
        attention_gain: step.attention_gain,
        time: step.time,
        guardian: step.intervened.map(|(action, threat)| v1::GuardianReaction {
            action: v1::Intervention::from(action).into(),
            threat: v1::Threat::from(threat).into(),
        }),
    }
}

/// A field's description, without a token.
#[must_use]
pub fn field(current: &CurrentSpec) -> v1::Field {
    let spec = &current.spec;
    v1::Field {
        name: current.field.to_string(),
        epoch: current.epoch.0,
        engine: spec.setup.shape.engine.clone(),
        width: u32::try_from(spec.setup.shape.width).unwrap_or(u32::MAX),
        scale_exponent: spec.setup.shape.scale.exponent(),
        seed: spec.setup.shape.seed,
        parameters: spec
            .setup
            .parameters
            .iter()
            .map(|(name, value)| v1::Parameter { name: name.to_owned(), value })
            .collect(),
        token: String::new(),
        guardian: v1::GuardianMode::from(spec.setup.guardian).into(),
    }
}

/// A field's state.
#[must_use]
pub fn state(view: &FieldView, node: &str, token: String) -> v1::FieldState {
    v1::FieldState {
        field: Some(field(&view.spec)),
        k: view.count,
        last: view.last.as_ref().map(|last| last.metrics.into()),
        timestamp: view.last.as_ref().map(|last| timestamp(last.clock)),
        last_node: view.last.as_ref().map(|last| last.origin.node.to_string()).unwrap_or_default(),
        window_mean: view.window_mean().map(Into::into),
        window_steps: view.window.count(),
        mean: view.mean().unwrap_or_default(),
        variance: view.variance().unwrap_or_default(),
        noise: view.noise.value(),
        interventions: view.interventions,
        steps_dropped: view.steps_dropped,
        node: node.to_owned(),
        token,
        novelty: view.last.as_ref().map(|last| last.novelty),
        attention_gain: view.last.as_ref().map(|last| last.attention_gain),
        time: view.learned.map(|learned| learned.time.seconds()),
        red_flag: threat(view.guardian.flag),
        learned: view.learned.map(Into::into),
    }
}

/// What the guardian of a field has seen and done.
#[must_use]
pub fn guardian(view: &FieldView, node: &str, token: String) -> v1::GuardianState {
    let guardian = &view.guardian;
    let statistics = guardian.statistics();
    v1::GuardianState {
        field: view.spec.field.to_string(),
        mode: v1::GuardianMode::from(view.spec.spec.setup.guardian).into(),
        history_size: small(statistics.samples),
        thresholds: Some(guardian.thresholds().into()),
        density: Some(statistics.density.into()),
        prediction_error: Some(statistics.prediction_error.into()),
        temporal_entropy: Some(statistics.temporal_entropy.into()),
        interventions: view.interventions,
        automatic: guardian.automatic,
        superseded: guardian.superseded,
        last_step: guardian.last_step,
        red_flag: threat(guardian.flag),
        current_threat: threat(guardian.current_threat()),
        node: node.to_owned(),
        token,
    }
}

fn threat(threat: Option<Threat>) -> i32 {
    threat.map_or(v1::Threat::Unspecified, Into::into).into()
}

/// A count that is bounded far below the limit.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Frontier hash and digest.
#[must_use]
pub fn agreement(frontier_hash: Digest, digest: Digest) -> v1::Agreement {
    v1::Agreement { frontier_hash: frontier_hash.to_bytes().to_vec(), digest: digest.to_bytes().to_vec() }
}

impl From<Metrics> for v1::Metrics {
    fn from(metrics: Metrics) -> Self {
        Self {
            density: metrics.density,
            continuity: metrics.continuity,
            futurity: metrics.futurity,
            phase_coherence: metrics.phase_coherence,
            temporal_entropy: metrics.temporal_entropy,
            prediction_error: metrics.prediction_error,
            memory: metrics.memory,
            time_dilation: metrics.time_dilation,
        }
    }
}

impl From<v1::Metrics> for Metrics {
    fn from(metrics: v1::Metrics) -> Self {
        Self {
            density: metrics.density,
            continuity: metrics.continuity,
            futurity: metrics.futurity,
            phase_coherence: metrics.phase_coherence,
            temporal_entropy: metrics.temporal_entropy,
            prediction_error: metrics.prediction_error,
            memory: metrics.memory,
            time_dilation: metrics.time_dilation,
        }
    }
}

impl From<psi_engine::Action> for v1::Intervention {
    fn from(action: psi_engine::Action) -> Self {
        match action {
            psi_engine::Action::Nigredo => Self::Nigredo,
            psi_engine::Action::Albedo => Self::Albedo,
        }
    }
}

impl From<Mode> for v1::GuardianMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Watch => Self::Watch,
            Mode::Intervene => Self::Intervene,
        }
    }
}

impl From<Threat> for v1::Threat {
    fn from(threat: Threat) -> Self {
        match threat {
            Threat::HighPredictionError => Self::HighPredictionError,
            Threat::LowDensity => Self::LowDensity,
            Threat::HighEntropy => Self::HighEntropy,
        }
    }
}

impl v1::Threat {
    /// The same, of the inner crates; `None` for none, and for one of a later version.
    #[must_use]
    pub fn known(self) -> Option<Threat> {
        match self {
            Self::Unspecified => None,
            Self::HighPredictionError => Some(Threat::HighPredictionError),
            Self::LowDensity => Some(Threat::LowDensity),
            Self::HighEntropy => Some(Threat::HighEntropy),
        }
    }
}

impl From<Thresholds> for v1::GuardianThresholds {
    fn from(thresholds: Thresholds) -> Self {
        Self {
            density_low: thresholds.density_low,
            prediction_error_high: thresholds.error_high,
            temporal_entropy_high: thresholds.entropy_high,
            adaptive: thresholds.adaptive,
        }
    }
}

impl From<Summary> for v1::MetricSummary {
    fn from(summary: Summary) -> Self {
        let Summary { mean, std, min, max, p95 } = summary;
        Self { mean, std, min, max, p95 }
    }
}

impl From<LearnedView> for v1::Learned {
    fn from(learned: LearnedView) -> Self {
        Self {
            updates: learned.updates,
            latents: small(learned.latents),
            working_memories: small(learned.working_memories),
            episodic_memories: small(learned.episodic_memories),
        }
    }
}
