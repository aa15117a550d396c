//! What was seen in a run, by all replicas together.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::{Digest, Epoch, FieldName, Frontier, Origin, Version};
use psi_state::{Replica, Shape};

use super::votes::VoteBook;
use crate::{
    compare::{empty_oracle, oracle_frontier, oracle_origin, views_hash},
    oracle::{Oracle, OracleFrontier},
};

/// Frontiers of which views are compared: one in so many, the same ones on every replica.
const VIEWS_OF: u64 = 4;

/// What was seen in a run, by all replicas together.
#[derive(Debug)]
pub(crate) struct Book {
    pub(super) minted: BTreeSet<Origin>,
    /// The digest of what an origin held when it had flushed a version.
    digests: BTreeMap<(Origin, Version), Digest>,
    /// Digest and views by the hash of the frontier.
    seen: BTreeMap<[u8; 32], (Digest, Option<[u8; 32]>)>,
    /// Most entries that an origin ever held.
    pub(super) peaks: BTreeMap<Origin, usize>,
    /// The oracle: all that was accepted.
    pub(super) oracle: Oracle,
    /// At which version runs ended, and by which checkpoint: the first that was told.
    ended: BTreeMap<Origin, (Version, u64)>,
    /// The latest write of an unknown lane, by origin.
    pub(crate) unknown: BTreeMap<Origin, Version>,
    pub(crate) reshaped: Vec<FieldChange>,
    pub(super) moves: u64,
    pub(super) votes: VoteBook,
    /// The digest of the base, by its number: the first that was seen.
    pub(super) bases: BTreeMap<Version, Digest>,
    /// When a run wrote a version.
    pub(super) written_at: BTreeMap<(Origin, Version), u64>,
    /// The latest hybrid time of any process.
    pub(super) hybrid_ms: u64,
    /// The latest time that an operator has accepted.
    pub(crate) accepted_ms: u64,
    /// What was on the disks of nodes that were stopped as they advised.
    kept: BTreeMap<Origin, Version>,
    /// Runs of which something was lost by name.
    pub(crate) late: BTreeSet<Origin>,
    /// Frames whose bits were turned may have named origins that there are not.
    pub(crate) damaged: usize,
}

/// A change of a field that was accepted, kept to find those that raced.
#[derive(Clone, Debug)]
pub(crate) struct FieldChange {
    pub(crate) field: FieldName,
    pub(crate) shape: Shape,
    pub(crate) epoch: Epoch,
    pub(crate) origin: Origin,
    pub(crate) version: Version,
    pub(crate) created: bool,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            minted: BTreeSet::new(),
            digests: BTreeMap::new(),
            seen: BTreeMap::new(),
            peaks: BTreeMap::new(),
            oracle: empty_oracle(),
            ended: BTreeMap::new(),
            unknown: BTreeMap::new(),
            reshaped: Vec::new(),
            moves: 0,
            votes: VoteBook::default(),
            bases: BTreeMap::new(),
            written_at: BTreeMap::new(),
            hybrid_ms: 0,
            accepted_ms: 0,
            kept: BTreeMap::new(),
            late: BTreeSet::new(),
            damaged: 0,
        }
    }
}

impl Book {
    /// Notes that an origin was minted; false if it was before.
    pub(crate) fn mint(&mut self, origin: &Origin) -> bool {
        self.minted.insert(origin.clone())
    }

    /// Checks what is held of an origin at a version against what it first was there.
    pub(super) fn record_digest(
        &mut self,
        origin: &Origin,
        version: Version,
        digest: Digest,
        writes: bool,
    ) -> Result<(), String> {
        let place = (origin.clone(), version);
        match self.digests.get(&place) {
            Some(first) if *first == digest => Ok(()),
            Some(_) => Err(format!("{origin} at {version} is not what it wrote")),
            None if writes => {
                self.digests.insert(place, digest);
                Ok(())
            }
            None => Err(format!("{origin} at {version} is held, and it never flushed that version")),
        }
    }

    /// Notes what must not be lost.
    pub(crate) fn keep(&mut self, frontier: &Frontier) {
        for (origin, version) in frontier.iter() {
            let kept = self.kept.entry(origin.clone()).or_default();
            *kept = version.max(*kept);
        }
    }

    /// What was to be kept and is not held by a replica.
    pub(super) fn missing(&self, replica: &Replica) -> Option<(&Origin, Version)> {
        let is_named = |origin: &Origin| self.late.contains(origin) || replica.is_below_horizon(origin);
        let mut kept = self.kept.iter().filter(|(origin, _)| !origin.is_base() && !is_named(origin));
        let missing = kept.find(|(origin, version)| replica.frontier().version(origin) < **version);
        missing.map(|(origin, version)| (origin, *version))
    }

    /// Notes runs that ended.
    pub(crate) fn record_ends(&mut self, checkpoint: u64, runs: Vec<(Origin, Version)>) {
        for (origin, version) in runs {
            self.ended.entry(origin).or_insert((version, checkpoint));
        }
    }

    /// Takes over what a replica's base says of ends, since that counts and another gave way to it: runs may have ended in
    /// the other at other versions, or not at all.
    pub(crate) fn replace_ends(&mut self, replica: &Replica) {
        let checkpoint = replica.end_status().checkpoint;
        self.ended.retain(|run, held| {
            if let Some(end) = replica.end_of(run) {
                *held = (end, checkpoint.min(held.1));
            }
            replica.end_of(run).is_some() || replica.is_below_horizon(run)
        });
    }

    /// Runs that ended, each with the version that stands for it.
    pub(super) fn ends(&self) -> impl Iterator<Item = (&Origin, Version)> {
        self.ended.iter().map(|(run, (version, _))| (run, *version))
    }

    /// What a replica holds, and what it held of runs whose names it has forgotten.
    pub(crate) fn frontier_of(&self, replica: &Replica) -> OracleFrontier {
        let mut frontier = oracle_frontier(replica);
        let status = replica.end_status();
        let is_forgotten = |(origin, (_, checkpoint)): &(&Origin, &(Version, u64))| {
            origin.incarnation < status.horizon && *checkpoint <= status.checkpoint
        };
        for (origin, (version, _)) in self.ended.iter().filter(is_forgotten) {
            frontier.entry(oracle_origin(origin)).or_insert(version.0);
        }
        frontier
    }

    pub(super) fn record_peak(&mut self, origin: &Origin, entries: usize) {
        let peak = self.peaks.entry(origin.clone()).or_default();
        *peak = entries.max(*peak);
    }

    /// Compares a replica with the first replica that had the same frontier. Tells whether there was one.
    pub(super) fn compare(&mut self, replica: &mut Replica) -> Result<bool, String> {
        let (hash, digest) = (replica.frontier().hash(), replica.digest());
        let with_views = hash.short().is_multiple_of(VIEWS_OF) && !replica.is_dirty();
        let views = with_views.then(|| views_hash(replica));
        let Some((first, first_views)) = self.seen.get_mut(&hash.to_bytes()) else {
            self.seen.insert(hash.to_bytes(), (digest, views));
            return Ok(false);
        };
        if *first != digest {
            return Err("equal frontiers, other digests".to_owned());
        }
        match (*first_views, views) {
            (Some(first), Some(views)) if first != views => return Err("equal frontiers, other views".to_owned()),
            (None, Some(_)) => *first_views = views,
            _ => {}
        }
        Ok(true)
    }
}
