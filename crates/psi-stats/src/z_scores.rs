//! How far a vector lies from those before it, in their deviations: squared z-scores, straight from the integers.
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
/// above 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ZScores {
    sum_of_squares: f64,
    varying: u32,
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
            return Some(self);
        }
        let own = own.map(|(own, first)| &own.sums[first..first + others.width()]);
        for (dimension, (&component, &sums)) in input.iter().zip(&others.sums).enumerate() {
            let sums = own.map_or(sums, |own| sums.wrapping_add(own[dimension]));
            let spread = sums.checked_spread(count)?;
            if spread > U256::ZERO {
                self.sum_of_squares += squared(component, sums, count, spread);
                self.varying += 1;
            }
        }
        Some(self)
    }

    /// The root mean square z-score over the dimensions that vary; 0 where none does.
    #[must_use]
    pub fn root_mean_square(self) -> f64 {
        (self.sum_of_squares / f64::from(self.varying.max(1))).sqrt()
    }
}

/// The z-score of each component of `input` among `others`, with its sign. `None` where it can't be told: these are fewer
/// than two, or all equal to the component. Where they are all equal and the component differs, it is the root of their
/// number: about what the next one like it gets.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "rounded once, to the nearest")]
pub fn z_scores(input: &[FixedPoint], others: &Moments) -> Vec<Option<f64>> {
    let count = others.count();
    let components = input.iter().zip(&others.sums);
    let z = components.map(|(&component, &sums)| {
        let spread = sums.checked_spread(count).filter(|_| count > 1)?;
        let distance = component.raw() * i128::from(count) - sums.sum;
        let size = match (spread > U256::ZERO, distance) {
            (true, _) => squared(component, sums, count, spread).sqrt(),
            (false, 0) => return None,
            (false, _) => (count as f64).sqrt(),
        };
        Some(if distance < 0 { -size } else { size })
    });
    z.collect()
}

/// (n·x − Σx)²/(n·Σx² − (Σx)²) · (n − 1)/n.
#[expect(clippy::cast_precision_loss, reason = "rounded once, to the nearest")]
fn squared(component: FixedPoint, sums: Sums, count: u64, spread: U256) -> f64 {
    let (x, n) = (component.raw(), i128::from(count));
    // Each is below 2^127 in size, so that their difference fits 128 bits without a sign.
    let distance = near_u128((x * n).abs_diff(sums.sum));
    distance / near(spread) * distance * ((count - 1) as f64 / count as f64)
}
