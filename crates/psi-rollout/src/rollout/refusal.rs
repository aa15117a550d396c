//! Why something may not happen to a rollout. Nothing has changed then.

use super::record::{Command, Status};
use crate::{
    assignment::Percent,
    gate::HoldReason,
    name::{LiveVersionsError, ModelName, NameError, RolloutId, VersionName},
    text::{duration, list},
};

/// Why something may not happen to a rollout; the message names the value, the limit and the way out.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It has ended.
    #[error("{command} refused: the rollout is {status}, and nothing follows that; begin another rollout")]
    Ended {
        /// What was to happen.
        command: Command,
        /// How it ended.
        status: Status,
    },
    /// The status does not allow it.
    #[error("{command} refused: the rollout is {status}, and this needs {}; {}", list(command.allowed()), way_out(*.status))]
    Status {
        /// What was to happen.
        command: Command,
        /// Where it stands.
        status: Status,
    },
    /// There is no further percentage.
    #[error("advance refused: {percent} is the last of {steps} percentages; promote or roll back")]
    LastStep {
        /// The percentage.
        percent: Percent,
        /// How many there are.
        steps: usize,
    },
    /// Too little is known of the champion to judge by, once it answers no more.
    #[error(
        "advance to 100 % refused: {steps} steps of the champion have an outcome at this percentage, and {steps_min} are \
         needed to compare with; wait, or promote with a reason"
    )]
    NoRecord {
        /// How many there are.
        steps: u64,
        /// How many are needed.
        steps_min: u64,
    },
    /// Another step than the next one.
    #[error("advance to step {got} refused: step {want} is next; read the rollout again")]
    Order {
        /// The step that was named, from 0.
        got: usize,
        /// The one that is next.
        want: usize,
    },
    /// Percentages are left.
    #[error(
        "promote refused: the rollout is at {percent}, and {last} is its last step; advance, or force with a reason"
    )]
    EarlyPromotion {
        /// The percentage.
        percent: Percent,
        /// The last one.
        last: Percent,
    },
    /// A gate says that the canary is worse.
    #[error("{command} refused: {reason}; roll back, or force with a reason")]
    Failed {
        /// What was to happen.
        command: Command,
        /// What the gate says.
        reason: String,
    },
    /// It can't be said yet.
    #[error("{command} refused, {hold}: {reason}; wait, or force with a reason")]
    Held {
        /// What was to happen.
        command: Command,
        /// Why the rollout holds.
        hold: HoldReason,
        /// The same in words and numbers.
        reason: String,
    },
    /// The window is not over.
    #[error(
        "{command} refused, INSUFFICIENT_DATA: {} of a window of {} are over; wait, or force with a reason",
        duration(*.elapsed_ms), duration(*.window_ms)
    )]
    Window {
        /// What was to happen.
        command: Command,
        /// How long the step has lasted.
        elapsed_ms: u64,
        /// How long it must.
        window_ms: u64,
    },
    /// Members are missing.
    #[error(
        "{command} refused, UNHEARD: {} reported nothing past the step's window; wait, forget what is gone for good \
         (psi-field members forget NODE), or force with a reason",
        unheard(.members)
    )]
    Unheard {
        /// What was to happen.
        command: Command,
        /// The members, by name; none if none is registered.
        members: Vec<String>,
    },
    /// Nobody can decide it.
    #[error(
        "{command} refused, NO_MAJORITY: it is decided by a majority of voters, which does not answer; bring voters back{}",
        rollback(*.command)
    )]
    NoMajority {
        /// What was to happen.
        command: Command,
    },
    /// The version was rejected before.
    #[error("version {version} is REJECTED; give the next version a new name, or force it with a reason")]
    Rejected {
        /// What was to happen; `advance` for a new rollout.
        command: Command,
        /// The version.
        version: VersionName,
    },
    /// There is nothing to roll out.
    #[error("version {version} is the champion of {model} already: name another version")]
    SameVersion {
        /// The model.
        model: ModelName,
        /// The version.
        version: VersionName,
    },
    /// Another one is under way.
    #[error("rollout {active} of {model} is under way, and a model has one at a time; promote, roll back or cancel it")]
    Active {
        /// The model.
        model: ModelName,
        /// The other one.
        active: RolloutId,
    },
    /// Too many versions.
    #[error(transparent)]
    LiveVersions(#[from] LiveVersionsError),
    /// No name of a version of the model.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Refusal {
    /// What a rollout holds by, where time or members may change that.
    #[must_use]
    pub fn hold_reason(&self) -> Option<HoldReason> {
        match self {
            Self::Held { hold, .. } => Some(*hold),
            Self::Window { .. } | Self::NoRecord { .. } => Some(HoldReason::InsufficientData),
            Self::Unheard { .. } => Some(HoldReason::Unheard),
            Self::NoMajority { .. } => Some(HoldReason::NoMajority),
            _ => None,
        }
    }
}

fn way_out(status: Status) -> &'static str {
    match status {
        Status::Pending => "advance it first",
        Status::InProgress => "pause it first",
        Status::Paused => "resume it first",
        Status::Promoted | Status::RolledBack | Status::Cancelled => "begin another rollout",
    }
}

fn unheard(names: &[String]) -> String {
    if names.is_empty() {
        "no member is registered, or all are evicted, so that the cluster".to_owned()
    } else {
        list(names)
    }
}

fn rollback(command: Command) -> &'static str {
    match command {
        Command::Pause | Command::Cancel => ", or roll back, which needs none",
        _ => "",
    }
}
