//! How long a field has lived, and how often its transition was corrected.

use num_bigint::BigInt;
use num_traits::{ToPrimitive, Zero};

use super::corrects;
use crate::oracle::{
    arithmetic::quantized,
    component::{Component, NoWrite, OwnRecords, Scope, Sights},
    known::Knowledge,
    records::{Record, StepRecord},
};

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Tally;

/// A correction of the transition.
#[derive(Clone, Copy, Debug)]
pub struct TallyUpdate;

/// What the engine counts, where it learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedTally {
    /// t in units of 2^-56 s.
    pub time: i128,
    /// Updates of the transition.
    pub updates: u64,
}

impl Component for Tally {
    const SCOPE: Scope = Scope::Epoch;
    type Write = NoWrite;
    type Record = TallyUpdate;
    type Expectation = Option<ExpectedTally>;

    fn record_step(
        known: &Knowledge<'_>,
        _: &OwnRecords<'_, TallyUpdate>,
        step: &Record<StepRecord>,
        _: &mut Sights,
    ) -> Result<Option<Record<TallyUpdate>>, String> {
        Ok(corrects(known).then(|| step.with(TallyUpdate)))
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, TallyUpdate>, _: &mut Sights) -> Option<ExpectedTally> {
        known.learning_spec()?;
        Some(ExpectedTally { time: time(known), updates: own.iter().count() as u64 })
    }
}

/// t: the sum of the effective steps, each rounded to the unit.
pub(in crate::oracle) fn time(known: &Knowledge<'_>) -> i128 {
    let times = known.steps().map(|step| quantized(step.what.answer.time_dilation(), 0));
    times.fold(BigInt::zero(), |sum, time| sum + time).to_i128().unwrap_or(i128::MAX)
}
