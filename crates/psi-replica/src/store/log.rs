//! What a replica holds of one origin: exactly what that origin held at the version in the frontier.
//!
//! Entries change only by whole updates from one version to a later one ([`OriginLog::plan`], then
//! [`OriginLog::commit`]). Nothing here looks at other origins.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry as MapEntry};

use bytes::Bytes;

use crate::{
    delta::refusal::Refusal,
    entry::{
        Entry,
        digest::Digest,
        key::{Key, Lane},
        name::FieldName,
        origin::{Origin, Version},
        scope::{Epoch, Scope},
    },
};

/// A value, when it was written, and its hash.
#[derive(Clone, Debug)]
pub(crate) struct StoredEntry {
    version: Version,
    value: Bytes,
    hash: Digest,
}

impl StoredEntry {
    /// An entry of `origin` as it is held: hashed, which is most of the work of taking it in.
    pub(crate) fn hashed(origin: &Origin, entry: Entry) -> (Key, Self) {
        let Entry { key, version, value } = entry;
        // A base that gives way keeps its entries as they are, under another name.
        let base = origin.is_former_base().then(Origin::base);
        let hash = Digest::of_entry(base.as_ref().unwrap_or(origin), &key, version, &value);
        (key, Self { version, value, hash })
    }

    pub(crate) fn value(&self) -> &Bytes {
        &self.value
    }
}

/// The entries of one origin.
#[derive(Clone, Debug)]
pub struct OriginLog {
    version: Version,
    digest: Digest,
    entries: BTreeMap<Key, StoredEntry>,
    by_version: BTreeSet<(Version, Key)>,
    /// The epoch of each field's tombstone: nothing below it is held, or taken.
    tombstones: BTreeMap<FieldName, Epoch>,
    bytes: usize,
}

/// A checked update to a later version, not yet taken.
#[derive(Debug)]
pub(crate) struct LogUpdate {
    version: Version,
    digest: Digest,
    puts: BTreeMap<Key, StoredEntry>,
    removed: Vec<Key>,
}

impl LogUpdate {
    /// Where the origin stands once the update is taken.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Makes sure that the update leads to what the origin itself held at `version`.
    pub(crate) fn check(&self, version: Version, digest: Digest) -> Result<(), Refusal> {
        if self.digest != digest {
            return Err(Refusal::DigestMismatch);
        }
        // Versions are hashed with their entries, and the latest write always left one: so the version is checked too.
        if self.puts.values().map(|stored| stored.version).max() != Some(version) {
            return Err(Refusal::VersionUnwritten { version });
        }
        Ok(())
    }

    /// How many entries are put.
    pub(crate) fn len(&self) -> usize {
        self.puts.len()
    }
}

/// What an update did to one key.
#[derive(Clone, Debug)]
pub struct Change {
    /// The entry.
    pub key: Key,
    /// Its value before; `None` if there was none.
    pub before: Option<Bytes>,
    /// Its value now; `None` if it was removed.
    pub after: Option<Bytes>,
}

impl OriginLog {
    pub(crate) fn new() -> Self {
        Self {
            version: Version::ZERO,
            digest: Digest::ZERO,
            entries: BTreeMap::new(),
            by_version: BTreeSet::new(),
            tombstones: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// The base's log: `entries` as of a checkpoint, where `self` is the one of the checkpoint before. What did not
    /// change keeps its version, so that only the rest is hashed.
    pub(crate) fn rebased(&self, number: u64, entries: BTreeMap<Key, Bytes>) -> Self {
        let version = Version(number);
        let mut next = Self::new();
        for (key, value) in entries {
            let stored = match self.entries.get(&key).filter(|stored| stored.value == value) {
                Some(stored) => stored.clone(),
                None => StoredEntry::hashed(&Origin::base(), Entry { key: key.clone(), version, value }).1,
            };
            next.digest = next.digest.plus(stored.hash);
            next.bytes += stored.value.len();
            next.by_version.insert((stored.version, key.clone()));
            next.entries.insert(key, stored);
        }
        next.version = version;
        next
    }

    /// What changes where another log takes this one's place.
    pub(crate) fn changes_to(&self, next: &Self) -> Vec<Change> {
        let value = |log: &Self, key: &Key| log.value(key).cloned();
        let keys: BTreeSet<&Key> = self.entries.keys().chain(next.entries.keys()).collect();
        let changes =
            keys.into_iter().map(|key| Change { key: key.clone(), before: value(self, key), after: value(next, key) });
        changes.filter(|change| change.before != change.after).collect()
    }

    /// All entries, in the order of their keys.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Bytes)> + Clone {
        self.entries.iter().map(|(key, stored)| (key, &stored.value))
    }

    /// The highest version held.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The digest of what is held.
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
        self.entries.iter().map(|(key, stored)| entry(key, stored))
    }

    /// Whether any entry of a field in epochs before `epoch` is held.
    pub(crate) fn has_older(&self, field: &FieldName, epoch: Epoch) -> bool {
        self.entries.range(Key::older_than(field, epoch)).next().is_some()
    }

    /// The entries of one scope, in the order of their keys.
    pub fn in_scope(&self, scope: Scope) -> impl Iterator<Item = (&Key, &Bytes)> {
        self.range(Key::first(scope.clone())).take_while(move |(key, _)| key.scope == scope)
    }

    /// The entries of all epochs of a field, in the order of their keys.
    pub fn in_epochs<'a>(&'a self, field: &'a FieldName) -> impl Iterator<Item = (&'a Key, &'a Bytes)> {
        let first = Key::first(Scope::Epoch(field.clone(), Epoch(0)));
        self.range(first).take_while(move |(key, _)| key.scope.field() == Some(field))
    }

    fn range(&self, first: Key) -> impl Iterator<Item = (&Key, &Bytes)> {
        self.entries.range(first..).map(|(key, stored)| (key, &stored.value))
    }

    /// The value of one key.
    #[must_use]
    pub fn value(&self, key: &Key) -> Option<&Bytes> {
        self.entries.get(key).map(|stored| &stored.value)
    }

    /// The entries above `base`, as they stand now, oldest first. Shares their bytes.
    pub(crate) fn above(&self, base: Version) -> Vec<Entry> {
        let Some((latest, _)) = self.by_version.iter().next_back() else { return Vec::new() };
        if *latest <= base {
            return Vec::new();
        }
        self.by_version
            .range((base.next(), Key::lowest())..)
            .filter_map(|(_, key)| self.entries.get(key).map(|stored| entry(key, stored)))
            .collect()
    }

    /// Works out the update that takes this log from what it holds to `version`.
    ///
    /// `entries` are all that the origin wrote in `(base, version]` and still held at `version`, for a base that is held
    /// here. Those that are held already are passed over: the origin has not written them since. `epoch_lane` is the
    /// lane that declares an epoch.
    pub(crate) fn plan(
        &self,
        version: Version,
        entries: impl Iterator<Item = (Key, StoredEntry)>,
        epoch_lane: Lane,
    ) -> Result<LogUpdate, Refusal> {
        let mut update = LogUpdate { version, digest: self.digest, puts: BTreeMap::new(), removed: Vec::new() };
        for (key, stored) in entries.filter(|(_, stored)| stored.version > self.version) {
            update.digest = update.digest.plus(stored.hash);
            if let Some(before) = self.entries.get(&key) {
                update.digest = update.digest.minus(before.hash);
            }
            match update.puts.entry(key) {
                MapEntry::Vacant(free) => free.insert(stored),
                MapEntry::Occupied(taken) => return Err(Refusal::Twice(Box::new(taken.remove_entry().0))),
            };
        }
        self.plan_tombstones(&mut update, epoch_lane)?;
        Ok(update)
    }

    fn plan_tombstones(&self, update: &mut LogUpdate, epoch_lane: Lane) -> Result<(), Refusal> {
        if let Some(key) = update.puts.keys().find(|key| self.is_ended(key)) {
            return Err(Refusal::BelowTombstone(Box::new(key.clone())));
        }
        for (tombstone, field, epoch) in tombstones(&update.puts) {
            let older = Key::older_than(field, epoch);
            if let Some((key, _)) = update.puts.range(older.clone()).next() {
                return Err(Refusal::BelowTombstone(Box::new(key.clone())));
            }
            // Otherwise the field's epoch could fall back where the declaring origin is unknown: who ends an epoch
            // says itself which one follows.
            let declaration = Key { lane: epoch_lane, index: 0, scope: tombstone.scope.clone() };
            if !update.puts.contains_key(&declaration) && !self.entries.contains_key(&declaration) {
                return Err(Refusal::TombstoneAlone(Box::new(tombstone.clone())));
            }
            for (key, stored) in self.entries.range(older) {
                update.digest = update.digest.minus(stored.hash);
                update.removed.push(key.clone());
            }
        }
        Ok(())
    }

    /// Whether a tombstone that is held covers a key.
    fn is_ended(&self, key: &Key) -> bool {
        let Scope::Epoch(field, epoch) = &key.scope else { return false };
        self.tombstones.get(field).is_some_and(|tombstone| epoch < tombstone)
    }

    /// Takes a planned update; returns what it changed.
    pub(crate) fn commit(&mut self, update: LogUpdate) -> Vec<Change> {
        let mut changes = Vec::with_capacity(update.puts.len() + update.removed.len());
        for key in update.removed {
            let before = self.remove(&key);
            changes.push(Change { key, before, after: None });
        }
        for (key, stored) in update.puts {
            if let Some((field, epoch)) = key.tombstone() {
                self.tombstones.insert(field.clone(), epoch);
            }
            let after = Some(stored.value.clone());
            let before = self.put(&key, stored);
            changes.push(Change { key, before, after });
        }
        self.version = update.version;
        self.digest = update.digest;
        changes
    }

    /// Puts an entry, most often in the place of an earlier one; returns the value that was there.
    fn put(&mut self, key: &Key, stored: StoredEntry) -> Option<Bytes> {
        let mut place = (stored.version, key.clone());
        self.bytes += stored.value.len();
        let Some(held) = self.entries.get_mut(key) else {
            self.entries.insert(key.clone(), stored);
            self.by_version.insert(place);
            return None;
        };
        let before = std::mem::replace(held, stored);
        self.bytes -= before.value.len();
        let version = std::mem::replace(&mut place.0, before.version);
        self.by_version.remove(&place);
        place.0 = version;
        self.by_version.insert(place);
        Some(before.value)
    }

    fn remove(&mut self, key: &Key) -> Option<Bytes> {
        let (key, stored) = self.entries.remove_entry(key)?;
        self.by_version.remove(&(stored.version, key));
        self.bytes -= stored.value.len();
        Some(stored.value)
    }
}

/// The tombstones among keys, with their fields and epochs.
fn tombstones(puts: &BTreeMap<Key, StoredEntry>) -> impl Iterator<Item = (&Key, &FieldName, Epoch)> {
    puts.keys().filter_map(|key| key.tombstone().map(|(field, epoch)| (key, field, epoch)))
}

fn entry(key: &Key, stored: &StoredEntry) -> Entry {
    Entry { key: key.clone(), version: stored.version, value: stored.value.clone() }
}
