//! When a run was heard last, by this replica's own steady clock: what one run holds of another's silence.

use std::collections::BTreeMap;

use crate::entry::{clock::TickMs, origin::Origin};

/// When each run that is held was heard last.
#[derive(Debug, Default)]
pub(crate) struct ContactTimes {
    heard: BTreeMap<Origin, TickMs>,
}

impl ContactTimes {
    /// A run has written, or shown itself on a link.
    pub(crate) fn record(&mut self, origin: &Origin, now: TickMs) {
        match self.heard.get_mut(origin) {
            Some(at) => *at = now.max(*at),
            None => {
                self.heard.insert(origin.clone(), now);
            }
        }
    }

    pub(crate) fn forget(&mut self, origin: &Origin) {
        self.heard.remove(origin);
    }

    /// How long a run has been silent.
    pub(crate) fn silence_ms(&self, origin: &Origin, now: TickMs) -> u64 {
        self.heard.get(origin).map_or(0, |at| now.since(*at))
    }
}
