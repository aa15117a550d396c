//! The fold of many origins' moments, from which one can be taken out again.
//!
//! Arithmetic is modular, so adding and removing commute whatever the order, and what overflows on the way is not lost.
//! Whether the sums are ones that inputs could have is not checked here but when they are read, by [`Totals::moments`].

use crate::moments::sums::Sums;
use crate::moments::{Moments, MomentsError, same_width};

/// Moments added and removed in any order; equal whenever what was added and not removed is equal.
///
/// A removal may come before its addition: the count is then below zero, which shows as a count near 2^128.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    count: u128,
    pub(crate) sums: Vec<Sums>,
}

impl Totals {
    /// The fold of nothing, for moments of `width` dimensions.
    pub fn new(width: usize) -> Self {
        Self { count: 0, sums: vec![Sums::default(); width] }
    }

    /// The number of dimensions.
    pub fn width(&self) -> usize {
        self.sums.len()
    }

    /// The number of vectors, modulo 2^128.
    pub fn count(&self) -> u128 {
        self.count
    }

    /// Whether nothing is left: the count and all sums are 0.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.sums.iter().all(|sums| *sums == Sums::default())
    }

    /// Adds `moments`.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`]; nothing has changed then.
    pub fn add(&mut self, moments: &Moments) -> Result<(), MomentsError> {
        self.combine(&moments.sums, Sums::wrapping_add)?;
        self.count = self.count.wrapping_add(u128::from(moments.count));
        Ok(())
    }

    /// Takes `moments` out again; undoes [`Self::add`].
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`]; nothing has changed then.
    pub fn remove(&mut self, moments: &Moments) -> Result<(), MomentsError> {
        self.combine(&moments.sums, Sums::wrapping_sub)?;
        self.count = self.count.wrapping_sub(u128::from(moments.count));
        Ok(())
    }

    /// Adds everything that `other` folds.
    ///
    /// # Errors
    /// [`MomentsError::WidthMismatch`]; nothing has changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), MomentsError> {
        self.combine(&other.sums, Sums::wrapping_add)?;
        self.count = self.count.wrapping_add(other.count);
        Ok(())
    }

    /// The moments of all vectors that were added and not removed.
    ///
    /// # Errors
    /// [`MomentsError::CountLimit`] if they are too many, or more were removed than added; [`MomentsError::Impossible`] if
    /// something was removed that had not been added.
    pub fn moments(&self) -> Result<Moments, MomentsError> {
        Moments::checked(self.count, self.sums.clone())
    }

    fn combine(&mut self, others: &[Sums], combine: fn(Sums, Sums) -> Sums) -> Result<(), MomentsError> {
        same_width(others.len(), self.width())?;
        for (own, &other) in self.sums.iter_mut().zip(others) {
            *own = combine(*own, other);
        }
        Ok(())
    }
}
