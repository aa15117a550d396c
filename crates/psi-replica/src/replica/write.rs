//! Own writes: begun when the replica is ready, demanded by a fold, flushed every 20 ms.

use super::Replica;
#[cfg(feature = "testing")]
use crate::entry::{Entry, key::Key};
use crate::{
    entry::{
        clock::{Now, WallMs},
        origin::Origin,
    },
    local::readiness::{JoinStage, NotReady},
    local::writer::Writer,
    state::State,
};

impl<S: State> Replica<S> {
    /// Begins an own write: the state to change, and the writer that stamps what is put.
    ///
    /// # Errors
    /// [`NotReady`] if the replica takes no writes.
    pub fn begin_write(&mut self, now: Now) -> Result<(&mut S, Writer<'_, S::Event>), NotReady> {
        self.record_now(now);
        self.readiness().for_writing()?;
        let origin = self.local.origin().cloned().ok_or(NotReady::Joining(JoinStage::Unminted))?;
        Ok(self.writer(origin, now))
    }

    /// Makes a write that a fold demanded. Without an origin to write as, and after its last write, it is left to others.
    pub(super) fn write_demand(&mut self, demand: S::Demand) {
        let Some(origin) = self.local.origin().filter(|_| !self.ends.is_closed).cloned() else { return };
        let now = self.moment;
        let (state, mut writer) = self.writer(origin, now);
        state.write_demand(&mut writer, demand);
    }

    /// Writes what the state gathered until now, or all of it where that is [`u64::MAX`].
    pub(super) fn write_due(&mut self, until: WallMs) {
        let is_due = self.state.due_at().is_some_and(|due| due <= until) || until == WallMs(u64::MAX);
        if !is_due || self.ends.is_closed {
            return;
        }
        let Some(origin) = self.local.origin().cloned() else { return };
        let now = self.moment;
        let (state, mut writer) = self.writer(origin, now);
        state.write_due(&mut writer, until);
    }

    pub(super) fn writer(&mut self, origin: Origin, now: Now) -> (&mut S, Writer<'_, S::Event>) {
        // Writes are stamped by hybrid time.
        let now = Now { wall: self.time.hybrid(), ..now };
        let writer = Writer {
            origin,
            version: None,
            now,
            clock: &mut self.clock,
            local: &mut self.local,
            store: &self.store,
            tokens: &mut self.tokens,
            events: &mut self.events,
        };
        (&mut self.state, writer)
    }

    /// Encodes and hashes what was written since the last flush, and moves the own frontier to it.
    ///
    /// Frontier and digest mean the flushed state. Returns whether anything was pending.
    pub fn flush(&mut self) -> bool {
        let Some(origin) = self.local.origin().cloned() else { return false };
        if !self.is_dirty() {
            return false;
        }
        let mut entries = self.local.take_pending();
        entries.extend(self.state.flush(&origin));
        #[cfg(feature = "testing")]
        self.extend_values(&mut entries);
        let version = self.local.version();
        // A version that no entry has would be refused by every peer.
        debug_assert_eq!(entries.iter().map(|entry| entry.version).max(), Some(version), "every write leaves an entry");
        let update = self.store.plan_own(&origin, version, entries, S::EPOCH_LANE);
        self.store.commit(&origin, update.expect("own entries are distinct and above their tombstones"));
        self.ends.heard.record(&origin, self.moment.tick);
        self.record_moved(&origin);
        true
    }

    /// Whether something waits for a flush.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.local.has_pending() || self.state.is_dirty()
    }
}

#[cfg(feature = "testing")]
impl<S: State> Replica<S> {
    /// Appends to values what a later version would have.
    fn extend_values(&self, entries: &mut [Entry]) {
        let Some(extension) = &self.config.extension else { return };
        for entry in entries.iter_mut().filter(|entry| S::knows(entry.key.lane)) {
            entry.value = [&entry.value[..], &extension.value_fields].concat().into();
        }
    }

    /// Whether any key of `origin` is held.
    #[must_use]
    pub fn holds(&self, origin: &Origin, key: &Key) -> bool {
        self.entries(origin).any(|entry| entry.key == *key)
    }
}
