//! A replica of fields: the replica of the protocol with [`State`] in it, and what callers ask of fields.
//!
//! Local writes are in `writes/`, one file a subject.

use std::ops::{Deref, DerefMut};

use psi_replica::{ClusterName, Config, Digest, FieldName, Now, Origin, Snapshot, SnapshotError, Writer};

use crate::{
    component::Component,
    components::{
        ClusterView, FieldView, LastingView,
        moments::{InputMoments, MOMENTS},
    },
    event::StateEvent,
    field::Field,
    limits::Capacity,
    spec::CurrentSpec,
    state::State,
    writes::error::WriteError,
};

/// What one node holds of a cluster's fields. Dereferences to the replica of the protocol, which knows links, frames and
/// versions; here is what it knows of fields.
#[derive(Debug)]
pub struct Replica {
    inner: psi_replica::Replica<State>,
    capacity: Capacity,
    /// The bytes of all values, as of when the entries had this digest.
    measured: (Digest, usize),
}

/// Inherent methods can't be added to a type of another crate, and the protocol's are callers' business too.
impl Deref for Replica {
    type Target = psi_replica::Replica<State>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Replica {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl From<psi_replica::Replica<State>> for Replica {
    fn from(inner: psi_replica::Replica<State>) -> Self {
        Self { inner, capacity: Capacity::default(), measured: (Digest::ZERO, 0) }
    }
}

impl Replica {
    /// An empty replica that has not joined yet.
    #[must_use]
    pub fn new(config: Config, now: Now) -> Self {
        Self::from(psi_replica::Replica::new(config, now, State::default()))
    }

    /// A replica that has not joined yet, and holds what the snapshot does; see
    /// [`psi_replica::Replica::with_snapshot`].
    #[must_use]
    pub fn with_snapshot(config: Config, now: Now, snapshot: Snapshot) -> Self {
        Self::from(psi_replica::Replica::with_snapshot(config, now, snapshot, State::default()))
    }

    /// A replica that has not joined yet, and holds what [`Replica::decode_snapshot`] reads from `bytes`.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn restore(config: Config, now: Now, bytes: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self::from(psi_replica::Replica::restore(config, now, bytes, State::default())?))
    }

    /// Reads and checks a snapshot of the given cluster.
    ///
    /// # Errors
    /// [`SnapshotError`]; it never panics, and what it allocates is bounded by the size of `bytes`.
    pub fn decode_snapshot(cluster: &ClusterName, bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
        Snapshot::decode::<State>(cluster, bytes)
    }

    /// From now on there may be so much.
    pub fn set_capacity(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }

    /// Begins a write of a caller that adds to what is held.
    pub(crate) fn begin_growth(&mut self, now: Now) -> Result<(&mut State, Writer<'_, StateEvent>), WriteError> {
        let digest = self.inner.digest();
        if self.measured.0 != digest {
            self.measured = (digest, self.inner.size().1);
        }
        let (bytes, max) = (self.measured.1, self.capacity.bytes_max);
        if bytes >= max {
            return Err(WriteError::StateFull { bytes, max });
        }
        Ok(self.inner.begin_write(now)?)
    }

    /// Refuses one more field if there are too many.
    pub(crate) fn check_fields(&self) -> Result<(), WriteError> {
        let max = self.capacity.fields_max;
        // Names of dropped fields count in the first number alone, and counting the others takes a while.
        if self.state().fields.len() < max {
            return Ok(());
        }
        let fields = self.field_names().count();
        if fields < max { Ok(()) } else { Err(WriteError::TooManyFields { fields, max }) }
    }

    /// A field as all origins make it, own unflushed steps included; `None` if there is no such field.
    #[must_use]
    pub fn view(&self, field: &FieldName) -> Option<FieldView> {
        self.state().fields.get(field)?.view()
    }

    /// What outlives the epochs of a field: a small part of its view. `None` if there is no such field.
    #[must_use]
    pub fn lasting_view(&self, field: &FieldName) -> Option<LastingView> {
        Some(self.state().existing(field).ok()?.lasting_view())
    }

    /// A hash of all that a field's engine has learned, to compare replicas by; `None` where it does not learn.
    pub fn learned_fingerprint(&mut self, field: &FieldName) -> Option<Digest> {
        self.state_mut().fields.get_mut(field)?.learned_fingerprint()
    }

    /// What belongs to the whole cluster.
    #[must_use]
    pub fn cluster_view(&self) -> ClusterView {
        self.state().cluster_view()
    }

    /// Name of the engine that a field runs; `None` if there is no such field.
    #[must_use]
    pub fn engine_name(&self, field: &FieldName) -> Option<String> {
        Some(self.state().fields.get(field)?.current()?.spec.setup.shape.engine.clone())
    }

    /// Steps of one origin that count in the epochs that are held of it, of what is flushed.
    #[must_use]
    pub fn steps_of(&self, origin: &Origin) -> u64 {
        let firsts = self.entries(origin).filter(|entry| entry.key.lane == MOMENTS && entry.key.index == 0);
        let counts = firsts.filter_map(|entry| InputMoments::decode(&entry.key, &entry.value).ok());
        counts.map(|moments| moments.count()).fold(0, u64::saturating_add)
    }

    /// Specs of the fields that exist, in the order of their names, from the one after `name`.
    pub fn current_specs(&self, name: Option<&FieldName>) -> impl Iterator<Item = CurrentSpec> {
        self.state().fields_after(name).filter_map(Field::current_spec)
    }

    /// Names of the fields that exist, in order.
    pub fn field_names(&self) -> impl Iterator<Item = FieldName> {
        self.state().field_names().cloned()
    }
}
