//! The model's answer beside a real replica's, bit for bit.

use std::fmt::Debug;

use prost::Message;
use psi_engine::{Action, DEFINITIONS, Noise, Parameters, core::FieldTime, guardian, synthetic};
use psi_replica::{
    Clock, CurrentSpec, FieldName, FieldView, GuardianView, Lane, LearnedView, Origin, Replica, Shape, Step, Version,
    proto,
};
use psi_stats::Scale;

use crate::model::{
    Expected, ExpectedField, ExpectedGuardian, ExpectedLast, ExpectedLearned, Foretold, Model, ModelAction,
    ModelAnswer, ModelClock, ModelFrontier, ModelOrigin, ModelParameters, ModelSpec, ModelThreat, Written,
};

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
        parameters: model_parameters(&spec.setup.parameters),
        intervenes: spec.setup.guardian == guardian::Mode::Intervene,
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
    Model::new(model_parameters(&Parameters::default()))
}

fn model_parameters(parameters: &Parameters) -> ModelParameters {
    parameters.iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An action as the model names it.
#[must_use]
pub fn model_action(action: Action) -> ModelAction {
    match action {
        Action::Nigredo => ModelAction::Nigredo,
        Action::Albedo => ModelAction::Albedo,
    }
}

fn model_threat(threat: guardian::Threat) -> ModelThreat {
    match threat {
        guardian::Threat::HighPredictionError => ModelThreat::HighPredictionError,
        guardian::Threat::LowDensity => ModelThreat::LowDensity,
        guardian::Threat::HighEntropy => ModelThreat::HighEntropy,
    }
}

/// Tells the model of a step that was accepted by an origin that had `seen` so much of the others; holds the answer
/// against what the model foretells if it `looks` (which takes longer, the more steps there were).
///
/// # Errors
/// If the answer or what the guardian did is not what it had to be.
pub fn note_step(
    model: &mut Model,
    seen: &ModelFrontier,
    field: &FieldName,
    step: &Step,
    input: &[f64],
    looks: bool,
) -> Result<(), String> {
    let (origin, clock, epoch) = (model_origin(&step.origin), model_clock(step.clock), step.epoch.0);
    let place = (field.as_str(), epoch);
    if let Some(foretold) = looks.then(|| model.foretell((&origin, clock), seen, place, input)).flatten() {
        compare_step(&foretold, step, input)?;
    }
    let Step { metrics, k, novelty, attention_gain, intervened, .. } = step;
    let answer = ModelAnswer { metrics: metrics.to_array(), k: *k, novelty: *novelty, attention_gain: *attention_gain };
    let intervened = intervened.map(|(_, threat)| model_threat(threat));
    let written = Written::Step { field: field.to_string(), epoch, input: input.to_vec(), answer, intervened };
    model.record((origin, step.version.0, clock), seen, written)
}

fn compare_step(foretold: &Foretold, step: &Step, input: &[f64]) -> Result<(), String> {
    const CLOSE: f64 = 1e-12;
    same("k", foretold.k, step.k)?;
    if (foretold.novelty - step.novelty).abs() > CLOSE * foretold.novelty.abs() {
        return Err(format!("novelty must be {}, is {}", foretold.novelty, step.novelty));
    }
    let gain = |name: &str| foretold.spec.parameters.get(name).copied().unwrap_or_default();
    let metrics = &step.metrics;
    let attention = gain("g0") + gain("g1") * metrics.density - gain("g2") * metrics.prediction_error;
    if (attention - step.attention_gain).abs() > CLOSE {
        return Err(format!("attention gain must be {attention}, is {}", step.attention_gain));
    }
    let time = foretold.time.map(|before| FieldTime(before).plus(FieldTime::of_step(metrics.time_dilation)).seconds());
    same_numbers("t", time.as_slice().into(), step.time.as_slice().into())?;
    if foretold.spec.engine != Shape::default().engine {
        return Ok(());
    }
    let actions = foretold.actions.iter().map(|action| match action {
        ModelAction::Nigredo => Action::Nigredo,
        ModelAction::Albedo => Action::Albedo,
    });
    let noise = actions.fold(Noise::default(), Noise::after);
    let values = foretold.spec.parameters.iter().map(|(name, value)| (name.as_str(), *value));
    let parameters = Parameters::default().with(values).map_err(|errors| format!("parameters: {errors:?}"))?;
    let metrics = synthetic::score(input.into(), noise, &parameters);
    same_numbers("score", Some(&metrics.to_array()), Some(&step.metrics.to_array()))
}

/// Holds what a replica has written down of its own interventions above `since` against what the model expects there.
/// To be called whenever it has flushed.
///
/// # Errors
/// Names the first that differs.
pub fn check_interventions(model: &Model, replica: &Replica, since: Version) -> Result<(), String> {
    let Some(me) = replica.origin() else { return Ok(()) };
    let new = replica.entries(me).filter(|entry| entry.key.lane == Lane::INTERVENTIONS && entry.version > since);
    for entry in new {
        let field = entry.key.field.as_str();
        let value = proto::InterventionValue::decode(entry.value).map_err(|error| format!("`{field}`: {error}"))?;
        let clock = value.clock.map_or((0, 0), |clock| (clock.wall_ms, clock.counter));
        let action =
            if value.action == proto::Action::Nigredo as i32 { ModelAction::Nigredo } else { ModelAction::Albedo };
        let automatic = value.automatic.map(|automatic| {
            let follows = automatic.follows.and_then(|event| {
                let (clock, origin) = (event.clock?, event.origin?);
                Some(((clock.wall_ms, clock.counter), (origin.node, origin.incarnation)))
            });
            (automatic.threat, follows)
        });
        let expected = model.intervention(field, &model_origin(me), clock);
        let number = |threat| match threat {
            ModelThreat::HighPredictionError => proto::Threat::HighPredictionError as i32,
            ModelThreat::LowDensity => proto::Threat::LowDensity as i32,
            ModelThreat::HighEntropy => proto::Threat::HighEntropy as i32,
        };
        let expected = expected
            .map(|(action, k, automatic)| (action, k, automatic.map(|(threat, follows)| (number(threat), follows))));
        same(&format!("intervention in `{field}`"), expected, Some((action, value.k, automatic)))?;
    }
    Ok(())
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
        parameters: DEFINITIONS.iter().map(|one| one.name.to_owned()).zip(value.parameters.iter().copied()).collect(),
        intervenes: value.guardian == proto::GuardianMode::Intervene as i32,
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
    compare_guardian(&expected.guardian, &view.guardian)?;
    same("what was learned", expected.learned.clone(), view.learned.map(learned))?;
    same("steps dropped", expected.steps_dropped, view.steps_dropped)
}

fn last(view: &FieldView) -> Option<ExpectedLast> {
    view.last.as_ref().map(|last| ExpectedLast {
        clock: model_clock(last.clock),
        origin: model_origin(&last.origin),
        answer: ModelAnswer {
            metrics: last.metrics.to_array(),
            k: last.k,
            novelty: last.novelty,
            attention_gain: last.attention_gain,
        },
    })
}

fn compare_guardian(expected: &ExpectedGuardian, view: &GuardianView) -> Result<(), String> {
    let history: Vec<[f64; 3]> =
        view.history.iter().map(|sample| [sample.density, sample.prediction_error, sample.temporal_entropy]).collect();
    same_numbers("history", Some(expected.history.as_flattened()), Some(history.as_flattened()))?;
    let (ours, theirs) = (&expected.thresholds, view.thresholds());
    same("adaptive thresholds", ours.adaptive, theirs.adaptive)?;
    for (what, ours, theirs) in [
        ("prediction error", ours.error_high, theirs.error_high),
        ("density", ours.density_low, theirs.density_low),
        ("entropy", ours.entropy_high, theirs.entropy_high),
    ] {
        if (ours - theirs).abs() > 1e-12 {
            return Err(format!("threshold of {what} must be {ours}, is {theirs}"));
        }
    }
    same("flag", expected.flag, view.flag.map(model_threat))?;
    same("automatic interventions", expected.automatic, view.automatic)?;
    same("superseded interventions", expected.superseded, view.superseded)?;
    same("step of the latest intervention", expected.last_step, view.last_step)
}

fn learned(view: LearnedView) -> ExpectedLearned {
    ExpectedLearned {
        time: view.time.0,
        updates: view.updates,
        latents: view.latents,
        working: view.working_memories,
        episodic: view.episodic_memories,
    }
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
