//! The base: what ended runs come to, and what is remembered of their names.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;

use super::{
    checkpoint::Checkpoint,
    wire::{NUMBER_LIMIT, VoteError, digest, origins},
};
use crate::{
    entry::{
        digest::Digest,
        key::{Key, Lane},
        name::NodeId,
        origin::{Origin, Version},
        scope::Scope,
    },
    proto,
    store::log::OriginLog,
};

/// Checkpoints whose hashes are kept: a base that is so far behind is known to be one that this one grew out of.
const PAST_MAX: usize = 64;
/// Names in one entry.
const NAMES_PER_ENTRY: usize = 512;

/// A run that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedRun {
    /// The version that stands for it.
    pub(crate) version: Version,
    /// When the checkpoint that ended it was proposed, or the horizon then, if that is later.
    pub(crate) ended_ms: u64,
}

/// What is known of all ended runs together. What their entries come to is a log, of [`Origin::base`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    number: u64,
    hash: Digest,
    /// The hash of its first checkpoint.
    root: Digest,
    /// Hashes of the checkpoints before, oldest first.
    past: Vec<Digest>,
    roster: BTreeSet<Origin>,
    horizon: u64,
    exceptions: BTreeSet<Origin>,
    ended: BTreeMap<Origin, EndedRun>,
    /// Bases that it has taken in, each at the number that it had.
    absorbed: BTreeMap<Origin, Version>,
    /// The sum of the positions of those whose names are forgotten.
    forgotten: Digest,
    /// The sum of the positions of all that have ended.
    positions: Digest,
    /// The sum of the digests of all that have ended.
    digest: Digest,
}

impl Default for Base {
    /// Nothing has ended.
    fn default() -> Self {
        Self {
            number: 0,
            hash: Digest::ZERO,
            root: Digest::ZERO,
            past: Vec::new(),
            roster: BTreeSet::new(),
            horizon: 0,
            exceptions: BTreeSet::new(),
            ended: BTreeMap::new(),
            absorbed: BTreeMap::new(),
            forgotten: Digest::ZERO,
            positions: Digest::ZERO,
            digest: Digest::ZERO,
        }
    }
}

impl Base {
    /// How many checkpoints it has taken.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The hash of the latest checkpoint; zero before the first.
    pub(crate) fn hash(&self) -> Digest {
        self.hash
    }

    /// The runs by whose nodes the next checkpoint is agreed on; none before the first.
    pub(crate) fn roster(&self) -> &BTreeSet<Origin> {
        &self.roster
    }

    /// Names of ended runs with lesser incarnations are forgotten.
    pub(crate) fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Runs below the horizon that have not ended.
    pub(crate) fn exceptions(&self) -> &BTreeSet<Origin> {
        &self.exceptions
    }

    /// All runs that it names.
    fn named(&self) -> impl Iterator<Item = &Origin> {
        self.ended.keys().chain(&self.roster).chain(&self.exceptions)
    }

    /// Whether it can be a base.
    pub(crate) fn is_plausible(&self) -> bool {
        // The next number is to be one that can be voted on.
        (1..NUMBER_LIMIT - 1).contains(&self.number)
            && !self.named().any(Origin::is_base)
            && self.absorbed.keys().all(Origin::is_former_base)
    }

    /// The latest moment that it names, milliseconds since the Unix epoch.
    pub(crate) fn latest_ms(&self) -> u64 {
        self.named().map(|run| run.incarnation).max().unwrap_or(0).max(self.horizon) / 1000
    }

    /// Ended runs whose names are known.
    pub(crate) fn ended(&self) -> &BTreeMap<Origin, EndedRun> {
        &self.ended
    }

    /// The version at which an origin ended, if that is known.
    pub(crate) fn end_of(&self, origin: &Origin) -> Option<Version> {
        self.ended.get(origin).map(|ended| ended.version)
    }

    /// The sum of the positions of all that have ended.
    pub(crate) fn positions(&self) -> Digest {
        self.positions
    }

    /// The sum of the positions of those whose names are forgotten.
    pub(crate) fn forgotten(&self) -> Digest {
        self.forgotten
    }

    /// The sum of the digests of all that have ended.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether an origin that is not held may be one that has ended and was forgotten.
    pub(crate) fn is_below_horizon(&self, origin: &Origin) -> bool {
        origin.incarnation < self.horizon
            && !origin.is_base()
            && !self.exceptions.contains(origin)
            && !self.ended.contains_key(origin)
    }

    /// The name that it has as an origin, where another base holds: that of the first checkpoint of its chain.
    pub(crate) fn former(&self) -> Origin {
        Origin { incarnation: self.root.short().max(2), ..Origin::base() }
    }

    /// The number at which another base was taken in; `None` if it was not.
    pub(crate) fn absorbed(&self, former: &Origin) -> Option<Version> {
        self.absorbed.get(former).copied()
    }

    /// Whether both this base and one that gives way to it count: no run has ended in both, as far as their names tell.
    pub(crate) fn is_apart_from(&self, former: &Self) -> bool {
        let may_have_ended = |run: &Origin| self.ended.contains_key(run) || self.is_below_horizon(run);
        self.root != former.root
            && former.forgotten == Digest::ZERO
            && !former.ended.keys().any(may_have_ended)
            && self.absorbed(&former.former()).is_none()
            && former.absorbed(&self.former()).is_none()
    }

    /// Whether this base grew out of another, as far as can be told, or has taken it in.
    pub(crate) fn grew_from(&self, other: &Self) -> bool {
        let (number, hash) = (other.number, other.hash);
        let is_far_beyond = self.root == other.root && self.number.saturating_sub(number) > self.past.len() as u64;
        number == 0
            || (number < self.number && self.past.contains(&hash))
            || (number, hash) == (self.number, self.hash)
            || is_far_beyond
            || self.absorbed(&other.former()) >= Some(Version(number))
    }

    /// Whether a checkpoint is one of this chain, as far as can be told.
    pub(crate) fn has_taken(&self, number: u64, hash: Digest) -> bool {
        (number, hash) == (self.number, self.hash)
            || self.past.contains(&hash)
            || self.number.saturating_sub(number) > self.past.len() as u64
    }

    /// Whether a run of a node has ended in it, as far as names are known.
    pub(crate) fn has_ended_of(&self, node: &NodeId) -> bool {
        let first = Origin { node: node.clone(), incarnation: 0 };
        self.ended.range(first..).next().is_some_and(|(run, _)| run.node == *node)
    }

    /// The base after the next checkpoint; `digest_of` gives the digest of what is held of an origin that ends, and
    /// `formers` are the bases that are held beside this one.
    pub(crate) fn after(
        &self,
        checkpoint: &Checkpoint,
        formers: &BTreeMap<Origin, Self>,
        digest_of: impl Fn(&Origin) -> Digest,
    ) -> Self {
        let mut next = self.clone();
        next.number = next.number.saturating_add(1);
        if self.number > 0 {
            next.past.push(self.hash);
            next.past.drain(..next.past.len().saturating_sub(PAST_MAX));
        }
        next.hash = checkpoint.hash();
        if self.number == 0 {
            next.root = next.hash;
        }
        next.roster.clone_from(&checkpoint.roster);
        // All clocks may have been set back since the horizon was raised.
        let ended_ms = checkpoint.wall_ms.max(checkpoint.horizon / 1000 + 1);
        for (origin, version) in &checkpoint.ends {
            if let Some(former) = formers.get(origin) {
                next.absorb(origin, former);
                continue;
            }
            next.ended.insert(origin.clone(), EndedRun { version: *version, ended_ms });
            next.positions = next.positions.plus(Digest::of_position(origin, *version));
            next.digest = next.digest.plus(digest_of(origin));
        }
        next.forget_below(checkpoint.horizon, &checkpoint.exceptions);
        next
    }

    /// Takes in what is known of the runs that ended in another base.
    fn absorb(&mut self, name: &Origin, former: &Self) {
        self.ended.extend(former.ended.iter().map(|(run, ended)| (run.clone(), *ended)));
        self.forgotten = self.forgotten.plus(former.forgotten);
        self.positions = self.positions.plus(former.positions);
        self.digest = self.digest.plus(former.digest);
        let earlier = former.absorbed.iter().map(|(earlier, number)| (earlier.clone(), *number));
        self.absorbed.extend(earlier.chain([(name.clone(), Version(former.number))]));
    }

    fn forget_below(&mut self, horizon: u64, exceptions: &BTreeSet<Origin>) {
        self.horizon = horizon;
        self.exceptions.clone_from(exceptions);
        let forgotten = &mut self.forgotten;
        self.ended.retain(|origin, ended| {
            let keeps = !is_forgotten(origin, ended, horizon);
            if !keeps {
                *forgotten = forgotten.plus(Digest::of_position(origin, ended.version));
            }
            keeps
        });
    }

    /// The greatest horizon below which all that have ended did so by `ended_by`, milliseconds since the Unix epoch.
    pub(crate) fn horizon_at(&self, ended_by: u64) -> u64 {
        let young = self.ended.iter().filter(|(_, ended)| ended.ended_ms > ended_by);
        let youngest_kept = young.map(|(origin, _)| origin.incarnation).min().unwrap_or(u64::MAX);
        youngest_kept.min(ended_by.saturating_mul(1000)).max(self.horizon)
    }

    /// How many names a horizon would have forgotten.
    pub(crate) fn forgotten_by(&self, horizon: u64) -> usize {
        self.ended.iter().filter(|(origin, ended)| is_forgotten(origin, ended, horizon)).count()
    }
}

/// As entries of [`Origin::base`].
impl Base {
    pub(crate) fn entries(&self) -> BTreeMap<Key, Bytes> {
        let hash = |digest: Digest| Bytes::from(digest.to_bytes().to_vec());
        let header = proto::BaseValue {
            number: self.number,
            checkpoint: hash(self.hash),
            past: self.past.iter().copied().map(hash).collect(),
            roster: self.roster.iter().map(Into::into).collect(),
            horizon: self.horizon,
            exceptions: self.exceptions.iter().map(Into::into).collect(),
            forgotten_positions: hash(self.forgotten),
            ended_digest: hash(self.digest),
            first_checkpoint: hash(self.root),
            absorbed: self.absorbed.iter().map(absorbed_base).collect(),
        };
        let header = (key(Lane::BASE, 0), header.encode_to_vec().into());
        let ended: Vec<proto::EndedOrigin> = self.ended.iter().map(ended_origin).collect();
        let chunks = ended.chunks(NAMES_PER_ENTRY).map(|chunk| proto::EndedValue { origins: chunk.to_vec() });
        let chunks = (0..).zip(chunks).map(|(index, chunk)| (key(Lane::ENDED, index), chunk.encode_to_vec().into()));
        chunks.chain([header]).collect()
    }

    /// Reads what [`Base::entries`] wrote.
    pub(crate) fn of_log(log: &OriginLog) -> Result<Self, VoteError> {
        Self::of_entries(log.all())
    }

    /// Reads what [`Base::entries`] wrote, from all entries of the base.
    pub(crate) fn of_entries<'a>(
        entries: impl Iterator<Item = (&'a Key, &'a Bytes)> + Clone,
    ) -> Result<Self, VoteError> {
        let mut of_cluster = entries.clone().filter(|(key, _)| key.scope == Scope::Cluster);
        let header = of_cluster.find(|(key, _)| key.lane == Lane::BASE).ok_or(VoteError::Missing)?.1;
        let header = proto::BaseValue::decode(header.clone())?;
        let proto::BaseValue {
            number,
            checkpoint,
            past,
            roster,
            horizon,
            exceptions,
            forgotten_positions,
            ended_digest,
            first_checkpoint,
            absorbed,
        } = header;
        let absorbed =
            absorbed.into_iter().map(|base| Ok::<_, VoteError>((base.origin.try_into()?, Version(base.version))));
        let mut ended = BTreeMap::new();
        for (_, value) in entries.filter(|(key, _)| key.scope == Scope::Cluster && key.lane == Lane::ENDED) {
            for proto::EndedOrigin { origin, version, ended_ms } in proto::EndedValue::decode(value.clone())?.origins {
                ended.insert(Origin::try_from(origin)?, EndedRun { version: Version(version), ended_ms });
            }
        }
        let forgotten = digest(&forgotten_positions)?;
        let position = |(origin, run): (&Origin, &EndedRun)| Digest::of_position(origin, run.version);
        let positions = ended.iter().map(position).fold(forgotten, Digest::plus);
        Ok(Self {
            number,
            hash: digest(&checkpoint)?,
            root: digest(&first_checkpoint)?,
            absorbed: absorbed.collect::<Result<_, _>>()?,
            past: past.iter().map(|hash| digest(hash)).collect::<Result<_, _>>()?,
            roster: origins(roster)?,
            horizon,
            exceptions: origins(exceptions)?,
            ended,
            forgotten,
            positions,
            digest: digest(&ended_digest)?,
        })
    }
}

/// Whether a horizon lets the name of an ended run be forgotten: run and end are both before it. A run that lived long
/// may be older than the horizon when it ends.
fn is_forgotten(origin: &Origin, ended: &EndedRun, horizon: u64) -> bool {
    origin.incarnation < horizon && ended.ended_ms.saturating_mul(1000) <= horizon
}

fn key(lane: Lane, index: u64) -> Key {
    Key { scope: Scope::Cluster, lane, index }
}

fn absorbed_base((origin, number): (&Origin, &Version)) -> proto::EndedOrigin {
    proto::EndedOrigin { origin: Some(origin.into()), version: number.0, ended_ms: 0 }
}

fn ended_origin((origin, EndedRun { version, ended_ms }): (&Origin, &EndedRun)) -> proto::EndedOrigin {
    proto::EndedOrigin { origin: Some(origin.into()), version: version.0, ended_ms: *ended_ms }
}
