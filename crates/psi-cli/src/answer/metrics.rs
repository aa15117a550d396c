//! The metrics of a step.

use psi_api::v1;
use psi_engine::Metrics as Engine;
use serde::Serialize;

/// The metrics of a step, by their names.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Metrics {
    pub(crate) density: f64,
    pub(crate) continuity: f64,
    pub(crate) futurity: f64,
    pub(crate) phase_coherence: f64,
    pub(crate) temporal_entropy: f64,
    pub(crate) prediction_error: f64,
    pub(crate) memory: f64,
    pub(crate) time_dilation: f64,
}

/// How formulas write the metrics, in the order of their names.
pub(crate) const SYMBOLS: [&str; 8] = ["Ψ", "C", "U", "Φ", "H", "PE", "M", "dt_eff"];

impl Metrics {
    /// Symbol, name and value of each.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, f64)> {
        let values = [
            self.density,
            self.continuity,
            self.futurity,
            self.phase_coherence,
            self.temporal_entropy,
            self.prediction_error,
            self.memory,
            self.time_dilation,
        ];
        SYMBOLS.into_iter().zip(Engine::NAMES).zip(values).map(|((symbol, name), value)| (symbol, name, value))
    }
}

impl From<v1::Metrics> for Metrics {
    fn from(from: v1::Metrics) -> Self {
        let v1::Metrics {
            density,
            continuity,
            futurity,
            phase_coherence,
            temporal_entropy,
            prediction_error,
            memory,
            time_dilation,
        } = from;
        Self {
            density,
            continuity,
            futurity,
            phase_coherence,
            temporal_entropy,
            prediction_error,
            memory,
            time_dilation,
        }
    }
}
