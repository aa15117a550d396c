//! What follows from the rows of the oracle's `components.rs` here: each has its real side, and is asked in turn.

use psi_replica::{FieldName, Now, Origin, Version};
use psi_state::{Replica, WriteError};

use super::{
    subject::{AcceptedWrite, ShownField, Subject, SubjectWrites},
    words::oracle_frontier,
};
use crate::{
    oracle::{ClusterWrite, ExpectedCluster, ExpectedField, FieldWrite, Oracle, OracleFrontier, components},
    plan::rng::Rng,
};

/// What clients may write of a component, and how often.
pub(crate) struct ClientWrite {
    /// The component.
    pub(crate) name: &'static str,
    /// Of 1000 turns of clients.
    pub(crate) per_mille: u64,
    /// Writes to a field.
    pub(crate) write: WriteCall,
}

/// Writes to a field, or to the cluster.
type WriteCall = fn(&mut Replica, Now, &FieldName, &mut Rng) -> Result<Option<AcceptedWrite<AnyWrite>>, WriteError>;

/// A write that the oracle is told of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnyWrite {
    Field(FieldWrite),
    #[allow(dead_code, reason = "there may be no component of this scope")]
    Cluster(ClusterWrite),
}

macro_rules! rows {
    (
        cluster { $($cluster:ident: $Cluster:ident,)* }
        field { $($field:ident: $Field:ident,)* }
        epoch { $($epoch:ident: $Epoch:ident,)* }
    ) => {
        /// Holds what a field shows against what it must, component by component.
        pub(super) fn compare_field(expected: &ExpectedField, shown: ShownField<'_>) -> Result<(), String> {
            $(<components::$field::$Field as Subject>::compare(&expected.$field, shown)?;)*
            $(
                <components::$epoch::$Epoch as Subject>::compare(&expected.$epoch, shown)?;
                // What there is in an epoch of two shapes, nobody says.
                if expected.specs.is_disputed {
                    return Ok(());
                }
            )*
            Ok(())
        }

        /// Takes every bit that a field shows into a hash.
        pub(super) fn hash_field(shown: ShownField<'_>, hasher: &mut blake3::Hasher) {
            $(<components::$field::$Field as Subject>::hash(shown, hasher);)*
            $(<components::$epoch::$Epoch as Subject>::hash(shown, hasher);)*
        }

        /// Holds what the cluster shows against what it must.
        #[allow(unused_variables, reason = "there may be no component of this scope")]
        pub(super) fn compare_cluster(expected: &ExpectedCluster, replica: &Replica) -> Result<(), String> {
            $(<components::$cluster::$Cluster as super::subject::ClusterSubject>::compare(&expected.$cluster, replica)?;)*
            Ok(())
        }

        /// Takes every bit that the cluster shows into a hash.
        #[allow(unused_variables, reason = "there may be no component of this scope")]
        pub(super) fn hash_cluster(replica: &Replica, hasher: &mut blake3::Hasher) {
            $(<components::$cluster::$Cluster as super::subject::ClusterSubject>::hash(replica, hasher);)*
        }

        /// Looks at what a replica has flushed of its own above `since`, with the version that its own origin had at the
        /// last call: tells the oracle what nobody asked for, and checks the rest.
        ///
        /// # Errors
        /// Names the first that need not or must not be.
        pub fn check_own_entries(
            oracle: &mut Oracle,
            replica: &Replica,
            origin: &Origin,
            since: Version,
        ) -> Result<(), String> {
            $(<components::$cluster::$Cluster as SubjectWrites>::check_own_entries(oracle, replica, origin, since)?;)*
            $(<components::$field::$Field as SubjectWrites>::check_own_entries(oracle, replica, origin, since)?;)*
            $(<components::$epoch::$Epoch as SubjectWrites>::check_own_entries(oracle, replica, origin, since)?;)*
            Ok(())
        }

        /// What clients may write, component by component.
        pub(crate) const CLIENT_WRITES: &[ClientWrite] = &[
            $(ClientWrite {
                name: stringify!($cluster),
                per_mille: <components::$cluster::$Cluster as SubjectWrites>::PER_MILLE,
                write: |replica, now, field, rng| {
                    write::<components::$cluster::$Cluster>(replica, now, field, rng, |what| {
                        AnyWrite::Cluster(ClusterWrite::$Cluster(what))
                    })
                },
            },)*
            $(ClientWrite {
                name: stringify!($field),
                per_mille: <components::$field::$Field as SubjectWrites>::PER_MILLE,
                write: |replica, now, field, rng| {
                    write::<components::$field::$Field>(replica, now, field, rng, |what| {
                        AnyWrite::Field(FieldWrite::$Field(what))
                    })
                },
            },)*
            $(ClientWrite {
                name: stringify!($epoch),
                per_mille: <components::$epoch::$Epoch as SubjectWrites>::PER_MILLE,
                write: |replica, now, field, rng| {
                    write::<components::$epoch::$Epoch>(replica, now, field, rng, |what| {
                        AnyWrite::Field(FieldWrite::$Epoch(what))
                    })
                },
            },)*
        ];
    };
}

components::components!(rows);

/// Records an accepted write of an origin that had `seen` so much of the others.
///
/// # Errors
/// If something else was done than had to be.
pub(crate) fn record_write(
    oracle: &mut Oracle,
    seen: &OracleFrontier,
    field: &FieldName,
    AcceptedWrite { stamp, epoch, what, .. }: AcceptedWrite<AnyWrite>,
) -> Result<(), String> {
    match what {
        AnyWrite::Field(write) => oracle.record(stamp, seen, (field.as_str(), epoch), write),
        AnyWrite::Cluster(write) => {
            oracle.record_cluster(stamp, seen, write);
            Ok(())
        }
    }
}

/// Writes once of each component that clients write, and records it; what is refused is passed over.
///
/// # Errors
/// If something else was done than had to be.
pub fn write_components(
    oracle: &mut Oracle,
    replica: &mut Replica,
    now: Now,
    field: &FieldName,
    rng: &mut Rng,
) -> Result<(), String> {
    for component in CLIENT_WRITES.iter().filter(|component| component.per_mille > 0) {
        let seen = oracle_frontier(replica);
        if let Ok(Some(accepted)) = (component.write)(replica, now, field, rng) {
            record_write(oracle, &seen, field, accepted)?;
        }
    }
    Ok(())
}

fn write<C: SubjectWrites>(
    replica: &mut Replica,
    now: Now,
    field: &FieldName,
    rng: &mut Rng,
    any: impl FnOnce(C::Write) -> AnyWrite,
) -> Result<Option<AcceptedWrite<AnyWrite>>, WriteError> {
    let accepted = C::write(replica, now, field, rng)?;
    Ok(accepted.map(|AcceptedWrite { stamp, epoch, what, text }| AcceptedWrite { stamp, epoch, what: any(what), text }))
}
