//! What the guardian of a field does about a threat.

use std::fmt;
use std::str::FromStr;

use crate::suggest::{did_you_mean, nearest};

/// What the guardian does about a threat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Raises the red flag and leaves it to people to intervene.
    #[default]
    Watch,
    /// Raises the red flag and intervenes, at most once in [`super::COOLDOWN_STEPS`] steps.
    Intervene,
}

impl Mode {
    /// Both modes, in the order in which they are listed to people.
    pub const ALL: [Self; 2] = [Self::Watch, Self::Intervene];

    /// The name used in settings, requests and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Intervene => "intervene",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// No mode has the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no guardian mode is called `{got}`; there are: watch, intervene{}", did_you_mean(*suggestion))]
pub struct UnknownMode {
    /// The name as given.
    pub got: String,
    /// The name that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl FromStr for Mode {
    type Err = UnknownMode;

    /// Reads the exact name, as [`Mode::as_str`] gives it.
    ///
    /// # Errors
    /// [`UnknownMode`] for every other text.
    fn from_str(got: &str) -> Result<Self, UnknownMode> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == got)
            .ok_or_else(|| UnknownMode { got: got.to_owned(), suggestion: nearest(got, Self::ALL.map(Self::as_str)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_back_and_others_are_refused_with_a_suggestion() {
        for mode in Mode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        let error = "intervine".parse::<Mode>().unwrap_err().to_string();
        assert_eq!(
            error,
            "no guardian mode is called `intervine`; there are: watch, intervene; did you mean `intervene`?"
        );
    }
}
