//! What befalls machines, processes and connections, and when it is over.

mod episodes;
pub(crate) mod key_change;
mod keys;
pub(crate) mod kind;
mod operator;
mod processes;
mod strangers;
mod ways;

use self::kind::FaultKind;
use crate::world::{Occurrence, World};

impl World<'_> {
    /// The next fault, and the one after it.
    pub(crate) fn fault(&mut self) {
        if self.exposed.is_empty() {
            return;
        }
        if let Some(storm) = self.plan.storm.clone() {
            return self.next_episode(&storm);
        }
        let wait = Self::around(&mut self.dice.faults, self.plan.fault_ms);
        self.schedule(self.now + wait, Occurrence::Fault);
        let Some(kind) = self.dice.faults.pick(&self.plan.faults).copied() else { return };
        if self.befall(kind).is_some() {
            self.count_fault(kind);
        }
    }

    /// Lets a fault happen; `None` if there is nothing that it could befall.
    fn befall(&mut self, kind: FaultKind) -> Option<()> {
        match kind {
            FaultKind::Crash => self.crash(),
            FaultKind::Pause => {
                let (p, ms) = (self.exposed_process()?, self.dice.faults.between(50, 5_000));
                self.pause(p, ms);
                Some(())
            }
            FaultKind::LongPause => self.long_pause(),
            FaultKind::TwinRun => {
                let p = self.exposed_writer()?;
                self.start_run(self.processes[p].machine);
                Some(())
            }
            FaultKind::Partition => self.partition(),
            FaultKind::OneWay => self.one_way(),
            FaultKind::Clog => self.clog(),
            FaultKind::Break => {
                let (connection, end) = self.exposed_connection()?;
                self.hang_up(connection, end, "the connection broke");
                Some(())
            }
            FaultKind::FalseDeath => self.false_death(),
            FaultKind::Join => self.join(),
            FaultKind::Leave => self.leave(),
            FaultKind::ClockJump => self.jump_clock(),
            FaultKind::ClocksTogether => self.set_clocks_together(),
            FaultKind::Blackout => self.black_out(),
        }
    }

    /// A running process that faults may befall.
    pub(super) fn exposed_process(&mut self) -> Option<usize> {
        let running: Vec<usize> = (0..self.processes.len())
            .filter(|p| self.processes[*p].is_running() && self.processes[*p].is_staying())
            .filter(|p| self.exposed.contains(&self.processes[*p].machine))
            .collect();
        self.dice.faults.pick(&running).copied()
    }

    /// A running process that faults may befall, has written, and is the only run of its machine that stays.
    pub(super) fn exposed_writer(&mut self) -> Option<usize> {
        let p = self.exposed_process()?;
        let machine = self.processes[p].machine;
        let runs = self.processes.iter().filter(|process| process.machine == machine && process.is_staying()).count();
        (runs == 1 && self.processes[p].written > psi_replica::Version::ZERO).then_some(p)
    }

    /// An end of a connection of which faults may befall either side.
    pub(super) fn exposed_connection(&mut self) -> Option<(u64, usize)> {
        let exposed: Vec<u64> = self
            .network
            .connections
            .iter()
            .filter(|(_, connection)| {
                connection.ends.iter().any(|p| self.exposed.contains(&self.processes[*p].machine))
            })
            .map(|(id, _)| *id)
            .collect();
        let connection = *self.dice.faults.pick(&exposed)?;
        Some((connection, usize::from(self.dice.faults.chance(500))))
    }
}
