//! What later inputs are compared with.

use std::collections::BTreeMap;

use super::{
    records::{BaselineSpans, CallerBaseline, DriftRecord, OracleBaseline, first_anchor},
    spans::SlotBook,
};
use crate::oracle::{component::OwnRecords, records::Record, words::OracleOrigin};

/// What a caller set holds all that is known of its spans.
pub(super) fn set_by_caller(
    own: &OwnRecords<'_, DriftRecord>,
    book: &SlotBook<'_>,
    Record { number, what, .. }: &Record<BaselineSpans>,
) -> CallerBaseline {
    let anchor = first_anchor(own.iter()).map_or(0, |(_, anchor)| anchor.name);
    let baseline = what.spans.clone().map(|(level, first, last, windows)| {
        let counts = book.counts(anchor, level, first..last + 1);
        OracleBaseline { title: what.title.clone(), anchor, level, first, last, windows, counts }
    });
    let others = own.iter().filter(|record| record.number != *number);
    CallerBaseline { baseline, heard: last_set(others).map(|(record, _)| record.moment()) }
}

/// The last that a caller set, by clock and then by origin.
fn last_set<'a>(
    records: impl Iterator<Item = &'a Record<DriftRecord>>,
) -> Option<(&'a Record<DriftRecord>, &'a CallerBaseline)> {
    let set = records.filter_map(|record| match &record.what {
        DriftRecord::Caller(set) => Some((record, set)),
        _ => None,
    });
    set.max_by_key(|(record, _)| record.place())
}

/// The baseline that holds.
pub(super) enum CurrentBaseline<'a> {
    None,
    Cleared,
    Set { record: &'a Record<DriftRecord>, baseline: &'a OracleBaseline, is_automatic: bool },
}

impl<'a> CurrentBaseline<'a> {
    /// Where the anchor that holds has this name.
    pub(super) fn of(own: &OwnRecords<'a, DriftRecord>, anchor: Option<u64>) -> Self {
        if let Some((record, set)) = last_set(own.iter()) {
            let Some(baseline) = &set.baseline else { return Self::Cleared };
            if Some(baseline.anchor) == anchor {
                return Self::Set { record, baseline, is_automatic: false };
            }
        }
        // An origin keeps the latest that it made.
        let mut latest: BTreeMap<&OracleOrigin, (&Record<DriftRecord>, &OracleBaseline)> = BTreeMap::new();
        for record in own.iter() {
            let DriftRecord::Automatic(baseline) = &record.what else { continue };
            let held = latest.entry(&record.origin).or_insert((record, baseline));
            if held.0.version < record.version {
                *held = (record, baseline);
            }
        }
        let of_anchor = latest.into_values().filter(|(_, baseline)| Some(baseline.anchor) == anchor);
        let first = of_anchor.min_by_key(|(record, _)| record.place());
        first.map_or(Self::None, |(record, baseline)| Self::Set { record, baseline, is_automatic: true })
    }
}

/// Whether the last that a caller set came from one that did not know of another's.
pub(super) fn have_raced(own: &OwnRecords<'_, DriftRecord>) -> bool {
    let Some((last, set)) = last_set(own.iter()) else { return false };
    let others = own.iter().filter(|record| record.number != last.number);
    last_set(others).is_some_and(|(other, _)| other.is_after(set.heard.as_ref()))
}
