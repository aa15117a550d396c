//! What runs say of themselves in their logs: votes, and that they have closed.

use std::collections::{BTreeMap, BTreeSet};

use super::vote::{Vote, VoteError};
use crate::{
    entry::{
        InvalidValue,
        key::{Key, Lane},
        origin::Origin,
        scope::Scope,
    },
    proto,
    store::log::Change,
};

use bytes::Bytes;
use prost::Message;

/// What the runs that are held say.
#[derive(Debug, Default)]
pub(crate) struct Registers {
    votes: BTreeMap<Origin, Vote>,
    closed: BTreeSet<Origin>,
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
        Lane::CLOSED => proto::ClosedValue::decode(value.clone()).map(drop).map_err(VoteError::from),
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
                (Lane::CLOSED, Some(_)) => {
                    self.closed.insert(origin.clone());
                }
                _ => {}
            }
        }
    }

    /// The origin is held no longer.
    pub(crate) fn forget(&mut self, origin: &Origin) {
        self.votes.remove(origin);
        self.closed.remove(origin);
    }

    pub(crate) fn put_vote(&mut self, origin: &Origin, vote: Vote) {
        self.votes.insert(origin.clone(), vote);
    }

    pub(crate) fn vote(&self, origin: &Origin) -> Option<&Vote> {
        self.votes.get(origin)
    }

    /// All votes, by who gave them.
    pub(crate) fn votes(&self) -> impl Iterator<Item = (&Origin, &Vote)> {
        self.votes.iter()
    }

    /// Whether a run has said that it writes no more.
    pub(crate) fn is_closed(&self, origin: &Origin) -> bool {
        self.closed.contains(origin)
    }
}
