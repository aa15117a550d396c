//! The oracle: what replicas must show, worked out the slow and obvious way.
//!
//! Every accepted write is kept in a list. What a replica shows is then a question about that list: which writes does
//! its frontier cover, and what do they come to? Inputs become whole numbers and averages become fractions, both of any
//! size, and each answer is rounded once. Nothing here is incremental, nothing is merged, and nothing is shared with the
//! code under test: this file and those below it import neither psi-stats nor psi-replica (a test holds that). Held
//! against a real replica in `compare.rs`.
//!
//! Left out: digests, and fields whose shape two nodes dispute, see [`ExpectedField::is_disputed`].

mod fold;
mod rounding;

use std::collections::BTreeMap;

/// Node and incarnation.
pub type ModelOrigin = (String, u64);
/// Wall milliseconds and counter.
pub type ModelClock = (u64, u32);
/// The highest version that is covered, per origin.
pub type ModelFrontier = BTreeMap<ModelOrigin, u64>;

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
        /// The score that was answered.
        metrics: [f64; MODEL_METRICS],
        /// The count that was answered.
        k: u64,
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
    /// In the order in which the engine lists them.
    pub parameters: Vec<f64>,
    /// The field is gone.
    pub dropped: bool,
    /// Of equal epochs, the spec of the greatest clock holds.
    pub clock: ModelClock,
}

impl ModelSpec {
    fn is_alike(&self, other: &Self) -> bool {
        let shape = |spec: &Self| (spec.width, spec.scale_exponent, spec.seed, spec.dropped);
        self.engine == other.engine && shape(self) == shape(other)
    }
}

/// An accepted write, as it is kept.
#[derive(Clone, Debug)]
struct Record<T> {
    origin: ModelOrigin,
    version: u64,
    clock: ModelClock,
    what: T,
}

impl<T> Record<T> {
    fn is_covered(&self, frontier: &ModelFrontier) -> bool {
        frontier.get(&self.origin).is_some_and(|version| self.version <= *version)
    }
}

#[derive(Clone, Debug)]
struct StepRecord {
    epoch: u64,
    input: Vec<f64>,
    metrics: [f64; MODEL_METRICS],
    k: u64,
}

/// All that was written to one field, in the order in which it was accepted anywhere.
#[derive(Clone, Debug, Default)]
struct Writes {
    steps: Vec<Record<StepRecord>>,
    interventions: Vec<Record<(u64, ModelAction)>>,
    specs: Vec<Record<ModelSpec>>,
}

/// Every accepted write of a cluster.
#[derive(Clone, Debug)]
pub struct Model {
    /// The spec of `default` before anybody wrote one.
    implicit: ModelSpec,
    fields: BTreeMap<String, Writes>,
}

impl Default for Model {
    /// A cluster in which nothing was written, and `default` has no parameters.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Model {
    /// A cluster in which nothing was written, and `default` has the given parameters.
    #[must_use]
    pub fn new(parameters: Vec<f64>) -> Self {
        let implicit = ModelSpec {
            epoch: 0,
            engine: "synthetic".to_owned(),
            width: 16,
            scale_exponent: 0,
            seed: 0,
            parameters,
            dropped: false,
            clock: (0, 0),
        };
        Self { implicit, fields: BTreeMap::from([("default".to_owned(), Writes::default())]) }
    }

    /// Keeps an accepted write.
    pub fn record(&mut self, origin: ModelOrigin, version: u64, clock: ModelClock, written: Written) {
        match written {
            Written::Step { field, epoch, input, metrics, k } => {
                let what = StepRecord { epoch, input, metrics, k };
                self.writes(field).steps.push(Record { origin, version, clock, what });
            }
            Written::Intervention { field, epoch, action } => {
                self.writes(field).interventions.push(Record { origin, version, clock, what: (epoch, action) });
            }
            Written::Spec { field, spec } => {
                self.writes(field).specs.push(Record { origin, version, clock, what: spec });
            }
        }
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
        writes.specs.push(Record { origin, version, clock, what: spec });
        Ok(())
    }

    fn writes(&mut self, field: String) -> &mut Writes {
        self.fields.entry(field).or_default()
    }

    /// What a replica with this frontier must show once it has flushed.
    #[must_use]
    pub fn expect(&self, frontier: &ModelFrontier) -> Expected {
        let fields = self.fields.iter().filter_map(|(name, writes)| {
            let implicit = (name == "default").then_some(&self.implicit);
            Some((name.clone(), writes.fold(frontier, implicit)?))
        });
        Expected { fields: fields.collect() }
    }

    /// Accepted steps of all fields that a frontier covers, whatever became of them.
    #[must_use]
    pub fn steps_covered(&self, frontier: &ModelFrontier) -> u64 {
        let covered = |writes: &Writes| writes.steps.iter().filter(|step| step.is_covered(frontier)).count() as u64;
        self.fields.values().map(covered).sum()
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
    /// Steps that resets and drops have discarded, as far as their origins have said.
    pub steps_dropped: u64,
}

/// The step with the highest clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedLast {
    /// When it was accepted.
    pub clock: ModelClock,
    /// Who accepted it.
    pub origin: ModelOrigin,
    /// Its score.
    pub metrics: [f64; MODEL_METRICS],
    /// Its count.
    pub k: u64,
}

#[cfg(test)]
mod tests;
