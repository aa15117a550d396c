//! From the inner crates' types to messages.

pub(crate) mod drift;
mod numbers;
mod rollout;

use psi_engine::{
    Metrics,
    guardian::{Mode, Statistics, Summary, Threat, Thresholds},
};
use psi_replica::{Clock, Digest};
use psi_rollout::{Stage, VersionName};
use psi_state::{
    ColumnNames, CurrentSpec, FieldView, GuardianView, InterventionsView, Label, LearnedView, MomentsView, Setup,
    Shape, Spec, Step,
};

use numbers::small;
pub use numbers::timestamp;
pub use rollout::{arm_outcomes, percent};

use crate::v1;

/// An accepted step, its replication left out. Without a token it is one of a batch, and not the last: then the verdict
/// names no columns, since all of a batch together must stay below what a client takes.
#[must_use]
pub fn step(field: &str, step: &Step, token: String) -> v1::StepResponse {
    let Step {
        epoch: _,
        engine,
        metrics,
        k,
        clock,
        origin,
        version: _,
        novelty,
        attention_gain,
        time,
        names,
        farthest,
        unusual,
        threat: taken_for,
        intervened,
        drift,
    } = step;
    let names = names.as_ref();
    let names_of_drift = names.filter(|_| !token.is_empty());
    let novel_columns = farthest.iter().flatten().map(|one| v1::ColumnNovelty {
        column: one.column,
        z: one.z,
        name: drift::name(names, usize::try_from(one.column).unwrap_or(usize::MAX)),
    });
    v1::StepResponse {
        field: field.to_owned(),
        metrics: Some((*metrics).into()),
        k: *k,
        timestamp: Some(timestamp(*clock)),
        node: origin.node.to_string(),
        token,
        engine: engine.as_str().to_owned(),
        replicated: None,
        novelty: *novelty,
        attention_gain: *attention_gain,
        time: *time,
        guardian: intervened.map(|(action, threat)| v1::GuardianReaction {
            action: v1::Intervention::from(action).into(),
            threat: v1::Threat::from(threat).into(),
        }),
        drift: Some(drift::summary(drift, names_of_drift)),
        novel_columns: novel_columns.collect(),
        unusual: *unusual,
        threat: threat(*taken_for),
        version: version_of(field).to_owned(),
    }
}

/// A field's description, without a token: its spec, its label and the names of its columns. It counts so many steps, the
/// latest of which was taken then.
#[must_use]
pub fn field(
    current: &CurrentSpec,
    (label, names): (Option<&Label>, Option<&ColumnNames>),
    (steps, last_step): (u64, Option<Clock>),
) -> v1::Field {
    let CurrentSpec { field, epoch, spec: Spec { setup, dropped: _, clock: _ } } = current;
    let Setup { shape: Shape { engine, width, scale, seed }, parameters, guardian } = setup;
    let parameters = parameters.iter().map(|(name, value)| v1::Parameter { name: name.to_owned(), value });
    v1::Field {
        name: field.to_string(),
        epoch: epoch.0,
        engine: engine.clone(),
        width: u32::try_from(*width).unwrap_or(u32::MAX),
        scale_exponent: scale.exponent(),
        seed: *seed,
        parameters: parameters.collect(),
        token: String::new(),
        guardian: v1::GuardianMode::from(*guardian).into(),
        label: label.map(Label::as_str).unwrap_or_default().to_owned(),
        names: names.iter().flat_map(|names| names.iter()).map(str::to_owned).collect(),
        steps,
        last_step: last_step.map(timestamp),
    }
}

/// The version that a field is of, by its name; empty where it is no version of a model.
#[must_use]
pub fn version_of(field: &str) -> &str {
    field.split_once('@').map_or("", |(_, version)| version)
}

/// A version of a model, and how its steps went.
#[must_use]
pub fn version(version: &VersionName, view: &FieldView, stage: Option<Stage>) -> v1::ModelVersion {
    let total = &view.outcomes.total;
    v1::ModelVersion {
        version: version.to_string(),
        field: view.spec.field.to_string(),
        steps: view.moments.count,
        outcomes: total.steps,
        errors: total.errors,
        error_rate: total.error_rate(),
        latency_ms: total.mean_latency_ms().map(|mean| v1::VersionLatency { steps: total.timed_steps, mean }),
        stage: stage.map(|stage| stage.to_string()).unwrap_or_default(),
    }
}

/// A field's state.
#[must_use]
pub fn state(view: &FieldView, node: &str, token: String) -> v1::FieldState {
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
        drift,
        // Reported by version.
        outcomes: _,
    } = view;
    v1::FieldState {
        field: Some(field(spec, (label.as_ref(), names.as_ref()), (*count, last.as_ref().map(|last| last.clock)))),
        k: *count,
        last: last.as_ref().map(|last| last.metrics.into()),
        timestamp: last.as_ref().map(|last| timestamp(last.clock)),
        last_node: last.as_ref().map(|last| last.origin.node.to_string()).unwrap_or_default(),
        window_mean: view.window_mean().map(Into::into),
        window_steps: window.count(),
        mean: view.mean().unwrap_or_default(),
        variance: view.variance().unwrap_or_default(),
        noise: noise.value(),
        interventions: *counted,
        steps_dropped: *steps_dropped,
        node: node.to_owned(),
        token,
        novelty: last.as_ref().map(|last| last.novelty),
        attention_gain: last.as_ref().map(|last| last.attention_gain),
        time: learned.map(|learned| learned.time.seconds()),
        red_flag: threat(guardian.flag),
        learned: learned.map(Into::into),
        drift: Some(drift::summary(drift, names.as_ref())),
    }
}

/// What the guardian of a field has seen and done.
#[must_use]
pub fn guardian(view: &FieldView, node: &str, token: String) -> v1::GuardianState {
    let CurrentSpec { field, epoch: _, spec } = &view.spec;
    let (interventions, guardian) = (&view.interventions, &view.guardian);
    // Summed up in statistics and thresholds.
    let GuardianView { history: _, flag, flag_step, automatic, superseded, last_step } = guardian;
    let Statistics { samples, density, prediction_error, temporal_entropy } = guardian.statistics();
    v1::GuardianState {
        field: field.to_string(),
        mode: v1::GuardianMode::from(spec.setup.guardian).into(),
        history_size: small(samples),
        thresholds: Some(guardian.thresholds().into()),
        density: Some(density.into()),
        prediction_error: Some(prediction_error.into()),
        temporal_entropy: Some(temporal_entropy.into()),
        interventions: interventions.counted,
        automatic: *automatic,
        superseded: *superseded,
        last_step: *last_step,
        red_flag: threat(*flag),
        current_threat: threat(guardian.current_threat()),
        node: node.to_owned(),
        token,
        red_flag_step: *flag_step,
        threat_share: guardian.threat_share(),
        chance_share: guardian.thresholds().adaptive.then_some(GuardianView::CHANCE_SHARE),
    }
}

fn threat(threat: Option<Threat>) -> i32 {
    threat.map_or(v1::Threat::Unspecified, Into::into).into()
}

/// Frontier hash and digest.
#[must_use]
pub fn agreement(frontier_hash: Digest, digest: Digest) -> v1::Agreement {
    v1::Agreement { frontier_hash: frontier_hash.to_bytes().to_vec(), digest: digest.to_bytes().to_vec() }
}

macro_rules! both_ways {
    ($($(#[$documentation:meta])* $name:ident $symbol:literal $letter:literal $meaning:literal;)+) => {
        impl From<Metrics> for v1::Metrics {
            fn from(Metrics { $($name),+ }: Metrics) -> Self {
                Self { $($name),+ }
            }
        }

        impl From<v1::Metrics> for Metrics {
            fn from(v1::Metrics { $($name),+ }: v1::Metrics) -> Self {
                Self { $($name),+ }
            }
        }
    };
}
psi_engine::for_each_metric!(both_ways);

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
        let Thresholds { error_high, density_low, entropy_high, adaptive } = thresholds;
        Self { density_low, prediction_error_high: error_high, temporal_entropy_high: entropy_high, adaptive }
    }
}

impl From<Summary> for v1::MetricSummary {
    fn from(summary: Summary) -> Self {
        let Summary { mean, std, min, max, p95 } = summary;
        Self { mean, std, min, max, p95 }
    }
}

impl From<LearnedView> for v1::LearnedState {
    fn from(learned: LearnedView) -> Self {
        // Its time is a part of the state itself.
        let LearnedView { time: _, updates, latents, working_memories, episodic_memories } = learned;
        Self {
            updates,
            latents: small(latents),
            working_memories: small(working_memories),
            episodic_memories: small(episodic_memories),
        }
    }
}
