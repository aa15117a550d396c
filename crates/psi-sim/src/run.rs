//! One run: what a seed stands for is played, and judged.

use crate::{
    plan::{Mode, Plan},
    trace::Sink,
    world::{Counts, World},
};

/// How often agreement is looked for, and what a round is.
pub const ROUND_MS: u64 = 250;
/// A run that has not come to agree after so long a quiet never will.
const QUIET_MS_MAX: u64 = 240_000;
/// Quiet after agreement, in which nothing may change: a beat or two.
const SETTLED_MS: u64 = 4_500;

/// What is put off for its clock by then stays so until the clocks have moved on.
const PUT_OFF_MS: u64 = 40_000;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What the run is about; `None` leaves it to the seed.
    pub mode: Option<Mode>,
    /// Nodes at the beginning; `None` leaves them to the seed.
    pub nodes: Option<usize>,
}

/// What came of a run in which nothing was wrong.
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

/// Plays the run of a seed; readable lines go to `sink`.
///
/// # Errors
/// [`Failure`] with the first thing that was wrong.
pub fn run(seed: u64, options: Options, sink: Option<Sink<'_>>) -> Result<Report, Failure> {
    let mode = options.mode.unwrap_or_else(|| Mode::of_seed(seed));
    let plan = Plan::draw(seed, mode, options.nodes);
    let stormy_ms = plan.stormy_ms;
    let mut world = World::new(plan, sink);
    world.run_until(stormy_ms);
    world.calm_down();
    let agreed_ms = world.agree();
    let report = Report {
        seed,
        mode,
        trace: world.trace.hash(),
        ms: world.now,
        agreed_ms,
        counts: std::mem::take(&mut world.counts),
    };
    match world.wrong {
        Some(what) => Err(Failure { seed, mode, at_ms: world.now, what }),
        None => Ok(report),
    }
}

impl World<'_> {
    /// Lets quiet time pass until all agree, and a little more; returns how long it took.
    fn agree(&mut self) -> u64 {
        let begin = self.now;
        let mut nights = 0;
        while self.wrong.is_none() && !self.is_agreed() {
            if self.now - begin >= QUIET_MS_MAX {
                let why = self.describe_disagreement();
                self.found_wrong(format_args!("no agreement after {} s of quiet: {why}", QUIET_MS_MAX / 1000));
                return QUIET_MS_MAX;
            }
            // What was written by a clock that was ahead is put off until the others' clocks have come there.
            if self.plan.mode == Mode::Clocks && nights == 0 && self.now - begin >= PUT_OFF_MS {
                nights += 1;
                self.pass_the_night();
            }
            self.run_until(self.now + ROUND_MS);
        }
        let agreed = self.now - begin;
        self.run_until(self.now + SETTLED_MS);
        if self.wrong.is_none() && !self.is_agreed() {
            let why = self.describe_disagreement();
            self.found_wrong(format_args!("agreement did not last: {why}"));
        }
        self.check_end();
        agreed
    }
}
