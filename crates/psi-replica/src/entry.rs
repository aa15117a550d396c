//! An entry: what an origin wrote under one key, as the bytes that it wrote.

use bytes::Bytes;

use crate::{
    key::{Epoch, Key, Lane},
    name::{FieldName, NameError},
    origin::Version,
    proto,
};

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
    /// The value, encoded by its origin; see `entry.proto`.
    pub value: Bytes,
}

impl Entry {
    /// About how many bytes the entry takes in a frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.key.field.as_str().len() + self.value.len() + NUMBERS_BYTES_MAX
    }

    pub(crate) fn to_proto(&self) -> proto::Entry {
        proto::Entry {
            field: self.key.field.to_string(),
            epoch: self.key.epoch.0,
            lane: self.key.lane.0,
            index: self.key.index,
            version: self.version.0,
            value: self.value.clone(),
        }
    }
}

impl TryFrom<proto::Entry> for Entry {
    type Error = NameError;

    fn try_from(entry: proto::Entry) -> Result<Self, NameError> {
        Ok(Self {
            key: Key {
                field: FieldName::new(&entry.field)?,
                epoch: Epoch(entry.epoch),
                lane: Lane(entry.lane),
                index: entry.index,
            },
            version: Version(entry.version),
            // What was decoded shares the buffer of its frame: a held byte would keep a mebibyte.
            value: Bytes::copy_from_slice(&entry.value),
        })
    }
}
