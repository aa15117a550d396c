//! Deltas on their way to a peer: frozen when they begin, handed out frame by frame.

use crate::{
    entry::{
        Entry,
        digest::Digest,
        origin::{Origin, Version},
    },
    proto,
    store::log::OriginLog,
};

/// A delta in flight to a peer.
#[derive(Debug)]
pub(crate) struct OutgoingDelta {
    origin: Origin,
    number: u64,
    base: Version,
    version: Version,
    digest: Digest,
    entries: Vec<Entry>,
    bytes: usize,
    /// Entries that were taken.
    taken: usize,
    next_index: Option<u32>,
}

impl OutgoingDelta {
    /// Freezes what `log` holds above `base`.
    pub(crate) fn begin(origin: &Origin, log: &OriginLog, number: u64, base: Version) -> Self {
        let entries = log.above(base);
        Self {
            origin: origin.clone(),
            number,
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
    pub(crate) fn next_frame(&mut self, frame_bytes: usize) -> Option<proto::Delta> {
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
        Some(proto::Delta {
            origin: Some((&self.origin).into()),
            number: self.number,
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

    /// Where the peer stands once the delta is applied.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Its name among the deltas of this side of the link.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}
