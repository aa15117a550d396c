//! Passes: how one origin's entries cross a link in frames without the receiver ever holding half a state.
//!
//! Plain Scuttlebutt (van Renesse et al., 2008) may cut a delta and apply what came, which loses entries that
//! are overwritten between the cut and the rest. A pass is frozen when it begins, staged where it arrives, and
//! applied at once when it is whole. What it leaves out: when to begin one, and what to do with the result.

use std::collections::BTreeMap;

use crate::{
    clock::{Clock, TickMs},
    digest::Digest,
    entry::{Entry, NUMBERS_BYTES_MAX},
    key::Key,
    log::{Held, OriginLog},
    origin::{Origin, Version},
    proto,
    refusal::Refusal,
    value::Value,
};

/// Most bytes of entries in one frame, unless a single entry has more.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Most entries in one frame, as [`Entry::frame_bytes`] counts them.
pub(crate) const ENTRIES_PER_FRAME: usize = FRAME_BYTES_MAX / NUMBERS_BYTES_MAX;

/// A pass under way to a peer.
#[derive(Debug)]
pub(crate) struct Outgoing {
    origin: Origin,
    pass: u64,
    pub(crate) base: Version,
    pub(crate) version: Version,
    digest: Digest,
    entries: Vec<Entry>,
    bytes: usize,
    /// Entries that were taken.
    taken: usize,
    next_index: Option<u32>,
}

impl Outgoing {
    /// Freezes what `log` holds above `base`.
    pub(crate) fn begin(origin: &Origin, log: &OriginLog, pass: u64, base: Version) -> Self {
        let entries = log.above(base);
        Self {
            origin: origin.clone(),
            pass,
            base,
            version: log.version(),
            digest: log.digest(),
            bytes: entries.iter().map(Entry::frame_bytes).sum(),
            entries,
            taken: 0,
            next_index: Some(0),
        }
    }

    /// Entries in all frames.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// About how many bytes all frames take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Starts over with the first frame: the same frames again, of which some may have arrived.
    pub(crate) fn rewind(&mut self) {
        self.taken = 0;
        self.next_index = Some(0);
    }

    /// The next frame of at most `frame_bytes` bytes of entries; `None` once the last was taken.
    pub(crate) fn next_frame(&mut self, frame_bytes: usize) -> Option<proto::Pass> {
        let index = self.next_index?;
        let mut entries = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = self.entries.get(self.taken) {
            bytes += entry.frame_bytes();
            if bytes > frame_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.to_proto());
            self.taken += 1;
        }
        let last = self.taken == self.entries.len();
        self.next_index = (!last).then(|| index.saturating_add(1));
        Some(proto::Pass {
            origin: Some((&self.origin).into()),
            pass: self.pass,
            base: self.base.0,
            version: self.version.0,
            index,
            last,
            digest: if last { self.digest.to_bytes().to_vec().into() } else { Default::default() },
            entries,
        })
    }

    /// Whether every frame was taken.
    pub(crate) fn is_sent(&self) -> bool {
        self.next_index.is_none()
    }

    pub(crate) fn pass(&self) -> u64 {
        self.pass
    }
}

/// Frames of a pass that has not wholly arrived. Entries are checked and hashed as they come, so that a large pass is
/// not held up at its end by the work of all of it.
#[derive(Debug)]
pub(crate) struct Staging {
    origin: Origin,
    pass: u64,
    base: Version,
    version: Version,
    frames: BTreeMap<u32, Vec<(Key, Held)>>,
    /// The greatest clock that any entry stands for.
    latest: Clock,
    last: Option<(u32, Digest)>,
    bytes: usize,
    /// When the first frame came, and what had come over the link until then, once the link has put it down.
    pub(crate) began: Option<(TickMs, usize)>,
}

/// A pass that has wholly arrived: its frames agree, and each of its entries can be read.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) pass: u64,
    pub(crate) base: Version,
    pub(crate) version: Version,
    pub(crate) digest: Digest,
    pub(crate) latest: Clock,
    pub(crate) entries: Vec<(Key, Held)>,
}

impl Staging {
    /// Starts with the frame that came first, which need not be the pass's first.
    pub(crate) fn new(origin: &Origin, frame: &proto::Pass) -> Result<Self, Refusal> {
        let (base, version) = (Version(frame.base), Version(frame.version));
        if version <= base {
            return Err(Refusal::Empty { base, version });
        }
        Ok(Self {
            origin: origin.clone(),
            pass: frame.pass,
            base,
            version,
            frames: BTreeMap::new(),
            latest: Clock::default(),
            last: None,
            bytes: 0,
            began: None,
        })
    }

    pub(crate) fn pass(&self) -> u64 {
        self.pass
    }

    /// Bytes staged.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in one frame of this pass; a frame that came already changes nothing. Should it now be the last, and was not
    /// before, or the other way round, one of the two was damaged: waiting for the end could then last for ever.
    pub(crate) fn stage(&mut self, frame: proto::Pass, bytes_max: usize) -> Result<(), Refusal> {
        let inconsistent = Err(Refusal::Inconsistent(self.pass));
        if (Version(frame.base), Version(frame.version)) != (self.base, self.version) {
            return inconsistent;
        }
        let beyond_last = self.last.is_some_and(|(last, _)| frame.index > last);
        let held_beyond = frame.last && self.frames.keys().next_back().is_some_and(|held| *held > frame.index);
        if beyond_last || held_beyond {
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
        let entries = entries.into_iter().map(|entry| self.read(entry)).collect::<Result<Vec<_>, _>>()?;
        self.frames.insert(frame.index, entries);
        Ok(())
    }

    /// Makes sure that an entry of a known lane can be read, and notes its clock.
    fn read(&mut self, entry: Entry) -> Result<(Key, Held), Refusal> {
        let value = Value::decode(&entry.key, &entry.value)
            .map_err(|source| Refusal::Value { key: Box::new(entry.key.clone()), source })?;
        let epoch = Clock { wall_ms: entry.key.epoch.wall_ms(), counter: 0 };
        self.latest = self.latest.max(epoch).max(value.clock().unwrap_or_default());
        Ok(Held::hashed(&self.origin, entry))
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
        if entry.value.len() > crate::VALUE_BYTES_MAX {
            return Err(Refusal::ValueTooLarge { got: entry.value.len(), key: Box::new(entry.key) });
        }
        Ok(entry)
    }

    /// Whether every frame is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.last.is_some_and(|(last, _)| self.frames.len() as u64 == u64::from(last) + 1)
    }

    /// The pass, if every frame is here.
    pub(crate) fn into_arrived(self) -> Option<Arrived> {
        let whole = self.is_whole();
        let (_, digest) = self.last.filter(|_| whole)?;
        let entries = self.frames.into_values().flatten().collect();
        Some(Arrived { pass: self.pass, base: self.base, version: self.version, digest, latest: self.latest, entries })
    }
}
