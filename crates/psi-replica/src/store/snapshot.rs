//! Snapshots: all that is held, as bytes that outlive the process. The layout is in `snapshot.proto`.
//!
//! A snapshot is the deltas that a peer who holds nothing would be sent, so it is read by the same checks. Runs do
//! not depend on each other, only on the base: who writes a snapshot part by part makes sure that the base did not move
//! meanwhile. Each is frozen for itself, and a state in which one is a little newer than another is a
//! state that links could have brought about too. What it leaves out: files, and when to write one.

use std::collections::BTreeMap;

use prost::Message;

use crate::{
    PROTOCOL,
    delta::{
        outgoing::OutgoingDelta,
        refusal::Refusal,
        staged::{CompleteDelta, StagedDelta},
    },
    ends::base::Base,
    entry::{
        clock::Clock,
        name::ClusterName,
        origin::{Origin, OriginError, Version},
    },
    proto,
    state::State,
    store::log::{LogUpdate, OriginLog},
};

/// Version of the layout that is written, and the latest that can be read.
pub const SNAPSHOT_LAYOUT: u32 = 1;

const MAGIC: &[u8; 8] = b"psisnap\n";
const PREFIX_BYTES: usize = MAGIC.len() + 4;
const CHECKSUM_BYTES: usize = blake3::OUT_LEN;
const MISSING: &str = "a part of an origin is missing";
/// The number of each origin's only delta.
const NUMBER: u64 = 1;

/// Why a snapshot was refused; nothing of it is used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It begins otherwise.
    #[error("it is not a snapshot of psi-field: it does not begin with {:?}", String::from_utf8_lossy(MAGIC))]
    NotASnapshot,
    /// It ends before it can be one.
    #[error("it is cut short: {got} bytes, the shortest snapshot has {}", PREFIX_BYTES + CHECKSUM_BYTES)]
    Truncated {
        /// Its size.
        got: usize,
    },
    /// A later program wrote it.
    #[error("a later psi-field wrote it ({what} version {got}, this one reads up to {known}); start that one instead")]
    FromFuture {
        /// Version of what: layout or protocol.
        what: &'static str,
        /// The snapshot's.
        got: u32,
        /// The latest that is known here.
        known: u32,
    },
    /// Bytes are missing or changed.
    #[error("its checksum does not match its {got} bytes: it is cut short or damaged")]
    Checksum {
        /// Its size.
        got: usize,
    },
    /// It belongs to another cluster.
    #[error("it belongs to cluster `{theirs}`, this node to `{ours}`; check cluster.name and data.dir")]
    Cluster {
        /// This node's.
        ours: ClusterName,
        /// The snapshot's, as it is written there.
        theirs: String,
    },
    /// The bytes are those that were written, but no snapshot.
    #[error("it can't be read: {0}")]
    Malformed(&'static str),
    /// A part names no usable origin.
    #[error("it can't be read: {0}")]
    Origin(#[from] OriginError),
    /// What it holds of an origin would be refused from a peer too.
    #[error("what it holds of {origin} is refused: {refusal}")]
    Refused {
        /// Whose entries.
        origin: Origin,
        /// Why.
        refusal: Refusal,
    },
}

impl SnapshotError {
    /// A short name for metrics and for programs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotASnapshot => "not_a_snapshot",
            Self::Truncated { .. } => "truncated",
            Self::FromFuture { .. } => "from_future",
            Self::Checksum { .. } => "checksum",
            Self::Cluster { .. } => "wrong_cluster",
            Self::Malformed(_) => "malformed",
            Self::Origin(_) => "bad_origin",
            Self::Refused { refusal, .. } => refusal.reason(),
        }
    }
}

/// What was held of one origin at one moment. Shares the entries' bytes with the replica.
#[derive(Debug)]
pub struct FrozenOrigin {
    delta: OutgoingDelta,
    frame_bytes: usize,
}

impl FrozenOrigin {
    /// Freezes what a log holds.
    pub(crate) fn new(origin: &Origin, log: &OriginLog, frame_bytes: usize) -> Self {
        Self { delta: OutgoingDelta::begin(origin, log, NUMBER, Version::ZERO), frame_bytes }
    }
}

/// Encodes a snapshot part by part, so that no more than one part need be in memory. Parts are to be written one after
/// the other: [`crate::Replica::begin_snapshot`]'s, then each origin's in the order of origins, then [`SnapshotEncoder::end`]'s.
#[derive(Debug)]
pub struct SnapshotEncoder {
    checksum: blake3::Hasher,
}

impl SnapshotEncoder {
    /// Begins a snapshot; gives the first part.
    pub(crate) fn begin(header: &proto::SnapshotHeader) -> (Self, Vec<u8>) {
        let mut part = [MAGIC.as_slice(), &SNAPSHOT_LAYOUT.to_le_bytes()].concat();
        part.extend(header.encode_length_delimited_to_vec());
        let mut encoder = Self { checksum: blake3::Hasher::new() };
        encoder.checksum.update(&part);
        (encoder, part)
    }

    /// The next part of an origin, about as large as a frame of a link; `None` once all were given.
    pub fn origin_part(&mut self, origin: &mut FrozenOrigin) -> Option<Vec<u8>> {
        let part = origin.delta.next_frame(origin.frame_bytes)?.encode_length_delimited_to_vec();
        self.checksum.update(&part);
        Some(part)
    }

    /// The last part.
    #[must_use]
    pub fn end(self) -> Vec<u8> {
        self.checksum.finalize().as_bytes().to_vec()
    }
}

/// A snapshot that was read and checked, but not used yet.
#[derive(Debug)]
pub struct Snapshot {
    node: String,
    incarnation: u64,
    origins: BTreeMap<Origin, CheckedOrigin>,
}

/// The update from nothing to what the snapshot holds of one origin.
#[derive(Debug)]
pub(crate) struct CheckedOrigin {
    pub(crate) update: LogUpdate,
    pub(crate) latest: Clock,
}

impl Snapshot {
    /// Reads a snapshot of the given cluster, and checks all of it: the checksum, and of each origin whatever is checked
    /// when a peer sends it.
    ///
    /// # Errors
    /// [`SnapshotError`]; it never panics, and what it allocates is bounded by the size of `bytes`.
    pub fn decode<S: State>(cluster: &ClusterName, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (header, mut rest) = headed(bytes)?;
        if header.cluster != cluster.as_str() {
            return Err(SnapshotError::Cluster { ours: cluster.clone(), theirs: header.cluster });
        }
        if header.protocol > PROTOCOL {
            return Err(SnapshotError::FromFuture { what: "protocol", got: header.protocol, known: PROTOCOL });
        }
        let mut origins = BTreeMap::new();
        while !rest.is_empty() {
            let (origin, checked) = decode_origin::<S>(&mut rest)?;
            if origins.last_key_value().is_some_and(|(before, _)| *before >= origin) {
                return Err(SnapshotError::Malformed("its origins are out of order"));
            }
            origins.insert(origin, checked);
        }
        Ok(Self { node: header.node, incarnation: header.incarnation, origins })
    }

    /// The name of the cluster that a snapshot belongs to, as it is written there. Of the rest, the checksum is
    /// checked and nothing else.
    ///
    /// # Errors
    /// [`SnapshotError`] if that can't be told.
    pub fn cluster_of(bytes: &[u8]) -> Result<String, SnapshotError> {
        headed(bytes).map(|(header, _)| header.cluster)
    }

    /// Name of the node that wrote it, as it wrote it.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The greatest incarnation of its node that it knows of.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(crate) fn into_origins(self) -> impl Iterator<Item = (Origin, CheckedOrigin)> {
        self.origins.into_iter()
    }

    /// How many origins it holds something of.
    #[must_use]
    pub fn origins(&self) -> usize {
        self.origins.len()
    }

    /// Entries of all origins.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.origins.values().map(|checked| checked.update.len()).sum()
    }
}

/// The header, and what lies between it and the checksum.
fn headed(bytes: &[u8]) -> Result<(proto::SnapshotHeader, &[u8]), SnapshotError> {
    let mut rest = unwrapped(bytes)?;
    let header = proto::SnapshotHeader::decode_length_delimited(&mut rest)
        .map_err(|_| SnapshotError::Malformed("its header is no SnapshotHeader"))?;
    Ok((header, rest))
}

/// What lies between the magic and the checksum, once both are found right.
fn unwrapped(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    if !bytes.starts_with(MAGIC) {
        // Of a file of no bytes, or of part of the magic, there is more to say than that it begins otherwise.
        return Err(if MAGIC.starts_with(bytes) {
            SnapshotError::Truncated { got: bytes.len() }
        } else {
            SnapshotError::NotASnapshot
        });
    }
    let got = bytes.len();
    let truncated = SnapshotError::Truncated { got };
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX_BYTES>().ok_or_else(|| truncated.clone())?;
    let layout = prefix.last_chunk::<4>().map_or(0, |layout| u32::from_le_bytes(*layout));
    if layout > SNAPSHOT_LAYOUT {
        return Err(SnapshotError::FromFuture { what: "layout", got: layout, known: SNAPSHOT_LAYOUT });
    }
    let (body, checksum) = rest.split_last_chunk::<CHECKSUM_BYTES>().ok_or(truncated)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(prefix).update(body);
    if hasher.finalize() != *checksum {
        return Err(SnapshotError::Checksum { got });
    }
    if layout == 0 {
        return Err(SnapshotError::Malformed("layout version 0 was never written"));
    }
    Ok(body)
}

/// Reads the frames of one origin's delta, and works out what they lead to.
fn decode_origin<S: State>(rest: &mut &[u8]) -> Result<(Origin, CheckedOrigin), SnapshotError> {
    let first = decode_frame(rest)?;
    let origin = Origin::try_from(first.origin.clone())?;
    let refused = |refusal| SnapshotError::Refused { origin: origin.clone(), refusal };
    let mut staging = StagedDelta::new(&origin, &first).map_err(refused)?;
    let mut frame = first;
    loop {
        if frame.number != NUMBER || frame.base != Version::ZERO.0 {
            return Err(SnapshotError::Malformed("it holds a part that is not of a delta from version 0"));
        }
        // The bytes are in memory already, so they need no limit of their own.
        staging.stage::<S>(frame, usize::MAX).map_err(refused)?;
        if staging.is_whole() {
            break;
        }
        if rest.is_empty() {
            return Err(SnapshotError::Malformed(MISSING));
        }
        frame = decode_frame(rest)?;
        if Origin::try_from(frame.origin.clone())? != origin {
            return Err(SnapshotError::Malformed(MISSING));
        }
    }
    let complete = staging.into_complete().ok_or(SnapshotError::Malformed(MISSING))?;
    if origin.is_base() {
        let base = Base::of_entries(complete.entries.iter().map(|(key, stored)| (key, stored.value())));
        let is_sound = base.is_ok_and(|base| Version(base.number()) == complete.version);
        is_sound.then_some(()).ok_or(SnapshotError::Malformed("its base can't be read"))?;
    }
    let checked = checked::<S>(complete).map_err(refused)?;
    Ok((origin, checked))
}

fn decode_frame(rest: &mut &[u8]) -> Result<proto::Delta, SnapshotError> {
    proto::Delta::decode_length_delimited(rest).map_err(|_| SnapshotError::Malformed("a part of it is no Delta"))
}

fn checked<S: State>(complete: CompleteDelta) -> Result<CheckedOrigin, Refusal> {
    let CompleteDelta { version, digest, latest, entries, .. } = complete;
    let update = OriginLog::new().plan(version, entries.into_iter(), S::EPOCH_LANE)?;
    update.check(version, digest)?;
    Ok(CheckedOrigin { update, latest })
}
