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
    /// Bases that gave way to the one that is held, and are not folded into it yet.
    formers: BTreeMap<Origin, Base>,
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
            formers: BTreeMap::new(),
            frontier: Frontier::default(),
            digest: Digest::ZERO,
            recency: Recency::default(),
        }
    }

    /// What is known of ended runs.
    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// Bases that gave way to the one that is held, by the names that they have as origins.
    pub(crate) fn formers(&self) -> &BTreeMap<Origin, Base> {
        &self.formers
    }

    /// All bases that are held.
    fn bases(&self) -> impl Iterator<Item = &Base> {
        self.formers.values().chain([&self.base])
    }

    /// The version at which a run ended, if that is known.
    pub(crate) fn end_of(&self, run: &Origin) -> Option<Version> {
        self.bases().find_map(|base| base.end_of(run))
    }

    /// The sum of the digests of all runs that have ended.
    pub(crate) fn ended_digest(&self) -> Digest {
        self.bases().map(Base::digest).fold(Digest::ZERO, Digest::plus)
    }

    /// The number at which another base was taken in; `None` if it was not.
    pub(crate) fn absorbed(&self, former: &Origin) -> Option<Version> {
        let of = |base: &Base| base.absorbed(former);
        if former.is_former_base() { self.bases().filter_map(of).max() } else { None }
    }

    /// Whether a run, or a base that gave way, has ended, so that nothing is missing of it.
    pub(crate) fn is_over(&self, origin: &Origin) -> bool {
        self.end_of(origin).is_some()
            || self.absorbed(origin).is_some()
            || self.base.is_below_horizon(origin) && self.log(origin).is_none()
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
        if !origin.is_base() {
            return self.frontier.version(origin);
        }
        let held = self.formers.get(origin).map(Base::number);
        let own = *origin == Origin::base() || *origin == self.base.former();
        let held = held.or_else(|| own.then(|| self.base.number())).map(Version);
        held.into_iter().chain(self.absorbed(origin)).max().unwrap_or_default()
    }

    /// The hash of what links are told of: the logs that are held.
    pub(crate) fn listing_hash(&self) -> Digest {
        let runs = self.bases().map(Base::positions).fold(self.frontier.hash(), Digest::minus);
        let base = Some(Origin::base()).filter(|_| self.base.number() > 0);
        let bases = self.formers.keys().chain(&base);
        bases.map(|base| Digest::of_position(base, self.version(base))).fold(runs, Digest::plus)
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
    /// each origin. If the two are `apart`, the one before stays beside the new one. Of the former bases, those stay that
    /// are apart from the new one too: what the others hold is in it, or would count twice.
    pub(crate) fn rebase(&mut self, base: Base, log: OriginLog, are_apart: bool) -> Vec<(Origin, Vec<Change>)> {
        let mut changed = Vec::new();
        if let Some(before) = self.logs.get(&Origin::base()).filter(|_| are_apart).cloned() {
            let former = self.base.former();
            changed.push(self.put_log(former.clone(), before));
            self.formers.insert(former, self.base.clone());
        }
        changed.push(self.put_log(Origin::base(), log));
        self.base = base;
        let is_overlaid = |former: &Base| !self.base.is_apart_from(former);
        let overlaid: Vec<Origin> =
            self.formers.iter().filter(|(_, former)| is_overlaid(former)).map(|(origin, _)| origin.clone()).collect();
        self.drop_logs(overlaid, &mut changed);
        self.drop_ended(&mut changed);
        changed
    }

    /// Takes a base that gave way to the one that is held, in the place of its rivals. Returns what changed, of each origin.
    pub(crate) fn put_former(
        &mut self,
        former: Base,
        log: OriginLog,
        rivals: Vec<Origin>,
    ) -> Vec<(Origin, Vec<Change>)> {
        let origin = former.former();
        let mut changed = vec![self.put_log(origin.clone(), log)];
        self.drop_logs(rivals, &mut changed);
        self.formers.insert(origin, former);
        self.drop_ended(&mut changed);
        changed
    }

    /// Takes a log in the place of the one that is held of an origin.
    fn put_log(&mut self, origin: Origin, log: OriginLog) -> (Origin, Vec<Change>) {
        let before = self.logs.get(&origin).map_or_else(|| OriginLog::new().changes_to(&log), |it| it.changes_to(&log));
        self.logs.insert(origin.clone(), log);
        (origin, before)
    }

    /// Drops what has ended: it is in a base.
    fn drop_ended(&mut self, changed: &mut Vec<(Origin, Vec<Change>)>) {
        let is_over = |origin: &Origin| {
            self.end_of(origin).is_some() || self.absorbed(origin).is_some() || self.base.is_below_horizon(origin)
        };
        let over: Vec<Origin> = self.logs.keys().filter(|origin| is_over(origin)).cloned().collect();
        self.drop_logs(over, changed);
        self.recount();
    }

    fn drop_logs(&mut self, origins: Vec<Origin>, changed: &mut Vec<(Origin, Vec<Change>)>) {
        for origin in origins {
            self.formers.remove(&origin);
            if let Some(log) = self.logs.remove(&origin) {
                changed.push((origin, log.changes_to(&OriginLog::new())));
            }
        }
    }

    /// Works out what follows from logs and bases.
    fn recount(&mut self) {
        let runs = self.runs().map(|(origin, log)| (origin.clone(), log.version()));
        let ended = self.bases().flat_map(|base| base.ended().iter().map(|(run, ended)| (run.clone(), ended.version)));
        let frontier: Frontier = runs.chain(ended).collect();
        self.frontier = self.bases().map(Base::forgotten).fold(frontier, Frontier::with_forgotten);
        self.digest = self.runs().map(|(_, log)| log.digest()).fold(self.ended_digest(), Digest::plus);
        let frontier = &self.frontier;
        self.recency.retain(|origin| frontier.version(origin) > Version::ZERO);
        for base in self.formers.values().chain([&self.base]) {
            base.ended().keys().for_each(|run| self.recency.ensure(run));
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
