//! Entries and what names them: keys, origins, versions, clocks, and the hashes that compare them.

pub(crate) mod clock;
pub(crate) mod digest;
pub(crate) mod frontier;
pub(crate) mod key;
pub(crate) mod name;
pub(crate) mod origin;
pub(crate) mod scope;

use std::fmt;

use bytes::Bytes;
use key::{Key, Lane};
use name::{FieldName, NameError};
use origin::Version;
use scope::{Epoch, Scope};

use crate::proto;

/// Largest value of an entry, in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Most bytes that an entry takes in a frame beside its field's name and its value.
pub(crate) const NUMBERS_BYTES_MAX: usize = 48;

/// What an origin wrote under one key. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is about.
    pub key: Key,
    /// The origin's version at which it was written last.
    pub version: Version,
    /// The value, encoded by its origin.
    pub value: Bytes,
}

/// Why an entry on the wire has no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The field's name is outside the alphabet.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An epoch of no field.
    #[error("an entry has epoch {0} and no field")]
    EpochOfNoField(Epoch),
}

/// Why the state can't read a value, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue(pub String);

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidValue {}

impl Entry {
    /// About how many bytes the entry takes in a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        let name = self.key.scope.field().map_or(0, |field| field.as_str().len());
        name + self.value.len() + NUMBERS_BYTES_MAX
    }

    pub(crate) fn to_proto(&self) -> proto::Entry {
        let Key { scope, lane, index } = &self.key;
        proto::Entry {
            field: scope.field().map(ToString::to_string).unwrap_or_default(),
            epoch: scope.epoch().map(|epoch| epoch.0),
            lane: lane.0,
            index: *index,
            version: self.version.0,
            value: self.value.clone(),
        }
    }
}

impl TryFrom<proto::Entry> for Entry {
    type Error = KeyError;

    fn try_from(entry: proto::Entry) -> Result<Self, KeyError> {
        let proto::Entry { field, epoch, lane, index, version, value } = entry;
        let scope = match (field.as_str(), epoch.map(Epoch)) {
            ("", None) => Scope::Cluster,
            ("", Some(epoch)) => return Err(KeyError::EpochOfNoField(epoch)),
            (field, None) => Scope::Field(FieldName::new(field)?),
            (field, Some(epoch)) => Scope::Epoch(FieldName::new(field)?, epoch),
        };
        Ok(Self {
            key: Key { scope, lane: Lane(lane), index },
            version: Version(version),
            // What was decoded shares the buffer of its frame: one byte kept alive would keep a mebibyte.
            value: Bytes::copy_from_slice(&value),
        })
    }
}
