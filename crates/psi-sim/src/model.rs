//! The oracle: what replicas must show, worked out the slow and obvious way.
//!
//! Every accepted write is kept in a list. What a replica shows is then a question about that list: which writes does
//! its frontier cover, and what do they come to? Inputs become whole numbers and averages become fractions, both of any
//! size, and each answer is rounded once. Nothing here is incremental, nothing is merged, and nothing is shared with the
//! code under test: this file and those below it import neither psi-stats nor psi-replica (a test holds that). Held
//! against a real replica in `compare.rs`.
//!
//! Left out: digests, the scores and vectors of the engine that learns (for these replicas are held against each other),
//! and fields whose shape two nodes dispute, see [`ExpectedField::is_disputed`].

mod fold;
mod guardian;
mod horizon;
mod learned;
mod rounding;

use std::collections::{BTreeMap, BTreeSet};

pub use guardian::{ExpectedGuardian, MODEL_HISTORY, ModelThresholds};
use horizon::Horizon;
pub use learned::ExpectedLearned;
use learned::Habit;

/// Node and incarnation.
pub type ModelOrigin = (String, u64);
/// Wall milliseconds and counter.
pub type ModelClock = (u64, u32);
/// The highest version that is covered, per origin.
pub type ModelFrontier = BTreeMap<ModelOrigin, u64>;
/// When something was written, and by whom: no two writes of an origin share a clock.
pub type ModelMoment = (ModelClock, ModelOrigin);
/// Values by name.
pub type ModelParameters = BTreeMap<String, f64>;

/// Numbers in a step's metrics.
pub const MODEL_METRICS: usize = 8;

/// What a write did to a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// One step; those of a batch share a version.
    Step {
        /// The field.
        field: String,
        /// Its epoch when the step was accepted.
        epoch: u64,
        /// The vector, as it was given.
        input: Vec<f64>,
        /// What was answered.
        answer: ModelAnswer,
        /// What the guardian intervened for, if it did.
        intervened: Option<ModelThreat>,
    },
    /// An intervention by hand.
    Intervention {
        /// The field.
        field: String,
        /// Its epoch when it was accepted.
        epoch: u64,
        /// What was done.
        action: ModelAction,
    },
    /// A create, reset or drop.
    Spec {
        /// The field.
        field: String,
        /// What it now is.
        spec: ModelSpec,
    },
}

/// What a step was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelAnswer {
    /// The score: density, continuity, futurity, phase coherence, temporal entropy, prediction error, memory, effective
    /// step.
    pub metrics: [f64; MODEL_METRICS],
    /// The field's count.
    pub k: u64,
    /// How far from all before.
    pub novelty: f64,
    /// What the density and the prediction error make of attention.
    pub attention_gain: f64,
}

impl ModelAnswer {
    fn density(&self) -> f64 {
        self.metrics[0]
    }

    fn continuity(&self) -> f64 {
        self.metrics[1]
    }

    fn entropy(&self) -> f64 {
        self.metrics[4]
    }

    fn prediction_error(&self) -> f64 {
        self.metrics[5]
    }

    fn time_dilation(&self) -> f64 {
        self.metrics[7]
    }
}

/// Why the guardian raises the red flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelThreat {
    /// The prediction error is too high.
    HighPredictionError,
    /// The density is too low.
    LowDensity,
    /// The entropy is too high.
    HighEntropy,
}

/// What an intervention does to ν.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelAction {
    /// Adds 1.5.
    Nigredo,
    /// Takes 0.7.
    Albedo,
}

/// What a field is, by somebody's word.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
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
    pub parameters: ModelParameters,
    /// The guardian intervenes.
    pub intervenes: bool,
    /// The field is gone.
    pub dropped: bool,
    /// Of equal epochs, the spec of the greatest clock holds.
    pub clock: ModelClock,
}

impl ModelSpec {
    fn is_alike(&self, other: &Self) -> bool {
        let shape = |spec: &Self| (spec.width, spec.scale_exponent, spec.seed, spec.dropped);
        self.engine == other.engine && shape(self) == shape(other) && self.latent() == other.latent()
    }

    fn learns(&self) -> bool {
        self.engine == "core"
    }

    /// Numbers in a latent vector, if there are any.
    fn latent(&self) -> Option<u64> {
        self.learns().then(|| self.parameter("latent_dim").to_bits())
    }

    fn parameter(&self, name: &str) -> f64 {
        self.parameters.get(name).copied().unwrap_or_default()
    }
}

/// An accepted write, as it is kept.
#[derive(Clone, Debug)]
struct Record<T> {
    origin: ModelOrigin,
    version: u64,
    clock: ModelClock,
    /// Stands for the origin.
    number: usize,
    what: T,
}

impl<T> Record<T> {
    fn moment(&self) -> ModelMoment {
        (self.clock, self.origin.clone())
    }

    /// The order of events.
    fn place(&self) -> (ModelClock, &ModelOrigin) {
        (self.clock, &self.origin)
    }
}

#[derive(Clone, Debug)]
struct StepRecord {
    epoch: u64,
    input: Vec<f64>,
    answer: ModelAnswer,
    /// The guardian looked at it, and a memory may be kept of it.
    is_recorded: bool,
    /// What the guardian took it for.
    threat: Option<ModelThreat>,
    /// What was made of it where the engine learns.
    habit: Option<Habit>,
}

#[derive(Clone, Debug, PartialEq)]
struct InterventionRecord {
    epoch: u64,
    action: ModelAction,
    k: u64,
    /// Of one by the guardian: why, and the latest that counted where it was written.
    automatic: Option<(ModelThreat, Option<ModelMoment>)>,
}

/// What a run should come by now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelSight {
    /// Two nodes intervened for one threat.
    AutomaticTwice,
    /// An intervention that does not count is what a later one follows.
    SupersededFollowed,
    /// Thresholds are percentiles.
    ThresholdsAdaptive,
    /// The guardian intervened.
    Automatic,
    /// A nigredo dissolved latents that another origin wrote.
    DissolvedOthers,
    /// Transitions of two origins have weight.
    TransitionsBlended,
    /// Memories of two origins, neither's all before the other's.
    MemoriesInterleaved,
    /// As many latents as are retained.
    RetentionFull,
}

/// All that was written to one field, in the order in which it was accepted anywhere.
#[derive(Clone, Debug, Default)]
struct Writes {
    steps: Vec<Record<StepRecord>>,
    interventions: Vec<Record<InterventionRecord>>,
    specs: Vec<Record<ModelSpec>>,
}

/// Every accepted write of a cluster.
#[derive(Clone, Debug)]
pub struct Model {
    /// The spec of `default` before anybody wrote one.
    implicit: ModelSpec,
    fields: BTreeMap<String, Writes>,
    /// Numbers that stand for the origins.
    origins: BTreeMap<ModelOrigin, usize>,
    /// What was come by when writes were recorded.
    pub sights: BTreeSet<ModelSight>,
}

impl Default for Model {
    /// A cluster in which nothing was written, and `default` has no parameters.
    fn default() -> Self {
        Self::new(ModelParameters::new())
    }
}

impl Model {
    /// A cluster in which nothing was written, and `default` has the given parameters.
    #[must_use]
    pub fn new(parameters: ModelParameters) -> Self {
        let implicit = ModelSpec {
            epoch: 0,
            engine: "synthetic".to_owned(),
            width: 16,
            scale_exponent: 0,
            seed: 0,
            parameters,
            intervenes: false,
            dropped: false,
            clock: (0, 0),
        };
        Self {
            implicit,
            fields: BTreeMap::from([("default".to_owned(), Writes::default())]),
            origins: BTreeMap::new(),
            sights: BTreeSet::new(),
        }
    }

    /// Keeps an accepted write of an origin that had `seen` so much of the others by then.
    ///
    /// # Errors
    /// If the guardian did something else than it had to.
    pub fn record(
        &mut self,
        (origin, version, clock): (ModelOrigin, u64, ModelClock),
        seen: &ModelFrontier,
        written: Written,
    ) -> Result<(), String> {
        let number = self.number(&origin);
        let horizon = Horizon::before(seen, &self.origins, number, clock);
        let implicit = self.implicit.clone();
        match written {
            Written::Step { field, epoch, input, answer, intervened } => {
                let writes = self.fields.entry(field).or_default();
                let spec = writes.spec_in(epoch, &horizon, &implicit);
                let judged = writes.judge(spec, &horizon, number, clock, &answer);
                if judged.intervenes != intervened {
                    let must = judged.intervenes;
                    return Err(format!("the guardian must intervene for {must:?}, does for {intervened:?}"));
                }
                let habit = spec
                    .filter(|spec| spec.learns())
                    .map(|spec| writes.habit(spec, &horizon, judged.recorded, &answer));
                let k = answer.k;
                let what =
                    StepRecord { epoch, input, answer, is_recorded: judged.recorded, threat: judged.threat, habit };
                writes.steps.push(Record { origin: origin.clone(), version, clock, number, what });
                if let Some(threat) = intervened {
                    self.sights.insert(ModelSight::Automatic);
                    // In the same moment, right after the step.
                    let clock = (clock.0, clock.1 + 1);
                    let automatic = Some((threat, judged.follows));
                    let what = InterventionRecord { epoch, action: threat.action(), k, automatic };
                    self.sights.extend(writes.note_dissolved(&horizon.up_to(clock), number, &what));
                    writes.interventions.push(Record { origin, version, clock, number, what });
                }
            }
            Written::Intervention { field, epoch, action } => {
                let writes = self.fields.entry(field).or_default();
                let k = writes.steps_in(epoch, &horizon).count() as u64;
                let what = InterventionRecord { epoch, action, k, automatic: None };
                self.sights.extend(writes.note_dissolved(&horizon, number, &what));
                writes.interventions.push(Record { origin, version, clock, number, what });
            }
            Written::Spec { field, spec } => {
                self.writes(field).specs.push(Record { origin, version, clock, number, what: spec });
            }
        }
        Ok(())
    }

    /// What a step must be answered by an origin that had `seen` so much of the others.
    #[must_use]
    pub fn foretell(
        &self,
        (origin, clock): (&ModelOrigin, ModelClock),
        seen: &ModelFrontier,
        (field, epoch): (&str, u64),
        input: &[f64],
    ) -> Option<Foretold> {
        let number = self.origins.get(origin).copied().unwrap_or(usize::MAX);
        let horizon = Horizon::before(seen, &self.origins, number, clock);
        let writes = self.fields.get(field)?;
        Some(writes.foretell(writes.spec_in(epoch, &horizon, &self.implicit)?, &horizon, input))
    }

    /// Interventions of an origin that were recorded with this clock: what was done at which count, and for the guardian
    /// why and after which.
    #[must_use]
    pub fn intervention(&self, field: &str, origin: &ModelOrigin, clock: ModelClock) -> Option<WrittenIntervention> {
        let held = &self.fields.get(field)?.interventions;
        let found = held.iter().find(|held| held.clock == clock && held.origin == *origin)?;
        let InterventionRecord { action, k, automatic, .. } = &found.what;
        Some((*action, *k, automatic.clone()))
    }

    fn number(&mut self, origin: &ModelOrigin) -> usize {
        let next = self.origins.len();
        *self.origins.entry(origin.clone()).or_insert(next)
    }

    /// Keeps a spec that an origin wrote without being asked: it repeats another's when it leaves its older epochs,
    /// so that nobody hears of its leaving and not of the new epoch. One that is kept already is passed over.
    ///
    /// # Errors
    /// If nobody was asked for such a spec.
    pub fn record_repeated(
        &mut self,
        origin: ModelOrigin,
        version: u64,
        field: &str,
        spec: ModelSpec,
    ) -> Result<(), String> {
        let number = self.number(&origin);
        let writes = self.writes(field.to_owned());
        if writes.specs.iter().any(|held| held.origin == origin && held.version == version) {
            return Ok(());
        }
        // Out of an epoch with two shapes nodes lead by themselves, with the spec that holds in it.
        let leads_out = |held: &Record<ModelSpec>| held.what.is_alike(&spec) && writes.disputes(held.what.epoch);
        if !writes.specs.iter().any(|held| held.what == spec || leads_out(held)) {
            return Err(format!("{origin:?} states at {version} what nobody asked for of `{field}`: {spec:?}"));
        }
        let clock = spec.clock;
        writes.specs.push(Record { origin, version, clock, number, what: spec });
        Ok(())
    }

    fn writes(&mut self, field: String) -> &mut Writes {
        self.fields.entry(field).or_default()
    }

    /// What a replica with this frontier must show once it has flushed.
    #[must_use]
    pub fn expect(&self, frontier: &ModelFrontier) -> Expected {
        let horizon = Horizon::of(frontier, &self.origins);
        let fields = self.fields.iter().filter_map(|(name, writes)| {
            let implicit = (name == "default").then_some(&self.implicit);
            Some((name.clone(), writes.fold(&horizon, implicit)?))
        });
        Expected { fields: fields.collect() }
    }
}

impl Writes {
    fn disputes(&self, epoch: u64) -> bool {
        let mut within = self.specs.iter().filter(|held| held.what.epoch == epoch);
        within.next().is_some_and(|first| within.any(|other| !other.what.is_alike(&first.what)))
    }
}

/// All that a replica must show.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The fields that exist, by name.
    pub fields: BTreeMap<String, ExpectedField>,
}

/// What a replica must show of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedField {
    /// The spec that holds.
    pub spec: ModelSpec,
    /// Nodes gave the field two shapes in one millisecond, and these drew the same bits. It is being led out of that
    /// epoch; until then only the spec is foretold.
    pub is_disputed: bool,
    /// Steps in the epoch.
    pub count: u64,
    /// Of the inputs, one number a dimension; `None` before the first step.
    pub mean: Option<Vec<f64>>,
    /// Of the inputs; `None` before the second step.
    pub variance: Option<Vec<f64>>,
    /// Of the inputs; `None` before the second step.
    pub standard_deviation: Option<Vec<f64>>,
    /// Steps of the 60 s that end with the latest step's second.
    pub window_count: u64,
    /// Mean of their metrics.
    pub window_mean: Option<Vec<f64>>,
    /// Variance of their metrics.
    pub window_variance: Option<Vec<f64>>,
    /// The step with the highest clock.
    pub last: Option<ExpectedLast>,
    /// ν.
    pub noise: f64,
    /// Interventions in the epoch.
    pub interventions: u64,
    /// What the guardians have seen and done.
    pub guardian: ExpectedGuardian,
    /// What was learned, where the engine learns.
    pub learned: Option<ExpectedLearned>,
    /// Steps that resets and drops have discarded, as far as their origins have said.
    pub steps_dropped: u64,
    /// What there is to see.
    pub sights: BTreeSet<ModelSight>,
}

/// The step with the highest clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedLast {
    /// When it was accepted.
    pub clock: ModelClock,
    /// Who accepted it.
    pub origin: ModelOrigin,
    /// What was answered.
    pub answer: ModelAnswer,
}

/// What a step must be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Foretold {
    /// The spec that it is scored by.
    pub spec: ModelSpec,
    /// The interventions that count, in their order.
    pub actions: Vec<ModelAction>,
    /// Its count.
    pub k: u64,
    /// How far it is from all before.
    pub novelty: f64,
    /// t before it, in units of 2^-56 s, where the engine learns.
    pub time: Option<i128>,
}

/// What was done, at which count, and for the guardian why and after which.
pub type WrittenIntervention = (ModelAction, u64, Option<(ModelThreat, Option<ModelMoment>)>);

#[cfg(test)]
mod tests;
