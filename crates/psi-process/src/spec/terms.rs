//! What a spec says about a process as a whole.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::proto;

#[cfg(doc)]
use super::limits::{LEASE_RENEWALS_MAX, LEASE_SECONDS_MAX};

/// How transitions are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// By a majority of voters, once and for all.
    #[default]
    Quorum,
    /// By the first clock. What counts is provisional: a transition that arrives later can displace it.
    Fold,
}

/// Whether gates block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Gates are judged and recorded, and block nothing: how a process begins.
    #[default]
    Watch,
    /// Only PASS advances.
    Enforce,
}

/// What a drift of high severity does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftReaction {
    /// It is recorded.
    Warn,
    /// It blocks.
    #[default]
    Block,
}

/// How long work on a phase belongs to one holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseTerms {
    /// Seconds until it expires, 1 to [`LEASE_SECONDS_MAX`].
    pub seconds: u32,
    /// How often its holder may renew it, at most [`LEASE_RENEWALS_MAX`].
    pub renewals_max: u32,
}

impl Mode {
    pub(crate) fn message(self) -> proto::Mode {
        match self {
            Self::Watch => proto::Mode::Watch,
            Self::Enforce => proto::Mode::Enforce,
        }
    }

    pub(crate) fn read(number: i32) -> Option<Self> {
        match proto::Mode::try_from(number).ok()? {
            proto::Mode::Unspecified => None,
            proto::Mode::Watch => Some(Self::Watch),
            proto::Mode::Enforce => Some(Self::Enforce),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Watch => "watch",
            Self::Enforce => "enforce",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quorum => "quorum",
            Self::Fold => "fold",
        })
    }
}
