//! The real side of a component: what a replica shows and writes of it, beside what the oracle has.

use psi_replica::{FieldName, Now, Origin, Version};
use psi_state::{FieldView, Replica, WriteError};

use crate::{
    oracle::{Component, Oracle, Stamp},
    plan::rng::Rng,
};

/// What a field shows, and the replica that shows it.
#[derive(Clone, Copy, Debug)]
pub struct ShownField<'a> {
    /// Its view.
    pub view: &'a FieldView,
    /// Who shows it.
    pub replica: &'a Replica,
}

/// A component as replicas have it. Of one of scope `cluster`, see [`ClusterSubject`].
pub trait Subject: Component + SubjectWrites {
    /// Holds what is shown of a field against what must be.
    ///
    /// # Errors
    /// Names the first difference.
    fn compare(expected: &Self::Expectation, shown: ShownField<'_>) -> Result<(), String>;

    /// Takes every bit that is shown of a field into a hash.
    fn hash(shown: ShownField<'_>, hasher: &mut blake3::Hasher);
}

/// A component of scope `cluster` as replicas have it.
pub trait ClusterSubject: Component + SubjectWrites {
    /// Holds what is shown against what must be.
    ///
    /// # Errors
    /// Names the first difference.
    fn compare(expected: &Self::Expectation, replica: &Replica) -> Result<(), String>;

    /// Takes every bit that is shown into a hash.
    fn hash(replica: &Replica, hasher: &mut blake3::Hasher);
}

/// A write that a replica has accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedWrite<W> {
    /// Who wrote it, at which version and when.
    pub stamp: Stamp,
    /// The field's epoch; 0 of a write to the cluster.
    pub epoch: u64,
    /// What was written.
    pub what: W,
    /// What was written, for the trace.
    pub text: String,
}

/// What is written of a component.
pub trait SubjectWrites: Component {
    /// Of 1000 turns of clients, those in which one writes of this too. Clients that write what most of a run is about
    /// (steps, interventions, fields) stand in `clients/` instead.
    const PER_MILLE: u64 = 0;

    /// A client writes; what is random about it comes from `rng`, which is the component's own. `Ok(None)` if there was
    /// nothing to write.
    ///
    /// # Errors
    /// What the replica refused it with.
    fn write(
        _replica: &mut Replica,
        _now: Now,
        _field: &FieldName,
        _rng: &mut Rng,
    ) -> Result<Option<AcceptedWrite<Self::Write>>, WriteError> {
        Ok(None)
    }

    /// Looks at what a replica has flushed of its own above `since`: tells the oracle what nobody asked for, and checks
    /// the rest.
    ///
    /// # Errors
    /// If something was written that need not or must not be.
    fn check_own_entries(
        _oracle: &mut Oracle,
        _replica: &Replica,
        _origin: &Origin,
        _since: Version,
    ) -> Result<(), String> {
        Ok(())
    }
}
