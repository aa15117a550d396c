//! What clients may do.

use std::{fmt, str::FromStr};

use super::error::ClaimsError;

/// What a client may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look: fields, the cluster, metrics.
    Read = 1,
    /// Feed: send steps.
    Step = 2,
    /// Change: fields, interventions, rollouts.
    Operator = 3,
}

impl Role {
    /// All roles, the weakest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Step, Self::Operator];

    /// Whether this role may do what needs `wanted`.
    #[must_use]
    pub fn allows(self, wanted: Self) -> bool {
        self >= wanted
    }

    /// Its name, as in `--role`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Step => "step",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = ClaimsError;

    fn from_str(name: &str) -> Result<Self, ClaimsError> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or(ClaimsError::Role)
    }
}
