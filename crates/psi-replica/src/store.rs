//! What is held of all origins, flushed: their logs and the base of those that have ended, and the frontier, digest and
//! recency that follow from them.

pub(crate) mod log;
mod recency;
pub(crate) mod snapshot;

use std::collections::BTreeMap;

use log::{Change, LogUpdate, OriginLog, StoredEntry};
use recency::Recency;

use crate::{
    delta::refusal::Refusal,
    ends::base::Base,
    entry::{
        Entry,
        digest::Digest,
        frontier::Frontier,
        key::{Key, Lane},
        origin::{Origin, Version},
    },
    session::token::NameHash,
};

/// The logs of all origins.
#[derive(Debug)]
pub struct Store {
    /// Those of origins that have not ended, and that of [`Origin::base`] once one has.
    logs: BTreeMap<Origin, OriginLog>,
    base: Base,
    /// Of all origins, those that have ended too.
    frontier: Frontier,
    /// Likewise.
    digest: Digest,
    recency: Recency,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            logs: BTreeMap::new(),
            base: Base::default(),
            frontier: Frontier::default(),
            digest: Digest::ZERO,
            recency: Recency::default(),
        }
    }

    /// What is known of ended runs.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// Runs that have not ended, with their logs, in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&Origin, &OriginLog)> {
        self.logs.iter().filter(|(origin, _)| !origin.is_base())
    }

    /// The log of one origin; `None` if nothing of it is held.
    #[must_use]
    pub fn log(&self, origin: &Origin) -> Option<&OriginLog> {
        self.logs.get(origin)
    }

    /// All origins with their logs, in order; the base is one of them.
    pub fn logs(&self) -> impl Iterator<Item = (&Origin, &OriginLog)> {
        self.logs.iter()
    }

    /// All logs but that of `local`, in the order of origins.
    pub fn logs_of_others(&self, local: Option<&Origin>) -> impl Iterator<Item = (&Origin, &OriginLog)> {
        self.logs.iter().filter(move |(origin, _)| Some(*origin) != local)
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// The version held of an origin, or the one at which it ended; of the base, its number.
    pub(crate) fn version(&self, origin: &Origin) -> Version {
        if origin.is_base() { Version(self.base.number()) } else { self.frontier.version(origin) }
    }

    /// The hash of what links are told of: the logs that are held.
    pub(crate) fn listing_hash(&self) -> Digest {
        let runs = self.frontier.hash().minus(self.base.positions());
        match self.version(&Origin::base()) {
            Version::ZERO => runs,
            version => runs.plus(Digest::of_position(&Origin::base(), version)),
        }
    }

    /// Entries held, and the bytes of their values.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.logs.values().fold((0, 0), |(entries, bytes), log| (entries + log.len(), bytes + log.bytes()))
    }

    /// Origins and the hashes of their names, those that moved last first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = &(Origin, NameHash)> {
        self.recency.latest_first()
    }

    /// The origin that a hash stands for.
    pub(crate) fn origin(&self, hash: NameHash) -> Option<&Origin> {
        self.recency.origin(hash)
    }

    /// Works out the update that takes an origin to `version`; see [`OriginLog::plan`].
    pub(crate) fn plan(
        &self,
        origin: &Origin,
        version: Version,
        entries: impl Iterator<Item = (Key, StoredEntry)>,
        epoch_lane: Lane,
    ) -> Result<LogUpdate, Refusal> {
        match self.logs.get(origin) {
            Some(log) => log.plan(version, entries, epoch_lane),
            None => OriginLog::new().plan(version, entries, epoch_lane),
        }
    }

    /// [`Store::plan`] of own entries, which need no check.
    pub(crate) fn plan_own(
        &self,
        origin: &Origin,
        version: Version,
        entries: Vec<Entry>,
        epoch_lane: Lane,
    ) -> Result<LogUpdate, Refusal> {
        let hashed = entries.into_iter().map(|entry| StoredEntry::hashed(origin, entry));
        self.plan(origin, version, hashed, epoch_lane)
    }

    /// Takes a planned update of an origin; returns what it changed.
    pub(crate) fn commit(&mut self, origin: &Origin, update: LogUpdate) -> Vec<Change> {
        let version = update.version();
        let log = self.logs.entry(origin.clone()).or_insert_with(OriginLog::new);
        let before = log.digest();
        let changes = log.commit(update);
        self.digest = self.digest.minus(before).plus(log.digest());
        self.frontier.raise(origin, version);
        self.recency.moved(origin);
        changes
    }

    /// Takes a base in the place of the one that is held; what ended with it is held no longer. Returns what changed, of
    /// each origin.
    pub(crate) fn rebase(&mut self, base: Base, log: OriginLog) -> Vec<(Origin, Vec<Change>)> {
        let is_over = |origin: &Origin| base.end_of(origin).is_some() || base.is_below_horizon(origin);
        let over: Vec<Origin> = self.runs().map(|(origin, _)| origin.clone()).filter(is_over).collect();
        let nothing = OriginLog::new();
        let mut changed: Vec<(Origin, Vec<Change>)> = over
            .into_iter()
            .filter_map(|origin| {
                let log = self.logs.remove(&origin)?;
                Some((origin, log.changes_to(&nothing)))
            })
            .collect();
        let origin = Origin::base();
        changed.push((origin.clone(), self.logs.get(&origin).unwrap_or(&nothing).changes_to(&log)));
        self.logs.insert(origin, log);
        self.base = base;
        self.recount();
        changed
    }

    /// Works out what follows from logs and base.
    fn recount(&mut self) {
        let runs = self.runs().map(|(origin, log)| (origin.clone(), log.version()));
        let ended = self.base.ended().iter().map(|(origin, run)| (origin.clone(), run.version));
        self.frontier = runs.chain(ended).collect::<Frontier>().with_forgotten(self.base.forgotten());
        self.digest = self.runs().map(|(_, log)| log.digest()).fold(self.base.digest(), Digest::plus);
        let frontier = &self.frontier;
        self.recency.retain(|origin| frontier.version(origin) > Version::ZERO);
        for origin in self.base.ended().keys() {
            self.recency.ensure(origin);
        }
    }
}

/// What links are told of.
pub(crate) trait ListingSource {
    /// Origins of which something is held.
    fn listed(&self) -> impl Iterator<Item = &Origin>;

    /// The version held of one.
    fn held(&self, origin: &Origin) -> Version;
}

impl ListingSource for Store {
    fn listed(&self) -> impl Iterator<Item = &Origin> {
        self.logs.keys()
    }

    /// Of one that has ended, nothing is to be had.
    fn held(&self, origin: &Origin) -> Version {
        self.logs.get(origin).map_or(Version::ZERO, OriginLog::version)
    }
}

#[cfg(test)]
impl ListingSource for Frontier {
    fn listed(&self) -> impl Iterator<Item = &Origin> {
        self.iter().map(|(origin, _)| origin)
    }

    fn held(&self, origin: &Origin) -> Version {
        self.version(origin)
    }
}
