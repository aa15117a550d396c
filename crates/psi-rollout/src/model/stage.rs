//! How far a version has come.

use std::fmt;

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It may be rolled out.
    Staging,
    /// It is being rolled out.
    Canary,
    /// It is the champion: it answers.
    Production,
    /// It no longer answers.
    Archived,
    /// It was rolled back, or a person rejected it.
    Rejected,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Staging, Self::Canary, Self::Production, Self::Archived, Self::Rejected];

    /// Its name, for people, metrics and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Staging => "STAGING",
            Self::Canary => "CANARY",
            Self::Production => "PRODUCTION",
            Self::Archived => "ARCHIVED",
            Self::Rejected => "REJECTED",
        }
    }

    /// Whether a version in it takes steps.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Staging | Self::Canary | Self::Production)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
