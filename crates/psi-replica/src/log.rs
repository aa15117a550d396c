//! What a replica holds of one origin: exactly what that origin held at the version in the frontier.
//!
//! Entries change only by whole steps from one version to a later one ([`OriginLog::prepare`], then
//! [`OriginLog::commit`]). Nothing here looks at other origins.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    digest::Digest,
    entry::Entry,
    key::{Epoch, Key, Lane},
    name::FieldName,
    origin::{Origin, Version},
    refusal::Refusal,
};

/// A value, when it was written, and its hash.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    version: Version,
    value: Bytes,
    hash: Digest,
}

impl Held {
    /// An entry of `origin` as it is held: hashed, which is most of the work of taking it in.
    pub(crate) fn hashed(origin: &Origin, entry: Entry) -> (Key, Self) {
        let Entry { key, version, value } = entry;
        let hash = Digest::of_entry(origin, &key, version, &value);
        (key, Self { version, value, hash })
    }
}

/// The entries of one origin.
#[derive(Clone, Debug)]
pub(crate) struct OriginLog {
    origin: Origin,
    version: Version,
    digest: Digest,
    entries: BTreeMap<Key, Held>,
    by_version: BTreeSet<(Version, Key)>,
    /// The epoch of each field's tombstone: nothing below it is held, or taken.
    buried: BTreeMap<FieldName, Epoch>,
    bytes: usize,
}

/// A checked step to a later version, not yet taken.
#[derive(Debug)]
pub(crate) struct Prepared {
    version: Version,
    digest: Digest,
    puts: BTreeMap<Key, Held>,
    removed: Vec<Key>,
}

impl Prepared {
    /// Where the origin stands once the step is taken.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Makes sure that the step leads to what the origin itself held at `version`.
    pub(crate) fn check(&self, version: Version, digest: Digest) -> Result<(), Refusal> {
        if self.digest != digest {
            return Err(Refusal::DigestMismatch);
        }
        // Versions are hashed with their entries, and the latest write always left one: so the version is checked too.
        if self.puts.values().map(|held| held.version).max() != Some(version) {
            return Err(Refusal::VersionUnwritten { version });
        }
        Ok(())
    }

    /// How many entries are put.
    pub(crate) fn len(&self) -> usize {
        self.puts.len()
    }
}

/// What a step did to one key.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) before: Option<Bytes>,
    pub(crate) after: Option<Bytes>,
}

impl OriginLog {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            origin,
            version: Version::ZERO,
            digest: Digest::ZERO,
            entries: BTreeMap::new(),
            by_version: BTreeSet::new(),
            buried: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().map(|(key, held)| entry(key, held))
    }

    /// Whether any key lies within `keys`.
    pub(crate) fn has_any(&self, keys: std::ops::Range<Key>) -> bool {
        self.entries.range(keys).next().is_some()
    }

    /// The entries of one field in one epoch.
    pub(crate) fn of_field<'a>(
        &'a self,
        field: &'a FieldName,
        epoch: Epoch,
    ) -> impl Iterator<Item = (&'a Key, &'a Bytes)> {
        self.entries
            .range(Key::first(field, epoch)..)
            .take_while(move |(key, _)| key.field == *field && key.epoch == epoch)
            .map(|(key, held)| (key, &held.value))
    }

    /// The value of one key.
    pub(crate) fn value(&self, key: &Key) -> Option<&Bytes> {
        self.entries.get(key).map(|held| &held.value)
    }

    /// Everything of one field, as if it had just been put.
    pub(crate) fn as_changes(&self, field: &FieldName) -> Vec<Change> {
        self.entries
            .range(Key::first(field, Epoch(0))..)
            .take_while(|(key, _)| key.field == *field)
            .map(|(key, held)| Change { key: key.clone(), before: None, after: Some(held.value.clone()) })
            .collect()
    }

    /// The entries above `base`, as they stand now, oldest first. Shares their bytes.
    pub(crate) fn above(&self, base: Version) -> Vec<Entry> {
        let Some(held) = self.by_version.iter().next_back() else { return Vec::new() };
        if held.0 <= base {
            return Vec::new();
        }
        let first = (base.next(), Key::first(&FieldName::lowest(), Epoch(0)));
        self.by_version
            .range(first..)
            .filter_map(|(_, key)| self.entries.get(key).map(|held| entry(key, held)))
            .collect()
    }

    /// Works out the step that takes this log from what it holds to `version`.
    ///
    /// `entries` are all that the origin wrote in `(base, version]` and still held at `version`, for a base that
    /// is held here. Those that are held already are passed over: the origin has not written them since.
    pub(crate) fn prepare(&self, version: Version, entries: Vec<Entry>) -> Result<Prepared, Refusal> {
        self.prepare_hashed(version, entries.into_iter().map(|entry| Held::hashed(&self.origin, entry)))
    }

    /// [`OriginLog::prepare`] of entries that are hashed already.
    pub(crate) fn prepare_hashed(
        &self,
        version: Version,
        entries: impl Iterator<Item = (Key, Held)>,
    ) -> Result<Prepared, Refusal> {
        let mut prepared = Prepared { version, digest: self.digest, puts: BTreeMap::new(), removed: Vec::new() };
        for (key, held) in entries.filter(|(_, held)| held.version > self.version) {
            prepared.digest = prepared.digest.plus(held.hash);
            if let Some(before) = self.entries.get(&key) {
                prepared.digest = prepared.digest.minus(before.hash);
            }
            if prepared.puts.contains_key(&key) {
                return Err(Refusal::Twice(Box::new(key)));
            }
            prepared.puts.insert(key, held);
        }
        self.prepare_tombstones(&mut prepared)?;
        Ok(prepared)
    }

    fn prepare_tombstones(&self, prepared: &mut Prepared) -> Result<(), Refusal> {
        for key in prepared.puts.keys() {
            if self.buried.get(&key.field).is_some_and(|epoch| key.epoch < *epoch) {
                return Err(Refusal::BelowTombstone(Box::new(key.clone())));
            }
        }
        for tombstone in prepared.puts.keys().filter(|key| key.lane == Lane::TOMBSTONE) {
            let covered = Key::first(&tombstone.field, Epoch(0))..Key::first(&tombstone.field, tombstone.epoch);
            if let Some((key, _)) = prepared.puts.range(covered.clone()).next() {
                return Err(Refusal::BelowTombstone(Box::new(key.clone())));
            }
            // Lest the field's epoch fall back where the spec's writer is not heard: whoever gives up an epoch
            // says itself which one follows.
            let spec = Key { lane: Lane::SPEC, index: 0, ..tombstone.clone() };
            if !prepared.puts.contains_key(&spec) && !self.entries.contains_key(&spec) {
                return Err(Refusal::TombstoneAlone(Box::new(tombstone.clone())));
            }
            for (key, held) in self.entries.range(covered) {
                prepared.digest = prepared.digest.minus(held.hash);
                prepared.removed.push(key.clone());
            }
        }
        Ok(())
    }

    /// Takes a prepared step; tells what it changed.
    pub(crate) fn commit(&mut self, prepared: Prepared) -> Vec<Change> {
        let mut changes = Vec::with_capacity(prepared.puts.len() + prepared.removed.len());
        for key in prepared.removed {
            let before = self.remove(&key);
            changes.push(Change { key, before, after: None });
        }
        for (key, held) in prepared.puts {
            let before = self.remove(&key);
            changes.push(Change { key: key.clone(), before, after: Some(held.value.clone()) });
            if key.lane == Lane::TOMBSTONE {
                self.buried.insert(key.field.clone(), key.epoch);
            }
            self.bytes += held.value.len();
            self.by_version.insert((held.version, key.clone()));
            self.entries.insert(key, held);
        }
        self.version = prepared.version;
        self.digest = prepared.digest;
        changes
    }

    fn remove(&mut self, key: &Key) -> Option<Bytes> {
        let (key, held) = self.entries.remove_entry(key)?;
        self.by_version.remove(&(held.version, key));
        self.bytes -= held.value.len();
        Some(held.value)
    }
}

fn entry(key: &Key, held: &Held) -> Entry {
    Entry { key: key.clone(), version: held.version, value: held.value.clone() }
}
