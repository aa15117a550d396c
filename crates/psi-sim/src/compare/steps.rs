//! Steps: what one was answered, beside what it had to be.

use psi_engine::{Action, Noise, Parameters, core::FieldTime, synthetic};
use psi_replica::FieldName;
use psi_state::{Shape, Step};

use super::{
    same::{same, same_numbers},
    words::{oracle_clock, oracle_origin, oracle_threat},
};
use crate::oracle::{ExpectedAnswer, FieldWrite, Oracle, OracleAction, OracleAnswer, OracleFrontier, StepWrite};

/// Records a step that was accepted by an origin that had `seen` so much of the others; holds the answer against what
/// the oracle expects if it `looks` (which takes longer, the more steps there were).
///
/// # Errors
/// If the answer or what the guardian did is not what it had to be.
pub fn record_step(
    oracle: &mut Oracle,
    seen: &OracleFrontier,
    field: &FieldName,
    step: &Step,
    input: &[f64],
    looks: bool,
) -> Result<(), String> {
    let (origin, clock) = (oracle_origin(&step.origin), oracle_clock(step.clock));
    let place = (field.as_str(), step.epoch.0);
    if let Some(expected) = looks.then(|| oracle.expect_answer((&origin, clock), seen, place, input)).flatten() {
        compare_answer(&expected, step, input)?;
    }
    let Step { metrics, k, novelty, attention_gain, intervened, .. } = step;
    let answer =
        OracleAnswer { metrics: metrics.to_array(), k: *k, novelty: *novelty, attention_gain: *attention_gain };
    let intervened = intervened.map(|(_, threat)| oracle_threat(threat));
    let write = FieldWrite::Step(StepWrite { input: input.to_vec(), answer, intervened });
    oracle.record((origin, step.version.0, clock), seen, place, write)
}

fn compare_answer(expected: &ExpectedAnswer, step: &Step, input: &[f64]) -> Result<(), String> {
    const CLOSE: f64 = 1e-12;
    same("k", expected.k, step.k)?;
    if (expected.novelty - step.novelty).abs() > CLOSE * expected.novelty.abs() {
        return Err(format!("novelty must be {}, is {}", expected.novelty, step.novelty));
    }
    let gain = |name: &str| expected.spec.parameters.get(name).copied().unwrap_or_default();
    let metrics = &step.metrics;
    let attention = gain("g0") + gain("g1") * metrics.density - gain("g2") * metrics.prediction_error;
    if (attention - step.attention_gain).abs() > CLOSE {
        return Err(format!("attention gain must be {attention}, is {}", step.attention_gain));
    }
    let time = expected.time.map(|before| FieldTime(before).plus(FieldTime::of_step(metrics.time_dilation)).seconds());
    same_numbers("t", time.as_slice().into(), step.time.as_slice().into())?;
    if expected.spec.engine == Shape::default().engine { compare_score(expected, step, input) } else { Ok(()) }
}

/// The engine that does not learn is a function of ν, the parameters and the input.
fn compare_score(expected: &ExpectedAnswer, step: &Step, input: &[f64]) -> Result<(), String> {
    let actions = expected.actions.iter().map(|action| match action {
        OracleAction::Nigredo => Action::Nigredo,
        OracleAction::Albedo => Action::Albedo,
    });
    let noise = actions.fold(Noise::default(), Noise::after);
    let values = expected.spec.parameters.iter().map(|(name, value)| (name.as_str(), *value));
    let parameters = Parameters::default().with(values).map_err(|errors| format!("parameters: {errors:?}"))?;
    let metrics = synthetic::score(input.into(), noise, &parameters);
    same_numbers("score", Some(&metrics.to_array()), Some(&step.metrics.to_array()))
}
