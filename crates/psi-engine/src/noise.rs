//! The noise level ν: all that the synthetic engine keeps of its history.
//!
//! ν moves only by guardian interventions. Each result is clipped, so the order of the interventions matters and two
//! replicas agree only if they fold the same ones in the same order. This module folds; which interventions count, and
//! in what order they happened, is the caller's to say.

use std::fmt;
use std::str::FromStr;

use crate::suggest::{did_you_mean, nearest};

/// What a guardian intervention does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Dissolution: adds [`Noise::NIGREDO_RISE`] to ν.
    Nigredo,
    /// Purification: takes [`Noise::ALBEDO_FALL`] from ν.
    Albedo,
}

impl Action {
    /// Both actions, in the order in which they are listed to people.
    pub const ALL: [Self; 2] = [Self::Nigredo, Self::Albedo];

    /// The name used in requests, records and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nigredo => "nigredo",
            Self::Albedo => "albedo",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// No intervention has the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no intervention is called `{got}`; there are: nigredo, albedo{}", did_you_mean(*suggestion))]
pub struct UnknownAction {
    /// The name as given.
    pub got: String,
    /// The name that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl FromStr for Action {
    type Err = UnknownAction;

    /// Reads the exact name, as [`Action::as_str`] gives it.
    ///
    /// # Errors
    /// [`UnknownAction`] for every other text.
    fn from_str(got: &str) -> Result<Self, UnknownAction> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == got)
            .ok_or_else(|| UnknownAction { got: got.to_owned(), suggestion: nearest(got, Self::ALL.map(Self::as_str)) })
    }
}

/// The noise level ν, without unit; always in `[0, 1.5]`.
///
/// It starts at [`Noise::ZERO`] and only [`Noise::after`] makes others, so a level outside the range, or one that no
/// sequence of interventions reaches, can't exist.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Noise(f64);

impl Noise {
    /// No intervention yet.
    pub const ZERO: Self = Self(0.0);

    /// The level that ν is clipped to from above.
    pub const CEILING: Self = Self(1.5);

    /// What nigredo adds, before clipping.
    pub const NIGREDO_RISE: f64 = 1.5;

    /// What albedo takes away, before clipping.
    pub const ALBEDO_FALL: f64 = 0.7;

    /// ν as a number.
    pub const fn value(self) -> f64 {
        self.0
    }

    /// The level after one more intervention, clipped to `[0, 1.5]`.
    #[must_use]
    pub fn after(self, action: Action) -> Self {
        let moved = match action {
            Action::Nigredo => self.0 + Self::NIGREDO_RISE,
            Action::Albedo => self.0 - Self::ALBEDO_FALL,
        };
        Self(moved.clamp(Self::ZERO.0, Self::CEILING.0))
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self::ZERO
    }
}

/// The noise level after `actions`, oldest first, starting from [`Noise::ZERO`].
///
/// Only the last few matter: nigredo lifts every level to the ceiling and three albedos bring every level to the
/// floor. A caller that keeps any three or more of the latest actions gets the exact level.
pub fn fold_noise(actions: impl IntoIterator<Item = Action>) -> Noise {
    actions.into_iter().fold(Noise::ZERO, Noise::after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn actions(letters: &str) -> Vec<Action> {
        letters
            .chars()
            .map(|letter| match letter {
                'n' => Action::Nigredo,
                'a' => Action::Albedo,
                other => panic!("no action is written {other}"),
            })
            .collect()
    }

    fn noise_after(letters: &str) -> f64 {
        fold_noise(actions(letters)).value()
    }

    #[test]
    fn noise_is_clipped_after_each_intervention() {
        for (letters, want) in [
            ("", 0.0),
            ("a", 0.0),
            ("n", 1.5),
            ("nn", 1.5),
            ("na", 0.8),
            ("nna", 0.8),
            ("an", 1.5),
            ("naa", 0.100_000_000_000_000_09),
            ("naaa", 0.0),
            ("naan", 1.5),
            ("nana", 0.8),
        ] {
            let got = noise_after(letters);
            assert_eq!(got.to_bits(), f64::to_bits(want), "{letters}: {got}");
        }
    }

    #[test]
    fn the_order_of_interventions_matters() {
        assert_ne!(noise_after("na"), noise_after("an"));
    }

    #[test]
    fn every_action_is_read_back_from_its_name() {
        for action in Action::ALL {
            assert_eq!(action.to_string().parse(), Ok(action));
        }
        let error = "Nigred".parse::<Action>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no intervention is called `Nigred`; there are: nigredo, albedo; did you mean `nigredo`?"
        );
    }

    proptest! {
        #[test]
        fn noise_depends_only_on_the_last_actions(letters in "[na]{0,200}", kept in 3_usize..=64) {
            let recent = letters.len().saturating_sub(kept);
            prop_assert_eq!(noise_after(&letters), noise_after(&letters[recent..]));
        }

        #[test]
        fn noise_stays_in_its_range(letters in "[na]{0,200}") {
            let noise = noise_after(&letters);
            prop_assert!((0.0..=1.5).contains(&noise) && noise.is_sign_positive());
        }
    }
}
