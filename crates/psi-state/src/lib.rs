//! What a cluster's entries mean: components, and what they fold to.
//!
//! [`Replica`] is the replica of the protocol (psi-replica) with [`State`] in it. The state is made of *components*, one
//! file and one row of the registry each: specs, moments, windows, interventions, the guardian, what was learned. A fold
//! is a function of the entries held, so replicas with equal frontiers show equal views, bit for bit.
//!
//! Pure like the crates below it: no clock, no randomness, no I/O, no async.

mod component;
mod components;
mod event;
mod field;
mod limits;
mod replica;
mod spec;
mod state;
#[cfg(feature = "testing")]
mod testing;
mod view;
mod writes;

/// Messages of entry values, generated from `proto/psi/state/v1`.
#[allow(missing_docs, clippy::all, reason = "generated; the documentation is in the proto files")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/psi.state.v1.rs"));
}

/// Lanes of entries, each documented where its component is.
pub mod lanes {
    pub use crate::components::{
        core::{
            ENDED_EPISODIC, ENDED_LATENTS, ENDED_LEARNERS, ENDED_THETA, ENDED_THETA_SUM, ENDED_WORKING, EPISODIC,
            LATENTS, TALLY, THETA, WORKING,
        },
        drift::{anchors::ANCHOR, baselines::BASELINE, onsets::ONSET, slots::SLOTS},
        guardian::{ACKNOWLEDGED, ALARM, ENDED_HISTORY, HISTORY},
        interventions::{ENDED_EVENTS, INTERVENTIONS, RETIRED},
        ledger::{HEAD as LEDGER_HEAD, RECORDS as LEDGER_RECORDS},
        moments::MOMENTS,
        outcomes::{MEASURE_WINDOWS, OUTCOME_WINDOWS, OUTCOMES},
        recent::RECENT,
        registers::{REGISTERS, VOTERS},
        specs::SPEC,
        tombstones::TOMBSTONE,
        windows::WINDOWS,
    };
}

pub use component::{
    EntryLifetime,
    label::Label,
    lasting_write::{LastingReceipt, LastingWrite},
    names::{ColumnNames, ColumnNamesError},
    value::ValueError,
};
pub use components::{COMPONENTS, ClusterView, ComponentInfo, FieldView, LastingView, is_known, lane_name};
pub use components::{
    core::LearnedView,
    drift::{
        baselines::{BaselineView, CurrentBaselineView},
        values::BaselineTitle,
        view::{DriftStatus, DriftView},
    },
    guardian::GuardianView,
    interventions::{INTERVENTIONS_KEPT, InterventionsView},
    ledger::{LEDGER_RECORDS_SHOWN, LEDGER_VIEW_MAX, LedgerHead, LedgerRecord, LedgersView},
    moments::{DIMENSIONS_PER_ENTRY, MomentsView},
    outcomes::{OutcomeReport, OutcomesView},
    recent::Record,
    registers::{REGISTERS_MAX, RegisterView, RegistersView, VoterName},
};
pub use event::{Event, StateEvent};
pub use limits::{BATCH_MAX, Capacity, METRICS, WIDTH_DEFAULT, WIDTH_MAX};
pub use replica::Replica;
pub use spec::{CurrentSpec, Setup, Shape, Spec};
pub use state::{Demand, State};
pub use writes::{
    BaselineRequest, Batch, Intervention, Step,
    error::{FIELDS_SHOWN, WriteError},
};
