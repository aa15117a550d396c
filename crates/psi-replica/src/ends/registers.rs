//! What runs say of themselves in their logs: votes, and that they have closed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    vote::Vote,
    wire::{ENDS_MAX, VoteError, ended, origins, versions},
};
use crate::{
    entry::{
        InvalidValue,
        clock::Clock,
        key::{Key, Lane},
        name::NodeId,
        origin::{Origin, Version},
        scope::Scope,
    },
    proto,
    store::log::Change,
};

use bytes::Bytes;
use prost::Message;

fn decode_gone(value: &Bytes) -> Result<BTreeSet<Origin>, VoteError> {
    origins(proto::GoneValue::decode(value.clone())?.runs)
}

/// The value by which a run says that others are gone.
pub(crate) fn encode_gone<'a>(runs: impl Iterator<Item = &'a Origin>) -> Bytes {
    proto::GoneValue { runs: runs.map(Into::into).collect() }.encode_to_vec().into()
}

/// The last write of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ClosedRun {
    /// The process goes on as a later run.
    goes_on: bool,
    /// Earlier runs of the node, each at the version that this one holds.
    earlier: BTreeMap<Origin, Version>,
}

fn decode_closed(value: &Bytes) -> Result<ClosedRun, VoteError> {
    let proto::ClosedValue { clock: _, goes_on, earlier } = proto::ClosedValue::decode(value.clone())?;
    Ok(ClosedRun { goes_on, earlier: versions(earlier)? })
}

/// The value by which a run says that it writes no more, and what it holds of earlier runs of its node.
pub(crate) fn encode_closed(clock: Clock, goes_on: bool, earlier: &[(Origin, Version)]) -> Bytes {
    let earlier = earlier.iter().rev().take(ENDS_MAX).map(|(run, version)| ended(run, *version)).collect();
    proto::ClosedValue { clock: Some(clock.into()), goes_on, earlier }.encode_to_vec().into()
}

/// What the runs that are held say.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    votes: BTreeMap<Origin, Vote>,
    /// Runs that have closed.
    closed: BTreeMap<Origin, ClosedRun>,
    /// Runs that are gone for good, by the word of an operator, and which run was told so.
    gone: BTreeMap<Origin, BTreeSet<Origin>>,
}

/// The key of a register: each run has one of a kind.
pub(crate) fn register_key(lane: Lane) -> Key {
    Key { scope: Scope::Cluster, lane, index: 0 }
}

/// Makes sure that a register can be read.
pub(crate) fn check(key: &Key, value: &Bytes) -> Result<(), InvalidValue> {
    if key.scope != Scope::Cluster {
        return Ok(());
    }
    let checked = match key.lane {
        Lane::VOTE => Vote::decode(value).map(drop),
        Lane::GONE => decode_gone(value).map(drop),
        Lane::CLOSED => decode_closed(value).map(drop),
        _ => Ok(()),
    };
    checked.map_err(|error| InvalidValue(error.to_string()))
}

impl Registers {
    /// Takes in what an origin's entries have changed to.
    pub(crate) fn change(&mut self, origin: &Origin, changes: &[Change]) {
        // Cluster entries come first in the order of keys, and most updates have none.
        for Change { key, before: _, after } in changes.iter().filter(|change| change.key.scope == Scope::Cluster) {
            match (key.lane, after) {
                (Lane::VOTE, Some(value)) => {
                    if let Ok(vote) = Vote::decode(value) {
                        self.votes.insert(origin.clone(), vote);
                    }
                }
                (Lane::CLOSED, Some(value)) => {
                    if let Ok(closing) = decode_closed(value) {
                        self.closed.insert(origin.clone(), closing);
                    }
                }
                (Lane::GONE, Some(value)) => {
                    if let Ok(gone) = decode_gone(value) {
                        self.gone.insert(origin.clone(), gone);
                    }
                }
                _ => {}
            }
        }
    }

    /// Runs that are gone for good by the word of one run.
    pub(crate) fn gone_by(&self, origin: &Origin) -> impl Iterator<Item = &Origin> {
        self.gone.get(origin).into_iter().flatten()
    }

    /// Whether an operator has said that a run is gone for good.
    pub(crate) fn is_gone(&self, run: &Origin) -> bool {
        self.gone.values().any(|gone| gone.contains(run))
    }

    /// The origin is held no longer.
    pub(crate) fn forget(&mut self, origin: &Origin) {
        self.gone.remove(origin);
        self.votes.remove(origin);
        self.closed.remove(origin);
    }

    pub(crate) fn put_vote(&mut self, origin: &Origin, vote: Vote) {
        self.votes.insert(origin.clone(), vote);
    }

    pub(crate) fn vote(&self, origin: &Origin) -> Option<&Vote> {
        self.votes.get(origin)
    }

    /// Whether a run has said that it writes no more, and no other run speaks for it.
    pub(crate) fn has_left(&self, origin: &Origin) -> bool {
        self.closed.get(origin).is_some_and(|closing| !closing.goes_on)
    }

    /// Whether a later run of the node held more of a run than `version` when it closed.
    pub(crate) fn has_more(&self, run: &Origin, version: Version) -> bool {
        let later = self.closed.range(run..).skip_while(|(other, _)| *other == run);
        let of_node = later.take_while(|(other, _)| other.node == run.node);
        of_node.filter_map(|(_, closing)| closing.earlier.get(run)).any(|held| *held > version)
    }

    /// The votes of one node's runs.
    pub(crate) fn votes_of<'a>(&'a self, node: &'a NodeId) -> impl Iterator<Item = (&'a Origin, &'a Vote)> {
        let first = Origin { node: node.clone(), incarnation: 0 };
        self.votes.range(first..).take_while(|(run, _)| run.node == *node)
    }

    /// All votes, by who gave them.
    pub(crate) fn votes(&self) -> impl Iterator<Item = (&Origin, &Vote)> {
        self.votes.iter()
    }

    /// Whether a run has said that it writes no more.
    pub(crate) fn is_closed(&self, origin: &Origin) -> bool {
        self.closed.contains_key(origin)
    }
}
