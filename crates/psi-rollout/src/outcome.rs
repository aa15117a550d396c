//! How steps went, counted exactly: per version, step of the schedule and bucket of keys.
//!
//! A latency is rounded once to a microsecond. After that all sums are integers, so that nodes may merge them in any
//! order. Many steps of one key correlate; the buckets keep them together, and [`crate::gate`] takes the variance over
//! buckets.

pub use crate::measure::STEPS_LIMIT;
use crate::{
    assignment::BUCKETS,
    measure::{MEASURES_MAX, MeasuredTally, least_squares},
};

/// Longest latency: an hour, in microseconds.
pub const LATENCY_US_MAX: u32 = 3_600_000_000;

/// How long a step took, rounded to a microsecond: 0 to an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Latency(u32);

/// A number that is no [`Latency`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("latency_ms {0} is out of range: give 0 to 3,600,000 ms, and count what takes longer as an error")]
pub struct LatencyError(pub f64);

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it failed.
    pub error: bool,
    /// How long it took, if that was measured.
    pub latency: Option<Latency>,
}

/// Sums over the steps of one bucket of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Steps with an outcome.
    pub steps: u64,
    /// Steps that failed.
    pub errors: u64,
    /// Steps with a latency.
    pub timed_steps: u64,
    /// Σx of latencies, in microseconds.
    pub latency_us: u128,
    /// Σx² of latencies.
    pub latency_us_squares: u128,
}

/// The outcomes of one version in one step of the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes {
    buckets: Box<[Tally; BUCKETS]>,
    total: Tally,
    /// By the places of measures in the plan, and by buckets.
    measured: Vec<Vec<MeasuredTally>>,
}

/// Why outcomes were not counted; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutcomesError {
    /// Too many steps.
    #[error("{steps} steps are not below the limit of {STEPS_LIMIT}: begin another rollout")]
    StepsLimit {
        /// Steps that there would be.
        steps: u128,
    },
    /// Sums that no steps have.
    #[error("bucket {bucket} holds {fault}: these are the sums of no steps")]
    Impossible {
        /// The bucket, from 0.
        bucket: usize,
        /// What cannot be.
        fault: &'static str,
    },
}

impl Latency {
    /// Rounds milliseconds to microseconds.
    ///
    /// # Errors
    /// [`LatencyError`] below 0, above an hour, and for what is no number.
    pub fn from_ms(ms: f64) -> Result<Self, LatencyError> {
        let us = (ms * 1_000.0).round();
        if !(0.0..=f64::from(LATENCY_US_MAX)).contains(&us) {
            return Err(LatencyError(ms));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number within the range")]
        Ok(Self(us as u32))
    }

    /// Microseconds.
    #[must_use]
    pub fn us(self) -> u32 {
        self.0
    }
}

impl Tally {
    /// Counts a step.
    ///
    /// # Errors
    /// [`OutcomesError::StepsLimit`]. Nothing has changed then.
    pub fn count(&mut self, outcome: Outcome) -> Result<(), OutcomesError> {
        below_limit(u128::from(self.steps) + 1)?;
        self.add(outcome);
        Ok(())
    }

    fn add(&mut self, outcome: Outcome) {
        self.steps += 1;
        self.errors += u64::from(outcome.error);
        if let Some(latency) = outcome.latency {
            self.timed_steps += 1;
            self.latency_us += u128::from(latency.0);
            self.latency_us_squares += u128::from(u64::from(latency.0).pow(2));
        }
    }

    /// The share of steps that failed; `None` of no steps.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^47 are exact")]
    pub fn error_rate(&self) -> Option<f64> {
        (self.steps > 0).then(|| self.errors as f64 / self.steps as f64)
    }

    /// The mean latency in milliseconds; `None` if none was measured.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest, which a mean is anyhow")]
    pub fn mean_latency_ms(&self) -> Option<f64> {
        (self.timed_steps > 0).then(|| self.latency_us as f64 / self.timed_steps as f64 / 1_000.0)
    }

    /// Sums of both. Below [`STEPS_LIMIT`] nothing overflows.
    fn plus(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            errors: self.errors + other.errors,
            timed_steps: self.timed_steps + other.timed_steps,
            latency_us: self.latency_us + other.latency_us,
            latency_us_squares: self.latency_us_squares + other.latency_us_squares,
        }
    }

    /// What no steps could come to; `None` of sums that steps can have.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let longest = u128::from(LATENCY_US_MAX);
        let (timed, sum, squares) = (u128::from(self.timed_steps), self.latency_us, self.latency_us_squares);
        let faults = [
            (self.steps >= STEPS_LIMIT, "too many steps"),
            (self.errors > self.steps, "more errors than steps"),
            (self.timed_steps > self.steps, "more latencies than steps"),
            (sum > timed.saturating_mul(longest), "latencies over an hour"),
            (squares > sum.saturating_mul(longest), "squares of latencies over an hour"),
            (squares < sum, "squares below the latencies"),
            (timed > 0 && least_squares(timed, sum) > squares, "squares too small for the latencies"),
        ];
        faults.into_iter().find(|(is_fault, _)| *is_fault).map(|(_, words)| words)
    }
}

impl Default for Outcomes {
    /// Of no steps.
    fn default() -> Self {
        Self { buckets: Box::new([Tally::default(); BUCKETS]), total: Tally::default(), measured: Vec::new() }
    }
}

impl Outcomes {
    /// Outcomes from the sums of each bucket, as another node wrote them.
    ///
    /// # Errors
    /// [`OutcomesError`] if no steps could come to these sums.
    pub fn new(buckets: [Tally; BUCKETS]) -> Result<Self, OutcomesError> {
        if let Some((bucket, fault)) = (0..).zip(&buckets).find_map(|(i, tally)| Some((i, tally.fault()?))) {
            return Err(OutcomesError::Impossible { bucket, fault });
        }
        below_limit(buckets.iter().map(|tally| u128::from(tally.steps)).sum())?;
        let total = buckets.iter().fold(Tally::default(), |total, tally| total.plus(*tally));
        Ok(Self { buckets: Box::new(buckets), total, measured: Vec::new() })
    }

    /// The same with the sums of measures, by their places in the plan and by buckets.
    ///
    /// # Errors
    /// [`OutcomesError`] if no steps could come to these sums.
    pub fn with_measured(self, measured: Vec<Vec<MeasuredTally>>) -> Result<Self, OutcomesError> {
        for tallies in &measured {
            if let Some((bucket, fault)) = (0..).zip(tallies).find_map(|(i, tally)| Some((i, tally.fault()?))) {
                return Err(OutcomesError::Impossible { bucket, fault });
            }
            below_limit(measured_steps(tallies))?;
        }
        Ok(Self { measured, ..self })
    }

    /// Counts a step. `bucket` is [`crate::KeyHash::bucket`]; of a larger number the lowest six bits count.
    ///
    /// # Errors
    /// [`OutcomesError::StepsLimit`].
    pub fn add(&mut self, bucket: u8, outcome: Outcome) -> Result<(), OutcomesError> {
        below_limit(u128::from(self.total.steps) + 1)?;
        self.total.add(outcome);
        self.buckets[usize::from(bucket) % BUCKETS].add(outcome);
        Ok(())
    }

    /// Counts what a step measured, by the places of measures in the plan; `None` for what it does not have.
    ///
    /// # Errors
    /// [`OutcomesError::StepsLimit`]. Nothing has changed then.
    pub fn add_measured(&mut self, bucket: u8, units: &[Option<i64>]) -> Result<(), OutcomesError> {
        let units = &units[..units.len().min(MEASURES_MAX)];
        for tallies in &self.measured {
            below_limit(measured_steps(tallies) + 1)?;
        }
        if self.measured.len() < units.len() {
            self.measured.resize(units.len(), vec![MeasuredTally::default(); BUCKETS]);
        }
        for (tallies, units) in self.measured.iter_mut().zip(units) {
            let tally = tallies.get_mut(usize::from(bucket) % BUCKETS);
            tally.into_iter().zip(*units).for_each(|(tally, units)| tally.count(units));
        }
        Ok(())
    }

    /// Adds all steps of `other`.
    ///
    /// # Errors
    /// [`OutcomesError::StepsLimit`].
    pub fn merge(&mut self, other: &Self) -> Result<(), OutcomesError> {
        below_limit(u128::from(self.total.steps) + u128::from(other.total.steps))?;
        for (own, others) in self.measured.iter().zip(&other.measured) {
            below_limit(measured_steps(own) + measured_steps(others))?;
        }
        self.total = self.total.plus(other.total);
        for (own, others) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *own = own.plus(*others);
        }
        for (place, others) in other.measured.iter().enumerate() {
            match self.measured.get_mut(place) {
                Some(own) => own.iter_mut().zip(others).for_each(|(own, others)| *own = own.plus(*others)),
                None => self.measured.push(others.clone()),
            }
        }
        Ok(())
    }

    /// Sums of each measure, by its place in the plan and by buckets.
    #[must_use]
    pub fn measured(&self) -> &[Vec<MeasuredTally>] {
        &self.measured
    }

    /// Sums over all buckets.
    #[must_use]
    pub fn total(&self) -> &Tally {
        &self.total
    }

    /// Sums of each bucket.
    #[must_use]
    pub fn buckets(&self) -> &[Tally; BUCKETS] {
        &self.buckets
    }
}

fn measured_steps(tallies: &[MeasuredTally]) -> u128 {
    tallies.iter().map(|tally| u128::from(tally.steps)).sum()
}

fn below_limit(steps: u128) -> Result<(), OutcomesError> {
    if steps < u128::from(STEPS_LIMIT) { Ok(()) } else { Err(OutcomesError::StepsLimit { steps }) }
}
