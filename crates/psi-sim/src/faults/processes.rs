//! What befalls machines and the processes on them.

use crate::{
    plan::{Mode, signed},
    report::markers::Marker,
    world::{Occurrence, QueuedInput, State, World},
};

/// Nodes that may join a run.
const JOINS_MAX: usize = 3;

impl World<'_> {
    pub(crate) fn crash(&mut self) -> Option<()> {
        let p = self.exposed_process()?;
        self.crash_one(p);
        Some(())
    }

    /// All that faults may befall is gone at once. Seldom, or nothing would ever be old.
    pub(crate) fn black_out(&mut self) -> Option<()> {
        if !self.dice.faults.chance(200) {
            return None;
        }
        let running = |p: &usize| self.processes[*p].is_running() && self.exposed.contains(&self.processes[*p].machine);
        let running: Vec<usize> = (0..self.processes.len()).filter(running).collect();
        running.into_iter().for_each(|p| self.crash_one(p));
        self.reach(Marker::BLACKOUT);
        Some(())
    }

    pub(super) fn crash_one(&mut self, p: usize) {
        if self.processes[p].written > psi_replica::Version::ZERO && !self.processes[p].has_handed_over() {
            self.reach(Marker::CRASH_WITH_UNSAID);
        }
        self.end(p, "it crashed");
        let wait = self.dice.faults.between(50, 5_000);
        self.schedule(self.now + wait, Occurrence::Start(self.processes[p].machine));
    }

    pub(crate) fn pause(&mut self, p: usize, ms: u64) {
        self.processes[p].state = State::Paused;
        self.reach(Marker::PAUSED);
        self.trace_process(p, "pause", format_args!("stands still for {ms} ms"));
        self.schedule(self.now + ms, Occurrence::Resume(p));
    }

    /// A process stands still for so long that another is started in its place, and then goes on.
    pub(crate) fn long_pause(&mut self) -> Option<()> {
        let p = self.exposed_writer()?;
        let (ms, wait) = (self.dice.faults.between(3_000, 9_000), self.dice.faults.between(500, 3_000));
        self.pause(p, ms);
        // The supervisor takes it for dead.
        let successor = self.processes[p].machine;
        self.processes[p].ends_at = Some(u64::MAX);
        self.schedule(self.now + wait, Occurrence::Start(successor));
        Some(())
    }

    /// A paused process goes on, with the input of the meantime.
    pub(crate) fn resume(&mut self, p: usize) {
        if self.processes[p].state != State::Paused {
            return;
        }
        self.processes[p].state = State::Running;
        if self.processes[p].ends_at == Some(u64::MAX) {
            self.processes[p].ends_at = None;
        }
        let machine = self.processes[p].machine;
        if self.processes.iter().skip(p + 1).any(|later| later.machine == machine) {
            self.reach(Marker::OLD_RUN_RETURNED);
        }
        self.trace_process(p, "resume", "goes on");
        self.with(p, |replica, now| replica.tick(now));
        for held in std::mem::take(&mut self.processes[p].held) {
            match held {
                QueuedInput::Frame { connection, bytes, damaged } => self.receive(p, connection, &bytes, damaged),
                QueuedInput::Hangup { connection } => {
                    if let Some(end) = self.processes[p].links.get(&connection).copied() {
                        self.hang_up(connection, end, "the peer hung up");
                    }
                }
            }
        }
    }

    pub(crate) fn false_death(&mut self) -> Option<()> {
        let p = self.exposed_process()?;
        let live: Vec<usize> =
            self.processes[p].beliefs.iter().filter(|(_, belief)| belief.live).map(|(other, _)| *other).collect();
        let other = *self.dice.faults.pick(&live)?;
        self.declare_dead(p, other);
        Some(())
    }

    pub(crate) fn join(&mut self) -> Option<()> {
        if self.machines.iter().filter(|machine| machine.stranger.is_none()).count() >= self.plan.nodes + JOINS_MAX {
            return None;
        }
        let machine = self.add_machine(false);
        self.start_run(machine);
        self.reach(Marker::JOINED);
        Some(())
    }

    /// A node leaves for good and in good order. Some seed stays, for those that are started later.
    pub(crate) fn leave(&mut self) -> Option<()> {
        let p = self.exposed_process()?;
        let machine = self.processes[p].machine;
        let is_node = |at: &usize| !self.machines[*at].left && self.machines[*at].stranger.is_none();
        let staying = |at: &usize| *at != machine && is_node(at);
        let staying: Vec<usize> = (0..self.machines.len()).filter(staying).collect();
        let is_core = self.plan.mode == Mode::Liveness && self.plan.core().contains(&machine);
        if is_core || staying.len() < 2 || !staying.iter().any(|at| self.machines[*at].is_seed) {
            return None;
        }
        self.machines[machine].left = true;
        for p in 0..self.processes.len() {
            if self.processes[p].machine == machine && self.processes[p].is_staying() {
                self.hand_over(p);
            }
        }
        self.reach(Marker::LEFT);
        Some(())
    }

    /// The clock of one machine jumps by hours; those of most stay right.
    pub(crate) fn jump_clock(&mut self) -> Option<()> {
        if self.machines.iter().any(|machine| machine.jump_ms != 0) {
            return None;
        }
        let p = self.exposed_process()?;
        let machine = self.processes[p].machine;
        let jump_ms = Self::hours(&mut self.dice.faults);
        self.jump(machine, jump_ms);
        let error = self.clock_error(machine);
        self.trace.record(self.now, "jump", &[machine as u64], &error.to_le_bytes(), || {
            format!("--- the clock of n{machine} is off by {error} ms")
        });
        let ms = self.dice.faults.between(2_000, 8_000);
        self.schedule(self.now + ms, Occurrence::SetClock(machine));
        Some(())
    }

    pub(super) fn jump(&mut self, machine: usize, jump_ms: i64) {
        self.record_jump();
        let host = &mut self.machines[machine];
        (host.jump_ms, host.has_jumped) = (jump_ms, true);
    }

    /// The clocks of all machines jump by the same, from a second to years, and are corrected together.
    pub(crate) fn set_clocks_together(&mut self) -> Option<()> {
        const SECOND_MS: u64 = 1_000;
        const HOUR_MS: u64 = 3_600 * SECOND_MS;
        const YEAR_MS: u64 = 365 * 24 * HOUR_MS;
        if self.machines.iter().any(|machine| machine.jump_ms != 0) {
            return None;
        }
        let dice = &mut self.dice.faults;
        let most = *dice.pick(&[2 * SECOND_MS, 150 * SECOND_MS, HOUR_MS, 6 * HOUR_MS, 10 * YEAR_MS])?;
        let size = signed(dice.between(most / 2, most));
        let jump_ms = if dice.chance(700) { size } else { -size };
        let ms = dice.between(2_000, 8_000);
        for machine in 0..self.machines.len() {
            self.jump(machine, jump_ms);
            self.schedule(self.now + ms, Occurrence::SetClock(machine));
        }
        self.were_years_apart |= most > 6 * HOUR_MS;
        self.reach(Marker::CLOCKS_TOGETHER);
        self.trace.record(self.now, "jump", &[], &jump_ms.to_le_bytes(), || {
            format!("--- all clocks are off by {jump_ms} ms more")
        });
        Some(())
    }

    pub(crate) fn set_clock(&mut self, machine: usize) {
        self.machines[machine].jump_ms = 0;
        let error = self.clock_error(machine);
        self.trace.record(self.now, "jump", &[machine as u64], &error.to_le_bytes(), || {
            format!("--- the clock of n{machine} is set, off by {error} ms")
        });
    }
}
