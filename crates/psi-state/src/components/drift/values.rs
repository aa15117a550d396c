//! What verdicts on drift are made of: where buckets lie, and what is usual.

use std::sync::Arc;

use bytes::Bytes;
use psi_replica::{Clock, Digest, Origin};
use psi_stats::drift::{Anchor, Baseline, ColumnAnchor, Histogram, Null, PairAnchor};

use super::levels::Span;
use crate::{
    component::label::Label,
    component::{
        moment::Moment,
        value::{author_message, encoded},
    },
    proto,
};

/// Names an anchor: a hash of all that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AnchorId(pub(crate) u64);

/// An anchor, and when it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlacedAnchor {
    pub(crate) id: AnchorId,
    pub(crate) clock: Clock,
    pub(crate) anchor: Anchor,
}

impl PlacedAnchor {
    pub(crate) fn new(clock: Clock, anchor: Anchor) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&encode(clock, &anchor, None));
        Self { id: AnchorId(Digest::from(hasher).short()), clock, anchor }
    }

    /// As its value on the wire, in the base with whose it is.
    pub(crate) fn encode(&self, author: Option<&Origin>) -> Bytes {
        encode(self.clock, &self.anchor, author)
    }
}

fn encode(clock: Clock, anchor: &Anchor, author: Option<&Origin>) -> Bytes {
    let column = |column: &ColumnAnchor| (column.center.to_le_bytes().to_vec().into(), column.unit_bits);
    let columns = anchor.columns().iter().map(|one| {
        let (center, unit_bits) = column(one);
        proto::ColumnAnchor { center, unit_bits }
    });
    let pairs = anchor.pairs().iter().map(|pair| {
        let PairAnchor { columns: (first, second), factor, anchor } = pair;
        let [first, second] = [first, second].map(|column| u32::try_from(*column).unwrap_or(u32::MAX));
        let (center, unit_bits) = column(anchor);
        proto::PairAnchor { first, second, factor: *factor, center, unit_bits }
    });
    let (columns, pairs) = (columns.collect(), pairs.collect());
    encoded(&proto::AnchorValue { clock: Some(clock.into()), columns, pairs, author: author_message(author) })
}

/// What people call a baseline, and who set it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BaselineTitle {
    /// What callers call it.
    pub version: Label,
    /// Where it came from.
    pub source: Label,
    /// Who set it: a name, or `automatic`.
    pub set_by: Label,
}

/// What a baseline was made of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BaselineCounts {
    pub(crate) anchor: AnchorId,
    pub(crate) first: Span,
    pub(crate) last: Span,
    /// All its inputs, encoded.
    pub(crate) histogram: Bytes,
    /// How many these are.
    pub(crate) inputs: u64,
    /// The windows to judge, the longest first: their spans, and how each column wanders in so many.
    pub(crate) windows: Vec<(u64, Vec<Null>)>,
}

impl BaselineCounts {
    /// The windows, each with what it is compared with.
    pub(crate) fn decoded(&self) -> Option<Vec<(u64, Baseline)>> {
        let all = Histogram::decode(&self.histogram).ok()?;
        self.windows.iter().map(|(spans, nulls)| Some((*spans, Baseline::of(all.clone(), nulls).ok()?))).collect()
    }
}

/// What an origin writes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BaselineValue {
    pub(crate) clock: Clock,
    /// `None`: there is to be none.
    pub(crate) counts: Option<BaselineCounts>,
    pub(crate) title: BaselineTitle,
    /// In millionths.
    pub(crate) replaced_severity: u32,
    /// In the base, whose it is.
    pub(crate) author: Option<Origin>,
}

impl BaselineValue {
    /// One that comes by itself.
    pub(crate) fn automatic(clock: Clock, counts: BaselineCounts) -> Self {
        let label = |text| Label::new(text).unwrap_or_default();
        let title =
            BaselineTitle { version: Label::default(), source: label("its first inputs"), set_by: label("automatic") };
        Self { clock, counts: Some(counts), title, replaced_severity: 0, author: None }
    }

    /// One that a caller sets where the severity is so much; `None`: there is to be none.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e6")]
    pub(crate) fn by_caller(clock: Clock, counts: Option<BaselineCounts>, title: BaselineTitle, severity: f64) -> Self {
        Self { clock, counts, title, replaced_severity: (severity * 1e6) as u32, author: None }
    }
}

/// The baseline that holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CurrentBaseline {
    /// Nobody set one, and none has come by itself.
    None,
    /// A caller took it away.
    Cleared,
    Set(Moment, Arc<BaselineValue>),
}
