//! Spans of time, and what origins have written of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    buckets::{OracleAnchor, OracleCounts},
    records::{DriftRecord, OracleSlot, WatchedInput, first_anchor},
};
use crate::oracle::{
    records::Record,
    words::{OracleMoment, OracleOrigin},
};

/// Seconds in a span, spans that are kept, and once in how many seconds an origin writes the latest: of seconds, minutes,
/// hours and days.
pub(super) const LEVELS: [Level; 4] = [
    Level { seconds: 1, kept: 32, written_every: 1 },
    Level { seconds: 60, kept: 40, written_every: 10 },
    Level { seconds: 3600, kept: 24, written_every: 60 },
    Level { seconds: 86_400, kept: 16, written_every: 3600 },
];

/// Spans of one length.
pub(super) struct Level {
    pub(super) seconds: u64,
    pub(super) kept: u64,
    written_every: u64,
}

impl Level {
    /// The spans that a view looks at where the latest step is of `second`.
    pub(super) fn shown(&self, second: u64) -> std::ops::Range<u64> {
        (second / self.seconds + 1).saturating_sub(self.kept)..self.end(second)
    }

    /// The first that may still be written to: two seconds are waited for.
    pub(super) fn end(&self, second: u64) -> u64 {
        second.saturating_sub(2) / self.seconds
    }
}

/// What is held of all spans: by origin, level and place, the latest.
pub(super) struct SlotBook<'a>(BTreeMap<(&'a OracleOrigin, usize, u64), (u64, &'a OracleSlot)>);

impl<'a> SlotBook<'a> {
    pub(super) fn of(records: impl Iterator<Item = &'a Record<DriftRecord>>) -> Self {
        let mut latest = BTreeMap::new();
        for record in records {
            let DriftRecord::Slot(slot) = &record.what else { continue };
            let place = (&record.origin, slot.level, slot.number % LEVELS[slot.level].kept);
            let held = latest.entry(place).or_insert((record.version, slot));
            if held.0 < record.version {
                *held = (record.version, slot);
            }
        }
        Self(latest)
    }

    /// All that is counted in some spans by the anchor of this name.
    pub(super) fn counts(&self, anchor: u64, level: usize, numbers: std::ops::Range<u64>) -> OracleCounts {
        let slots = self.0.values().map(|(_, slot)| *slot);
        let within = slots.filter(|slot| slot.level == level && numbers.contains(&slot.number));
        OracleCounts::sum(within.filter(|slot| slot.anchor == anchor).map(|slot| &slot.counts))
    }

    /// What an origin wrote of a span by the anchor of this name.
    fn inputs(&self, origin: &OracleOrigin, (level, number): (usize, u64), anchor: u64) -> u64 {
        let held = self.0.get(&(origin, level, number % LEVELS[level].kept)).map(|(_, slot)| *slot);
        held.filter(|slot| slot.number == number && slot.anchor == anchor).map_or(0, |slot| slot.counts.inputs)
    }
}

/// An input, and the anchor that its origin counted it by.
pub(super) struct CountedInput<'a> {
    pub(super) record: &'a Record<DriftRecord>,
    pub(super) input: &'a WatchedInput,
    pub(super) anchor: &'a OracleAnchor,
}

/// The inputs that an origin counted, in their order.
pub(super) fn counted<'a>(records: &[&'a Record<DriftRecord>], origin: usize) -> Vec<CountedInput<'a>> {
    let anchors: BTreeMap<OracleMoment, &OracleAnchor> = records
        .iter()
        .filter_map(|record| match &record.what {
            DriftRecord::Anchor(anchor) => Some((record.moment(), anchor)),
            _ => None,
        })
        .collect();
    let own = first_anchor(records.iter().copied().filter(|record| record.number == origin));
    let own = own.map(|(record, _)| record.moment());
    let inputs = records.iter().filter(|record| record.number == origin).filter_map(|record| {
        let DriftRecord::Input(input) = &record.what else { return None };
        // Its own, once it had laid it, or an earlier one that it had heard of.
        let laid = own.as_ref().filter(|(clock, _)| *clock <= record.clock);
        let anchor = *anchors.get(laid.into_iter().chain(&input.heard).min()?)?;
        Some(CountedInput { record, input, anchor })
    });
    let mut inputs: Vec<CountedInput<'a>> = inputs.collect();
    inputs.sort_by_key(|input| input.record.clock);
    inputs
}

/// What some origin has counted and not written though it had to: a second by its next step. A minute, an hour and a day
/// by the step that comes 10 s, 60 s or an hour later.
pub(super) fn missing(records: &[&Record<DriftRecord>], written: &SlotBook<'_>) -> Option<String> {
    let origins: BTreeSet<usize> = records.iter().map(|record| record.number).collect();
    origins.into_iter().find_map(|origin| {
        let inputs = counted(records, origin);
        let last = inputs.last()?;
        let (second, anchor) = (last.record.second(), last.anchor.name);
        (0..LEVELS.len()).find_map(|level| {
            let Level { written_every, .. } = LEVELS[level];
            let due = second / written_every * written_every;
            let gap = first_gap(&inputs, written, (level, second), due)?;
            let (number, wanted, got) = gap;
            let name = &last.record.origin;
            Some(format!("{name:?} counts {got} inputs in span {number} of level {level}, not {wanted}, by {anchor:x}"))
        })
    })
}

/// The first of the latest spans of a level that lacks inputs from before the second `due`: its number, the inputs that it
/// must have at least, and those that it has.
fn first_gap(
    inputs: &[CountedInput<'_>],
    written: &SlotBook<'_>,
    (level, second): (usize, u64),
    due: u64,
) -> Option<(u64, u64, u64)> {
    let Level { seconds, kept, .. } = LEVELS[level];
    let last = inputs.last()?;
    let mut wanted: BTreeMap<u64, u64> = BTreeMap::new();
    for input in inputs.iter().filter(|input| input.anchor.name == last.anchor.name) {
        let number = input.record.second() / seconds;
        if input.record.second() < due && number + kept > second / seconds {
            *wanted.entry(number).or_default() += 1;
        }
    }
    wanted.into_iter().find_map(|(number, wanted)| {
        let got = written.inputs(&last.record.origin, (level, number), last.anchor.name);
        (got < wanted).then_some((number, wanted, got))
    })
}

/// Of each origin, the latest second of which it has written fewer inputs than it took.
pub(super) fn unwritten(records: &[&Record<DriftRecord>], written: &SlotBook<'_>) -> BTreeMap<OracleOrigin, u64> {
    let origins: BTreeSet<usize> = records.iter().map(|record| record.number).collect();
    let open = origins.into_iter().filter_map(|origin| {
        let inputs = counted(records, origin);
        let last = inputs.last()?;
        let second = last.record.second();
        first_gap(&inputs, written, (0, second), u64::MAX)?;
        Some((last.record.origin.clone(), second))
    });
    open.collect()
}
