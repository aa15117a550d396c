//! The registry: one file and one row a component. From the rows follow the structs that hold the folds, the match by lane
//! that finds a fold, the views, and the laws. All is dispatched statically: `parts.moments` is a plain member.

pub(crate) mod core;
mod dependencies;
pub(crate) mod drift;
pub(crate) mod guardian;
pub(crate) mod interventions;
pub(crate) mod lasting;
pub(crate) mod ledger;
pub(crate) mod moments;
pub(crate) mod outcomes;
pub(crate) mod recent;
pub(crate) mod registers;
pub(crate) mod windows;

pub(crate) use lasting::{label, names, specs, tombstones};

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use psi_engine::Parameters;
use psi_replica::{Clock, Epoch, FieldName, Key, Lane, Origin, Scope, ScopeKind, Version};

use self::drift::view::DriftView;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, EpochComponent, FlushSink, LastingComponent, moment::Moment,
        value::ValueError,
    },
    proto,
    spec::{CurrentSpec, EpochShape},
};

/// What the registry says of a component.
#[derive(Clone, Copy, Debug)]
pub struct ComponentInfo {
    /// Its name: that of its member in the view.
    pub name: &'static str,
    /// What its entries belong to.
    pub scope: ScopeKind,
    /// The kinds of its entries.
    pub lanes: &'static [Lane],
    /// Whether its fold outlives epochs, though its entries may not.
    pub lasts: bool,
    /// How its entries end.
    pub lifetime: EntryLifetime,
}

/// Checks scope and index of an entry, and decodes it.
fn decode<C: Component>(key: &Key, bytes: &Bytes) -> Result<C::Value, ValueError> {
    let (got, want) = (key.scope.kind(), C::SCOPE);
    if got != want {
        return Err(ValueError::Scope { got, want });
    }
    let last = C::last_index(key.lane);
    if key.index > last {
        return Err(ValueError::Beyond { got: key.index, last });
    }
    C::decode(key, bytes)
}

/// Decodes an entry and folds it in or out. One that can't be read was refused before.
fn fold<C: Component>(component: &mut C, origin: &Origin, key: &Key, bytes: &Bytes, direction: Direction) {
    if let Ok(value) = decode::<C>(key, bytes) {
        component.change(origin, key, &value, direction);
    }
}

macro_rules! registry {
    (
        declares { $(#[$doc_d:meta])* $declares:ident: $Declares:ty = [$($lane_d:path),+] }
        cluster { $($(#[$doc_c:meta])* $cluster:ident: $Cluster:ty => $ClusterPart:ty = [$($lane_c:path),+],)* }
        field { $($(#[$doc_f:meta])* $field:ident: $Field:ty => $FieldPart:ty = [$($lane_f:path),+],)* }
        epoch { $($(#[$doc_e:meta])* $epoch:ident: $Epoch:ty => $EpochPart:ty = [$($lane_e:path),+],)* }
    ) => {
        /// Folds of the whole cluster.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct ClusterParts { $(pub(crate) $cluster: $Cluster,)* }

        /// Folds of a field that outlive its epochs.
        #[derive(Clone, Debug)]
        pub(crate) struct FieldParts {
            pub(crate) $declares: $Declares,
            $(pub(crate) $field: $Field,)*
        }

        /// Folds of a field's current epoch.
        #[derive(Clone, Debug)]
        pub(crate) struct EpochParts { $(pub(crate) $epoch: $Epoch,)* }

        /// The whole cluster as the entries of all origins make it.
        #[derive(Clone, Debug, PartialEq)]
        pub struct ClusterView { $($(#[$doc_c])* pub $cluster: $ClusterPart,)* }

        /// What outlives the epochs of a field, but for its spec.
        #[derive(Clone, Debug, PartialEq)]
        pub struct LastingView { $($(#[$doc_f])* pub $field: $FieldPart,)* }

        /// A field as the entries of all origins make it: every replica with the same frontier gives the same.
        #[derive(Clone, Debug, PartialEq)]
        pub struct FieldView {
            $(#[$doc_d])*
            pub spec: CurrentSpec,
            $($(#[$doc_f])* pub $field: $FieldPart,)*
            $($(#[$doc_e])* pub $epoch: $EpochPart,)*
        }

        /// Every component.
        pub const COMPONENTS: &[ComponentInfo] = &[
            row::<$Declares>(stringify!($declares), &[$($lane_d),+], true),
            $(row::<$Cluster>(stringify!($cluster), &[$($lane_c),+], true),)*
            $(row::<$Field>(stringify!($field), &[$($lane_f),+], true),)*
            $(row::<$Epoch>(stringify!($epoch), &[$($lane_e),+], false),)*
        ];

        /// Checks a peer's value of any lane; returns the greatest clock that it stands for. Unknown lanes are carried.
        pub(crate) fn check(key: &Key, bytes: &Bytes) -> Result<Option<Clock>, ValueError> {
            match key.lane {
                $($lane_d)|+ => clock::<$Declares>(key, bytes),
                $($($lane_c)|+ => clock::<$Cluster>(key, bytes),)*
                $($($lane_f)|+ => clock::<$Field>(key, bytes),)*
                $($($lane_e)|+ => clock::<$Epoch>(key, bytes),)*
                _ => Ok(None),
            }
        }

        #[allow(unused_variables, clippy::match_single_binding, reason = "there may be no component of the kind")]
        impl ClusterParts {
            pub(crate) fn change(&mut self, origin: &Origin, key: &Key, bytes: &Bytes, direction: Direction) {
                match key.lane {
                    $($($lane_c)|+ => fold(&mut self.$cluster, origin, key, bytes, direction),)*
                    _ => {}
                }
            }

            pub(crate) fn view(&self) -> ClusterView {
                ClusterView { $($cluster: self.$cluster.view(),)* }
            }

            /// Writes the base that comes to the same as these folds.
            pub(crate) fn write_base(&self, base: &mut BTreeMap<Key, Bytes>) {
                $(self.$cluster.write_base(&mut BaseSink::new(Scope::Cluster, base));)*
            }
        }

        impl FieldParts {
            pub(crate) fn new(field: &FieldName) -> Self {
                Self { $declares: <$Declares>::of(field), $($field: <$Field>::default(),)* }
            }

            pub(crate) fn change(&mut self, origin: &Origin, key: &Key, bytes: &Bytes, direction: Direction) {
                match key.lane {
                    $($lane_d)|+ => fold(&mut self.$declares, origin, key, bytes, direction),
                    $($($lane_f)|+ => fold(&mut self.$field, origin, key, bytes, direction),)*
                    _ => {}
                }
            }

            pub(crate) fn view(&self) -> LastingView {
                LastingView { $($field: self.$field.view(),)* }
            }

            /// Writes the base that comes to the same as these folds, of a field that is in `epoch`. Where nobody declared
            /// that epoch, nothing stands in it.
            pub(crate) fn write_base(&self, (field, epoch): (&FieldName, Epoch), base: &mut BTreeMap<Key, Bytes>) {
                let scope = |kind| match kind {
                    ScopeKind::Epoch => Scope::Epoch(field.clone(), epoch),
                    _ => Scope::Field(field.clone()),
                };
                self.$declares.write_base(&mut BaseSink::new(scope(ScopeKind::Epoch), base));
                let is_declared = self.$declares.spec_author().is_some();
                $(
                    let kind = <$Field as Component>::SCOPE;
                    if is_declared || kind != ScopeKind::Epoch {
                        self.$field.write_base(&mut BaseSink::new(scope(kind), base));
                    }
                )*
            }
        }

        impl EpochParts {
            pub(crate) fn new(shape: &EpochShape) -> Self {
                Self { $($epoch: <$Epoch as EpochComponent>::new(shape),)* }
            }

            pub(crate) fn restart(&mut self, shape: &EpochShape, kept: Option<&Origin>) {
                $(self.$epoch.restart(shape, kept);)*
            }

            pub(crate) fn change(&mut self, origin: &Origin, key: &Key, bytes: &Bytes, direction: Direction) {
                match key.lane {
                    $($($lane_e)|+ => fold(&mut self.$epoch, origin, key, bytes, direction),)*
                    _ => {}
                }
            }

            pub(crate) fn flush(&mut self, local: &Origin, sink: &mut FlushSink) {
                $(self.$epoch.flush(local, sink);)*
            }

            pub(crate) fn forget_pending(&mut self) {
                $(self.$epoch.forget_pending();)*
            }

            pub(crate) fn merge_own(&mut self, copy: Self, local: &Origin, version: Version) {
                $(self.$epoch.merge_own(copy.$epoch, local, version);)*
            }

            /// Writes the base that comes to the same as these folds, of a field that is in the epoch of `scope`.
            pub(crate) fn write_base(
                &self,
                scope: &Scope,
                parameters: &Parameters,
                base: &mut BTreeMap<Key, Bytes>,
            ) {
                let facts = self.facts(parameters);
                $(self.$epoch.write_base(&facts, &mut BaseSink::new(scope.clone(), base));)*
            }

            /// The view of a field, of its parts and of those that outlive its epochs.
            pub(crate) fn view(&self, spec: CurrentSpec, lasting: &FieldParts) -> FieldView {
                let facts = self.facts(&spec.spec.setup.parameters);
                FieldView {
                    $($field: lasting.$field.view(),)*
                    $($epoch: self.$epoch.view(&facts),)*
                    spec,
                }
            }
        }

        /// A row stands in the group of its scope; a fold that outlives epochs may decide which one holds.
        const _: () = {
            assert!(matches!(<$Declares as Component>::SCOPE, ScopeKind::Epoch));
            $(assert!(matches!(<$Cluster as Component>::SCOPE, ScopeKind::Cluster));)*
            $(assert!(!matches!(<$Field as Component>::SCOPE, ScopeKind::Cluster));)*
            $(assert!(matches!(<$Epoch as Component>::SCOPE, ScopeKind::Epoch));)*
        };

        /// Calls a macro with the type of each component, group by group.
        #[cfg(test)]
        macro_rules! for_each_component {
            ($call:ident) => {
                $call!($Declares);
                $($call!($Cluster);)*
                $($call!($Field);)*
                $($call!($Epoch);)*
            };
        }
        #[cfg(test)]
        pub(crate) use for_each_component;
    };
}

const fn row<C: Component>(name: &'static str, lanes: &'static [Lane], lasts: bool) -> ComponentInfo {
    ComponentInfo { name, scope: C::SCOPE, lanes, lasts, lifetime: C::LIFETIME }
}

fn clock<C: Component>(key: &Key, bytes: &Bytes) -> Result<Option<Clock>, ValueError> {
    Ok(C::clock(&decode::<C>(key, bytes)?))
}

/// The name of a lane in `entry.proto`, for people.
#[must_use]
pub fn lane_name(lane: Lane) -> &'static str {
    let number = i32::try_from(lane.0).ok();
    number.and_then(|number| proto::Lane::try_from(number).ok()).map_or("unknown lane", |lane| lane.as_str_name())
}

/// Whether the fold of a lane outlives epochs.
pub(crate) fn outlives_epochs(lane: Lane) -> bool {
    COMPONENTS.iter().any(|component| component.lasts && component.lanes.contains(&lane))
}

/// Whether some component owns a lane.
#[must_use]
pub fn is_known(lane: Lane) -> bool {
    COMPONENTS.iter().any(|component| component.lanes.contains(&lane))
}

registry! {
    declares {
        /// What the field is.
        specs: specs::Specs = [specs::SPEC]
    }
    cluster {
        /// What nodes show of their ledgers.
        ledgers: ledger::Ledgers => ledger::LedgersView = [ledger::HEAD, ledger::RECORDS],
        /// Who votes, and what majorities decided.
        registers: registers::Registers => registers::RegistersView = [registers::VOTERS, registers::REGISTERS],
    }
    field {
        /// What people call it, beside its name.
        label: label::Labels => Option<crate::component::label::Label> = [label::LABEL],
        /// What people call its columns; none where their number is not the field's width.
        names: names::Names => Option<crate::component::names::ColumnNames> = [names::NAMES],
        /// Steps that resets and drops of the field have discarded, as far as their origins have said.
        steps_dropped: tombstones::Tombstones => u64 = [tombstones::TOMBSTONE],
    }
    epoch {
        /// Step count and exact moments of the inputs.
        moments: moments::InputMoments => moments::MomentsView = [moments::MOMENTS],
        /// Exact moments of the metrics over the 60 s up to the latest step's clock, dimensions as `Metrics::NAMES`. A
        /// view depends on the accepted records alone, not on when it is read.
        window: windows::MetricWindows => psi_stats::Moments = [windows::WINDOWS],
        /// The step with the highest clock; `None` before the first.
        last: recent::LatestSteps => Option<recent::Record> = [recent::RECENT],
        /// How steps went, as their callers say.
        outcomes: outcomes::StepOutcomes => outcomes::OutcomesView =
            [outcomes::OUTCOMES, outcomes::OUTCOME_WINDOWS, outcomes::MEASURE_WINDOWS],
        /// ν, and how many interventions count.
        interventions: interventions::Interventions => interventions::InterventionsView =
            [interventions::INTERVENTIONS, interventions::RETIRED, interventions::ENDED_EVENTS],
        /// What the guardian has seen and done.
        guardian: guardian::Guardian => guardian::GuardianView = [
            guardian::HISTORY,
            guardian::ALARM,
            guardian::ACKNOWLEDGED,
            guardian::ENDED_HISTORY
        ],
        /// When the buckets were laid that inputs are counted by, and by whom; `None` before that.
        anchored: drift::anchors::Anchors => Option<Moment> = [drift::anchors::ANCHOR],
        /// What later inputs are compared with.
        baseline: drift::baselines::Baselines => drift::baselines::CurrentBaselineView = [drift::baselines::BASELINE],
        /// Since when the inputs have not come from there, as the last who wrote it saw.
        drift_onset: drift::onsets::Onsets => Option<u64> = [drift::onsets::ONSET],
        /// Whether the inputs still come from where the baseline came from.
        drift: drift::slots::Slots => Arc<DriftView> = [drift::slots::SLOTS],
        /// What was learned, where the engine learns.
        learned: core::Core => Option<core::LearnedView> = [
            core::TALLY,
            core::THETA,
            core::LATENTS,
            core::WORKING,
            core::EPISODIC,
            core::ENDED_LATENTS,
            core::ENDED_WORKING,
            core::ENDED_EPISODIC,
            core::ENDED_LEARNERS,
            core::ENDED_THETA,
            core::ENDED_THETA_SUM
        ],
    }
}
