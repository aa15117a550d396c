//! Deltas that arrive: their frames are checked and hashed as they come, and kept until the delta is whole.

use std::collections::BTreeMap;

use super::refusal::Refusal;
use crate::{
    ends::registers,
    entry::{
        Entry, VALUE_BYTES_MAX,
        clock::Clock,
        digest::Digest,
        key::Key,
        origin::{Origin, Version},
        scope::Epoch,
    },
    proto,
    state::State,
    store::log::StoredEntry,
};

/// The frames of a delta that have arrived so far. Entries are checked and hashed as they come, so that a large delta
/// does not wait at its end for the work of all of it.
#[derive(Debug)]
pub(crate) struct StagedDelta {
    origin: Origin,
    number: u64,
    base: Version,
    version: Version,
    frames: BTreeMap<u32, Vec<(Key, StoredEntry)>>,
    /// The greatest clock that any entry stands for.
    latest: Clock,
    last: Option<(u32, Digest)>,
    bytes: usize,
}

/// A delta that is whole: its frames agree, and each of its entries can be read.
#[derive(Debug)]
pub(crate) struct CompleteDelta {
    pub(crate) number: u64,
    pub(crate) base: Version,
    pub(crate) version: Version,
    pub(crate) digest: Digest,
    pub(crate) latest: Clock,
    pub(crate) entries: Vec<(Key, StoredEntry)>,
}

impl StagedDelta {
    /// Starts with the frame that came first, which need not be the delta's first.
    pub(crate) fn new(origin: &Origin, frame: &proto::Delta) -> Result<Self, Refusal> {
        let (base, version) = (Version(frame.base), Version(frame.version));
        if version <= base {
            return Err(Refusal::Empty { base, version });
        }
        Ok(Self {
            origin: origin.clone(),
            number: frame.number,
            base,
            version,
            frames: BTreeMap::new(),
            latest: Clock::default(),
            last: None,
            bytes: 0,
        })
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes staged.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in one frame of this delta; a frame that came already changes nothing. If a repeated frame is last and was
    /// not before, or the other way round, one of the two was damaged, and the end might never come.
    pub(crate) fn stage<S: State>(&mut self, frame: proto::Delta, bytes_max: usize) -> Result<(), Refusal> {
        let inconsistent = Err(Refusal::Inconsistent(self.number));
        if (Version(frame.base), Version(frame.version)) != (self.base, self.version) {
            return inconsistent;
        }
        let beyond_last = self.last.is_some_and(|(last, _)| frame.index > last);
        let staged_beyond = frame.last && self.frames.keys().next_back().is_some_and(|staged| *staged > frame.index);
        if beyond_last || staged_beyond {
            return inconsistent;
        }
        if self.frames.contains_key(&frame.index) {
            let was_last = self.last.is_some_and(|(last, _)| last == frame.index);
            return if was_last == frame.last { Ok(()) } else { inconsistent };
        }
        if frame.last {
            let digest = Digest::from_bytes(&frame.digest).ok_or(Refusal::DigestLength(frame.digest.len()))?;
            self.last = Some((frame.index, digest));
        }
        let entries = frame.entries.into_iter().map(|entry| self.checked(entry)).collect::<Result<Vec<_>, _>>()?;
        // An empty frame costs something too, so that endless ones meet the limit.
        self.bytes += 64 + entries.iter().map(Entry::frame_bytes).sum::<usize>();
        if self.bytes > bytes_max {
            return Err(Refusal::TooLarge { limit: bytes_max });
        }
        let entries = entries.into_iter().map(|entry| self.read::<S>(entry)).collect::<Result<Vec<_>, _>>()?;
        self.frames.insert(frame.index, entries);
        Ok(())
    }

    /// Makes sure that the state can read an entry, and records its clock.
    fn read<S: State>(&mut self, entry: Entry) -> Result<(Key, StoredEntry), Refusal> {
        let clock = registers::check(&entry.key, &entry.value)
            .and_then(|()| S::check(&entry.key, &entry.value))
            .map_err(|source| Refusal::Value { key: Box::new(entry.key.clone()), source })?;
        let raised_ms = entry.key.scope.epoch().map_or(0, Epoch::wall_ms);
        self.latest = self.latest.max(Clock { wall_ms: raised_ms, counter: 0 }).max(clock);
        Ok(StoredEntry::hashed(&self.origin, entry))
    }

    fn checked(&self, entry: proto::Entry) -> Result<Entry, Refusal> {
        let entry = Entry::try_from(entry)?;
        if entry.version <= self.base || entry.version > self.version {
            return Err(Refusal::EntryVersion {
                key: Box::new(entry.key),
                got: entry.version,
                base: self.base,
                version: self.version,
            });
        }
        if entry.value.len() > VALUE_BYTES_MAX {
            return Err(Refusal::ValueTooLarge { got: entry.value.len(), key: Box::new(entry.key) });
        }
        Ok(entry)
    }

    /// Whether every frame is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.last.is_some_and(|(last, _)| self.frames.len() as u64 == u64::from(last) + 1)
    }

    /// The delta, if every frame is here.
    pub(crate) fn into_complete(self) -> Option<CompleteDelta> {
        let whole = self.is_whole();
        let (_, digest) = self.last.filter(|_| whole)?;
        let entries = self.frames.into_values().flatten().collect();
        Some(CompleteDelta {
            number: self.number,
            base: self.base,
            version: self.version,
            digest,
            latest: self.latest,
            entries,
        })
    }
}
