//! Inputs as a node meets them, and some that it rarely does.

use proptest::collection::vec;
use proptest::prelude::*;
use psi_stats::{FixedPoint, Moments, Scale, quantize};

/// Dimensions of the vectors that are generated here.
pub(crate) const WIDTH: usize = 2;

/// Scales from end to end.
pub(crate) fn scales() -> impl Strategy<Value = Scale> {
    (Scale::MIN_EXPONENT..=Scale::MAX_EXPONENT).prop_map(|exponent| Scale::new(exponent).expect("in range"))
}

/// Numbers that any scale of `scale` takes: of every size, few digits or many, and the largest.
pub(crate) fn components(scale: Scale) -> impl Strategy<Value = f64> {
    let largest = scale.limit().next_down();
    prop_oneof![
        4 => (-1.0..1.0f64).prop_map(move |x| x * scale.factor()),
        2 => (-1.0..1.0f64).prop_map(move |x| x * largest),
        2 => (-1.0..1.0f64, -70..24).prop_map(move |(x, exponent)| x * scale.factor() * 2f64.powi(exponent)),
        2 => (-9..9).prop_map(move |x| f64::from(x) * scale.factor()),
        1 => Just(0.0),
        1 => Just(largest),
        1 => Just(-largest),
    ]
}

/// Some vectors of [`WIDTH`] at scale 1.
pub(crate) fn vectors(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Vec<FixedPoint>>> {
    let vector = vec(components(Scale::default()), WIDTH);
    vec(vector.prop_map(|input| quantize(&input, Scale::default()).expect("in range")), count)
}

/// The moments of up to 20 vectors.
pub(crate) fn moments() -> impl Strategy<Value = Moments> {
    vectors(0..20).prop_map(|vectors| moments_of(&vectors))
}

/// The moments of some vectors of [`WIDTH`].
pub(crate) fn moments_of(vectors: &[Vec<FixedPoint>]) -> Moments {
    let mut moments = Moments::new(WIDTH);
    for vector in vectors {
        moments.add(vector).expect("the width is right");
    }
    moments
}

/// The moments of single numbers.
pub(crate) fn moments_of_numbers(numbers: &[f64], scale: Scale) -> Moments {
    let mut moments = Moments::new(1);
    for &number in numbers {
        moments.add(&[FixedPoint::from_f64(number, scale).expect("in range")]).expect("the width is right");
    }
    moments
}

/// A small generator with a visible seed (SplitMix64), for deals and shuffles.
pub(crate) struct Dealer(pub(crate) u64);

impl Dealer {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed >> 33) % bound as u64).expect("below the bound")
    }

    /// Puts `items` into random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}
