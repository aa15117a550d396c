//! What an operator does about clocks, as nodes advise it.

use crate::{report::markers::Marker, world::World};

impl World<'_> {
    /// A node takes no writes, since its time is ahead of what the members agree on. An operator may do what it advises:
    /// set its clock and start it again with its data directory, or let the members go on from its clock.
    pub(crate) fn follow_advice(&mut self, p: usize) {
        let machine = self.processes[p].machine;
        let can_follow = self.exposed.contains(&machine) && self.processes[p].is_staying();
        if !self.dice.operator.chance(100) || !can_follow {
            return;
        }
        if self.dice.operator.chance(500) {
            self.accept_clocks();
            self.reach(Marker::CLOCK_ACCEPTED);
        } else if self.plan.snapshot_ms > 0 {
            self.set_clock(machine);
            self.machines[machine].keeps_disk = true;
            self.hand_over(p);
            self.reach(Marker::SET_RIGHT);
        }
    }

    /// A node that was stopped as it advised holds what it held on its disk: nothing of it may be lost.
    pub(crate) fn record_kept(&mut self, p: usize) {
        let Self { processes, machines, book, .. } = self;
        let process = &processes[p];
        if machines[process.machine].keeps_disk {
            book.keep(process.replica.frontier());
        }
    }

    /// An operator accepts the clock that is furthest ahead, on all members: years do not pass by waiting.
    pub(crate) fn accept_clocks(&mut self) {
        let is_running = |p: &usize| self.processes[*p].is_running() && !self.is_stranger(*p);
        let running: Vec<usize> = (0..self.processes.len()).filter(is_running).collect();
        let hybrid_ms = |p: &usize| self.processes[*p].replica.time().hybrid.0;
        let Some(ahead) = running.iter().map(hybrid_ms).max() else { return };
        self.book.accepted_ms = ahead;
        for p in running {
            self.with(p, |replica, _| replica.accept_clock(ahead));
        }
        self.trace
            .record(self.now, "accept", &[], &ahead.to_le_bytes(), || format!("--- clocks up to {ahead} are accepted"));
    }
}
