//! Disks of machines: snapshots that outlive a process, the ones that got old, and the ones that were damaged.

use psi_replica::{ClusterName, Replica, Snapshot};

use crate::{markers::Marker, process::config, world::World};

/// What a machine keeps of its runs.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// The latest snapshot.
    latest: Option<Vec<u8>>,
    /// One that was replaced long ago, as on a disk that came back from a backup.
    old: Option<Vec<u8>>,
    /// Snapshots written so far.
    written: u64,
}

impl Disk {
    fn write(&mut self, snapshot: Vec<u8>) {
        let replaced = self.latest.replace(snapshot);
        // Every third is kept, so that the old one is older than the last run more often than not.
        if self.written.is_multiple_of(3) {
            self.old = replaced;
        }
        self.written += 1;
    }
}

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
        self.tell(p, "save", format_args!("writes a snapshot of {bytes} bytes"));
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
        match dice.below(10) {
            0 => host.disk = Disk::default(),
            1 | 2 => host.disk.latest = host.disk.old.take().or(host.disk.latest.take()),
            3 => {
                if let Some(bytes) = &mut host.disk.latest {
                    spoil(bytes, dice.raw());
                }
            }
            _ => {}
        }
        let now = crate::process::moment(self.now, self.now, host);
        let told = config(host, self.plan.frame_bytes);
        let Some(bytes) = &host.disk.latest else { return Replica::new(told, now) };
        match Snapshot::decode(&cluster(), bytes) {
            Ok(snapshot) => {
                self.reach(Marker::SNAPSHOT_RESTORED);
                Replica::with_snapshot(told, now, snapshot)
            }
            Err(error) => {
                host.disk.latest = None;
                let why = error.reason();
                self.reach(Marker::SNAPSHOT_DAMAGED);
                self.trace.note(self.now, "spoilt", &[machine as u64], &[], || {
                    format!("--- n{machine} sets a snapshot aside: {why}")
                });
                Replica::new(told, now)
            }
        }
    }
}

/// The cluster's name.
pub(crate) fn cluster() -> ClusterName {
    ClusterName::new("sim").expect("a name of letters")
}

/// Cuts a file off, or turns one of its bits.
fn spoil(bytes: &mut Vec<u8>, dice: u64) {
    let Some(at) = usize::try_from(dice >> 8).unwrap_or(0).checked_rem(bytes.len()) else { return };
    if dice.is_multiple_of(2) {
        bytes.truncate(at);
    } else if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (dice % 8);
    }
}
