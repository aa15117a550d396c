//! Own slots that were written since the last flush, and by which write.

use std::collections::BTreeMap;

use psi_replica::{Lane, Version};

/// A lane and an index in it.
pub(crate) type Slot = (Lane, u64);

/// Slots that wait for a flush. Between two flushes a slot is encoded once, however often it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirtySlots {
    slots: BTreeMap<Slot, Version>,
}

impl DirtySlots {
    /// Records slots that the write `version` touched.
    pub(crate) fn record(&mut self, version: Version, slots: impl IntoIterator<Item = Slot>) {
        self.slots.extend(slots.into_iter().map(|slot| (slot, version)));
    }

    pub(crate) fn take(&mut self) -> BTreeMap<Slot, Version> {
        std::mem::take(&mut self.slots)
    }

    pub(crate) fn clear(&mut self) {
        self.slots.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.slots.keys().copied()
    }

    /// Makes all that waits part of the write `version`, beside what `before` it still waits.
    pub(crate) fn merge(&mut self, version: Version, before: &Self) {
        self.slots.values_mut().for_each(|written| *written = version);
        for (slot, written) in &before.slots {
            self.slots.entry(*slot).or_insert(*written);
        }
    }
}
