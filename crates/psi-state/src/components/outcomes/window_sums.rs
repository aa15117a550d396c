//! What other origins counted in a window of a rollout, chunk by chunk.

use std::collections::BTreeMap;

use psi_rollout::{BUCKETS, MEASURES_MAX, MeasuredTally, Outcomes};

use super::sums::{BUCKETS_PER_ENTRY, BucketSums, ENTRIES, Sums, WideMeasure, WideTally};
use crate::component::Direction;

/// What the other origins counted in a window, by index.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowSums {
    pub(super) outcomes: BTreeMap<u64, BucketSums<WideTally>>,
    pub(super) measures: BTreeMap<u64, BucketSums<WideMeasure>>,
}

/// Whether any step is measured.
pub(super) fn is_measured(tallies: &[MeasuredTally]) -> bool {
    tallies.iter().any(|tally| tally.steps > 0)
}

/// The sums of all buckets: what the own origin counts, and what others do, chunk by chunk from this index on. `None` beyond
/// the limit of steps.
fn joined<'a, S: Sums + 'a>(
    own: Option<&[S::Tally]>,
    chunks: impl Iterator<Item = (u64, &'a BucketSums<S>)>,
) -> Option<[S::Tally; BUCKETS]> {
    let mut buckets = [S::default(); BUCKETS];
    buckets.iter_mut().zip(own.into_iter().flatten()).for_each(|(sums, tally)| sums.put(tally));
    for (index, chunk) in chunks {
        let first = usize::try_from(index).unwrap_or(BUCKETS).saturating_mul(BUCKETS_PER_ENTRY);
        buckets.iter_mut().skip(first).zip(chunk.sums()).for_each(|(sums, others)| sums.join(others));
    }
    let mut tallies = [S::Tally::default(); BUCKETS];
    for (tally, sums) in tallies.iter_mut().zip(&buckets) {
        *tally = sums.tally()?;
    }
    Some(tallies)
}

pub(super) fn change_chunk<S: Sums>(
    chunks: &mut BTreeMap<u64, BucketSums<S>>,
    index: u64,
    tallies: &[S::Tally; BUCKETS_PER_ENTRY],
    direction: Direction,
) where
    BucketSums<S>: Default,
{
    let chunk = chunks.entry(index).or_default();
    match direction {
        Direction::Put => chunk.put(tallies),
        Direction::Remove => chunk.remove(tallies),
    }
    if chunk.is_empty() {
        chunks.remove(&index);
    }
}

impl WindowSums {
    pub(super) fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.measures.is_empty()
    }

    /// What was counted together with what the own origin did.
    pub(super) fn joined(&self, own: Option<&Outcomes>) -> Option<Outcomes> {
        let chunks = self.outcomes.iter().map(|(index, chunk)| (*index, chunk));
        let outcomes = Outcomes::new(joined(own.map(|own| own.buckets().as_slice()), chunks)?).ok()?;
        let mut measured = Vec::new();
        for place in 0..MEASURES_MAX {
            let first = (place * ENTRIES) as u64;
            let chunks =
                self.measures.range(first..first + ENTRIES as u64).map(|(index, chunk)| (index - first, chunk));
            let own = own.and_then(|own| own.measured().get(place)).map(Vec::as_slice);
            // One that is beyond the limit is absent alone.
            measured.push(joined(own, chunks).map(Vec::from).unwrap_or_default());
        }
        while measured.pop_if(|tallies| !is_measured(tallies)).is_some() {}
        outcomes.with_measured(measured).ok()
    }
}
