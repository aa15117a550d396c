//! Answers to writes, and what a field is.

use psi_replica::{Clock, FieldName, Origin, Version};
use psi_state::{ColumnNames, CurrentSpec, FieldView, Intervention, Label, Replica, Step};

use crate::sessions::{level::ReplicationReach, requests::CachedAnswer};

/// What a field is, and how many steps it counted; without what it makes of them.
#[derive(Clone, Debug)]
pub(crate) struct FieldSummary {
    pub(crate) spec: CurrentSpec,
    pub(crate) label: Option<Label>,
    /// Of its columns.
    pub(crate) names: Option<ColumnNames>,
    pub(crate) steps: u64,
    /// When the latest step was taken.
    pub(crate) last_step: Option<Clock>,
}

impl FieldSummary {
    /// Of a field whose spec was just written.
    pub(super) fn of(replica: &Replica, spec: CurrentSpec) -> Self {
        match replica.view(&spec.field).map(Self::from) {
            Some(summary) => Self { spec, ..summary },
            None => Self { spec, label: None, names: None, steps: 0, last_step: None },
        }
    }
}

impl From<FieldView> for FieldSummary {
    fn from(view: FieldView) -> Self {
        let FieldView {
            spec,
            label,
            names,
            // Its state, its guardian's, and the verdict on it.
            anchored: _,
            baseline: _,
            drift_onset: _,
            outcomes: _,
            drift: _,
            moments,
            window: _,
            last,
            interventions: _,
            guardian: _,
            learned: _,
            steps_dropped: _,
        } = view;
        Self { spec, label, names, steps: moments.count, last_step: last.map(|last| last.clock) }
    }
}

/// An accepted step, and the rest of its answer.
#[derive(Clone, Debug)]
pub(crate) struct StepReceipt {
    pub(crate) step: Step,
    pub(crate) field: FieldName,
    /// In a batch, only the last step has one.
    pub(crate) token: String,
    /// Likewise; `None` if the call asked for no level.
    pub(crate) replicated: Option<ReplicationReach>,
}

/// An accepted intervention, and the rest of its answer.
#[derive(Clone, Debug)]
pub(crate) struct InterventionReceipt {
    pub(crate) intervention: Intervention,
    pub(crate) token: String,
    pub(crate) replicated: Option<ReplicationReach>,
}

/// The answer to a write.
#[derive(Clone, Debug)]
pub(crate) enum WriteAnswer {
    /// At least one.
    Steps(Vec<StepReceipt>),
    Intervention(InterventionReceipt),
}

impl WriteAnswer {
    /// The run that wrote, and the version that the write took; `None` for no steps.
    pub(super) fn position(&self) -> Option<(&Origin, Version)> {
        match self {
            Self::Steps(steps) => steps.last().map(|last| (&last.step.origin, last.step.version)),
            Self::Intervention(InterventionReceipt { intervention, .. }) => {
                Some((&intervention.origin, intervention.version))
            }
        }
    }

    pub(super) fn set_reach(&mut self, replicated: ReplicationReach) {
        let place = match self {
            Self::Steps(steps) => steps.last_mut().map(|last| &mut last.replicated),
            Self::Intervention(receipt) => Some(&mut receipt.replicated),
        };
        if let Some(place) = place {
            *place = Some(replicated);
        }
    }
}

impl CachedAnswer for WriteAnswer {
    fn steps(&self) -> usize {
        match self {
            Self::Steps(steps) => steps.len(),
            Self::Intervention(_) => 1,
        }
    }
}
