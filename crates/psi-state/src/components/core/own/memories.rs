//! In which slots the own origin keeps its episodic memories, and which of them it gives up.
//!
//! An entry has eight slots. Entries are written one after the other, and once all are there the oldest is written over,
//! slot by slot. An entry of which no memory can be among the latest of all any more is given up as a whole, and used
//! again before any other.

use std::collections::{BTreeSet, VecDeque};

use psi_engine::core::EPISODIC_CAPACITY;
use psi_replica::{Clock, Origin};

use crate::{
    component::moment::Place,
    components::core::{fold::first_memory, values::MEMORIES_PER_ENTRY},
};

/// The slots of the own origin's episodic memories.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnMemories {
    /// The clock of the memory in each slot; `None` if it was given up or not written yet.
    clocks: Vec<Option<Clock>>,
    /// Entries that have memories, in the order in which they were begun. The last is the one that is written.
    entries: VecDeque<u64>,
    /// Entries that were given up.
    free: BTreeSet<u64>,
    /// Slots of the last entry that were written since it was begun.
    written: usize,
}

impl OwnMemories {
    /// Puts the clock of a new memory in the next slot; returns the slot, and the clock of the memory that gives way.
    pub(crate) fn put(&mut self, clock: Clock) -> (u64, Option<Clock>) {
        let current = self.entries.back().copied().filter(|_| self.written < MEMORIES_PER_ENTRY);
        let entry = current.unwrap_or_else(|| self.begin());
        let slot = first_memory(entry) + self.written as u64;
        self.written += 1;
        let held = usize::try_from(slot).ok().and_then(|slot| self.clocks.get_mut(slot));
        (slot, held.and_then(|held| held.replace(clock)))
    }

    fn begin(&mut self) -> u64 {
        let entry = self.free.pop_first().or_else(|| self.next_entry()).or_else(|| self.entries.pop_front());
        let entry = entry.unwrap_or_default();
        self.entries.push_back(entry);
        self.written = 0;
        entry
    }

    /// The first entry that was never written.
    fn next_entry(&mut self) -> Option<u64> {
        let entries = self.clocks.len() / MEMORIES_PER_ENTRY;
        let is_next = entries < EPISODIC_CAPACITY / MEMORIES_PER_ENTRY;
        is_next.then(|| {
            self.clocks.resize(self.clocks.len() + MEMORIES_PER_ENTRY, None);
            entries as u64
        })
    }

    /// The memories of an entry: their slots and clocks.
    pub(crate) fn of_entry(&self, entry: u64) -> impl Iterator<Item = (u64, Clock)> {
        let slots = (first_memory(entry)..).take(MEMORIES_PER_ENTRY);
        slots.filter_map(|slot| Some((slot, (*self.clocks.get(usize::try_from(slot).ok()?)?)?)))
    }

    /// How many entries have nothing that stands at `first` or later. The last entry is not looked at: it is written.
    pub(crate) fn outdated(&self, local: &Origin, first: &Place) -> usize {
        let whole = self.entries.iter().take(self.entries.len().saturating_sub(1));
        let is_older =
            |entry: u64| self.of_entry(entry).all(|(slot, clock)| (clock, local, slot) < (first.0, &first.1, first.2));
        whole.take_while(|entry| is_older(**entry)).count()
    }

    /// Gives up the oldest entry; returns its memories.
    pub(crate) fn give_up_oldest(&mut self) -> Option<(u64, Vec<(u64, Clock)>)> {
        let entry = self.entries.pop_front()?;
        let given_up: Vec<_> = self.of_entry(entry).collect();
        for (slot, _) in &given_up {
            if let Some(held) = usize::try_from(*slot).ok().and_then(|slot| self.clocks.get_mut(slot)) {
                *held = None;
            }
        }
        self.free.insert(entry);
        Some((entry, given_up))
    }
}
