//! From the writes that a frontier covers to what must be shown of a field.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;

use super::{
    ExpectedField, ExpectedLast, ModelAction, ModelFrontier, ModelOrigin, ModelSpec, Record, StepRecord, Writes,
    rounding::{quantized, rounded, rounded_root},
};

/// Seconds that a window is read over.
const WINDOW_SECONDS: u64 = 60;
const NOISE_MAX: f64 = 1.5;
const NIGREDO: f64 = 1.5;
const ALBEDO: f64 = -0.7;

impl Writes {
    /// What a field comes to; `None` if it does not exist. `implicit` is the spec that it has before any was written.
    pub(super) fn fold(&self, frontier: &ModelFrontier, implicit: Option<&ModelSpec>) -> Option<ExpectedField> {
        let specs: Vec<_> = covered(&self.specs, frontier).collect();
        let greatest = specs.iter().max_by_key(|held| (held.what.epoch, held.what.clock, &held.origin));
        let spec = greatest.map(|held| &held.what).or(implicit)?;
        if spec.dropped {
            return None;
        }
        let steps: Vec<_> = covered(&self.steps, frontier).filter(|step| step.what.epoch == spec.epoch).collect();
        let inputs = Columns::of(steps.iter().map(|step| &step.what.input[..]), spec.width, spec.scale_exponent);
        let last = steps.iter().max_by_key(|step| (step.clock, &step.origin));
        let since = last.map_or(0, |last| second(last).saturating_sub(WINDOW_SECONDS - 1));
        let recent = steps.iter().filter(|step| second(step) >= since);
        let window = Columns::of(recent.map(|step| &step.what.metrics[..]), super::MODEL_METRICS, 0);
        let (noise, interventions) = self.noise(frontier, spec.epoch);
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
                metrics: last.what.metrics,
                k: last.what.k,
            }),
            noise,
            interventions,
            steps_dropped: self.steps_dropped(frontier),
        })
    }

    /// ν and the number of interventions in an epoch. All are folded: that replicas keep the last 64 of each origin
    /// must make no difference.
    fn noise(&self, frontier: &ModelFrontier, epoch: u64) -> (f64, u64) {
        let mut events: Vec<_> = covered(&self.interventions, frontier).filter(|event| event.what.0 == epoch).collect();
        // Of one origin the clock tells the order, as its version does.
        events.sort_by_key(|event| (event.clock, &event.origin, event.version));
        let noise = events.iter().fold(0.0, |noise, event| {
            let moved = match event.what.1 {
                ModelAction::Nigredo => noise + NIGREDO,
                ModelAction::Albedo => noise + ALBEDO,
            };
            f64::clamp(moved, 0.0, NOISE_MAX)
        });
        (noise, events.len() as u64)
    }

    /// An origin says how many of its steps a reset left behind when it takes note of the new epoch, which it does by
    /// a spec of its own.
    fn steps_dropped(&self, frontier: &ModelFrontier) -> u64 {
        let mut reached: BTreeMap<&ModelOrigin, u64> = BTreeMap::new();
        for spec in covered(&self.specs, frontier) {
            let epoch = reached.entry(&spec.origin).or_default();
            *epoch = spec.what.epoch.max(*epoch);
        }
        let is_left = |step: &&Record<StepRecord>| reached.get(&step.origin).is_some_and(|at| step.what.epoch < *at);
        covered(&self.steps, frontier).filter(is_left).count() as u64
    }
}

fn covered<'a, T>(records: &'a [Record<T>], frontier: &'a ModelFrontier) -> impl Iterator<Item = &'a Record<T>> {
    records.iter().filter(|record| record.is_covered(frontier))
}

fn second<T>(record: &Record<T>) -> u64 {
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
