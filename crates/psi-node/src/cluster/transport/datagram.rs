//! What a gossip datagram must satisfy, in the format of chitchat 0.13. Nothing is kept of one that does not.
//!
//! chitchat itself believes lengths, unpacks without a limit, and panics on some of what it can decode. What it gets
//! has passed here. Whether there is room for what a datagram names is decided in `gate.rs`.

use std::{collections::BTreeSet, ops::Range};

use psi_replica::{ClusterName, NAME_LENGTH_MAX, NodeId};

use super::{
    blocks::{UnpackBudget, pack, unpack},
    error::DatagramError,
    reader::Reader,
};

/// Runs of nodes in a digest.
pub(super) const MEMBERS_MAX: usize = 1024;
/// Operations of a delta: the facts of that many runs, and some more.
const OPERATIONS_MAX: usize = 16_384;
/// Bytes of the key and of the value of a fact.
const KEY_MAX: usize = 64;
const VALUE_MAX: usize = 1024;

const MAGIC: [u8; 2] = 45_139_u16.to_le_bytes();
const DIGEST_AS_IS: u8 = 0;
const DIGEST_IN_BLOCKS: u8 = 1;
const SYN: u8 = 0;
const SYN_ACK: u8 = 1;
const ACK: u8 = 2;
const BAD_CLUSTER: u8 = 3;

/// Heartbeat, last collected version and greatest version of a run, which follow its id in a digest.
pub(super) const COUNTERS_BYTES: usize = 24;

/// A datagram that satisfies all.
#[derive(Debug)]
pub(super) struct Datagram<'a> {
    version: u8,
    kind: u8,
    digest: Option<Digest>,
    /// Whose members it names, in a first message.
    pub(super) cluster: Option<&'a str>,
    delta: Option<Delta>,
}

/// Runs of nodes, and how much its sender knows of each.
#[derive(Debug)]
struct Digest {
    bytes: Vec<u8>,
    /// Where each run's id and counters are.
    runs: Vec<Range<usize>>,
}

/// Facts about runs of nodes.
#[derive(Debug)]
struct Delta {
    bytes: Vec<u8>,
    operations: Vec<Operation>,
}

#[derive(Debug)]
struct Operation {
    bytes: Range<usize>,
    /// Where the key is, if it sets a fact.
    key: Option<Range<usize>>,
}

impl<'a> Datagram<'a> {
    /// Checks a datagram.
    ///
    /// # Errors
    /// [`DatagramError`] if it breaks a rule or a limit.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, DatagramError> {
        let mut reader = Reader::new(bytes);
        let mut header = || Ok::<_, DatagramError>((reader.take(MAGIC.len())?, reader.u8()?, reader.u8()?));
        let (magic, version, kind) = header().map_err(|_| DatagramError::NotGossip)?;
        if magic != MAGIC || version > DIGEST_IN_BLOCKS || kind > BAD_CLUSTER {
            return Err(DatagramError::NotGossip);
        }
        let mut budget = UnpackBudget::new();
        let mut datagram = Self { version, kind, digest: None, cluster: None, delta: None };
        if matches!(kind, SYN | SYN_ACK) {
            datagram.digest = Some(Digest::read(version, &mut reader, &mut budget)?);
        }
        if kind == SYN {
            let cluster = reader.text("name", NAME_LENGTH_MAX)?;
            ClusterName::new(cluster)?;
            datagram.cluster = Some(cluster);
        }
        if matches!(kind, SYN_ACK | ACK) {
            datagram.delta = Some(Delta::read(&mut reader, &mut budget)?);
        }
        if reader.is_empty() { Ok(datagram) } else { Err(DatagramError::TrailingBytes(reader.remaining())) }
    }

    /// Whether it says that this node's cluster is not its sender's.
    pub(super) fn is_rejection(&self) -> bool {
        self.kind == BAD_CLUSTER
    }

    /// The ids of the runs in its digest, as chitchat encodes them.
    pub(super) fn ids(&self) -> impl Iterator<Item = &[u8]> {
        self.digest.iter().flat_map(|digest| digest.runs.iter().map(|run| digest.id(run)))
    }

    /// The keys of its facts.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.delta.iter().flat_map(|delta| delta.operations.iter().filter_map(|operation| delta.key(operation)))
    }

    /// It, encoded again, with those runs of its digest and those facts only that pass.
    pub(super) fn filtered(&self, passes_id: impl Fn(&[u8]) -> bool, passes_key: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut out = [&MAGIC[..], &[self.version, self.kind]].concat();
        if let Some(digest) = &self.digest {
            let kept: Vec<&[u8]> = digest
                .runs
                .iter()
                .filter(|run| passes_id(digest.id(run)))
                .map(|run| &digest.bytes[run.clone()])
                .collect();
            if self.version == DIGEST_AS_IS {
                out.extend_from_slice(&u16::try_from(kept.len()).unwrap_or(u16::MAX).to_le_bytes());
                out.extend_from_slice(&kept.concat());
            } else {
                pack(&kept.concat(), &mut out);
            }
        }
        if let Some(cluster) = self.cluster {
            out.extend_from_slice(&u16::try_from(cluster.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(cluster.as_bytes());
        }
        if let Some(delta) = &self.delta {
            let passes = |operation: &&Operation| delta.key(operation).is_none_or(&passes_key);
            let kept = delta.operations.iter().filter(passes);
            let kept: Vec<&[u8]> = kept.map(|operation| &delta.bytes[operation.bytes.clone()]).collect();
            pack(&kept.concat(), &mut out);
        }
        out
    }
}

impl Digest {
    fn read(version: u8, reader: &mut Reader, budget: &mut UnpackBudget) -> Result<Self, DatagramError> {
        let (bytes, count) = if version == DIGEST_AS_IS {
            let count = usize::from(reader.u16()?);
            let mut runs = Vec::new();
            for _ in 0..count.min(MEMBERS_MAX + 1) {
                runs.extend_from_slice(read_id(reader)?);
                runs.extend_from_slice(reader.take(COUNTERS_BYTES)?);
            }
            (runs, Some(count))
        } else {
            (unpack(reader, budget)?, None)
        };
        let runs = read_runs(&bytes)?;
        match count {
            Some(count) if count != runs.len() => Err(DatagramError::Malformed("digest")),
            _ => Ok(Self { bytes, runs }),
        }
    }

    fn id(&self, run: &Range<usize>) -> &[u8] {
        &self.bytes[run.start..run.end - COUNTERS_BYTES]
    }
}

/// Where each run of a digest is.
fn read_runs(bytes: &[u8]) -> Result<Vec<Range<usize>>, DatagramError> {
    let (mut reader, mut runs) = (Reader::new(bytes), Vec::new());
    while !reader.is_empty() {
        if runs.len() == MEMBERS_MAX {
            return Err(DatagramError::Many { what: "runs of nodes", limit: MEMBERS_MAX });
        }
        let begin = bytes.len() - reader.remaining();
        read_id(&mut reader)?;
        for _counter in ["heartbeat", "last collected version", "greatest version"] {
            reader.counter()?;
        }
        runs.push(begin..bytes.len() - reader.remaining());
    }
    Ok(runs)
}

/// The id of a run of a node: its name, generation and gossip address.
fn read_id<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DatagramError> {
    const IP_V4: u8 = 4;
    const IP_V6: u8 = 6;
    let rest = reader.rest();
    NodeId::new(reader.text("name", NAME_LENGTH_MAX)?)?;
    let _generation = reader.take(8)?;
    let _ip = match reader.u8()? {
        IP_V4 => reader.take(4)?,
        IP_V6 => reader.take(16)?,
        _ => return Err(DatagramError::Malformed("address")),
    };
    let _port = reader.u16()?;
    Ok(&rest[..rest.len() - reader.remaining()])
}

/// How far the facts of one run of a delta have been read.
enum RunProgress {
    /// None yet.
    Begun,
    /// The version of the last one.
    AtVersion(u64),
    /// It has none, only a version. chitchat panics on facts beside that.
    VersionOnly,
}

impl Delta {
    fn read(reader: &mut Reader, budget: &mut UnpackBudget) -> Result<Self, DatagramError> {
        let bytes = unpack(reader, budget)?;
        let operations = read_operations(&bytes)?;
        Ok(Self { bytes, operations })
    }

    fn key(&self, operation: &Operation) -> Option<&[u8]> {
        operation.key.clone().map(|key| &self.bytes[key])
    }
}

/// The operations of a delta: each run of a node, and then facts about it.
fn read_operations(bytes: &[u8]) -> Result<Vec<Operation>, DatagramError> {
    const RUN: u8 = 0;
    const FACT: u8 = 1;
    const VERSION: u8 = 2;
    let (mut reader, mut operations) = (Reader::new(bytes), Vec::new());
    let (mut runs, mut run) = (BTreeSet::new(), None);
    while !reader.is_empty() {
        if operations.len() == OPERATIONS_MAX {
            return Err(DatagramError::Many { what: "operations", limit: OPERATIONS_MAX });
        }
        let begin = bytes.len() - reader.remaining();
        let mut key = None;
        run = Some(match (reader.u8()?, run) {
            (RUN, _) => {
                if !runs.insert(read_id(&mut reader)?) {
                    return Err(DatagramError::Malformed("delta"));
                }
                let (_last_collected, _from) = (reader.counter()?, reader.counter()?);
                RunProgress::Begun
            }
            (FACT, Some(RunProgress::Begun)) => RunProgress::AtVersion(read_fact(bytes, &mut reader, 0, &mut key)?),
            (FACT, Some(RunProgress::AtVersion(before))) => {
                RunProgress::AtVersion(read_fact(bytes, &mut reader, before, &mut key)?)
            }
            (VERSION, Some(RunProgress::Begun)) => {
                reader.counter()?;
                RunProgress::VersionOnly
            }
            _ => return Err(DatagramError::Malformed("delta")),
        });
        operations.push(Operation { bytes: begin..bytes.len() - reader.remaining(), key });
    }
    Ok(operations)
}

/// Reads a fact; returns its version, which is above the one before.
fn read_fact(
    bytes: &[u8],
    reader: &mut Reader,
    before: u64,
    key: &mut Option<Range<usize>>,
) -> Result<u64, DatagramError> {
    const STATUS_MAX: u8 = 2;
    let name = reader.text("key", KEY_MAX)?;
    let end = bytes.len() - reader.remaining();
    *key = Some(end - name.len()..end);
    // chitchat takes the first byte for the first character.
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(DatagramError::Key);
    }
    reader.text("value", VALUE_MAX)?;
    let version = reader.counter()?;
    if version <= before || reader.u8()? > STATUS_MAX {
        return Err(DatagramError::Malformed("fact"));
    }
    Ok(version)
}

#[cfg(test)]
pub(super) mod tests;
