//! What to run, and its outcome.

use super::rounds::Rounds;
use crate::{plan::Mode, report::Counts};

/// What to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What the run is about; `None` leaves it to the seed.
    pub mode: Option<Mode>,
    /// Nodes at the beginning; `None` leaves them to the seed.
    pub nodes: Option<usize>,
    /// The oracle is not told of the step of this number, from 0: the checks must notice. For tests of the checks.
    pub hidden_step: Option<u64>,
}

/// The outcome of a run in which nothing was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What it was about.
    pub mode: Mode,
    /// What was counted.
    pub counts: Counts,
    /// Hash of all that happened.
    pub trace: [u8; 32],
    /// Virtual time that passed.
    pub ms: u64,
    /// Virtual time from the end of the faults to agreement.
    pub agreed_ms: u64,
    /// What the core needed, in runs for liveness.
    pub rounds: Option<Rounds>,
}

/// What was wrong in a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, mode {}, at {}.{:03} s: {what}", .mode.name(), .at_ms / 1000, .at_ms % 1000)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What it was about.
    pub mode: Mode,
    /// When it was found.
    pub at_ms: u64,
    /// What was found.
    pub what: String,
}
