//! Gaps: origins of which some peer is known to hold more than this replica, and when a peer may be asked for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::{clock::TickMs, origin::Origin};

/// An origin of which some peer holds more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// When a peer may be asked (again).
    pub(crate) ask_at: TickMs,
    /// How often peers were asked since.
    pub(crate) pulls: u32,
    /// How often that was postponed for a delta that had just begun to arrive.
    pub(crate) postponed: u32,
}

/// All gaps, by origin and by time.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    by_origin: BTreeMap<Origin, Gap>,
    by_time: BTreeSet<(TickMs, Origin)>,
}

impl Gaps {
    pub(crate) fn len(&self) -> usize {
        self.by_origin.len()
    }

    pub(crate) fn contains(&self, origin: &Origin) -> bool {
        self.by_origin.contains_key(origin)
    }

    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.by_origin.keys()
    }

    pub(crate) fn insert(&mut self, origin: Origin, gap: Gap) {
        self.remove(&origin);
        self.by_time.insert((gap.ask_at, origin.clone()));
        self.by_origin.insert(origin, gap);
    }

    pub(crate) fn remove(&mut self, origin: &Origin) {
        if let Some(gap) = self.by_origin.remove(origin) {
            self.by_time.remove(&(gap.ask_at, origin.clone()));
        }
    }

    /// The first that is due by now, taken out.
    pub(crate) fn pop_due(&mut self, now: TickMs) -> Option<(Origin, Gap)> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, origin) = self.by_time.pop_first()?;
        let gap = self.by_origin.remove(&origin)?;
        Some((origin, gap))
    }

    /// When the next is due.
    pub(crate) fn next_at(&self) -> Option<TickMs> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
