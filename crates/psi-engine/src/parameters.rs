//! The engine's parameters: names, defaults, limits, and a set of values that is always valid.
//!
//! Leaves out where values come from (settings files, requests) and what the engines do with them.

use std::ops::RangeInclusive;

use crate::suggest::{did_you_mean, nearest};

/// What there is to know of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// The name in settings, requests and answers.
    pub name: &'static str,
    /// How formulas write it.
    pub symbol: &'static str,
    /// The value of [`Parameters::default`].
    pub default: f64,
    /// The smallest value taken.
    pub min: f64,
    /// The largest value taken.
    pub max: f64,
    /// Only whole numbers are taken.
    pub whole: bool,
    /// `s` for seconds, `1` for a pure number or a count.
    pub unit: &'static str,
    /// What it is, and what too low and too high do where that is not plain.
    pub meaning: &'static str,
}

/// How many parameters there are.
const COUNT: usize = 33;

const fn real(
    [name, symbol, unit]: [&'static str; 3],
    default: f64,
    [min, max]: [f64; 2],
    meaning: &'static str,
) -> Definition {
    Definition { name, symbol, default, min, max, whole: false, unit, meaning }
}

const fn whole(name: &'static str, default: f64, max: f64, meaning: &'static str) -> Definition {
    Definition { name, symbol: name, default, min: 1.0, max, whole: true, unit: "1", meaning }
}

/// A whole number that may be 0, or may not be as low as 1.
const fn number(name: &'static str, default: f64, [min, max]: [f64; 2], meaning: &'static str) -> Definition {
    Definition { name, symbol: name, default, min, max, whole: true, unit: "1", meaning }
}

const fn weight(name: &'static str, default: f64, meaning: &'static str) -> Definition {
    real([name, name, "1"], default, [-100.0, 100.0], meaning)
}

/// A step of a millisecond to a minute.
const STEP_SECONDS: [f64; 2] = [0.001, 60.0];
/// A window from one smallest step to ten minutes.
const WINDOW_SECONDS: [f64; 2] = [0.001, 600.0];
const GAIN: [f64; 2] = [0.0, 100.0];
const ERROR_BAND: [f64; 2] = [0.0, 1000.0];
const EXCESS: [f64; 2] = [0.001, 100.0];
const WINDOW_PARTS: [f64; 2] = [8.0, 36.0];

/// Every parameter: first the fifteen that the HTTP service has always shown, in its order, then the others.
///
/// The defaults are those of the service that this one replaces. The limits are our own: wide enough for any use we know
/// of, and narrow enough that a field can't be made to allocate without bound or to overflow.
#[rustfmt::skip] // a table, one parameter a row
pub const DEFINITIONS: [Definition; COUNT] = [
    real(["dt", "dt", "s"], 0.2, STEP_SECONDS, "nominal step; the effective one is this, stretched and limited"),
    real(["W_r", "W_r", "s"], 3.0, WINDOW_SECONDS, "retention window: how far back latents are kept"),
    real(["H", "H", "s"], 2.0, WINDOW_SECONDS, "rollout horizon"),
    whole("N", 8.0, 128.0, "rollouts a step; more cost time in proportion"),
    whole("C_w", 32.0, WORKING_CAPACITY_MAX as f64, "working-memory capacity, in vectors"),
    whole("latent_dim", 32.0, LATENT_MAX as f64, "length of a latent vector; cost grows with its square"),
    weight("w1", 1.0, "weight of memory over step length in the density"),
    weight("w2", 0.8, "weight of continuity in the density"),
    weight("w3", 0.6, "weight of futurity in the density"),
    weight("w4", 0.6, "weight of phase coherence in the density"),
    weight("w5", 0.7, "weight of temporal entropy against the density"),
    weight("w6", 0.7, "weight of prediction error against the density"),
    real(["lambda_", "λ", "1"], 0.6, GAIN, "how much a low density stretches the effective step"),
    real(["dt_min", "dt_min", "s"], 0.05, STEP_SECONDS, "shortest effective step; at most dt_max"),
    real(["dt_max", "dt_max", "s"], 0.5, STEP_SECONDS, "longest effective step; at least dt_min"),
    real(["alpha", "α", "1"], 1.0, GAIN, "share of working memory in the mnemonic capacity"),
    real(["beta", "β", "1"], 1.0, GAIN, "share of recall quality in the mnemonic capacity"),
    real(["epsilon", "ε", "1"], 1e-6, [1e-12, 1.0], "keeps the step over memory finite when there is no memory"),
    weight("g0", 1.0, "attention gain at rest"),
    weight("g1", 0.5, "what density adds to the attention gain"),
    weight("g2", 0.2, "what prediction error takes from the attention gain"),
    real(["tau_psi", "τ_ψ", "1"], 0.6, [0.0, 1.0], "density above which a continuous moment is remembered"),
    real(["tau_c", "τ_c", "1"], 0.4, [-1.0, 1.0], "continuity above which a dense moment is remembered"),
    real(["pe_low", "PE_low", "1"], 0.1, ERROR_BAND, "least prediction error that makes a moment memorable; at most pe_high"),
    real(["pe_high", "PE_high", "1"], 1.5, ERROR_BAND, "most prediction error that makes a moment memorable; at least pe_low"),
    number("drift", 1.0, [0.0, 1.0], "1: inputs are watched for drift; 0: they are not"),
    number("baseline_after", 2000.0, [0.0, 1e12], "after so many inputs they become the baseline by themselves; 0: never"),
    number("long_window", 8.0, WINDOW_PARTS, "the long window is one in so many parts of the baseline; at most short_window"),
    number("short_window", 24.0, WINDOW_PARTS, "the short window is one in so many parts of the baseline; at least long_window"),
    real(["drift_warning", "drift_warning", "1"], 0.1, EXCESS, "excess PSI of a warning; at most drift_critical"),
    real(["drift_critical", "drift_critical", "1"], 0.25, EXCESS, "excess PSI that is critical; at least drift_warning"),
    real(["drift_alpha", "drift_alpha", "1"], 1e-4, [1e-12, 0.1], "what is more probable by chance is no drift; a tenth of it for what has just begun"),
    real(["novelty_threshold", "novelty_threshold", "1"], 6.0, [1.0, 1e6], "novelty from which on a step is unusual"),
];

const DT: usize = 0;
const W_R: usize = 1;
const N: usize = 3;
const C_W: usize = 4;
const LATENT_DIM: usize = 5;
const LAMBDA: usize = 12;
const DT_MIN: usize = 13;
const DT_MAX: usize = 14;
const ALPHA: usize = 15;
const BETA: usize = 16;
const EPSILON: usize = 17;
const G0: usize = 18;
const TAU_PSI: usize = 21;
const TAU_C: usize = 22;
const PE_LOW: usize = 23;
const PE_HIGH: usize = 24;
const DRIFT: usize = 25;
const BASELINE_AFTER: usize = 26;
const LONG_WINDOW: usize = 27;
const SHORT_WINDOW: usize = 28;
const DRIFT_WARNING: usize = 29;
const DRIFT_CRITICAL: usize = 30;
const DRIFT_ALPHA: usize = 31;
const NOVELTY_THRESHOLD: usize = 32;

/// `latent_dim` may be this at most, so that a step of any field is worked out in a few milliseconds.
pub const LATENT_MAX: usize = 128;

/// `W_r` / `dt` may be this at most, so that a field's latents stay bounded.
pub const RETENTION_MAX: usize = 1024;

/// Most vectors in working memory.
pub const WORKING_CAPACITY_MAX: usize = 1024;

/// Pairs of which the first may not exceed the second.
const ORDERED: [(usize, usize); 4] =
    [(DT_MIN, DT_MAX), (PE_LOW, PE_HIGH), (LONG_WINDOW, SHORT_WINDOW), (DRIFT_WARNING, DRIFT_CRITICAL)];

/// Another name that is accepted, and the name it stands for.
const ALIASES: [(&str, &str); 1] = [("lambda", "lambda_")];

/// Why a change of a parameter was refused; nothing is changed in any case.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// No parameter has this name.
    #[error("no parameter is called `{name}`{}", did_you_mean(*suggestion))]
    Unknown {
        /// The name as given.
        name: String,
        /// The name that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// The value, which may be NaN, is not between the limits.
    #[error("parameter `{name}` takes {min} to {max}, not {value}")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// The value as given.
        value: f64,
        /// The smallest value taken.
        min: f64,
        /// The largest value taken.
        max: f64,
    },
    /// The parameter is a count and the value has a fraction.
    #[error("parameter `{name}` takes whole numbers, not {value}")]
    NotWhole {
        /// The parameter.
        name: &'static str,
        /// The value as given.
        value: f64,
    },
    /// Two parameters that bound a range would be the wrong way round.
    #[error("parameter `{low}` = {low_value} would exceed `{high}` = {high_value}")]
    Order {
        /// The parameter that has to be the smaller.
        low: &'static str,
        /// Its value with the changes made.
        low_value: f64,
        /// The parameter that has to be the larger.
        high: &'static str,
        /// Its value with the changes made.
        high_value: f64,
    },
    /// The retention window would hold too many steps.
    #[error("`W_r` / `dt` = {window} / {dt} is {steps} steps of retention, at most {RETENTION_MAX} are kept")]
    Retention {
        /// `W_r` with the changes made.
        window: f64,
        /// `dt` with the changes made.
        dt: f64,
        /// How many steps that is, rounded.
        steps: f64,
    },
}

/// A valid value for every parameter of [`DEFINITIONS`].
///
/// Values are finite, between their limits, whole where they count something, never `-0.0`, and `dt_min <= dt_max` and
/// `pe_low <= pe_high`, and likewise the windows and thresholds of drift, and `W_r / dt` is at most [`RETENTION_MAX`].
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// In the order of [`DEFINITIONS`].
    values: [f64; COUNT],
}

impl Default for Parameters {
    fn default() -> Self {
        Self { values: DEFINITIONS.map(|definition| definition.default) }
    }
}

impl Parameters {
    /// The value of the parameter `name`, or `None` if there is no such parameter. Aliases are known.
    pub fn value(&self, name: &str) -> Option<f64> {
        index_of(name).map(|index| self.values[index])
    }

    /// Every name with its value, in the order of [`DEFINITIONS`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> {
        DEFINITIONS.iter().zip(self.values).map(|(definition, value)| (definition.name, value))
    }

    /// These parameters with `changes` made, `lambda` being accepted for `lambda_`. Of two changes of one parameter
    /// the later counts, but both are checked.
    ///
    /// # Errors
    /// Every reason to refuse, in the order of the changes, then the pairs that would be in the wrong order, then a
    /// retention window of too many steps; a pair with a refused member is not looked at.
    pub fn with<'a>(&self, changes: impl IntoIterator<Item = (&'a str, f64)>) -> Result<Self, Vec<ParameterError>> {
        let mut changed = self.clone();
        let mut refused = [false; COUNT];
        let mut errors = Vec::new();
        for (name, value) in changes {
            let Some(index) = index_of(name) else {
                errors.push(unknown(name));
                continue;
            };
            match checked(&DEFINITIONS[index], value) {
                Ok(value) => changed.values[index] = value,
                Err(error) => {
                    refused[index] = true;
                    errors.push(error);
                }
            }
        }
        let judged = ORDERED.into_iter().filter(|&(low, high)| !refused[low] && !refused[high]);
        errors.extend(judged.filter_map(|(low, high)| changed.disorder(low, high)));
        if !refused[W_R] && !refused[DT] {
            errors.extend(changed.excess_retention());
        }
        if errors.is_empty() { Ok(changed) } else { Err(errors) }
    }

    /// Nominal step, seconds.
    pub const fn dt(&self) -> f64 {
        self.values[DT]
    }

    /// Shortest effective step, seconds; at most [`Self::dt_max`].
    pub const fn dt_min(&self) -> f64 {
        self.values[DT_MIN]
    }

    /// Longest effective step, seconds; at least [`Self::dt_min`].
    pub const fn dt_max(&self) -> f64 {
        self.values[DT_MAX]
    }

    /// How many of the latest latents are retained: `W_r` / `dt`, rounded half to even; at most [`RETENTION_MAX`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to RETENTION_MAX, by construction")]
    pub fn retention(&self) -> usize {
        self.retention_steps() as usize
    }

    /// Rollouts a step, at least 1.
    pub const fn rollouts(&self) -> usize {
        self.count(N)
    }

    /// Working-memory capacity in vectors, at least 1.
    pub const fn working_capacity(&self) -> usize {
        self.count(C_W)
    }

    /// Length of a latent vector, at least 1.
    pub const fn latent_dim(&self) -> usize {
        self.count(LATENT_DIM)
    }

    /// w1 to w6: what weighs memory, continuity, futurity, phase coherence, entropy and error in the density.
    pub const fn weights(&self) -> [f64; 6] {
        let [_, _, _, _, _, _, w1, w2, w3, w4, w5, w6, ..] = self.values;
        [w1, w2, w3, w4, w5, w6]
    }

    /// λ: how much a low density stretches the effective step.
    pub const fn lambda(&self) -> f64 {
        self.values[LAMBDA]
    }

    /// α: share of working memory in the mnemonic capacity.
    pub const fn alpha(&self) -> f64 {
        self.values[ALPHA]
    }

    /// β: share of recall quality in the mnemonic capacity.
    pub const fn beta(&self) -> f64 {
        self.values[BETA]
    }

    /// ε: keeps the step over memory finite when there is no memory; above 0.
    pub const fn epsilon(&self) -> f64 {
        self.values[EPSILON]
    }

    /// g0 to g2: the attention gain at rest, what density adds, what prediction error takes.
    pub const fn gains(&self) -> [f64; 3] {
        [self.values[G0], self.values[G0 + 1], self.values[G0 + 2]]
    }

    /// g0 + g1·Ψ − g2·PE.
    pub fn attention_gain(&self, density: f64, prediction_error: f64) -> f64 {
        let [g0, g1, g2] = self.gains();
        g0 + g1 * density - g2 * prediction_error + 0.0
    }

    /// τ_ψ: density above which a continuous moment is remembered.
    pub const fn tau_psi(&self) -> f64 {
        self.values[TAU_PSI]
    }

    /// τ_c: continuity above which a dense moment is remembered.
    pub const fn tau_c(&self) -> f64 {
        self.values[TAU_C]
    }

    /// The prediction errors, both ends included, that make a moment memorable.
    pub const fn memorable_errors(&self) -> RangeInclusive<f64> {
        self.values[PE_LOW]..=self.values[PE_HIGH]
    }

    /// Whether inputs are watched for drift.
    pub const fn watches_drift(&self) -> bool {
        self.values[DRIFT] > 0.0
    }

    /// After so many inputs they become the baseline by themselves; `None`: never.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and 0 to 1e12, by definition")]
    pub const fn baseline_after(&self) -> Option<u64> {
        match self.values[BASELINE_AFTER] as u64 {
            0 => None,
            inputs => Some(inputs),
        }
    }

    /// Each window is one in so many parts of the baseline; the longest first.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and 8 to 36, by definition")]
    pub const fn window_parts(&self) -> [u64; 2] {
        [self.values[LONG_WINDOW] as u64, self.values[SHORT_WINDOW] as u64]
    }

    /// The excess PSI of a warning, and the one that is critical.
    pub const fn drift_excess(&self) -> [f64; 2] {
        [self.values[DRIFT_WARNING], self.values[DRIFT_CRITICAL]]
    }

    /// What is more probable by chance is no drift.
    pub const fn drift_alpha(&self) -> f64 {
        self.values[DRIFT_ALPHA]
    }

    /// The novelty from which on a step is unusual.
    pub const fn novelty_threshold(&self) -> f64 {
        self.values[NOVELTY_THRESHOLD]
    }

    /// A parameter that counts something: whole and 1 to 4096, by its definition.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and 1 to 4096, by definition")]
    const fn count(&self, index: usize) -> usize {
        self.values[index] as usize
    }

    fn retention_steps(&self) -> f64 {
        (self.values[W_R] / self.values[DT]).round_ties_even()
    }

    fn excess_retention(&self) -> Option<ParameterError> {
        let steps = self.retention_steps();
        let (window, dt) = (self.values[W_R], self.values[DT]);
        (steps > RETENTION_MAX as f64).then_some(ParameterError::Retention { window, dt, steps })
    }

    fn disorder(&self, low: usize, high: usize) -> Option<ParameterError> {
        let (low_value, high_value) = (self.values[low], self.values[high]);
        (low_value > high_value).then_some(ParameterError::Order {
            low: DEFINITIONS[low].name,
            low_value,
            high: DEFINITIONS[high].name,
            high_value,
        })
    }
}

fn index_of(name: &str) -> Option<usize> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |&(_, canonical)| canonical);
    DEFINITIONS.iter().position(|definition| definition.name == name)
}

fn unknown(name: &str) -> ParameterError {
    ParameterError::Unknown {
        name: name.to_owned(),
        suggestion: nearest(name, DEFINITIONS.map(|definition| definition.name)),
    }
}

/// The value as it is stored.
fn checked(definition: &Definition, value: f64) -> Result<f64, ParameterError> {
    let &Definition { name, min, max, .. } = definition;
    if !(min..=max).contains(&value) {
        return Err(ParameterError::OutOfRange { name, value, min, max });
    }
    if definition.whole && value.fract() != 0.0 {
        return Err(ParameterError::NotWhole { name, value });
    }
    // Turns -0.0 to 0.0, so that equal parameters have equal bits.
    Ok(value + 0.0)
}

#[cfg(test)]
mod tests;
