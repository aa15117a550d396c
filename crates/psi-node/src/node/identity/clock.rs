//! The wall clock by which certificates and tokens are valid. Tests put another in its place.

use std::sync::Arc;

use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

/// The wall clock, as rustls asks for it.
#[derive(Clone, Debug)]
pub(crate) struct WallClock(Arc<dyn TimeProvider>);

impl WallClock {
    /// The clock of this machine.
    pub(crate) fn of_machine() -> Self {
        Self(Arc::new(DefaultTimeProvider))
    }

    #[cfg(test)]
    pub(crate) fn of(provider: Arc<dyn TimeProvider>) -> Self {
        Self(provider)
    }

    /// Seconds since 1970.
    pub(crate) fn now_s(&self) -> u64 {
        self.0.current_time().map_or(0, |time| time.as_secs())
    }

    /// The same clock, for configurations of rustls.
    pub(super) fn provider(&self) -> Arc<dyn TimeProvider> {
        self.0.clone()
    }
}
