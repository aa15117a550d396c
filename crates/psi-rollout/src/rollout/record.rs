//! What happens to a rollout.

use std::fmt;

use crate::{outcome::Outcomes, text::shown};

/// Longest reason of who forces something, in bytes.
pub const FORCE_BYTES_MAX: usize = 512;

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not begun: the champion answers all.
    Pending,
    /// The canary has a percentage.
    InProgress,
    /// The percentage stays. Measuring goes on.
    Paused,
    /// The canary is the champion. An end.
    Promoted,
    /// The champion answers all, and the version is rejected. An end.
    RolledBack,
    /// The champion answers all. An end.
    Cancelled,
}

/// What is to happen to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// On to the next percentage; of a pending one, to the first.
    Advance,
    /// The percentage stays from now on.
    Pause,
    /// It no longer does.
    Resume,
    /// The champion answers all again, and the version is rejected.
    Rollback,
    /// The canary becomes the champion.
    Promote,
    /// The champion answers all again.
    Cancel,
}

/// Why a person overrides what gates, members or a rejection say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Force(String);

/// A reason that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reason `{}` has {bytes} bytes: to force something, give 1 to {FORCE_BYTES_MAX} that say why", shown(.got, 40))]
pub struct ForceError {
    /// The text, cut if it is long.
    pub got: String,
    /// Its length in bytes.
    pub bytes: usize,
}

/// What happened to a rollout.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Step `step` of the schedule, from 0, began at `at_ms`.
    Advance {
        /// The step.
        step: usize,
        /// When.
        at_ms: u64,
        /// What was counted of the champion in the step before, where it answers no more.
        frozen_champion: Option<Outcomes>,
    },
    /// The percentage stays.
    Pause,
    /// It no longer does.
    Resume,
    /// The champion answers all again.
    Rollback,
    /// The canary is the champion.
    Promote,
    /// The champion answers all again.
    Cancel,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::InProgress, Self::Paused, Self::Promoted, Self::RolledBack, Self::Cancelled];

    /// Its name, for people, metrics and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::Paused => "PAUSED",
            Self::Promoted => "PROMOTED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing automatic follows.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Promoted | Self::RolledBack | Self::Cancelled)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Advance, Self::Pause, Self::Resume, Self::Rollback, Self::Promote, Self::Cancel];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Cancel => "cancel",
        }
    }

    /// In which statuses it changes something.
    pub(super) fn allowed(self) -> &'static [Status] {
        match self {
            Self::Advance => &[Status::Pending, Status::InProgress],
            Self::Pause | Self::Promote => &[Status::InProgress],
            Self::Resume => &[Status::Paused],
            Self::Rollback => &[Status::Pending, Status::InProgress, Status::Paused, Status::Cancelled],
            Self::Cancel => &[Status::Pending, Status::InProgress, Status::Paused],
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Force {
    /// Takes a reason.
    ///
    /// # Errors
    /// [`ForceError`] if it is blank or longer than [`FORCE_BYTES_MAX`].
    pub fn new(reason: &str) -> Result<Self, ForceError> {
        if reason.trim().is_empty() || reason.len() > FORCE_BYTES_MAX {
            return Err(ForceError { got: reason.chars().take(80).collect(), bytes: reason.len() });
        }
        Ok(Self(reason.to_owned()))
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl Record {
    /// What was to happen.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Self::Advance { .. } => Command::Advance,
            Self::Pause => Command::Pause,
            Self::Resume => Command::Resume,
            Self::Rollback => Command::Rollback,
            Self::Promote => Command::Promote,
            Self::Cancel => Command::Cancel,
        }
    }
}
