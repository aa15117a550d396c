//! One origin's records of the last minute, in buckets of one second of hybrid time.
//!
//! The window has no clock: seconds come with the records. Folding several windows is left to [`crate::WindowTotals`].

pub(crate) mod totals;

use crate::fixed::FixedPoint;
use crate::moments::{Moments, MomentsError, same_width};

/// Buckets in a window. More than [`SPAN_SECONDS`], so that windows whose clocks are up to 4 s apart still hold the same
/// span.
pub const BUCKETS: u64 = 64;

/// Seconds that a window is read over.
pub const SPAN_SECONDS: u64 = 60;

/// A ring of [`BUCKETS`] buckets of moments; second s is held in slot s mod 64 until second s + 64 or a later one of that
/// slot is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    width: usize,
    slots: Vec<Option<Bucket>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bucket {
    second: u64,
    moments: Moments,
}

impl Window {
    /// A window without records, for vectors of `width` values.
    pub fn new(width: usize) -> Self {
        Self { width, slots: (0..BUCKETS).map(|_| None).collect() }
    }

    /// The number of values in a record.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds one record to the bucket of `second`, and gives the slot that changed.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`], [`MomentsError::CountLimit`], or [`MomentsError::OlderThanBucket`] if the slot has
    /// gone on to a later second, which a clock that never goes back rules out; nothing has changed then.
    pub fn record(&mut self, second: u64, values: &[FixedPoint]) -> Result<u64, MomentsError> {
        same_width(values.len(), self.width)?;
        let slot = second % BUCKETS;
        match &mut self.slots[index(slot)] {
            Some(bucket) if bucket.second > second => {
                return Err(MomentsError::OlderThanBucket { second, held: bucket.second });
            }
            Some(bucket) if bucket.second == second => bucket.moments.add(values)?,
            stale_or_empty => {
                let mut moments = Moments::new(values.len());
                moments.add(values)?;
                *stale_or_empty = Some(Bucket { second, moments });
            }
        }
        Ok(slot)
    }

    /// The second that `slot` holds and its moments; none if nothing was recorded there, or the slot is not below
    /// [`BUCKETS`].
    pub fn bucket(&self, slot: u64) -> Option<(u64, &Moments)> {
        let bucket = self.slots.get(usize::try_from(slot).ok()?)?.as_ref()?;
        Some((bucket.second, &bucket.moments))
    }

    /// Every second held and its moments, in the order of the slots. Some may be older than [`SPAN_SECONDS`].
    pub fn buckets(&self) -> impl Iterator<Item = (u64, &Moments)> {
        self.slots.iter().flatten().map(|bucket| (bucket.second, &bucket.moments))
    }

    /// Forgets all records.
    pub fn clear(&mut self) {
        self.slots.fill(None);
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot).expect("a slot is below 64")
}
