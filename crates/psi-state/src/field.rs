//! One field, folded from the entries of all origins and kept up to date entry by entry.
//!
//! The fold is a function of what the origins hold: exact sums that can be added and taken out again, and maps in which
//! the greatest key wins. So the order in which entries came can't be seen in it. What the own origin adds at every step
//! stands in each component beside the others' share, and is joined when the field is read.

mod base;
mod step;

use bytes::Bytes;
use psi_engine::EngineKind;
use psi_replica::{Change, Digest, Entry, Epoch, FieldName, Key, Origin, Scope, Store, Version};

use crate::{
    component::{Direction, FlushSink, names::ColumnNames},
    components::{EpochParts, FieldParts, FieldView, LastingView},
    spec::{CurrentSpec, EpochShape, Spec},
};

pub(crate) use step::StepOutcome;

/// A field's fold.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    name: FieldName,
    /// What outlives epochs.
    lasting: FieldParts,
    current: Option<ActiveSpec>,
    /// Of the current epoch.
    parts: EpochParts,
    /// Whether a batch of this replica is worked out on a copy.
    checked_out: bool,
    /// The epoch of which the own origin is known to hold a spec, and the origin's incarnation.
    declared: Option<(Epoch, u64)>,
}

/// The spec that holds, with what is looked up at every step.
#[derive(Clone, Debug)]
pub(crate) struct ActiveSpec {
    pub(crate) epoch: Epoch,
    pub(crate) spec: Spec,
    /// `None` for an engine that this build does not know.
    pub(crate) engine: Option<EngineKind>,
}

/// What settling a field's spec did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettleOutcome {
    /// The epoch is the same; the fold stands.
    Unchanged,
    /// The epoch is the same and its shape another, since two nodes dispute it: the fold of the others' share started
    /// over, the own share stands.
    Reshaped,
    /// The field is of a new epoch, and was refolded.
    Refolded {
        /// Steps of this replica's own origin that the new epoch leaves behind.
        own_steps_left: u64,
    },
}

impl Field {
    pub(crate) fn new(name: FieldName) -> Self {
        let mut field = Self {
            lasting: FieldParts::new(&name),
            name,
            current: None,
            parts: EpochParts::new(&EpochShape::default()),
            checked_out: false,
            declared: None,
        };
        field.settle_spec();
        field.parts = EpochParts::new(&field.shape());
        field
    }

    /// A field of given parts, in an epoch whose spec holds.
    #[cfg(test)]
    pub(crate) fn lawful(
        name: FieldName,
        lasting: FieldParts,
        parts: EpochParts,
        (epoch, spec): (Epoch, Spec),
    ) -> Self {
        let current = Some(ActiveSpec { epoch, engine: spec.setup.engine(), spec });
        Self { name, lasting, current, parts, checked_out: false, declared: None }
    }

    /// The spec that holds, unless the field does not exist or was dropped.
    pub(crate) fn current(&self) -> Option<&ActiveSpec> {
        self.current.as_ref().filter(|current| !current.spec.dropped)
    }

    /// The epoch, of a dropped field too.
    pub(crate) fn epoch(&self) -> Epoch {
        self.current.as_ref().map_or(Epoch::IMPLICIT, |current| current.epoch)
    }

    /// The scope of the current epoch's entries.
    pub(crate) fn scope(&self) -> Scope {
        Scope::Epoch(self.name.clone(), self.epoch())
    }

    /// Numbers in an input vector; `None` if the field does not exist.
    pub(crate) fn width(&self) -> Option<usize> {
        Some(self.current()?.spec.setup.shape.width)
    }

    /// Names of its columns, if there is one for each.
    pub(crate) fn column_names(&self) -> Option<ColumnNames> {
        self.lasting.names.of_width(self.width()?)
    }

    /// Steps that the field has counted, of all origins.
    pub(crate) fn count(&self) -> u64 {
        self.parts.moments.count()
    }

    /// What outlives epochs.
    pub(crate) fn lasting(&self) -> &FieldParts {
        &self.lasting
    }

    /// What outlives epochs, for an own write. [`Self::settle`] must follow a change of specs.
    pub(crate) fn lasting_mut(&mut self) -> &mut FieldParts {
        &mut self.lasting
    }

    /// A hash of all that was learned, where the engine learns.
    pub(crate) fn learned_fingerprint(&mut self) -> Option<Digest> {
        let parameters = self.current()?.spec.setup.parameters.clone();
        self.parts.learned.fingerprint(&parameters)
    }

    pub(crate) fn is_checked_out(&self) -> bool {
        self.checked_out
    }

    pub(crate) fn set_checked_out(&mut self, checked_out: bool) {
        self.checked_out = checked_out;
    }

    /// Whether the own origin is known to hold a spec of the current epoch, or needs none.
    pub(crate) fn is_declared_by(&self, local: &Origin) -> bool {
        let epoch = self.epoch();
        epoch == Epoch::IMPLICIT || self.declared == Some((epoch, local.incarnation))
    }

    /// Records that the own origin holds a spec of the current epoch.
    pub(crate) fn set_declared_by(&mut self, local: &Origin) {
        self.declared = Some((self.epoch(), local.incarnation));
    }

    fn shape(&self) -> EpochShape {
        self.current().map(|current| EpochShape::from(&current.spec.setup)).unwrap_or_default()
    }

    /// Takes the greatest spec. Returns whether the field now is of another epoch or shape.
    fn settle_spec(&mut self) -> bool {
        let winner = self.lasting.specs.winner().map(|(epoch, spec)| ActiveSpec {
            epoch,
            engine: spec.setup.engine(),
            spec: spec.clone(),
        });
        let shape = |current: &Option<ActiveSpec>| {
            current.as_ref().map(|current| {
                let setup = &current.spec.setup;
                (current.epoch, setup.shape.clone(), setup.latent(), current.spec.dropped)
            })
        };
        let reshaped = shape(&winner) != shape(&self.current);
        self.current = winner;
        reshaped
    }

    /// Settles the spec after it may have changed. If the epoch or the shape did, refolds from the logs of the other
    /// origins than `local`.
    pub(crate) fn settle(&mut self, local: Option<&Origin>, store: &Store) -> SettleOutcome {
        let before = self.epoch();
        if !self.settle_spec() {
            return SettleOutcome::Unchanged;
        }
        let shape = self.shape();
        let outcome = if self.epoch() == before {
            self.parts.restart(&shape, local);
            SettleOutcome::Reshaped
        } else {
            let left = std::mem::replace(&mut self.parts, EpochParts::new(&shape));
            SettleOutcome::Refolded { own_steps_left: left.moments.own_count() }
        };
        self.fold_logs(local, store);
        outcome
    }

    /// Folds in what the other origins than `local` hold of the current epoch.
    fn fold_logs(&mut self, local: Option<&Origin>, store: &Store) {
        for (origin, log) in store.logs_of_others(local) {
            for (key, bytes) in log.in_scope(self.scope()) {
                self.parts.change(origin, key, bytes, Direction::Put);
            }
        }
        self.parts.settle();
    }

    /// Refolds the whole field from the entries that are held.
    #[cfg(feature = "testing")]
    pub(crate) fn refolded(&self, store: &Store) -> Self {
        let mut entries = Vec::new();
        for (origin, log) in store.logs() {
            let of_field = log.in_scope(Scope::Field(self.name.clone())).chain(log.in_epochs(&self.name));
            entries.extend(of_field.map(|(key, value)| (origin, key, value)));
        }
        Self::folded(self.name.clone(), &entries)
    }

    /// Folds in what other origins changed of what outlives epochs. [`Self::settle`] must follow.
    pub(crate) fn change_lasting(&mut self, changes: &[(&Origin, &Change)]) {
        each_value(changes, |origin, key, bytes, direction| self.lasting.change(origin, key, bytes, direction));
    }

    /// Folds in what other origins changed of the current epoch.
    pub(crate) fn change_parts(&mut self, changes: &[(&Origin, &Change)]) {
        let epoch = self.epoch();
        each_value(changes, |origin, key, bytes, direction| {
            if key.scope.epoch() == Some(epoch) {
                self.parts.change(origin, key, bytes, direction);
            }
        });
        self.parts.settle();
    }

    /// The field as it stands, own unflushed steps included; `None` if it does not exist.
    pub(crate) fn view(&self) -> Option<FieldView> {
        let names = self.column_names();
        Some(FieldView { names, ..self.parts.view(self.current_spec()?, &self.lasting) })
    }

    /// What outlives epochs: a small part of its view.
    pub(crate) fn lasting_view(&self) -> LastingView {
        LastingView { names: self.column_names(), ..self.lasting.view() }
    }

    /// The spec that holds, with the field's name: a small part of its view.
    pub(crate) fn current_spec(&self) -> Option<CurrentSpec> {
        let current = self.current()?;
        Some(CurrentSpec { field: self.name.clone(), epoch: current.epoch, spec: current.spec.clone() })
    }

    /// Encodes what the own origin has written since the last flush.
    pub(crate) fn flush(&mut self, local: &Origin) -> Vec<Entry> {
        let mut sink = FlushSink::new(self.scope());
        self.parts.flush(local, &mut sink);
        sink.into_entries()
    }

    /// A copy to work out a batch on: nothing in it waits for a flush.
    pub(crate) fn check_out(&mut self) -> Self {
        self.checked_out = true;
        let mut copy = self.clone();
        copy.parts.forget_pending();
        copy
    }

    /// Takes what the own origin added in a copy of this field, as the write `version`.
    pub(crate) fn merge_batch(&mut self, copy: Self, local: &Origin, version: Version) {
        self.parts.merge_own(copy.parts, local, version);
        self.parts.settle();
    }
}

/// Calls back for each value that was taken out, and only then for those that were put in: what ended origins take out
/// may be put in again by the base, under another key.
fn each_value(changes: &[(&Origin, &Change)], mut call: impl FnMut(&Origin, &Key, &Bytes, Direction)) {
    for (origin, change) in changes {
        if let Some(before) = &change.before {
            call(origin, &change.key, before, Direction::Remove);
        }
    }
    for (origin, change) in changes {
        if let Some(after) = &change.after {
            call(origin, &change.key, after, Direction::Put);
        }
    }
}
