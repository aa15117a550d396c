//! Quiet after the faults, until all agree.

use super::rounds::{ROUND_MS, Rounds};
use crate::world::World;

/// A run that has not come to agree after so long a quiet never will.
const QUIET_MS_MAX: u64 = 240_000;

/// Quiet after agreement, in which nothing may change: a beat or two.
const SETTLED_MS: u64 = 4_500;

/// Rollouts are settled after so long: a proposer's patience, several times.
const ROLLOUTS_MS_MAX: u64 = 40_000;

/// What is refused for its clock by then stays so until the clocks have moved on.
const PUT_OFF_MS: u64 = 40_000;

impl World<'_> {
    /// The core may take twice as long while the rest fails as when it is well.
    pub(super) fn check_rounds(&mut self, rounds: Option<Rounds>) {
        let Some(rounds) = rounds else { return };
        let Rounds { without_faults, with_faults, .. } = rounds;
        if with_faults > rounds.limit() {
            self.found_wrong(format_args!(
                "the core took {with_faults} rounds while the rest failed, {without_faults} when it was well"
            ));
        }
    }

    /// Lets quiet time pass until all agree, and go on to; returns how long it took until they first did.
    pub(super) fn agree(&mut self) -> u64 {
        let begin = self.now;
        let (mut agreed, mut is_day) = (None, true);
        while self.wrong.is_none() {
            self.wait_for_agreement(begin, &mut is_day);
            agreed.get_or_insert(self.now - begin);
            self.run_until(self.now + SETTLED_MS);
            // Word of a twin may come late: the one that is to end has to hand over first.
            let is_quiet = self.are_rollouts_settled() || self.now - begin >= ROLLOUTS_MS_MAX;
            if self.is_agreed() && self.now >= self.all_heard_at() && is_quiet {
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
            // What was written by a clock that was ahead is refused until the others' clocks have come there.
            if self.plan.mode.has_clock_jumps() && *is_day && took >= PUT_OFF_MS {
                *is_day = false;
                self.skip_the_night();
            }
            // One that missed years holds what the others postpone, or they do.
            if self.were_years_apart && took >= 2 * PUT_OFF_MS {
                self.were_years_apart = false;
                self.accept_clocks();
            }
            self.run_until(self.now + ROUND_MS);
        }
    }
}
