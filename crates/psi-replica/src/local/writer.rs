//! Own writes: one version, stamped on every entry that the write touches.

use bytes::Bytes;

use crate::{
    entry::{
        Entry,
        clock::{Clock, HybridClock, Now},
        key::Key,
        name::FieldName,
        origin::{Origin, Version},
        scope::Epoch,
    },
    local::LocalOrigin,
    replica::event::EventQueue,
    session::cache::TokenCache,
    store::Store,
};

/// One write of the own origin, while it is made.
///
/// It takes its version when that is first asked for. So a write that changes nothing takes none, and must then put
/// nothing either.
#[derive(Debug)]
pub struct Writer<'a, E> {
    pub(crate) origin: Origin,
    pub(crate) version: Option<Version>,
    pub(crate) now: Now,
    pub(crate) clock: &'a mut HybridClock,
    pub(crate) local: &'a mut LocalOrigin,
    pub(crate) store: &'a Store,
    pub(crate) tokens: &'a mut TokenCache,
    pub(crate) events: &'a mut EventQueue<E>,
}

impl<'a, E> Writer<'a, E> {
    /// The own origin.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is held of all origins.
    #[must_use]
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// When the write is made: the tick, and hybrid time in the place of the wall clock.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// The version of the write.
    pub fn version(&mut self) -> Version {
        let (local, tokens) = (&mut self.local, &mut self.tokens);
        *self.version.get_or_insert_with(|| local.next_version(tokens))
    }

    /// A clock greater than any that was given out or seen.
    pub fn tick(&mut self) -> Clock {
        self.clock.tick(self.now.wall)
    }

    /// The hybrid clock as it stands, to work beside the replica with.
    #[must_use]
    pub fn clock(&self) -> HybridClock {
        *self.clock
    }

    /// Takes note of a clock that was given out beside the replica.
    pub fn observe(&mut self, clock: Clock) {
        self.clock.observe(clock);
    }

    /// The value of an own entry, put or flushed.
    #[must_use]
    pub fn held(&self, key: &Key) -> Option<Bytes> {
        let flushed = || self.store.log(&self.origin)?.value(key).cloned();
        self.local.pending_value(key).or_else(flushed)
    }

    /// Puts an entry, to be flushed.
    pub fn put(&mut self, key: Key, value: Bytes) {
        let version = self.version();
        self.local.put(Entry { key, version, value });
    }

    /// Whether the own origin has entries of a field in epochs before `epoch`, flushed or put.
    #[must_use]
    pub fn has_older(&self, field: &FieldName, epoch: Epoch) -> bool {
        self.local.has_older(field, epoch)
            || self.store.log(&self.origin).is_some_and(|log| log.has_older(field, epoch))
    }

    /// Forgets what was put of a field in epochs before `epoch` and waits for a flush.
    pub fn forget_older(&mut self, field: &FieldName, epoch: Epoch) {
        self.local.forget_older(field, epoch);
    }

    /// Emits an event.
    pub fn emit(&mut self, event: E) {
        self.events.emit(crate::Event::State(event));
    }
}
