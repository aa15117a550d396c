//! How far a vector lies from those before it, in their deviations: squared z-scores, straight from the integers.
//!
//! A dimension that never varied has no deviation. What it never was lies infinitely many of them off, which is what comes
//! of ever smaller deviations. So z-scores are read out with a bound, the root of the number of vectors before: of n + 1
//! numbers, none lies farther from their mean than √n of their own deviations (Samuelson's inequality).
//!
//! The vector is the rounded one, in fixed point, as those before it were. With raw integers, (x − mean)²/variance is
//! (n·x − Σx)²·(n − 1) / (n·(n·Σx² − (Σx)²)). Both differences are exact, so nothing cancels, and a few roundings are
//! all that is lost. Neither mean nor deviation has to be read out, whose long divisions and roots cost twenty times as
//! much.

use ethnum::U256;

use crate::fixed::FixedPoint;
use crate::moments::sums::Sums;
use crate::moments::totals::Totals;
use crate::moments::{COUNT_LIMIT, Moments};
use crate::readout::{near, near_u128};

/// The squared z-scores of a vector's components, added up over the dimensions that vary: those whose deviation is
/// above 0 once the vector is among the others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ZScores {
    /// Infinite where a dimension varies that never did.
    sum_of_squares: f64,
    varying: u32,
    /// How many vectors there were before.
    count: u64,
    taken: u32,
    farthest: [ColumnZ; FARTHEST],
}

/// How many of the dimensions that lie farthest off are remembered.
pub const FARTHEST: usize = 3;

/// The z-score of one dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ColumnZ {
    /// Which dimension, from 0.
    pub column: u32,
    /// How many deviations it lies above the mean, or below; at most the root of the number of vectors before.
    pub z: f64,
}

impl ZScores {
    /// Takes in `input`, the dimensions from `first` on of a longer vector, judged by `others` and the same dimensions of
    /// `own` taken together. The order of the calls is the order of the sum.
    ///
    /// Nothing varies before two vectors. `None` if the two together are not the moments of any vectors, or are too many.
    ///
    /// # Panics
    /// If `own` has fewer dimensions than `first` and those of `others`.
    #[must_use]
    pub fn with(mut self, input: &[FixedPoint], others: &Totals, own: Option<(&Moments, usize)>) -> Option<Self> {
        let count = others.count().checked_add(own.map_or(0, |(own, _)| own.count().into()))?;
        let count = u64::try_from(count).ok().filter(|&count| count < COUNT_LIMIT)?;
        if count < 2 {
            self.taken += u32::try_from(input.len()).unwrap_or(u32::MAX);
            return Some(self);
        }
        self.count = count;
        let own = own.map(|(own, first)| &own.sums[first..first + others.width()]);
        for (dimension, (&component, &sums)) in input.iter().zip(&others.sums).enumerate() {
            let sums = own.map_or(sums, |own| sums.wrapping_add(own[dimension]));
            let spread = sums.checked_spread(count)?;
            let squared = if spread > U256::ZERO {
                squared(component, sums, count, spread)
            } else if component.raw() * i128::from(count) == sums.sum {
                continue;
            } else {
                f64::INFINITY
            };
            self.sum_of_squares += squared;
            self.varying += 1;
            // Until all are known, the size is the square.
            if squared > self.farthest[FARTHEST - 1].z.abs() {
                let is_below = component.raw() * i128::from(count) < sums.sum;
                let column = self.taken + u32::try_from(dimension).unwrap_or(u32::MAX);
                self.insert(ColumnZ { column, z: if is_below { -squared } else { squared } });
            }
        }
        self.taken += u32::try_from(input.len()).unwrap_or(u32::MAX);
        Some(self)
    }

    /// Puts a dimension in its place among the farthest, in place of the last.
    #[inline]
    fn insert(&mut self, one: ColumnZ) {
        let farther = self.farthest.iter().take_while(|held| held.z.abs() >= one.z.abs()).count();
        if let Some(nearer @ [_, ..]) = self.farthest.get_mut(farther..) {
            nearer.rotate_right(1);
            nearer[0] = one;
        }
    }

    /// The dimensions that lie farthest off, the farthest first; what lies at the mean is none.
    #[must_use]
    pub fn farthest(self) -> [Option<ColumnZ>; FARTHEST] {
        let bound = self.bound();
        let root = |one: ColumnZ| ColumnZ { z: one.z.abs().sqrt().min(bound).copysign(one.z), ..one };
        self.farthest.map(|one| Some(root(one)).filter(|one| one.z != 0.0))
    }

    /// The root mean square z-score over the dimensions that vary; 0 where none does, and at most the root of the number of
    /// vectors before.
    #[must_use]
    pub fn root_mean_square(self) -> f64 {
        self.unbounded().min(self.bound())
    }

    /// Whether the root mean square is at least `all`, or some dimension lies at least `one` off. Without the bound: where
    /// a dimension varies that never did, it is, whatever the two are.
    #[must_use]
    pub fn reaches(self, all: f64, one: f64) -> bool {
        self.unbounded() >= all || self.farthest[0].z.abs().sqrt() >= one
    }

    fn unbounded(self) -> f64 {
        (self.sum_of_squares / f64::from(self.varying.max(1))).sqrt()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^47")]
    fn bound(self) -> f64 {
        (self.count as f64).sqrt()
    }
}

/// (n·x − Σx)²/(n·Σx² − (Σx)²) · (n − 1)/n.
#[expect(clippy::cast_precision_loss, reason = "rounded once, to the nearest")]
fn squared(component: FixedPoint, sums: Sums, count: u64, spread: U256) -> f64 {
    let (x, n) = (component.raw(), i128::from(count));
    // Each is below 2^127 in size, so that their difference fits 128 bits without a sign.
    let distance = near_u128((x * n).abs_diff(sums.sum));
    distance / near(spread) * distance * ((count - 1) as f64 / count as f64)
}
