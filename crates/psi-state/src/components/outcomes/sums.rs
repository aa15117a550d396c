//! Sums of tallies over origins, from which each can be taken out again.

use psi_rollout::{BUCKETS, MeasuredTally, Tally, outcome::STEPS_LIMIT};

use crate::proto;

/// Buckets in an entry of a window.
pub(super) const BUCKETS_PER_ENTRY: usize = 8;

/// Entries of a window.
pub(super) const ENTRIES: usize = BUCKETS / BUCKETS_PER_ENTRY;
/// Tallies of such an entry.
pub(super) type BucketTallies = [Tally; BUCKETS_PER_ENTRY];
/// The same of a measure.
pub(super) type MeasuredTallies = [MeasuredTally; BUCKETS_PER_ENTRY];

/// Sums of tallies of any number of origins.
pub(super) trait Sums: Copy + Default + PartialEq {
    /// What one origin counts.
    type Tally: Copy + Default;

    fn join(&mut self, other: &Self);

    fn put(&mut self, tally: &Self::Tally);

    fn remove(&mut self, tally: &Self::Tally);

    /// The sums; `None` beyond the limit of steps.
    fn tally(&self) -> Option<Self::Tally>;

    /// Whether nothing is in it: a tally of no steps is of nothing.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Tallies of outcomes. Modulo 2^128, so that each can be taken out as it was put in; below the limit of
/// steps nothing wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WideTally {
    steps: u128,
    errors: u128,
    timed_steps: u128,
    latency_us: u128,
    latency_us_squares: u128,
}

impl From<&Tally> for WideTally {
    fn from(tally: &Tally) -> Self {
        let Tally { steps, errors, timed_steps, latency_us, latency_us_squares } = *tally;
        let [steps, errors, timed_steps] = [steps, errors, timed_steps].map(u128::from);
        Self { steps, errors, timed_steps, latency_us, latency_us_squares }
    }
}

impl WideTally {
    fn each(&mut self, other: &Self, change: impl Fn(u128, u128) -> u128) {
        let Self { steps, errors, timed_steps, latency_us, latency_us_squares } = *other;
        self.steps = change(self.steps, steps);
        self.errors = change(self.errors, errors);
        self.timed_steps = change(self.timed_steps, timed_steps);
        self.latency_us = change(self.latency_us, latency_us);
        self.latency_us_squares = change(self.latency_us_squares, latency_us_squares);
    }
}

impl Sums for WideTally {
    type Tally = Tally;

    fn join(&mut self, other: &Self) {
        self.each(other, u128::wrapping_add);
    }

    fn put(&mut self, tally: &Tally) {
        self.join(&tally.into());
    }

    fn remove(&mut self, tally: &Tally) {
        self.each(&tally.into(), u128::wrapping_sub);
    }

    fn tally(&self) -> Option<Tally> {
        let Self { steps, errors, timed_steps, latency_us, latency_us_squares } = *self;
        let [steps, errors, timed_steps] = [steps, errors, timed_steps].map(|count| u64::try_from(count).ok());
        let steps = steps.filter(|steps| *steps < STEPS_LIMIT)?;
        Some(Tally { steps, errors: errors?, timed_steps: timed_steps?, latency_us, latency_us_squares })
    }
}

/// The same of a measure. Its sum has a sign, which modulo 2^128 needs no care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WideMeasure {
    steps: u128,
    sum: i128,
    squares: u128,
}

impl From<&MeasuredTally> for WideMeasure {
    fn from(tally: &MeasuredTally) -> Self {
        let MeasuredTally { steps, sum, squares } = *tally;
        Self { steps: steps.into(), sum, squares }
    }
}

impl Sums for WideMeasure {
    type Tally = MeasuredTally;

    fn join(&mut self, other: &Self) {
        self.steps = self.steps.wrapping_add(other.steps);
        self.sum = self.sum.wrapping_add(other.sum);
        self.squares = self.squares.wrapping_add(other.squares);
    }

    fn put(&mut self, tally: &MeasuredTally) {
        self.join(&tally.into());
    }

    fn remove(&mut self, tally: &MeasuredTally) {
        let other = Self::from(tally);
        self.steps = self.steps.wrapping_sub(other.steps);
        self.sum = self.sum.wrapping_sub(other.sum);
        self.squares = self.squares.wrapping_sub(other.squares);
    }

    fn tally(&self) -> Option<MeasuredTally> {
        let steps = u64::try_from(self.steps).ok().filter(|steps| *steps < STEPS_LIMIT)?;
        Some(MeasuredTally { steps, sum: self.sum, squares: self.squares })
    }
}

/// Sums of one index of a window.
#[derive(Clone, Debug, Default)]
pub(super) struct BucketSums<S>(Box<[S; BUCKETS_PER_ENTRY]>);

impl<S: Sums> BucketSums<S> {
    pub(super) fn sums(&self) -> &[S; BUCKETS_PER_ENTRY] {
        &self.0
    }

    pub(super) fn put(&mut self, tallies: &[S::Tally; BUCKETS_PER_ENTRY]) {
        self.0.iter_mut().zip(tallies).for_each(|(sums, tally)| sums.put(tally));
    }

    pub(super) fn remove(&mut self, tallies: &[S::Tally; BUCKETS_PER_ENTRY]) {
        self.0.iter_mut().zip(tallies).for_each(|(sums, tally)| sums.remove(tally));
    }

    /// Whether nothing is in it. Every entry counts a step, so then nobody holds one.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Sums::is_empty)
    }

    /// The sums; `None` if any is beyond the limit of steps.
    pub(super) fn tallies(&self) -> Option<[S::Tally; BUCKETS_PER_ENTRY]> {
        let mut tallies = [S::Tally::default(); BUCKETS_PER_ENTRY];
        for (tally, sums) in tallies.iter_mut().zip(self.0.iter()) {
            *tally = sums.tally()?;
        }
        Some(tallies)
    }
}

/// The lower and the upper 64 bits of a number.
fn halves(number: u128) -> (u64, u64) {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
    let low = number as u64;
    (low, u64::try_from(number >> 64).unwrap_or(u64::MAX))
}

fn whole(low: u64, high: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

pub(super) fn message_of(tally: &Tally) -> proto::OutcomeSums {
    let Tally { steps, errors, timed_steps, latency_us, latency_us_squares } = *tally;
    let (latency_us, latency_us_high) = halves(latency_us);
    let (latency_us_squares, latency_us_squares_high) = halves(latency_us_squares);
    proto::OutcomeSums {
        steps,
        errors,
        timed_steps,
        latency_us,
        latency_us_high,
        latency_us_squares,
        latency_us_squares_high,
    }
}

pub(super) fn tally_of(message: proto::OutcomeSums) -> Tally {
    let proto::OutcomeSums {
        steps,
        errors,
        timed_steps,
        latency_us,
        latency_us_high,
        latency_us_squares,
        latency_us_squares_high,
    } = message;
    Tally {
        steps,
        errors,
        timed_steps,
        latency_us: whole(latency_us, latency_us_high),
        latency_us_squares: whole(latency_us_squares, latency_us_squares_high),
    }
}

pub(super) fn measure_message(tally: &MeasuredTally) -> proto::MeasureSums {
    let [steps, sum, sum_high, squares, squares_high] = tally.to_words();
    proto::MeasureSums { steps, sum, sum_high, squares, squares_high }
}

pub(super) fn measured_tally(message: proto::MeasureSums) -> MeasuredTally {
    let proto::MeasureSums { steps, sum, sum_high, squares, squares_high } = message;
    MeasuredTally::from_words([steps, sum, sum_high, squares, squares_high])
}
