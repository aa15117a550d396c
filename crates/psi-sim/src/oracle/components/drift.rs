//! Whether a field's inputs still come from where they came from: where buckets lie, counts by time, the baseline, and what
//! the latest windows come to.
//!
//! That an origin lays buckets, writes a span, or takes a baseline by itself, is its own choice. The oracle is told of it,
//! and holds what was written against the inputs. What follows for a view it works out from the known ones of these.

mod baselines;
mod buckets;
mod entries;
mod expected;
mod records;
mod spans;

use num_bigint::BigInt;

pub(in crate::oracle) use self::entries::record_entry;
use self::{
    baselines::set_by_caller, buckets::founding_columns, expected::SIGHTS, records::first_anchor, spans::SlotBook,
};
pub use self::{
    buckets::{OracleAnchor, OracleColumn, OracleCounts, OraclePair},
    entries::DriftEntry,
    expected::{ExpectedBaseline, ExpectedDrift, ExpectedVerdict},
    records::{BaselineSpans, CallerBaseline, DriftRecord, OracleBaseline, OracleSlot, WatchedInput},
};
use crate::{
    oracle::{
        arithmetic::quantized,
        component::{Component, OwnRecords, Scope, Sights},
        known::Knowledge,
        records::{Record, StepRecord},
    },
    report::markers::Marker,
};

/// The first columns of an input are watched.
const COLUMNS_MAX: usize = 64;
/// Buckets are laid once so many inputs are known, by an origin that took so many itself.
const ANCHOR_INPUTS: usize = 256;
const ANCHOR_OWN: usize = 64;

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Drift;

impl Component for Drift {
    const SCOPE: Scope = Scope::Epoch;
    const SIGHTS: &'static [Marker] = SIGHTS;
    /// A baseline that a caller set.
    type Write = BaselineSpans;
    type Record = DriftRecord;
    type Expectation = ExpectedDrift;

    /// One that a caller set: it is made of what its origin knew of.
    fn record(
        _: &Knowledge<'_>,
        own: &OwnRecords<'_, DriftRecord>,
        new: &Record<BaselineSpans>,
        _: &mut Sights,
    ) -> Option<DriftRecord> {
        Some(DriftRecord::Caller(set_by_caller(own, &SlotBook::of(own.iter()), new)))
    }

    fn record_step(
        known: &Knowledge<'_>,
        own: &OwnRecords<'_, DriftRecord>,
        step: &Record<StepRecord>,
        _: &mut Sights,
    ) -> Result<Option<Record<DriftRecord>>, String> {
        let Some(spec) = known.spec.filter(|spec| spec.parameter("drift") > 0.0) else { return Ok(None) };
        let fixed = |input: &[f64]| -> Vec<BigInt> {
            input.iter().take(COLUMNS_MAX).map(|number| quantized(*number, spec.scale_exponent)).collect()
        };
        let columns = fixed(&step.what.input);
        let first = first_anchor(own.iter());
        let others = own.iter().filter(|record| record.number != step.number);
        let heard = first_anchor(others).map(|(anchor, _)| anchor.moment());
        let took = own.iter().filter(|record| record.number == step.number);
        let took = took.filter(|record| matches!(record.what, DriftRecord::Input(_))).count() + 1;
        let may_found = first.is_none() && took >= ANCHOR_OWN && known.steps().count() + 1 >= ANCHOR_INPUTS;
        let founds = may_found.then(|| {
            let before = known.steps().map(|step| fixed(&step.what.input));
            founding_columns(before.chain([columns.clone()]))
        });
        Ok(Some(step.with(DriftRecord::Input(WatchedInput { columns, heard, founds }))))
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, DriftRecord>, sights: &mut Sights) -> ExpectedDrift {
        ExpectedDrift::of(known, own, sights)
    }
}
