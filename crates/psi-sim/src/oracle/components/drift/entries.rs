//! What origins write by themselves: the oracle is told of it, and holds it against the inputs.

use super::{
    buckets::{OracleAnchor, OracleCounts},
    records::{BaselineSpans, DriftRecord, OracleBaseline, OracleSlot},
    spans::{CountedInput, LEVELS, counted},
};
use crate::oracle::records::{Log, Record};

/// An entry that an origin wrote.
#[derive(Clone, Debug, PartialEq)]
pub enum DriftEntry {
    /// Where buckets lie.
    Anchor(OracleAnchor),
    /// Inputs of a span.
    Slot(OracleSlot),
    /// A baseline that came by itself.
    Automatic(OracleBaseline),
    /// What a caller set; `None`: there is to be none.
    Caller(Option<OracleBaseline>),
}

/// Keeps what an origin wrote, if it is what its inputs come to.
///
/// # Errors
/// If it is not.
pub(in crate::oracle) fn record_entry(log: &mut Log<DriftRecord>, entry: &Record<DriftEntry>) -> Result<(), String> {
    let of_epoch: Vec<&Record<DriftRecord>> = log.iter().filter(|record| record.epoch == entry.epoch).collect();
    let what = match &entry.what {
        DriftEntry::Anchor(anchor) => {
            check_anchor(&of_epoch, entry, anchor)?;
            DriftRecord::Anchor(anchor.clone())
        }
        DriftEntry::Slot(slot) => {
            check_slot(&of_epoch, entry, slot)?;
            DriftRecord::Slot(slot.clone())
        }
        DriftEntry::Automatic(baseline) => DriftRecord::Automatic(baseline.clone()),
        DriftEntry::Caller(baseline) => return check_caller(&of_epoch, entry, baseline.as_ref()),
    };
    log.push(entry.with(what));
    Ok(())
}

/// Buckets lie around the means of all inputs that were known when the input was taken that laid them.
fn check_anchor(
    records: &[&Record<DriftRecord>],
    entry: &Record<DriftEntry>,
    anchor: &OracleAnchor,
) -> Result<(), String> {
    let at = records.iter().find_map(|record| match &record.what {
        DriftRecord::Input(input) if record.place() == entry.place() => Some(input),
        _ => None,
    });
    let founds = at.and_then(|input| input.founds.as_ref());
    if founds == Some(&anchor.columns) {
        return Ok(());
    }
    Err(format!("buckets that are laid at {:?} must lie at {founds:?}, lie at {:?}", entry.clock, anchor.columns))
}

/// A span holds the first of the inputs that its origin counted in it, up to the end of a second.
fn check_slot(records: &[&Record<DriftRecord>], entry: &Record<DriftEntry>, slot: &OracleSlot) -> Result<(), String> {
    let inputs = counted(records, entry.number);
    let seconds = LEVELS[slot.level].seconds;
    let is_within =
        |input: &&CountedInput<'_>| input.record.second() / seconds == slot.number && input.anchor.name == slot.anchor;
    let within: Vec<&CountedInput<'_>> = inputs.iter().filter(is_within).collect();
    let held = usize::try_from(slot.counts.inputs).unwrap_or(usize::MAX);
    let name = || format!("span {} of level {} at {}", slot.number, slot.level, entry.version);
    let (Some(taken), Some(first)) = (within.get(..held), within.first()) else {
        return Err(format!("{} holds {held} inputs, of {}", name(), within.len()));
    };
    let last = taken.last().map(|input| input.record.second());
    if within.get(held).is_some_and(|next| Some(next.record.second()) == last) {
        return Err(format!("{} ends within a second, with input {held} of {}", name(), within.len()));
    }
    let counts = OracleCounts::of(first.anchor, taken.iter().map(|input| &input.input.columns[..]));
    if counts == slot.counts {
        return Ok(());
    }
    let differs = counts.columns.iter().zip(&slot.counts.columns).position(|(want, got)| want != got);
    Err(format!("{} counts other buckets than its {held} inputs fall into, in column {differs:?}", name()))
}

/// What a caller set is written as it was recorded.
fn check_caller(
    records: &[&Record<DriftRecord>],
    entry: &Record<DriftEntry>,
    baseline: Option<&OracleBaseline>,
) -> Result<(), String> {
    let set = records.iter().find_map(|record| match &record.what {
        DriftRecord::Caller(set) if record.place() == entry.place() => Some(set),
        _ => None,
    });
    let expected = set.map(|set| set.baseline.as_ref());
    if expected == Some(baseline) {
        return Ok(());
    }
    let short = |baseline: Option<&OracleBaseline>| baseline.map(BaselineSpans::of);
    Err(format!("baseline at {:?} must be {:?}, is {:?}", entry.clock, expected.map(short), short(baseline)))
}
