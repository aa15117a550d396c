//! All that entries mean: the fields, and what belongs to the whole cluster.

mod ended;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use bytes::Bytes;
use psi_replica::{
    Change, Clock, Entry, FieldName, InvalidValue, Key, Lane, Origin, OriginLog, RemoteUpdate, WallMs, Writer,
};

use crate::{
    component::Direction,
    components::{self, ClusterParts, ClusterView, specs::SPEC},
    event::StateEvent,
    field::{Field, SettleOutcome},
    writes::error::{FIELDS_SHOWN, WriteError},
};

#[cfg_attr(not(test), allow(unused_imports, reason = "psi-replica does not end origins yet"))]
pub(crate) use ended::fold_ended;

/// What the entries of all origins fold to.
#[derive(Debug)]
pub struct State {
    pub(crate) fields: BTreeMap<FieldName, Field>,
    cluster: ClusterParts,
    /// Fields with own writes that wait for a flush.
    pub(crate) dirty: BTreeSet<FieldName>,
    /// Fields that have counted what is to be written once its time is over.
    counting: BTreeSet<FieldName>,
    /// The first second at which that is so of any.
    due_second: Option<u64>,
}

/// An own write that a fold demands.
#[derive(Clone, Debug)]
pub enum Demand {
    /// Others moved a field to a new epoch: the own entries of older ones are to be ended by a tombstone.
    LeaveOlderEpochs {
        /// The field.
        field: FieldName,
        /// Own steps that the new epoch leaves behind.
        steps: u64,
    },
    /// A field has two shapes in one epoch: sums of both may stand there, and must not be added up. It is to be moved
    /// to a new epoch. Every replica that writes does so; the greatest of their epochs holds.
    LeaveDisputedEpoch {
        /// The field.
        field: FieldName,
    },
    /// Others have outdated so many own memories of a field that they are worth a write to give them up.
    GiveUpOutdated {
        /// The field.
        field: FieldName,
    },
}

impl Default for State {
    /// Only `default` exists.
    fn default() -> Self {
        let default = FieldName::default_field();
        Self {
            fields: BTreeMap::from([(default.clone(), Field::new(default))]),
            cluster: ClusterParts::default(),
            dirty: BTreeSet::new(),
            counting: BTreeSet::new(),
            due_second: None,
        }
    }
}

impl State {
    /// The folds of the whole cluster.
    pub(crate) fn cluster(&self) -> &ClusterParts {
        &self.cluster
    }

    /// What belongs to the whole cluster.
    pub(crate) fn cluster_view(&self) -> ClusterView {
        self.cluster.view()
    }

    /// Names of the fields that exist, in order.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &FieldName> {
        self.fields.iter().filter(|(_, field)| field.current().is_some()).map(|(name, _)| name)
    }

    /// The fields that exist, in the order of their names, from the one after `name`.
    pub(crate) fn fields_after(&self, name: Option<&FieldName>) -> impl Iterator<Item = &Field> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let fields = self.fields.range::<FieldName, _>((from, Bound::Unbounded));
        fields.map(|(_, field)| field).filter(|field| field.current().is_some())
    }

    /// A field that exists.
    pub(crate) fn existing(&self, name: &FieldName) -> Result<&Field, WriteError> {
        self.fields.get(name).filter(|field| field.current().is_some()).ok_or_else(|| WriteError::UnknownField {
            field: name.clone(),
            known: self.field_names().take(FIELDS_SHOWN).cloned().collect(),
        })
    }

    /// A field, made as one that does not exist where there is none.
    pub(crate) fn field_mut(&mut self, name: &FieldName) -> &mut Field {
        self.fields.entry(name.clone()).or_insert_with(|| Field::new(name.clone()))
    }

    /// Takes note of when a field has something to write by itself.
    pub(crate) fn await_due(&mut self, name: &FieldName) {
        let Some(due) = self.fields.get(name).and_then(Field::due_at) else { return };
        self.due_second = Some(self.due_second.map_or(due, |before| before.min(due)));
        if !self.counting.contains(name) {
            self.counting.insert(name.clone());
        }
    }

    /// Folds in what other origins changed in one field.
    fn apply_to_field(
        &mut self,
        name: &FieldName,
        RemoteUpdate { origins: _, local, store }: RemoteUpdate<'_>,
        changes: &[(&Origin, &Change)],
    ) -> Vec<Demand> {
        // Entries of a field that nobody declared cost nothing here: its spec will have them folded from the store.
        let lasts = |(_, change): &(&Origin, &Change)| components::outlives_epochs(change.key.lane);
        if !self.fields.contains_key(name) && !changes.iter().any(lasts) {
            return Vec::new();
        }
        let field = self.field_mut(name);
        field.change_lasting(changes);
        let left = match field.settle(local, store) {
            SettleOutcome::Unchanged => {
                field.change_parts(changes);
                None
            }
            SettleOutcome::Reshaped => None,
            SettleOutcome::Refolded { own_steps_left: steps } => {
                Some(Demand::LeaveOlderEpochs { field: name.clone(), steps })
            }
        };
        let disputed = field.lasting().specs.disputed().is_some();
        let resolve = disputed.then(|| Demand::LeaveDisputedEpoch { field: name.clone() });
        let is_outdated = local.is_some_and(|local| field.has_outdated(local));
        let give_up = is_outdated.then(|| Demand::GiveUpOutdated { field: name.clone() });
        left.into_iter().chain(resolve).chain(give_up).collect()
    }

    /// A field refolded from the entries that are held.
    #[cfg(feature = "testing")]
    pub(crate) fn refolded(&self, name: &FieldName, store: &psi_replica::Store) -> Field {
        self.fields.get(name).map_or_else(|| Field::new(name.clone()), |field| field.refolded(store))
    }
}

impl psi_replica::State for State {
    type Demand = Demand;
    type Event = StateEvent;

    const EPOCH_LANE: Lane = SPEC;

    fn check(key: &Key, value: &Bytes) -> Result<Clock, InvalidValue> {
        let checked = components::check(key, value);
        let named = |error| InvalidValue(format!("{}: {error}", components::lane_name(key.lane)));
        Ok(checked.map_err(named)?.unwrap_or_default())
    }

    #[cfg(feature = "testing")]
    fn knows(lane: Lane) -> bool {
        components::is_known(lane)
    }

    fn apply(&mut self, update: RemoteUpdate<'_>) -> Vec<Demand> {
        let mut by_field: BTreeMap<&FieldName, Vec<(&Origin, &Change)>> = BTreeMap::new();
        let changes =
            update.origins.iter().flat_map(|(origin, changes)| changes.iter().map(|change| (*origin, change)));
        for (origin, change) in changes {
            match change.key.scope.field() {
                Some(field) => by_field.entry(field).or_default().push((origin, change)),
                None => self.change_cluster(origin, change),
            }
        }
        let mut demands = Vec::new();
        for (name, changes) in by_field {
            demands.extend(self.apply_to_field(name, update, &changes));
        }
        demands
    }

    fn empty(&self) -> Self {
        Self::default()
    }

    fn can_fold(log: &OriginLog) -> bool {
        let of_replica = [Lane::CLOSED, Lane::VOTE, Lane::GONE, Lane::BASE, Lane::ENDED];
        log.all().all(|(key, _)| components::is_known(key.lane) || of_replica.contains(&key.lane))
    }

    fn fold_ended(base: Option<&OriginLog>, ended: &[(&Origin, &OriginLog)]) -> BTreeMap<Key, Bytes> {
        let ended: Vec<(&Origin, Vec<(&Key, &Bytes)>)> =
            ended.iter().map(|(origin, log)| (*origin, log.all().collect())).collect();
        fold_ended(base.into_iter().flat_map(OriginLog::all), &ended)
    }

    fn write_demand(&mut self, writer: &mut Writer<'_, StateEvent>, demand: Demand) {
        match demand {
            Demand::LeaveOlderEpochs { field, steps } => self.leave_older_epochs(writer, &field, steps),
            Demand::LeaveDisputedEpoch { field } => self.leave_disputed_epoch(writer, &field),
            Demand::GiveUpOutdated { field } => self.give_up_outdated(writer, field),
        }
    }

    fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn due_at(&self) -> Option<WallMs> {
        self.due_second.map(|second| WallMs(second.saturating_mul(1000)))
    }

    fn write_due(&mut self, writer: &mut Writer<'_, StateEvent>, until: WallMs) {
        let second = until.0 / 1000;
        self.due_second = None;
        for name in std::mem::take(&mut self.counting) {
            let Some(field) = self.fields.get_mut(&name) else { continue };
            // No batch is merged after the last write.
            let due = if until == WallMs(u64::MAX) { field.gathered_at() } else { field.due_at() };
            if due.is_some_and(|due| due <= second) {
                let (moment, version) = ((writer.tick(), writer.origin().clone()), writer.version());
                field.write_due(second, &moment, version);
                self.dirty.insert(name.clone());
            }
            let waits_for_batch = field.is_checked_out();
            self.await_due(&name);
            if waits_for_batch {
                self.counting.insert(name);
            }
        }
    }

    fn flush(&mut self, local: &Origin) -> Vec<Entry> {
        let mut entries = Vec::new();
        for name in std::mem::take(&mut self.dirty) {
            if let Some(field) = self.fields.get_mut(&name) {
                entries.extend(field.flush(local));
            }
        }
        entries
    }
}

impl State {
    /// Gives up the own memories of a field that others have outdated.
    fn give_up_outdated(&mut self, writer: &mut Writer<'_, StateEvent>, name: FieldName) {
        let Some(field) = self.fields.get_mut(&name) else { return };
        let local = writer.origin().clone();
        if field.give_up_outdated(&local, || writer.version()) {
            self.dirty.insert(name);
        }
    }

    pub(crate) fn change_cluster(&mut self, origin: &Origin, change: &Change) {
        if let Some(before) = &change.before {
            self.cluster.change(origin, &change.key, before, Direction::Remove);
        }
        if let Some(after) = &change.after {
            self.cluster.change(origin, &change.key, after, Direction::Put);
        }
    }
}
