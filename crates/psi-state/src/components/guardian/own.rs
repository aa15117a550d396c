//! The own origin's share of what the guardian has seen.

use psi_engine::guardian::{HISTORY_MAX, Sample};
use psi_replica::Clock;

use super::fold::Alarm;

/// Samples in one entry of `HISTORY`.
pub(crate) const SAMPLES_PER_ENTRY: usize = 8;
/// Entries of `HISTORY` that an origin has at most.
pub(crate) const HISTORY_ENTRIES: u64 = (HISTORY_MAX / SAMPLES_PER_ENTRY) as u64;

/// Steps that an origin's guardian looks at, and memories that it takes, within [`RECORD_MS`] of hybrid time.
pub(crate) const RECORDS_MAX: u32 = 16;
/// See [`RECORDS_MAX`].
pub(crate) const RECORD_MS: u64 = 20;

/// Lets an origin record so many steps of its own in a span of hybrid time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recorder {
    span: u64,
    recorded: u32,
}

impl Recorder {
    /// Whether the step of `clock` is one to record.
    pub(crate) fn takes(&mut self, clock: Clock) -> bool {
        let span = clock.wall_ms / RECORD_MS;
        if span != self.span {
            *self = Self { span, recorded: 0 };
        }
        self.recorded += 1;
        self.recorded <= RECORDS_MAX
    }
}

/// The own origin's share: the latest samples, and what of them waits for a flush.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnSamples {
    /// In slot `sequence` mod [`HISTORY_MAX`].
    samples: Vec<(Clock, Sample)>,
    sequence: u64,
    pub(crate) alarm: Option<Alarm>,
    /// When the red flag was last taken down by hand, through this origin.
    pub(crate) acknowledged: Option<Clock>,
}

impl OwnSamples {
    /// Takes a sample in; tells its slot, and the clock of the one that it replaces.
    pub(crate) fn record(&mut self, clock: Clock, sample: Sample) -> (u64, Option<Clock>) {
        let slot = self.sequence % HISTORY_MAX as u64;
        self.sequence += 1;
        let held = usize::try_from(slot).ok().and_then(|slot| self.samples.get_mut(slot));
        let replaced = match held {
            Some(held) => Some(std::mem::replace(held, (clock, sample)).0),
            None => {
                self.samples.push((clock, sample));
                None
            }
        };
        (slot, replaced)
    }

    /// The samples of one entry.
    pub(crate) fn entry(&self, index: u64) -> &[(Clock, Sample)] {
        let first = usize::try_from(index).map_or(usize::MAX, |index| index.saturating_mul(SAMPLES_PER_ENTRY));
        let last = first.saturating_add(SAMPLES_PER_ENTRY).min(self.samples.len());
        self.samples.get(first..last).unwrap_or_default()
    }
}
