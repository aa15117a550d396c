//! What is held of all origins: counts by span of time.

use std::{collections::BTreeMap, sync::Arc};

use psi_replica::Origin;
use psi_stats::drift::Histogram;

use super::{counts::SlotCounts, levels::Span, own::OwnSlots, values::PlacedAnchor};
use crate::component::Direction;

/// Counts of one span, by origin.
type SpanCounts = BTreeMap<Origin, Vec<SlotCounts>>;

/// The counts of the other origins, and the own ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldCounts {
    others: Arc<BTreeMap<Span, SpanCounts>>,
    pub(crate) own: OwnSlots,
}

impl HeldCounts {
    /// Puts in or takes out what another origin counted in a span.
    pub(crate) fn change(&mut self, origin: &Origin, span: Span, counts: &[SlotCounts], direction: Direction) {
        let others = Arc::make_mut(&mut self.others);
        let of_span = others.entry(span).or_default();
        match direction {
            Direction::Put => of_span.insert(origin.clone(), counts.to_vec()),
            Direction::Remove => of_span.remove(origin),
        };
        if of_span.is_empty() {
            others.remove(&span);
        }
    }

    /// Forgets what others counted.
    pub(crate) fn forget_others(&mut self) {
        self.others = Arc::default();
    }

    /// What others counted, span by span.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&Span, impl Iterator<Item = &SlotCounts>)> {
        self.others.iter().map(|(span, counts)| (span, counts.values().flatten()))
    }

    /// What is counted of a span by the buckets of an anchor.
    fn counts<'a>(&'a self, span: Span, placed: &'a PlacedAnchor) -> impl Iterator<Item = &'a SlotCounts> {
        let others = self.others.get(&span).into_iter().flat_map(BTreeMap::values).flatten();
        others.chain(self.own.written(span)).filter(|counts| counts.is_of(placed))
    }

    /// How many inputs a span has.
    pub(crate) fn inputs(&self, span: Span, placed: &PlacedAnchor) -> u64 {
        self.counts(span, placed).fold(0, |sum, counts| sum.saturating_add(counts.inputs))
    }

    /// All inputs of some spans.
    pub(crate) fn histogram(&self, spans: impl IntoIterator<Item = Span>, placed: &PlacedAnchor) -> Histogram {
        let mut sum = Histogram::new(&placed.anchor);
        for span in spans {
            for histogram in self.counts(span, placed).filter_map(SlotCounts::histogram) {
                let _ = sum.merge(&histogram);
            }
        }
        sum
    }
}
