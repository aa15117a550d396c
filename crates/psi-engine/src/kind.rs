//! The engines there are, by name.
//!
//! Leaves out what they compute: see [`crate::synthetic`] and [`crate::core`].

use std::fmt;
use std::str::FromStr;

use crate::suggest::{did_you_mean, nearest};

/// Which engine scores the inputs of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EngineKind {
    /// The small engine whose only history is the noise level; see [`crate::synthetic`].
    Synthetic,
    /// The full engine, which learns and remembers; see [`crate::core`].
    Core,
}

impl EngineKind {
    /// Every engine, in the order in which they are listed to people.
    pub const ALL: &[Self] = &[Self::Synthetic, Self::Core];

    /// The name of each of [`Self::ALL`], in that order.
    pub const NAMES: &[&'static str] = &[Self::Synthetic.as_str(), Self::Core.as_str()];

    /// The name used in settings, requests and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synthetic => "synthetic",
            Self::Core => "core",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// No engine has the name that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no engine is called `{got}`; there are: {}{}", known.join(", "), did_you_mean(*suggestion))]
pub struct UnknownEngine {
    /// The name as given.
    pub got: String,
    /// The names there are.
    pub known: &'static [&'static str],
    /// The one of them that was probably meant.
    pub suggestion: Option<&'static str>,
}

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    /// Reads the exact name, as [`EngineKind::as_str`] gives it.
    ///
    /// # Errors
    /// [`UnknownEngine`] for every other text.
    fn from_str(got: &str) -> Result<Self, UnknownEngine> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == got).ok_or_else(|| UnknownEngine {
            got: got.to_owned(),
            known: Self::NAMES,
            suggestion: nearest(got, Self::NAMES.iter().copied()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_read_back_from_its_name() {
        assert_eq!(EngineKind::ALL.len(), EngineKind::NAMES.len());
        for (kind, name) in EngineKind::ALL.iter().zip(EngineKind::NAMES) {
            assert_eq!(kind.to_string(), *name);
            assert_eq!(name.parse(), Ok(*kind));
        }
    }

    #[test]
    fn a_mistyped_engine_is_refused_with_a_suggestion() {
        for (got, want) in [
            ("Synthetic", "no engine is called `Synthetic`; there are: synthetic, core; did you mean `synthetic`?"),
            ("sintetic", "no engine is called `sintetic`; there are: synthetic, core; did you mean `synthetic`?"),
            ("mood", "no engine is called `mood`; there are: synthetic, core"),
        ] {
            let error = got.parse::<EngineKind>().unwrap_err();
            assert_eq!(error.to_string(), want);
        }
    }
}
