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
    /// Other runs, each at the version that this one held.
    held: BTreeMap<Origin, Version>,
}

fn decode_closed(value: &Bytes) -> Result<ClosedRun, VoteError> {
    let proto::ClosedValue { clock: _, goes_on, held } = proto::ClosedValue::decode(value.clone())?;
    Ok(ClosedRun { goes_on, held: versions(held)? })
}

/// The value by which a run says that it writes no more, and what it holds of others: as much as fits, in that order.
pub(crate) fn encode_closed(clock: Clock, goes_on: bool, held: &[(Origin, Version)]) -> Bytes {
    let held = held.iter().take(ENDS_MAX).map(|(run, version)| ended(run, *version)).collect();
    proto::ClosedValue { clock: Some(clock.into()), goes_on, held }.encode_to_vec().into()
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
                    if let Ok(closed) = decode_closed(value) {
                        self.closed.insert(origin.clone(), closed);
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
        self.closed.get(origin).is_some_and(|closed| !closed.goes_on)
    }

    /// What a run said as it closed that it held of others.
    pub(crate) fn named_by(&self, closed: &Origin) -> Option<&BTreeMap<Origin, Version>> {
        self.closed.get(closed).map(|closed| &closed.held)
    }

    /// Likewise, of all runs that have closed.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&Origin, &BTreeMap<Origin, Version>)> {
        self.closed.iter().map(|(run, closed)| (run, &closed.held))
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
