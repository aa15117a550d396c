//! What goes wrong: messages, machines, disks and clocks.

use super::{
    cast::DAY_MS,
    plan::Mutation,
    world::{Event, World},
};

impl World {
    /// Whether two machines can talk.
    pub(super) fn are_connected(&self, one: usize, other: usize) -> bool {
        one == other || self.machines[one].group == self.machines[other].group
    }

    /// Puts a message on its way: lost, once or twice, and late at times.
    pub(super) fn transmit(&mut self, from: usize, to: usize, event: &Event) {
        if !self.are_connected(from, to) || (from != to && self.rng.percent(self.plan.loss_percent)) {
            return;
        }
        let copies = 1 + u64::from(self.rng.percent(self.plan.duplicate_percent));
        for _ in 0..copies {
            let is_slow = self.rng.percent(self.plan.slow_percent);
            let longest = if is_slow { 40 * self.plan.hop_us } else { self.plan.hop_us };
            let delay = self.rng.range(self.plan.hop_us / 25, longest);
            self.schedule(delay, event.clone());
        }
    }

    /// Replicated state of one machine reaches another, now and then.
    pub(super) fn gossip(&mut self) {
        let pause = self.rng.range(1_000, self.plan.pause_ms * 400);
        self.schedule(pause, Event::Gossip);
        let (from, to) = (self.rng.below(self.machines.len()), self.rng.below(self.machines.len()));
        if self.are_connected(from, to) {
            self.share_views(from, to);
        }
    }

    pub(super) fn share_views(&mut self, from: usize, to: usize) {
        for register in 0..self.plan.registers {
            let step = self.seat(to, register).map(|seat| seat.view.step());
            let newer = self.seat(from, register).map(|seat| &seat.view).filter(|view| Some(view.step()) > step);
            if let (Some(newer), Some(seat)) = (newer.cloned(), self.seat(to, register)) {
                seat.show(newer);
            }
        }
    }

    /// Faults, one after another.
    pub(super) fn run_stormy(&mut self) {
        self.schedule(0, Event::Fault);
        self.run_ms(self.plan.storm_ms);
    }

    pub(super) fn play_fault(&mut self) {
        if !self.is_stormy {
            return;
        }
        let pause = self.rng.range(5_000, self.plan.pause_ms * 2_000);
        self.schedule(pause, Event::Fault);
        let machine = self.rng.below(self.machines.len());
        match self.rng.range(0, 99) {
            0..30 => self.crash_and_restart(machine),
            30..45 => self.machines.iter_mut().for_each(|machine| machine.group = 0),
            45..60 => {
                for machine in 0..self.machines.len() {
                    self.machines[machine].group = self.rng.range(0, 1);
                }
            }
            60..65 => self.cut_power(),
            65..80 => {
                self.mark("days go by at once");
                self.jumped_ms += *self.rng.pick(&[DAY_MS / 3, DAY_MS, 3 * DAY_MS]);
            }
            _ => self.set_clock(machine),
        }
    }

    /// The clock of a machine jumps, by seconds or by days.
    fn set_clock(&mut self, machine: usize) {
        let longest = *self.rng.pick(&[3_000, 3_000, 3 * DAY_MS]);
        let ahead = i64::try_from(self.rng.range(0, 2 * longest)).unwrap();
        self.machines[machine].skew_ms = ahead - i64::try_from(longest).unwrap();
        if longest > DAY_MS {
            self.mark("a clock jumps by days");
        }
    }

    /// Ends a process. Of what it was syncing, some is on the disk.
    fn crash(&mut self, machine: usize) {
        let Some(process) = self.machines[machine].process.take() else { return };
        self.mark(if process.pending.is_empty() { "a crash" } else { "a crash between vote and answer" });
        for pending in process.pending {
            if self.rng.percent(50) {
                break;
            }
            self.machines[machine].records[pending.register] = Some(pending.response.record().clone());
        }
        if self.plan.mutation == Some(Mutation::Amnesia) && self.rng.percent(50) {
            self.machines[machine].records.fill(None);
        }
    }

    fn crash_and_restart(&mut self, machine: usize) {
        self.crash(machine);
        let pause = self.rng.range(1, self.plan.pause_ms * 2_000);
        self.schedule(pause, Event::Start { machine });
    }

    /// Most machines stop at once and are soon back.
    fn cut_power(&mut self) {
        for machine in 0..self.machines.len() {
            if self.rng.percent(60) {
                self.crash(machine);
                let pause = self.rng.range(1, self.plan.pause_ms * 300);
                self.schedule(pause, Event::Start { machine });
            }
        }
    }

    /// Heals everything. All know then what anyone knows.
    pub(super) fn heal(&mut self) {
        self.is_stormy = false;
        self.plan.loss_percent = 0;
        self.plan.slow_percent = 0;
        self.plan.forged_percent = 0;
        for machine in 0..self.machines.len() {
            self.machines[machine].group = 0;
            self.start(machine);
        }
        for from in 0..self.machines.len() {
            for to in 0..self.machines.len() {
                self.share_views(from, to);
            }
        }
    }
}
