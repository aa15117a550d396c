//! What a transition does.

use std::fmt;

use crate::{attestation::Baseline, name::Name};

/// What a transition does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A task begins, in the first phase.
    Start {
        /// The first phase.
        to: Name,
    },
    /// The gates of a phase passed, and the task goes on.
    Advance {
        /// The phase.
        from: Name,
        /// The next phase; `None` if the task is done.
        to: Option<Name>,
    },
    /// A gate failed, and the task goes back to where the spec says.
    Return {
        /// The phase.
        from: Name,
        /// Its `on_fail`.
        to: Name,
    },
    /// A task is set back to any earlier phase.
    Rewind {
        /// The phase.
        from: Name,
        /// An earlier one.
        to: Name,
    },
    /// A task ends where it is; a process starts no more tasks.
    Abort {
        /// The phase of the task.
        from: Option<Name>,
    },
    /// The spec is another from now on. It is also how a process begins.
    SpecChange,
    /// The mode is another from now on.
    Switch,
    /// What later attestations are compared with.
    BaselineSetting(Baseline),
}

impl Action {
    /// The phase that it leaves.
    #[must_use]
    pub fn from(&self) -> Option<&Name> {
        match self {
            Self::Advance { from, .. } | Self::Return { from, .. } | Self::Rewind { from, .. } => Some(from),
            Self::Abort { from } => from.as_ref(),
            Self::Start { .. } | Self::SpecChange | Self::Switch | Self::BaselineSetting(_) => None,
        }
    }

    /// The phase that it enters.
    #[must_use]
    pub fn to(&self) -> Option<&Name> {
        match self {
            Self::Start { to } | Self::Return { to, .. } | Self::Rewind { to, .. } => Some(to),
            Self::Advance { to, .. } => to.as_ref(),
            Self::Abort { .. } | Self::SpecChange | Self::Switch | Self::BaselineSetting(_) => None,
        }
    }

    /// Its name, for people, metrics and programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Advance { .. } => "advance",
            Self::Return { .. } => "return",
            Self::Rewind { .. } => "rewind",
            Self::Abort { .. } => "abort",
            Self::SpecChange => "spec_change",
            Self::Switch => "switch",
            Self::BaselineSetting(_) => "baseline_setting",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Some(from) = self.from() {
            write!(f, " from `{from}`")?;
        }
        self.to().map_or(Ok(()), |to| write!(f, " to `{to}`"))
    }
}
