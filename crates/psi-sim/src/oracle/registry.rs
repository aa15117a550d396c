//! What follows from the rows of `components.rs`: kinds of write, logs, and what is expected, as plain structs.

/// Makes, of rows by scope: `FieldWrite` and `ClusterWrite`, `FieldLogs` and `ClusterLogs`, `ExpectedField` and
/// `ExpectedCluster`, and `sights`. `components` must be in scope, with a module for each row, and the rows `specs` and
/// `interventions` must be there.
macro_rules! registry {
    (
        cluster { $($cluster:ident: $Cluster:ident,)* }
        field { $($field:ident: $Field:ident,)* }
        epoch { $($epoch:ident: $Epoch:ident,)* }
    ) => {
        /// A write to a field, by the component that it is of.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each is named for its component")]
        pub enum FieldWrite {
            /// What most components keep something of.
            Step(StepWrite),
            $($Field(<components::$field::$Field as Component>::Write),)*
            $($Epoch(<components::$epoch::$Epoch as Component>::Write),)*
        }

        /// A write to the cluster, by the component that it is of.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each is named for its component")]
        pub enum ClusterWrite {
            $($Cluster(<components::$cluster::$Cluster as Component>::Write),)*
        }

        /// All that was written to one field.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct FieldLogs {
            pub(super) steps: Log<StepRecord>,
            $(pub(super) $field: Log<<components::$field::$Field as Component>::Record>,)*
            $(pub(super) $epoch: Log<<components::$epoch::$Epoch as Component>::Record>,)*
        }

        /// All that was written to the cluster.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct ClusterLogs {
            $($cluster: Log<<components::$cluster::$Cluster as Component>::Record>,)*
        }

        /// What a replica must show of one field, by component.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each is named for its component")]
        pub struct ExpectedField {
            $(pub $field: <components::$field::$Field as Component>::Expectation,)*
            $(pub $epoch: <components::$epoch::$Epoch as Component>::Expectation,)*
            /// What there is to see.
            pub sights: Sights,
        }

        /// What a replica must show of the cluster, by component.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each is named for its component")]
        pub struct ExpectedCluster {
            $(pub $cluster: <components::$cluster::$Cluster as Component>::Expectation,)*
            /// What there is to see.
            pub sights: Sights,
        }

        impl FieldLogs {
            pub(super) fn shared(&self) -> SharedLogs<'_> {
                SharedLogs { steps: &self.steps, interventions: &self.interventions, specs: &self.specs }
            }

            /// Keeps a write that was made within a horizon.
            ///
            /// # Errors
            /// If something else was answered or done than had to be; nothing is kept then.
            #[allow(unreachable_code, unused_variables, reason = "there is no write of what has none of its own")]
            pub(super) fn record(
                &mut self,
                by: &Record<()>,
                (horizon, implicit): (&Horizon, Option<&OracleSpec>),
                write: FieldWrite,
                sights: &mut Sights,
            ) -> Result<(), String> {
                let known = Knowledge::of_epoch(horizon, self.shared(), by.epoch, implicit);
                match write {
                    FieldWrite::Step(StepWrite { input, answer, intervened }) => {
                        let step = by.with(StepRecord { input, answer, intervened });
                        $(let $field = record_step::<components::$field::$Field>(&known, &self.$field, &step, sights)?;)*
                        $(let $epoch = record_step::<components::$epoch::$Epoch>(&known, &self.$epoch, &step, sights)?;)*
                        $(self.$field.extend($field);)*
                        $(self.$epoch.extend($epoch);)*
                        self.steps.push(step);
                    }
                    $(FieldWrite::$Field(what) => {
                        let new = record::<components::$field::$Field>(&known, &self.$field, &by.with(what), sights);
                        self.$field.extend(new);
                    })*
                    $(FieldWrite::$Epoch(what) => {
                        let new = record::<components::$epoch::$Epoch>(&known, &self.$epoch, &by.with(what), sights);
                        self.$epoch.extend(new);
                    })*
                }
                Ok(())
            }

            /// What a field comes to; `None` if it does not exist. `implicit` is the spec that it has before anybody
            /// wrote one.
            pub(super) fn expect(&self, horizon: &Horizon, implicit: Option<&OracleSpec>) -> Option<ExpectedField> {
                let known = Knowledge::of_latest(horizon, self.shared(), implicit)?;
                let mut sights = Sights::new();
                Some(ExpectedField {
                    $($field: expect::<components::$field::$Field>(&known, &self.$field, &mut sights),)*
                    $($epoch: expect::<components::$epoch::$Epoch>(&known, &self.$epoch, &mut sights),)*
                    sights,
                })
            }
        }

        #[allow(unused_variables, reason = "there may be no component of this scope")]
        impl ClusterLogs {
            /// Keeps a write that was made within a horizon.
            pub(super) fn record(
                &mut self,
                by: &Record<()>,
                horizon: &Horizon,
                write: ClusterWrite,
                sights: &mut Sights,
            ) {
                let known = Knowledge::of_cluster(horizon);
                match write {
                    $(ClusterWrite::$Cluster(what) => {
                        let new = record::<components::$cluster::$Cluster>(
                            &known, &self.$cluster, &by.with(what), sights,
                        );
                        self.$cluster.extend(new);
                    })*
                }
            }

            /// What the cluster comes to.
            #[allow(unused_mut, reason = "there may be no component of this scope")]
            pub(super) fn expect(&self, horizon: &Horizon) -> ExpectedCluster {
                let known = Knowledge::of_cluster(horizon);
                let mut sights = Sights::new();
                ExpectedCluster {
                    $($cluster: expect::<components::$cluster::$Cluster>(&known, &self.$cluster, &mut sights),)*
                    sights,
                }
            }
        }

        /// What a sweep must have met, by component.
        pub(crate) const SIGHTS: &[&[Marker]] = &[
            $(<components::$cluster::$Cluster as Component>::SIGHTS,)*
            $(<components::$field::$Field as Component>::SIGHTS,)*
            $(<components::$epoch::$Epoch as Component>::SIGHTS,)*
        ];

        // A row stands under the scope that its component names.
        const _: () = {
            $(assert!(matches!(<components::$cluster::$Cluster as Component>::SCOPE, Scope::Cluster));)*
            $(assert!(matches!(<components::$field::$Field as Component>::SCOPE, Scope::Field));)*
            $(assert!(matches!(<components::$epoch::$Epoch as Component>::SCOPE, Scope::Epoch));)*
        };
    };
}

use super::{
    component::{Component, OwnRecords, Scope, Sights},
    components,
    horizon::Horizon,
    known::Knowledge,
    records::{Log, Record, SharedLogs, StepRecord},
    words::{OracleSpec, StepWrite},
};
use crate::report::markers::Marker;

components::components!(registry);

/// One that a component keeps of its own kind of write.
fn record<C: Component>(
    known: &Knowledge<'_>,
    log: &Log<C::Record>,
    new: &Record<C::Write>,
    sights: &mut Sights,
) -> Option<Record<C::Record>> {
    C::record(known, &OwnRecords::of::<C>(known, log), new, sights).map(|what| new.with(what))
}

fn record_step<C: Component>(
    known: &Knowledge<'_>,
    log: &Log<C::Record>,
    step: &Record<StepRecord>,
    sights: &mut Sights,
) -> Result<Option<Record<C::Record>>, String> {
    C::record_step(known, &OwnRecords::of::<C>(known, log), step, sights)
}

fn expect<C: Component>(known: &Knowledge<'_>, log: &Log<C::Record>, sights: &mut Sights) -> C::Expectation {
    C::expect(known, &OwnRecords::of::<C>(known, log), sights)
}

#[cfg(test)]
mod tests;
