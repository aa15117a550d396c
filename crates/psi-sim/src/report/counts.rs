//! What a run counts.

use std::collections::BTreeMap;

use super::marker_counts::MarkerCounts;

/// What a run counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames handed to transports.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Writes that were accepted, each step of a batch for itself.
    pub writes: u64,
    /// Writes that were refused.
    pub writes_refused: u64,
    /// Frontiers compared with one that was met before.
    pub compared: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What must happen in some runs.
    pub markers: MarkerCounts,
}

impl Counts {
    /// Takes in those of another run.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.writes += other.writes;
        self.writes_refused += other.writes_refused;
        self.compared += other.compared;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.markers.add(&other.markers);
    }
}
