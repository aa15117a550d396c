//! The words that oracle and clients share: origins, clocks, specs, answers. Plain values, none of the code under test.

use std::collections::BTreeMap;

/// Node and incarnation.
pub type OracleOrigin = (String, u64);
/// Wall milliseconds and counter.
pub type OracleClock = (u64, u32);
/// The highest version that is covered, per origin.
pub type OracleFrontier = BTreeMap<OracleOrigin, u64>;
/// When something was written, and by whom: no two writes of an origin share a clock.
pub type OracleMoment = (OracleClock, OracleOrigin);
/// Values by name.
pub type OracleParameters = BTreeMap<String, f64>;

/// Numbers in a step's metrics.
pub const ORACLE_METRICS: usize = 8;

/// A step that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct StepWrite {
    /// The vector, as it was given.
    pub input: Vec<f64>,
    /// What was answered.
    pub answer: OracleAnswer,
    /// What the guardian intervened for, if it did.
    pub intervened: Option<OracleThreat>,
}

/// What a step was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleAnswer {
    /// The score: density, continuity, futurity, phase coherence, temporal entropy, prediction error, memory, effective
    /// step.
    pub metrics: [f64; ORACLE_METRICS],
    /// The field's count.
    pub k: u64,
    /// How far from all before.
    pub novelty: f64,
    /// What the density and the prediction error make of attention.
    pub attention_gain: f64,
}

impl OracleAnswer {
    pub(super) fn density(&self) -> f64 {
        self.metrics[0]
    }

    pub(super) fn continuity(&self) -> f64 {
        self.metrics[1]
    }

    pub(super) fn entropy(&self) -> f64 {
        self.metrics[4]
    }

    pub(super) fn prediction_error(&self) -> f64 {
        self.metrics[5]
    }

    pub(super) fn time_dilation(&self) -> f64 {
        self.metrics[7]
    }
}

/// Why the guardian raises the red flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleThreat {
    /// The prediction error is too high.
    HighPredictionError,
    /// The density is too low.
    LowDensity,
    /// The entropy is too high.
    HighEntropy,
}

impl OracleThreat {
    pub(super) fn action(self) -> OracleAction {
        match self {
            Self::HighPredictionError | Self::HighEntropy => OracleAction::Nigredo,
            Self::LowDensity => OracleAction::Albedo,
        }
    }
}

/// What an intervention does to ν.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OracleAction {
    /// Adds 1.5.
    Nigredo,
    /// Takes 0.7.
    Albedo,
}

/// What a field is, as one origin wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleSpec {
    /// The greatest holds.
    pub epoch: u64,
    /// Name of the engine.
    pub engine: String,
    /// Numbers in an input.
    pub width: usize,
    /// Inputs are kept in multiples of 2^(this − 56).
    pub scale_exponent: i32,
    /// Of the engine's randomness.
    pub seed: u64,
    /// Of the engine.
    pub parameters: OracleParameters,
    /// The guardian intervenes.
    pub intervenes: bool,
    /// The field is gone.
    pub dropped: bool,
    /// Of equal epochs, the spec of the greatest clock holds.
    pub clock: OracleClock,
}

impl OracleSpec {
    /// The spec of `default` before anybody wrote one.
    pub(super) fn implicit(parameters: OracleParameters) -> Self {
        Self {
            epoch: 0,
            engine: "synthetic".to_owned(),
            width: 16,
            scale_exponent: 0,
            seed: 0,
            parameters,
            intervenes: false,
            dropped: false,
            clock: (0, 0),
        }
    }

    /// Whether both agree on all that is fixed within an epoch.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let shape = |spec: &Self| (spec.width, spec.scale_exponent, spec.seed, spec.dropped);
        self.engine == other.engine && shape(self) == shape(other) && self.latent() == other.latent()
    }

    /// Whether the engine learns.
    pub(super) fn learns(&self) -> bool {
        self.engine == "core"
    }

    /// Numbers in a latent vector, if there are any.
    fn latent(&self) -> Option<u64> {
        self.learns().then(|| self.parameter("latent_dim").to_bits())
    }

    pub(super) fn parameter(&self, name: &str) -> f64 {
        self.parameters.get(name).copied().unwrap_or_default()
    }
}
