//! Snapshots: written now and then, and what a run begins with. Disks get lost, old and damaged.

pub(super) mod disk;

use psi_state::Replica;

use self::disk::{Disk, spoil};
use super::{
    World,
    process::{cluster, config, moment},
};
use crate::{plan::Severity, report::markers::Marker};

impl World<'_> {
    /// Writes a snapshot of a process, if its machine has a disk.
    pub(crate) fn save(&mut self, p: usize) {
        if self.plan.snapshot_ms == 0 {
            return;
        }
        let process = &self.processes[p];
        let snapshot = process.replica.snapshot();
        let bytes = snapshot.len();
        self.machines[process.machine].disk.write(snapshot);
        self.trace_process(p, "save", format_args!("writes a snapshot of {bytes} bytes"));
    }

    /// A process that has voted, or whose base has moved, writes a snapshot at once. It may not come to more.
    pub(crate) fn take_end_moves(&mut self, p: usize) {
        let moves = self.processes[p].replica.end_moves();
        if self.plan.storm.is_none() || std::mem::replace(&mut self.processes[p].end_moves, moves) == moves {
            return;
        }
        self.save(p);
        self.spring_trap(p, false);
    }

    /// Processes whose snapshot is due write it.
    pub(crate) fn save_all(&mut self) {
        let every = self.plan.snapshot_ms;
        for p in 0..self.processes.len() {
            let process = &self.processes[p];
            if every > 0 && process.is_running() && self.now.saturating_sub(process.saved_at) >= every {
                self.processes[p].saved_at = self.now;
                self.save(p);
            }
        }
    }

    /// What a new run begins with: what the disk has, unless it is lost, old or damaged.
    pub(crate) fn boot(&mut self, machine: usize) -> Replica {
        let host = &mut self.machines[machine];
        let dice = &mut self.dice.disk;
        let is_sound = self.plan.storm.as_ref().is_some_and(|storm| storm.severity != Severity::Beyond);
        match dice.below(10) {
            _ if is_sound || host.keeps_disk => {}
            0 => host.disk = Disk::default(),
            1 | 2 => host.disk.latest = host.disk.old.take().or(host.disk.latest.take()),
            3 => {
                if let Some(bytes) = &mut host.disk.latest {
                    spoil(bytes, dice.raw());
                }
            }
            _ => {}
        }
        let now = moment(self.now, self.now, host);
        let told = config(host, self.plan.frame_bytes, self.plan.end_after_ms);
        let Some(bytes) = &host.disk.latest else { return Replica::new(told, now) };
        match Replica::decode_snapshot(&cluster(), bytes) {
            Ok(snapshot) => {
                self.reach(Marker::SNAPSHOT_RESTORED);
                Replica::with_snapshot(told, now, snapshot)
            }
            Err(error) => {
                host.disk.latest = None;
                let why = error.reason();
                self.reach(Marker::SNAPSHOT_DAMAGED);
                self.trace.record(self.now, "spoilt", &[machine as u64], &[], || {
                    format!("--- n{machine} sets a snapshot aside: {why}")
                });
                Replica::new(told, now)
            }
        }
    }
}
