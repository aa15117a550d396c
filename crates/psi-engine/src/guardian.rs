//! The guardian: makes a vector fit to be scored, and watches what the scores say.
//!
//! Inbound, [`condition`] clips a vector. Outbound, [`Thresholds`] say which step is a threat, given a history of the
//! latest [`HISTORY_MAX`] samples; a threat raises a red flag with its reason, and [`judge`] says when that leads to an
//! intervention. All are functions of their arguments; [`Watch`] keeps those for one node alone. What an intervention
//! does is in [`crate::Noise`] and, for engine `core`, in [`crate::core::CoreState::intervene`]. Leaves out who merges
//! histories and which interventions count.

mod history;
mod mode;
mod statistics;
mod thresholds;
mod watch;

pub use history::History;
pub use mode::{Mode, UnknownMode};
pub use statistics::{Statistics, Summary};
pub use thresholds::{ADAPTIVE_FROM, HISTORY_MAX, Sample, Threat, Thresholds};
pub use watch::{COOLDOWN_STEPS, Verdict, Watch, judge};

/// Conditioned numbers lie in `[-CLIP, CLIP]`, in units of the input.
pub const CLIP: f64 = 5.0;

/// Conditions `input` in place: NaN becomes 0, +∞ becomes 1, −∞ becomes −1, all else is clipped to `[-5, 5]`.
///
/// Afterwards every number is finite. An empty input stays empty, and conditioning twice is conditioning once. An
/// infinity becomes ±1, not ±[`CLIP`]: it says that a sensor failed, not that its reading was extreme.
pub fn condition(input: &mut [f64]) {
    for number in input {
        *number = conditioned(*number);
    }
}

fn conditioned(number: f64) -> f64 {
    if number.is_nan() {
        0.0
    } else if number.is_infinite() {
        number.signum()
    } else {
        number.clamp(-CLIP, CLIP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_number_is_conditioned_alone() {
        for (number, want) in [
            (f64::NAN, 0.0),
            (-f64::NAN, 0.0),
            (f64::INFINITY, 1.0),
            (f64::NEG_INFINITY, -1.0),
            (f64::MAX, 5.0),
            (f64::MIN, -5.0),
            (5.000_001, 5.0),
            (-4.999, -4.999),
            (0.0, 0.0),
        ] {
            let mut input = [0.25, number];
            condition(&mut input);
            assert_eq!(input, [0.25, want], "{number}");
        }
        condition(&mut []);
    }

    proptest! {
        #[test]
        fn conditioning_is_idempotent_and_bounded(mut input in prop::collection::vec(prop::num::f64::ANY, 0..40)) {
            condition(&mut input);
            prop_assert!(input.iter().all(|number| number.abs() <= CLIP));
            let once = input.clone();
            condition(&mut input);
            prop_assert_eq!(once, input);
        }
    }
}
