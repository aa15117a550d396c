//! What is held of all origins, flushed: their logs, and the frontier, digest and recency that follow from them.

pub(crate) mod log;
mod recency;
pub(crate) mod snapshot;

use std::collections::BTreeMap;

use log::{Change, LogUpdate, OriginLog, StoredEntry};
use recency::Recency;

use crate::{
    delta::refusal::Refusal,
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
    logs: BTreeMap<Origin, OriginLog>,
    frontier: Frontier,
    digest: Digest,
    recency: Recency,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { logs: BTreeMap::new(), frontier: Frontier::default(), digest: Digest::ZERO, recency: Recency::default() }
    }

    /// The log of one origin; `None` if nothing of it is held.
    #[must_use]
    pub fn log(&self, origin: &Origin) -> Option<&OriginLog> {
        self.logs.get(origin)
    }

    /// All origins with their logs, in order.
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

    /// The version held of an origin.
    pub(crate) fn version(&self, origin: &Origin) -> Version {
        self.frontier.version(origin)
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
}
