//! t: how far a field's time has come, as an exact sum.

/// Bits after the binary point of a second.
const FRACTION_BITS: i32 = 56;

/// The sum of effective steps in units of 2^-56 s, so that neither the order nor the grouping of the steps matters.
///
/// Each step is at most a minute, 2^62 units, so that 2^65 steps fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldTime(pub i128);

impl FieldTime {
    /// One effective step, rounded half to even to a unit; a step of at least a millisecond is rounded by less than
    /// 2^-57 s. Not a finite number counts as none.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and NaN is 0")]
    pub fn of_step(dt_eff: f64) -> Self {
        Self((dt_eff * unit_inverse()).round_ties_even() as i128)
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// In seconds, rounded once to a double.
    pub fn seconds(self) -> f64 {
        self.0 as f64 / unit_inverse()
    }
}

/// 2^56: multiplying and dividing by it rounds nothing.
const fn unit_inverse() -> f64 {
    (1_u64 << FRACTION_BITS) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_held_exactly_from_a_sixteenth_on() {
        for step in [0.05, 0.0625, 0.2, 0.237, 0.5, 60.0] {
            assert!((FieldTime::of_step(step).seconds() - step).abs() <= if step < 0.0625 { 1e-17 } else { 0.0 });
        }
        assert_eq!(FieldTime::default().seconds(), 0.0);
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut steps in prop::collection::vec(0.001..60.0, 0..50)) {
            let sum = |steps: &[f64]| {
                steps.iter().map(|&step| FieldTime::of_step(step)).fold(FieldTime::default(), FieldTime::plus)
            };
            let before = sum(&steps);
            steps.sort_by(f64::total_cmp);
            prop_assert_eq!(before, sum(&steps));
            let floating = steps.iter().fold(0.0, |sum, step| sum + step);
            prop_assert!((before.seconds() - floating).abs() < 1e-9);
        }
    }
}
