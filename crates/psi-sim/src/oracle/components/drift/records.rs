//! What the oracle keeps of drift.

use num_bigint::BigInt;

use super::buckets::{OracleAnchor, OracleColumn, OracleCounts};
use crate::oracle::{records::Record, words::OracleMoment};

/// What is kept.
#[derive(Clone, Debug)]
pub enum DriftRecord {
    /// An input that is watched.
    Input(WatchedInput),
    /// Where an origin laid buckets.
    Anchor(OracleAnchor),
    /// What an origin wrote of a span.
    Slot(OracleSlot),
    /// What an origin made the baseline by itself.
    Automatic(OracleBaseline),
    /// What a caller set.
    Caller(CallerBaseline),
}

/// An input, as buckets take it.
#[derive(Clone, Debug)]
pub struct WatchedInput {
    /// Its first columns, in fixed point.
    pub(super) columns: Vec<BigInt>,
    /// The first anchor of others that its origin knew.
    pub(super) heard: Option<OracleMoment>,
    /// Where buckets lie if they are laid by this input.
    pub(super) founds: Option<Vec<OracleColumn>>,
}

/// What an origin wrote of a span: it takes the place of what it wrote there before.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleSlot {
    /// Seconds, minutes, hours or days, from 0.
    pub level: usize,
    /// Since the Unix epoch.
    pub number: u64,
    /// The name of the anchor that it is counted by.
    pub anchor: u64,
    /// What was counted.
    pub counts: OracleCounts,
}

/// A baseline as a caller is told of it, or that there is to be none.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineSpans {
    /// What it is called.
    pub title: String,
    /// Level, first and last of its spans, and its windows, the longest first; `None`: there is to be none.
    pub spans: Option<(usize, u64, u64, Vec<u64>)>,
    /// Its inputs.
    pub inputs: u64,
}

/// A baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleBaseline {
    /// What it is called.
    pub title: String,
    /// The name of the anchor that it is counted by.
    pub anchor: u64,
    /// Seconds, minutes, hours or days, from 0.
    pub level: usize,
    /// Its first span.
    pub first: u64,
    /// Its last span.
    pub last: u64,
    /// Spans in each window that is compared with it, the longest first.
    pub windows: Vec<u64>,
    /// Its inputs.
    pub counts: OracleCounts,
}

/// What a caller set.
#[derive(Clone, Debug)]
pub struct CallerBaseline {
    /// `None`: there is to be none.
    pub(super) baseline: Option<OracleBaseline>,
    /// The last of other origins that was known.
    pub(super) heard: Option<OracleMoment>,
}

impl BaselineSpans {
    pub(super) fn of(baseline: &OracleBaseline) -> Self {
        let OracleBaseline { title, level, first, last, windows, counts, .. } = baseline;
        Self { title: title.clone(), spans: Some((*level, *first, *last, windows.clone())), inputs: counts.inputs }
    }
}

/// The anchor that holds: the first, by clock and then by origin.
pub(super) fn first_anchor<'a>(
    records: impl Iterator<Item = &'a Record<DriftRecord>>,
) -> Option<(&'a Record<DriftRecord>, &'a OracleAnchor)> {
    let anchors = records.filter_map(|record| match &record.what {
        DriftRecord::Anchor(anchor) => Some((record, anchor)),
        _ => None,
    });
    anchors.min_by_key(|(record, _)| record.place())
}
