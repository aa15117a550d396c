//! Checkpoints: what is decided at once of runs that end.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::wire::{VoteError, digest, ended, origins, versions};
use crate::{
    entry::{
        digest::Digest,
        origin::{Origin, Version},
    },
    proto,
};

/// What a checkpoint decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The hash of the checkpoint before.
    pub(crate) parent: Digest,
    /// When it was proposed, by the median of the members' clocks.
    pub(crate) wall_ms: u64,
    /// Origins that end, each at the version that stands for it.
    pub(crate) ends: BTreeMap<Origin, Version>,
    /// The runs by whose nodes the next checkpoint is agreed on.
    pub(crate) roster: BTreeSet<Origin>,
    /// Names of ended runs with lesser incarnations are forgotten.
    pub(crate) horizon: u64,
    /// Runs with lesser incarnations that have not ended.
    pub(crate) exceptions: BTreeSet<Origin>,
}

impl Checkpoint {
    /// The hash by which votes and later checkpoints name it.
    pub(crate) fn hash(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&proto::Checkpoint::from(self).encode_to_vec());
        Digest::from(hasher)
    }
}

impl From<&Checkpoint> for proto::Checkpoint {
    fn from(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { parent, wall_ms, ends, roster, horizon, exceptions } = checkpoint;
        Self {
            parent: parent.to_bytes().to_vec().into(),
            wall_ms: *wall_ms,
            ends: ends.iter().map(|(origin, version)| ended(origin, *version)).collect(),
            roster: roster.iter().map(Into::into).collect(),
            horizon: *horizon,
            exceptions: exceptions.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<proto::Checkpoint> for Checkpoint {
    type Error = VoteError;

    fn try_from(checkpoint: proto::Checkpoint) -> Result<Self, VoteError> {
        let proto::Checkpoint { parent, wall_ms, ends, roster, horizon, exceptions } = checkpoint;
        Ok(Self {
            parent: digest(&parent)?,
            wall_ms,
            ends: versions(ends)?,
            roster: origins(roster)?,
            horizon,
            exceptions: origins(exceptions)?,
        })
    }
}
