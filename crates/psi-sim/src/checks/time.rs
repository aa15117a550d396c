//! What must be true of every process's time, whatever its clocks show: how it goes on, whom it follows, and whether a
//! node says rightly that its clock is off.

pub(crate) mod sample;

use std::collections::BTreeSet;

use psi_replica::{NodeId, OFF_MS_MAX, TimeStatus};

use self::sample::TimeSample;
use crate::{
    faults::kind::FaultKind,
    plan::{Mode, StrangerKind, WALL_MS},
    world::{Machine, Process, World},
};

/// What a heartbeat takes to arrive in quiet times, and more.
const STALE_MS: u64 = 1_000;
/// Time between two heartbeats, and more.
const HEARTBEAT_MS: u64 = 2_500;
/// Longest time for which a process stands still, and takes in what waited only then.
const PAUSED_MS: u64 = 5_000;
/// Likewise, where another may be started in its place.
const LONG_PAUSED_MS: u64 = 9_000;

impl World<'_> {
    /// Checks how a process's time has gone on since the last look.
    pub(crate) fn check_time(&mut self, p: usize) {
        if self.is_stranger(p) {
            return;
        }
        let seen = TimeSample::of(&self.processes[p].replica);
        let latest_ms = self.book.hybrid_ms;
        self.book.hybrid_ms = latest_ms.max(seen.time.hybrid.0);
        let Some(before) = self.processes[p].time_sample.replace(seen).filter(|before| before.has_joined) else {
            return;
        };
        let elapsed_ms = seen.at.tick.since(before.at.tick);
        let result = seen
            .check_steady(&before, elapsed_ms, self.book.accepted_ms)
            .and_then(|()| seen.check_hybrid(&before, elapsed_ms, latest_ms))
            .and_then(|()| self.check_off(p, &seen))
            .and_then(|()| self.check_contained(self.processes[p].started, &seen))
            .and_then(|()| self.check_undisturbed(self.processes[p].started, &seen));
        if let Err(what) = result {
            self.found_wrong(format_args!("{}: {what}", self.label(p)));
        }
    }

    /// Whether a node says rightly that its clock is off, as far as that is known of those that it is linked to.
    fn check_off(&self, p: usize, seen: &TimeSample) -> Result<(), String> {
        if self.calm_at.is_some() || self.plan.mode != Mode::Clocks {
            return Ok(()); // clocks move on by a night at once
        }
        let process = &self.processes[p];
        let peers = process.replica.links().filter_map(|(_, link)| Some(link.peer?.node));
        let peers = peers.collect::<BTreeSet<NodeId>>().len();
        let own = process.machine;
        let jumped = self.machines.iter().filter(|machine| machine.has_jumped).count();
        let error_ms = seen.at.wall.0.abs_diff(WALL_MS + process.started + seen.at.tick.0);
        let is_only_one = self.machines[own].has_jumped && jumped == 1;
        // What was shown may be late, and was not right to the millisecond then.
        let apart_ms = 2 * self.skew_ms() + self.plan.weather.delay_ms + PAUSED_MS;
        if is_only_one && error_ms > OFF_MS_MAX + apart_ms && peers >= 2 && !seen.time.is_off {
            return Err(format!("its clock is off by {error_ms} ms, and it does not say so"));
        }
        if apart_ms < OFF_MS_MAX && !self.machines[own].has_jumped && 2 * jumped <= peers + 1 && seen.time.is_off {
            return Err("it says that its clock is off, which is right".to_owned());
        }
        Ok(())
    }

    /// One clock that is ahead takes nobody further than a clock may differ, unless it was alone.
    fn check_contained(&self, started: u64, seen: &TimeSample) -> Result<(), String> {
        let others = [FaultKind::ClocksTogether, FaultKind::Crash, FaultKind::Partition];
        let is_contained = !self.jumped_alone && !self.plan.faults.iter().any(|fault| others.contains(fault));
        if self.plan.mode != Mode::Clocks || !is_contained || self.calm_at.is_some() || !seen.takes_writes {
            return Ok(());
        }
        let true_ms = WALL_MS + started + seen.at.tick.0;
        let most_ms = OFF_MS_MAX + self.skew_ms() + STALE_MS;
        match seen.time.hybrid.0.checked_sub(true_ms) {
            Some(lead_ms) if lead_ms > most_ms => {
                Err(format!("one clock was ahead, and hybrid time is by {lead_ms} ms"))
            }
            _ => Ok(()),
        }
    }

    /// Clocks of strangers count for nothing: nodes reckon true time, as well as their own clocks are right.
    fn check_undisturbed(&self, started: u64, seen: &TimeSample) -> Result<(), String> {
        if self.plan.mode != Mode::Strangers {
            return Ok(());
        }
        let true_ms = WALL_MS + started + seen.at.tick.0;
        let TimeStatus { offset_ms, is_off, steady, agreed, hybrid, .. } = seen.time;
        let paused_ms = if self.plan.faults.is_empty() { 0 } else { LONG_PAUSED_MS };
        let apart_ms = 2 * self.skew_ms() + self.plan.weather.delay_ms + paused_ms + STALE_MS;
        let latest_ms = steady.0.max(agreed.0).max(hybrid.0);
        if latest_ms > true_ms + self.skew_ms() + STALE_MS {
            return Err(format!("its time is {} ms ahead, and no clock of a node is", latest_ms - true_ms));
        }
        if offset_ms.unsigned_abs() > apart_ms || is_off && apart_ms < OFF_MS_MAX {
            return Err(format!("it takes its clock to be off by {offset_ms} ms, and no clock of a node is"));
        }
        Ok(())
    }

    /// How far clocks differ from true time that have not jumped.
    fn skew_ms(&self) -> u64 {
        let was_node = |machine: &&Machine| machine.stranger.is_none_or(|kind| kind == StrangerKind::Former);
        let nodes = self.machines.iter().filter(was_node);
        nodes.map(|machine| machine.skew_ms.unsigned_abs()).max().unwrap_or(0)
    }

    /// Notes that a clock jumps while some process has not heard of another yet: it can't tell who is right.
    pub(crate) fn record_jump(&mut self) {
        let has_met = |process: &Process| {
            process.replica.origin().is_some() && process.replica.links().any(|(_, link)| link.peer.is_some())
        };
        self.jumped_alone |= !self.processes.iter().filter(|process| process.is_running()).all(has_met);
    }

    /// From when on all have heard what clocks show since faults have ended, and nothing from before is on its way.
    pub(crate) fn all_heard_at(&self) -> u64 {
        self.calm_at.unwrap_or(self.now) + self.plan.weather.delay_ms + HEARTBEAT_MS
    }

    /// Once all clocks are right and all have heard of each other, nobody is told otherwise, and all reckon one time.
    pub(super) fn check_time_at_end(&self, lasting: &[usize]) -> Result<(), String> {
        if self.plan.mode != Mode::Clocks {
            return Ok(()); // clocks of nodes that left count, too
        }
        let median = |mut values: Vec<u64>| {
            values.sort_unstable();
            values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
        };
        let now = |p: usize| self.processes[p].now(self.now, &self.machines[self.processes[p].machine]);
        // What was shown at its moment, carried on to now.
        let since = |p: usize| now(p).tick.since(self.processes[p].replica.moment().tick);
        let wall_ms = median(lasting.iter().map(|p| now(*p).wall.0).collect());
        let steady = |p: &usize| self.processes[*p].replica.time().steady.0 + since(*p) * 7 / 8;
        let agreed_ms = median(lasting.iter().map(steady).collect());
        for p in lasting.iter().copied() {
            let (time, label) = (self.processes[p].replica.time(), self.label(p));
            if time.is_off {
                return Err(format!("{label} says that its clock is off, and all are right"));
            }
            let members_ms = now(p).wall.0.saturating_add_signed(time.offset_ms);
            if members_ms.abs_diff(wall_ms) > STALE_MS {
                return Err(format!("{label} takes {members_ms} for the time of most wall clocks, which is {wall_ms}"));
            }
            if (time.agreed.0 + since(p) * 7 / 8).abs_diff(agreed_ms) > STALE_MS {
                return Err(format!("{label} takes {} for agreed time, which is {agreed_ms}", time.agreed.0));
            }
        }
        Ok(())
    }
}
