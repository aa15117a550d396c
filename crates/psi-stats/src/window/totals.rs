//! The fold of many origins' windows, by absolute second.
//!
//! Which buckets are added and removed, and the last second to read, are the caller's: nothing here ages by itself.

use std::collections::BTreeMap;

use crate::moments::totals::Totals;
use crate::moments::{Moments, MomentsError, same_width};
use crate::window::SPAN_SECONDS;

/// Totals for each second that some origin's window holds; a second whose totals become empty is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowTotals {
    width: usize,
    seconds: BTreeMap<u64, Totals>,
}

impl WindowTotals {
    /// The fold of nothing, for records of `width` values.
    pub fn new(width: usize) -> Self {
        Self { width, seconds: BTreeMap::new() }
    }

    /// The number of values in a record.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether no second holds anything.
    pub fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// The latest second that holds anything.
    pub fn last_second(&self) -> Option<u64> {
        self.seconds.last_key_value().map(|(&second, _)| second)
    }

    /// Adds one origin's bucket for `second`.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`]; nothing has changed then.
    pub fn add(&mut self, second: u64, bucket: &Moments) -> Result<(), MomentsError> {
        self.change(second, bucket, Totals::add)
    }

    /// Takes one origin's bucket for `second` out again; undoes [`Self::add`], and may come before it.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`]; nothing has changed then.
    pub fn remove(&mut self, second: u64, bucket: &Moments) -> Result<(), MomentsError> {
        self.change(second, bucket, Totals::remove)
    }

    /// The moments of the [`SPAN_SECONDS`] that end with `last_second`: (`last_second` − 60, `last_second`]. Empty moments
    /// if nothing was recorded in them.
    ///
    /// # Errors
    /// [`MomentsError::CountLimit`] or [`MomentsError::Impossible`], as [`Totals::moments`].
    pub fn over(&self, last_second: u64) -> Result<Moments, MomentsError> {
        let mut span = Totals::new(self.width);
        for (_, totals) in self.seconds(last_second) {
            span.merge(totals)?;
        }
        span.moments()
    }

    /// The totals of each second that [`Self::over`] looks at, oldest first.
    pub fn seconds(&self, last_second: u64) -> impl Iterator<Item = (u64, &Totals)> {
        let first_second = last_second.saturating_sub(SPAN_SECONDS - 1);
        self.seconds.range(first_second..=last_second).map(|(&second, totals)| (second, totals))
    }

    fn change(
        &mut self,
        second: u64,
        bucket: &Moments,
        change: fn(&mut Totals, &Moments) -> Result<(), MomentsError>,
    ) -> Result<(), MomentsError> {
        same_width(bucket.width(), self.width)?;
        let totals = self.seconds.entry(second).or_insert_with(|| Totals::new(self.width));
        change(totals, bucket)?;
        if totals.is_empty() {
            self.seconds.remove(&second);
        }
        Ok(())
    }
}
