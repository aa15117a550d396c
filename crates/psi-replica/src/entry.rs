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
        const NUMBERS_MAX: usize = 48;
        self.key.field.as_str().len() + self.value.len() + NUMBERS_MAX
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
            value: entry.value,
        })
    }
}
