//! The model's answer beside a real replica's, bit for bit.

use std::fmt::Debug;

use prost::Message;
use psi_replica::{Clock, CurrentSpec, FieldView, Lane, Origin, Replica, Version, proto};
use psi_stats::Scale;

use crate::model::{Expected, ExpectedField, ExpectedLast, Model, ModelClock, ModelFrontier, ModelOrigin, ModelSpec};

/// An origin as the model names it.
#[must_use]
pub fn model_origin(origin: &Origin) -> ModelOrigin {
    (origin.node.to_string(), origin.incarnation)
}

/// A clock as the model has it.
#[must_use]
pub fn model_clock(clock: Clock) -> ModelClock {
    (clock.wall_ms, clock.counter)
}

/// A spec as the model keeps it.
#[must_use]
pub fn model_spec(current: &CurrentSpec) -> ModelSpec {
    let spec = &current.spec;
    ModelSpec {
        epoch: current.epoch.0,
        engine: spec.setup.shape.engine.clone(),
        width: spec.setup.shape.width,
        scale_exponent: spec.setup.shape.scale.exponent(),
        seed: spec.setup.shape.seed,
        parameters: spec.setup.parameters.iter().map(|(_, value)| value).collect(),
        dropped: spec.dropped,
        clock: model_clock(spec.clock),
    }
}

/// What a replica holds, by origin.
#[must_use]
pub fn model_frontier(replica: &Replica) -> ModelFrontier {
    replica.frontier().iter().map(|(origin, version)| (model_origin(origin), version.0)).collect()
}

/// An empty model of a cluster of replicas of this build.
#[must_use]
pub fn empty_model() -> Model {
    Model::new(psi_engine::Parameters::default().iter().map(|(_, value)| value).collect())
}

/// Tells the model which specs a replica has written above `since` without having been asked: it repeats another's
/// spec when it leaves the epochs before. To be called whenever a replica has flushed, with the version that its own
/// origin had at the last call.
///
/// # Errors
/// If such a spec can't be read, or is one that nobody was asked for.
pub fn note_repeated_specs(model: &mut Model, replica: &Replica, since: Version) -> Result<(), String> {
    let Some(origin) = replica.origin() else { return Ok(()) };
    for entry in replica.entries(origin).filter(|entry| entry.key.lane == Lane::SPEC && entry.version > since) {
        let field = entry.key.field.as_str();
        let spec = proto::SpecValue::decode(entry.value).map_err(|error| format!("spec of `{field}`: {error}"))?;
        let spec = written_spec(entry.key.epoch.0, &spec);
        model.record_repeated(model_origin(origin), entry.version.0, field, spec)?;
    }
    Ok(())
}

fn written_spec(epoch: u64, value: &proto::SpecValue) -> ModelSpec {
    ModelSpec {
        epoch,
        engine: value.engine.clone(),
        width: usize::try_from(value.width).unwrap_or(usize::MAX),
        scale_exponent: value.scale_exponent,
        seed: value.seed,
        parameters: value.parameters.clone(),
        dropped: value.dropped,
        clock: value.clock.map_or((0, 0), |clock| (clock.wall_ms, clock.counter)),
    }
}

/// Holds all views of a replica that has nothing to flush against what they must be.
///
/// # Errors
/// Names the first difference.
pub fn compare(expected: &Expected, replica: &Replica) -> Result<(), String> {
    if replica.is_dirty() {
        return Err("the replica has writes to flush: its views are ahead of its frontier".to_owned());
    }
    let names: Vec<String> = replica.field_names().map(|name| name.to_string()).collect();
    same("names of the fields", expected.fields.keys().cloned().collect(), names)?;
    for (name, expected) in replica.field_names().zip(expected.fields.values()) {
        let view = replica.view(&name).ok_or_else(|| format!("`{name}` is listed and has no view"))?;
        compare_field(expected, &view).map_err(|difference| format!("`{name}`: {difference}"))?;
    }
    Ok(())
}

fn compare_field(expected: &ExpectedField, view: &FieldView) -> Result<(), String> {
    same("spec", expected.spec.clone(), model_spec(&view.spec))?;
    if expected.is_disputed {
        return Ok(());
    }
    same("count", expected.count, view.count)?;
    for moments in &view.moments {
        same("count of a moments entry", expected.count, moments.count())?;
    }
    same_numbers("mean", expected.mean.as_deref(), view.mean().as_deref())?;
    same_numbers("variance", expected.variance.as_deref(), view.variance().as_deref())?;
    same_numbers("standard deviation", expected.standard_deviation.as_deref(), view.standard_deviation().as_deref())?;
    same("steps in the window", expected.window_count, view.window.count())?;
    let scale = Scale::default();
    same_numbers("mean of the window", expected.window_mean.as_deref(), view.window.mean(scale).as_deref())?;
    same_numbers(
        "variance of the window",
        expected.window_variance.as_deref(),
        view.window.variance(scale).as_deref(),
    )?;
    same("last step", expected.last.clone(), last(view))?;
    same_numbers("ν", Some(&[expected.noise]), Some(&[view.noise.value()]))?;
    same("interventions", expected.interventions, view.interventions)?;
    same("steps dropped", expected.steps_dropped, view.steps_dropped)
}

fn last(view: &FieldView) -> Option<ExpectedLast> {
    view.last.as_ref().map(|last| ExpectedLast {
        clock: model_clock(last.clock),
        origin: model_origin(&last.origin),
        metrics: last.metrics.to_array(),
        k: last.k,
    })
}

/// Names the first number that differs; −0 and 0 do.
fn same_numbers(what: &str, expected: Option<&[f64]>, got: Option<&[f64]>) -> Result<(), String> {
    let (Some(expected), Some(got)) = (expected, got) else {
        return same(what, expected.is_some(), got.is_some());
    };
    same(&format!("width of the {what}"), expected.len(), got.len())?;
    let mut pairs = expected.iter().zip(got).enumerate();
    match pairs.find(|(_, (expected, got))| expected.to_bits() != got.to_bits()) {
        Some((dimension, (expected, got))) => Err(format!("{what}[{dimension}] must be {expected:?}, is {got:?}")),
        None => Ok(()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for the comparison at each call")]
fn same<T: PartialEq + Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    Err(format!("{what} must be {expected:?}, is {got:?}"))
}
