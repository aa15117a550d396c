//! Disks of machines: snapshots and votes that outlive a process.

use crate::world::rollouts::seat::VoteStore;

/// What a machine keeps of its runs.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// The latest snapshot.
    pub(in crate::world) latest: Option<Vec<u8>>,
    /// One that was replaced long ago, as on a disk that came back from a backup.
    pub(in crate::world) old: Option<Vec<u8>>,
    /// Snapshots written so far.
    written: u64,
    /// How the machine voted on models, with its key.
    pub(in crate::world) votes: Option<VoteStore>,
}

impl Disk {
    pub(in crate::world) fn write(&mut self, snapshot: Vec<u8>) {
        let replaced = self.latest.replace(snapshot);
        // Every third is kept, so that the old one is older than the last run more often than not.
        if self.written.is_multiple_of(3) {
            self.old = replaced;
        }
        self.written += 1;
    }
}

/// Cuts a file off, or turns one of its bits.
pub(in crate::world) fn spoil(bytes: &mut Vec<u8>, dice: u64) {
    let Some(at) = usize::try_from(dice >> 8).unwrap_or(0).checked_rem(bytes.len()) else { return };
    if dice.is_multiple_of(2) {
        bytes.truncate(at);
    } else if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (dice % 8);
    }
}
