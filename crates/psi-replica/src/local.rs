//! The own origin: its name, its count of writes, and what waits for a flush.

pub(crate) mod join_state;
pub(crate) mod readiness;
pub(crate) mod writer;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::{
    config::Config,
    entry::{
        Entry,
        clock::{TickMs, WallMs},
        key::Key,
        name::FieldName,
        origin::{Origin, Version},
        scope::Epoch,
    },
    session::cache::TokenCache,
    store::Store,
};

/// How often at most local writes are encoded, hashed and sent.
pub const FLUSH_MS: u64 = 20;

/// How often at most a run goes on as a later one, since a run of its name has overtaken it.
const OUTRUN_MS: u64 = 60_000;

/// Own flushes whose time is kept, for the lag of peers: those of the last 20 s under load.
const FLUSHES_KEPT: usize = 1024;

/// This run of the node, as it writes.
#[derive(Debug)]
pub(crate) struct LocalOrigin {
    /// `None` until it is minted.
    origin: Option<Origin>,
    /// The latest write; ahead of the frontier until the flush.
    version: Version,
    /// Entries that were put and wait for a flush.
    pending: BTreeMap<Key, Entry>,
    flush_at: TickMs,
    /// When the latest flushes were, oldest first.
    flushes: VecDeque<(Version, TickMs)>,
    /// The greatest incarnation of this node that any peer or snapshot has shown.
    incarnation_seen: u64,
    /// A later run of this node has written.
    has_later: bool,
    /// When this run went on as another one for that reason.
    outran_at: Option<TickMs>,
}

impl LocalOrigin {
    pub(crate) fn new(now: TickMs) -> Self {
        Self {
            origin: None,
            version: Version::ZERO,
            pending: BTreeMap::new(),
            flush_at: now,
            flushes: VecDeque::new(),
            incarnation_seen: 0,
            has_later: false,
            outran_at: None,
        }
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Gives the origin up; what waited for a flush is forgotten.
    pub(crate) fn release(&mut self) {
        self.origin = None;
        self.version = Version::ZERO;
        self.pending.clear();
        self.flushes.clear();
    }

    pub(crate) fn is(&self, origin: &Origin) -> bool {
        self.origin.as_ref() == Some(origin)
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn next_version(&mut self, tokens: &mut TokenCache) -> Version {
        if self.version == Version::ZERO {
            tokens.forget_others();
        }
        self.version = self.version.next();
        self.version
    }

    /// The own incarnation; 0 until it is minted.
    pub(crate) fn incarnation_minted(&self) -> u64 {
        self.origin.as_ref().map_or(0, |origin| origin.incarnation)
    }

    /// The incarnation to name in a snapshot: the own one, or the greatest that was seen.
    pub(crate) fn incarnation(&self) -> u64 {
        self.origin.as_ref().map_or(self.incarnation_seen, |origin| origin.incarnation)
    }

    pub(crate) fn record_incarnation(&mut self, incarnation: u64) {
        self.incarnation_seen = self.incarnation_seen.max(incarnation);
    }

    /// Mints the incarnation from hybrid time: greater than any that was seen for this node, and different from what any run takes that
    /// has seen the same. Where that is behind what was seen, the moment is added to that: an earlier run may have
    /// written and be known to nobody who can be reached.
    pub(crate) fn mint(&mut self, config: &Config, store: &Store, hybrid: WallMs) -> Origin {
        /// About a second: far below what a clock may be ahead.
        const SPREAD_US: u64 = 1 << 20;
        let node = &config.node;
        let runs = store.logs().map(|(origin, _)| origin).filter(|origin| origin.node == *node);
        let ended = store.base().ended().keys().filter(|origin| origin.node == *node);
        let seen = runs.chain(ended).map(|origin| origin.incarnation).max().unwrap_or(0);
        // A run below the horizon would be taken for one that has ended.
        let seen = seen.max(self.incarnation_seen).max(store.base().horizon());
        let by_clock = hybrid.0.saturating_mul(1000).saturating_add(u64::from(config.microsecond.min(999)));
        let incarnation =
            if by_clock > seen { by_clock } else { seen.saturating_add(1).saturating_add(by_clock % SPREAD_US) };
        let origin = Origin { node: node.clone(), incarnation };
        self.origin = Some(origin.clone());
        origin
    }

    /// Records that a later run of this node has written.
    pub(crate) fn record_later(&mut self) {
        self.has_later = true;
    }

    /// Whether it is time to go on as a run that is later still. Two live runs of one node that outrun each other must not
    /// leave more origins than can be ended.
    pub(crate) fn takes_outrun(&mut self, now: TickMs) -> bool {
        let is_time = self.has_later && self.outran_at.is_none_or(|at| now.since(at) >= OUTRUN_MS);
        if is_time {
            self.has_later = false;
            self.outran_at = Some(now);
        }
        is_time
    }

    // --- What waits for a flush

    pub(crate) fn put(&mut self, entry: Entry) {
        self.pending.insert(entry.key.clone(), entry);
    }

    pub(crate) fn pending_value(&self, key: &Key) -> Option<Bytes> {
        self.pending.get(key).map(|entry| entry.value.clone())
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn take_pending(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.pending).into_values().collect()
    }

    pub(crate) fn has_older(&self, field: &FieldName, epoch: Epoch) -> bool {
        self.pending.range(Key::older_than(field, epoch)).next().is_some()
    }

    pub(crate) fn forget_older(&mut self, field: &FieldName, epoch: Epoch) {
        let older = Key::older_than(field, epoch);
        self.pending.retain(|key, _| !older.contains(key));
    }

    // --- Flushes

    pub(crate) fn flush_at(&self) -> TickMs {
        self.flush_at
    }

    pub(crate) fn flush_again_after(&mut self, now: TickMs) {
        self.flush_at = now.plus(FLUSH_MS);
    }

    pub(crate) fn record_flush(&mut self, at: TickMs) {
        if self.flushes.len() == FLUSHES_KEPT {
            self.flushes.pop_front();
        }
        self.flushes.push_back((self.version, at));
    }

    /// When the first write after `version` was flushed; `None` if that is not known any more.
    pub(crate) fn flushed_after(&self, version: Version) -> Option<TickMs> {
        let first_after = self.flushes.partition_point(|(flushed, _)| *flushed <= version);
        self.flushes.get(first_after).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        ends::{base::Base, checkpoint::Checkpoint},
        entry::{
            digest::Digest,
            name::{ClusterName, NodeId},
        },
        store::log::OriginLog,
    };

    #[test]
    fn a_node_that_nobody_knows_is_minted_above_the_horizon_by_a_clock_that_is_behind_it() {
        let config = Config::new(ClusterName::new("c").unwrap(), NodeId::new("n").unwrap());
        let horizon = 5_000_000;
        let checkpoint = Checkpoint {
            parent: Digest::ZERO,
            wall_ms: 9_000,
            ends: BTreeMap::new(),
            roster: BTreeSet::new(),
            horizon,
            exceptions: BTreeSet::new(),
        };
        let mut store = Store::new();
        store.rebase(Base::default().after(&checkpoint, &BTreeMap::new(), |_| Digest::ZERO), OriginLog::new(), false);
        let minted = LocalOrigin::new(TickMs(0)).mint(&config, &store, WallMs(4_000));
        assert!(!store.base().is_below_horizon(&minted), "{minted}, horizon {horizon}");
    }
}
