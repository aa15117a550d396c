//! One run: what a seed stands for is played, and judged.

use crate::{
    liveness::{self, Rounds},
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What the run is about; `None` leaves it to the seed.
    pub mode: Option<Mode>,
    /// Nodes at the beginning; `None` leaves them to the seed.
    pub nodes: Option<usize>,
    /// The oracle is not told of the step of this number, from 0: the checks must notice. For tests of the checks.
    pub hidden_step: Option<u64>,
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

/// Plays the run of a seed; readable lines go to `sink`.
///
/// # Errors
/// [`Failure`] with the first thing that was wrong.
pub fn run(seed: u64, options: Options, mut sink: Option<Sink<'_>>) -> Result<Report, Failure> {
    let mode = options.mode.unwrap_or_else(|| Mode::of_seed(seed));
    let plan = Plan { hidden_step: options.hidden_step, ..Plan::draw(seed, mode, options.nodes) };
    let mut rounds = None;
    let mut world = if mode == Mode::Liveness {
        let without_faults = {
            let (well, rounds, _) =
                liveness::play(plan.clone(), true, sink.as_mut().map(|sink| &mut **sink as Sink<'_>));
            fail_if_wrong(&well)?;
            rounds
        };
        let (world, with_faults, joining) = liveness::play(plan, false, sink);
        rounds = Some(Rounds { without_faults, with_faults, joining });
        world
    } else {
        let stormy_ms = plan.stormy_ms;
        let mut world = World::new(plan, sink);
        world.run_until(stormy_ms);
        world
    };
    world.check_rounds(rounds);
    if world.wrong.is_none() {
        world.calm_down();
    }
    let agreed_ms = world.agree();
    fail_if_wrong(&world)?;
    Ok(Report { seed, mode, trace: world.trace.hash(), ms: world.now, agreed_ms, rounds, counts: world.counts })
}

fn fail_if_wrong(world: &World<'_>) -> Result<(), Failure> {
    let Plan { seed, mode, .. } = world.plan;
    match &world.wrong {
        Some(what) => Err(Failure { seed, mode, at_ms: world.now, what: what.clone() }),
        None => Ok(()),
    }
}

impl World<'_> {
    /// The core may take twice as long while the rest fails as when it is well.
    fn check_rounds(&mut self, rounds: Option<Rounds>) {
        let Some(rounds) = rounds else { return };
        let Rounds { without_faults, with_faults, .. } = rounds;
        if with_faults > rounds.limit() {
            self.found_wrong(format_args!(
                "the core took {with_faults} rounds while the rest failed, {without_faults} when it was well"
            ));
        }
    }

    /// Lets quiet time pass until all agree, and go on to; returns how long it took until they first did.
    fn agree(&mut self) -> u64 {
        let begin = self.now;
        let (mut agreed, mut is_day) = (None, true);
        while self.wrong.is_none() {
            self.wait_for_agreement(begin, &mut is_day);
            agreed.get_or_insert(self.now - begin);
            self.run_until(self.now + SETTLED_MS);
            // Word of a twin may come late: the one that is to end has to hand over first.
            if self.is_agreed() {
                break;
            }
        }
        if self.wrong.is_none() {
            self.check_end();
        }
        agreed.unwrap_or_default()
    }

    fn wait_for_agreement(&mut self, begin: u64, is_day: &mut bool) {
        while self.wrong.is_none() && !self.is_settled() {
            let took = self.now - begin;
            if took >= QUIET_MS_MAX {
                let why = self.describe_disagreement();
                self.found_wrong(format_args!("no agreement after {} s of quiet: {why}", QUIET_MS_MAX / 1000));
            }
            // What was written by a clock that was ahead is put off until the others' clocks have come there.
            if self.plan.mode == Mode::Clocks && *is_day && took >= PUT_OFF_MS {
                *is_day = false;
                self.pass_the_night();
            }
            self.run_until(self.now + ROUND_MS);
        }
    }
}
