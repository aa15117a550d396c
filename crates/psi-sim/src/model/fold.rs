//! From the writes that a frontier covers to what must be shown of a field.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;

use super::{
    ExpectedField, ExpectedLast, Foretold, Horizon, ModelAction, ModelOrigin, ModelSight, ModelSpec, Record,
    StepRecord, Writes,
    learned::time,
    rounding::{quantized, rounded, rounded_root},
};

/// Seconds that a window is read over.
pub(super) const WINDOW_SECONDS: u64 = 60;
const NOISE_MAX: f64 = 1.5;
const NIGREDO: f64 = 1.5;
const ALBEDO: f64 = -0.7;

impl Writes {
    /// What a field comes to; `None` if it does not exist. `implicit` is the spec that it has before any was written.
    pub(super) fn fold(&self, horizon: &Horizon, implicit: Option<&ModelSpec>) -> Option<ExpectedField> {
        let specs: Vec<_> = covered(&self.specs, horizon).collect();
        let greatest = specs.iter().max_by_key(|held| (held.what.epoch, held.what.clock, &held.origin));
        let spec = greatest.map(|held| &held.what).or(implicit)?;
        if spec.dropped {
            return None;
        }
        let steps: Vec<_> = self.steps_in(spec.epoch, horizon).collect();
        let inputs = Columns::of(steps.iter().map(|step| &step.what.input[..]), spec.width, spec.scale_exponent);
        let last = steps.iter().max_by_key(|step| (step.clock, &step.origin));
        let since = last.map_or(0, |last| second(last).saturating_sub(WINDOW_SECONDS - 1));
        let recent = steps.iter().filter(|step| second(step) >= since);
        let window = Columns::of(recent.map(|step| &step.what.answer.metrics[..]), super::MODEL_METRICS, 0);
        let counted = self.counted(spec.epoch, horizon);
        let guardian = self.guardian(spec.epoch, horizon, &counted);
        let (learned, mut sights) = self
            .learned(spec, horizon, &counted)
            .map_or((None, BTreeSet::new()), |(learned, sights)| (Some(learned), sights));
        sights.extend(
            counted.sights.iter().chain(guardian.thresholds.adaptive.then_some(&ModelSight::ThresholdsAdaptive)),
        );
        Some(ExpectedField {
            spec: spec.clone(),
            is_disputed: specs.iter().any(|held| held.what.epoch == spec.epoch && !held.what.is_alike(spec)),
            count: inputs.count,
            mean: inputs.mean(),
            variance: inputs.variance(),
            standard_deviation: inputs.standard_deviation(),
            window_count: window.count,
            window_mean: window.mean(),
            window_variance: window.variance(),
            last: last.map(|last| ExpectedLast {
                clock: last.clock,
                origin: last.origin.clone(),
                answer: last.what.answer.clone(),
            }),
            noise: noise(counted.counting.iter().map(|event| event.what.action)),
            interventions: counted.counting.len() as u64,
            guardian,
            learned,
            steps_dropped: self.steps_dropped(horizon),
            sights,
        })
    }

    /// Steps of an epoch.
    pub(super) fn steps_in(&self, epoch: u64, horizon: &Horizon) -> impl Iterator<Item = &Record<StepRecord>> {
        covered(&self.steps, horizon).filter(move |step| step.what.epoch == epoch)
    }

    /// The spec that holds in an epoch; `implicit` in the one before any was written.
    pub(super) fn spec_in<'a>(
        &'a self,
        epoch: u64,
        horizon: &Horizon,
        implicit: &'a ModelSpec,
    ) -> Option<&'a ModelSpec> {
        let within = covered(&self.specs, horizon).filter(|held| held.what.epoch == epoch);
        let greatest = within.max_by_key(|held| (held.what.clock, &held.origin));
        greatest.map(|held| &held.what).or((epoch == implicit.epoch).then_some(implicit))
    }

    /// What a step must be answered within a horizon.
    pub(super) fn foretell(&self, spec: &ModelSpec, horizon: &Horizon, input: &[f64]) -> Foretold {
        let steps = self.steps_in(spec.epoch, horizon).map(|step| &step.what.input[..]);
        let before = Columns::of(steps, spec.width, spec.scale_exponent);
        let novelty = before.distance(input);
        let actions = self.counted(spec.epoch, horizon).counting.iter().map(|event| event.what.action).collect();
        let time = spec.learns().then(|| time(self.steps_in(spec.epoch, horizon)));
        Foretold { spec: spec.clone(), actions, k: before.count + 1, novelty, time }
    }

    /// An origin says how many of its steps a reset left behind when it takes note of the new epoch, which it does by
    /// a spec of its own.
    fn steps_dropped(&self, horizon: &Horizon) -> u64 {
        let mut reached: BTreeMap<&ModelOrigin, u64> = BTreeMap::new();
        for spec in covered(&self.specs, horizon) {
            let epoch = reached.entry(&spec.origin).or_default();
            *epoch = spec.what.epoch.max(*epoch);
        }
        let is_left = |step: &&Record<StepRecord>| reached.get(&step.origin).is_some_and(|at| step.what.epoch < *at);
        covered(&self.steps, horizon).filter(is_left).count() as u64
    }
}

fn covered<'a, T>(records: &'a [Record<T>], horizon: &Horizon) -> impl Iterator<Item = &'a Record<T>> {
    records.iter().filter(|record| horizon.covers(record))
}

/// ν.
fn noise(actions: impl Iterator<Item = ModelAction>) -> f64 {
    actions.fold(0.0, |noise, action| {
        let moved = match action {
            ModelAction::Nigredo => noise + NIGREDO,
            ModelAction::Albedo => noise + ALBEDO,
        };
        f64::clamp(moved, 0.0, NOISE_MAX)
    })
}

pub(super) fn second<T>(record: &Record<T>) -> u64 {
    record.clock.0 / 1000
}

/// Numbers in rows, summed by column in units of 2^(exponent − 56).
struct Columns {
    count: u64,
    exponent: i32,
    /// Σx and Σx².
    sums: Vec<(BigInt, BigInt)>,
}

impl Columns {
    fn of<'a>(rows: impl Iterator<Item = &'a [f64]>, width: usize, exponent: i32) -> Self {
        let mut columns = Self { count: 0, exponent, sums: vec![(BigInt::zero(), BigInt::zero()); width] };
        for row in rows {
            columns.count += 1;
            for ((sum, squares), number) in columns.sums.iter_mut().zip(row) {
                let number = quantized(*number, exponent);
                *squares += &number * &number;
                *sum += number;
            }
        }
        columns
    }

    fn mean(&self) -> Option<Vec<f64>> {
        let count = BigInt::from(self.count);
        let mean =
            |(sum, _): &(BigInt, BigInt)| rounded(&BigRational::new_raw(sum.clone(), count.clone()), self.unit());
        (self.count > 0).then(|| self.sums.iter().map(mean).collect())
    }

    fn variance(&self) -> Option<Vec<f64>> {
        Some(self.variances()?.iter().map(|variance| rounded(variance, 2 * self.unit())).collect())
    }

    fn standard_deviation(&self) -> Option<Vec<f64>> {
        Some(self.variances()?.iter().map(|variance| rounded_root(variance, self.unit())).collect())
    }

    /// Root mean square z-score of a row that is rounded as the others are, over the columns that vary; 0 before two rows.
    fn distance(&self, row: &[f64]) -> f64 {
        let Some(variances) = self.variances() else { return 0.0 };
        let count = BigInt::from(self.count);
        let columns = row.iter().zip(&self.sums).zip(&variances).filter(|(_, variance)| !variance.numer().is_zero());
        let squared = |((number, (sum, _)), variance): ((&f64, &(BigInt, BigInt)), &BigRational)| {
            let distance = quantized(*number, self.exponent) * &count - sum;
            let (top, bottom) = (&distance * &distance * variance.denom(), &count * &count * variance.numer());
            rounded(&BigRational::new_raw(top, bottom), 0)
        };
        let squares: Vec<f64> = columns.map(squared).collect();
        let varying = u32::try_from(squares.len().max(1)).map_or(1.0, f64::from);
        (squares.iter().sum::<f64>() / varying).sqrt()
    }

    /// (n·Σx² − (Σx)²) / (n(n − 1)).
    fn variances(&self) -> Option<Vec<BigRational>> {
        let count = BigInt::from(self.count);
        let pairs: BigInt = &count * (&count - 1);
        let variance =
            |(sum, squares): &(BigInt, BigInt)| BigRational::new_raw(&count * squares - sum * sum, pairs.clone());
        (self.count > 1).then(|| self.sums.iter().map(variance).collect())
    }

    /// Power of two of which the sums are multiples.
    fn unit(&self) -> i32 {
        self.exponent - super::rounding::FRACTION_BITS
    }
}
