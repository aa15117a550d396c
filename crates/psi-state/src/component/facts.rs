//! What components of one epoch tell each other: the facts that a view or a fold of one takes from another.

use psi_engine::{Noise, Parameters};

use crate::{
    component::moment::Moment,
    components::drift::values::{CurrentBaseline, PlacedAnchor},
};

/// What a part of the view may depend on beside its own fold.
#[derive(Clone, Debug)]
pub(crate) struct EpochFacts<'a> {
    /// The second of the latest step.
    pub(crate) last_second: Option<u64>,
    /// What the interventions come to.
    pub(crate) interventions: &'a InterventionSummary,
    /// The parameters that hold.
    pub(crate) parameters: &'a Parameters,
    /// What inputs are counted by and compared with.
    pub(crate) drift: DriftFacts<'a>,
}

/// What a verdict on drift is made of, beside the counts.
#[derive(Clone, Debug)]
pub(crate) struct DriftFacts<'a> {
    /// Where buckets lie.
    pub(crate) anchor: Option<&'a PlacedAnchor>,
    /// What inputs are compared with.
    pub(crate) baseline: CurrentBaseline,
    /// Since when it drifts, as the last who wrote it saw.
    pub(crate) onset: Option<u64>,
}

/// What the interventions come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InterventionSummary {
    /// ν.
    pub(crate) noise: Noise,
    /// How many count.
    pub(crate) counted: u64,
    /// How many of those that are kept are the guardian's.
    pub(crate) automatic: u64,
    /// How many automatic ones are kept and don't count, since another node's came first.
    pub(crate) superseded: u64,
    /// The latest that counts.
    pub(crate) last: Option<LatestIntervention>,
    /// The latest nigredo that counts: everything before it is dissolved.
    pub(crate) dissolved: Option<Moment>,
}

/// The latest intervention that counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatestIntervention {
    pub(crate) moment: Moment,
    pub(crate) k: u64,
}
