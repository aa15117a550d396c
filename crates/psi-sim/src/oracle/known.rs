//! What somebody knows of a field in one of its epochs: the covered part of the logs that more than one component reads.

use super::{
    horizon::Horizon,
    records::{InterventionRecord, Record, SharedLogs, StepRecord},
    words::OracleSpec,
};

/// What somebody knows of a field in one of its epochs; of the cluster, which has none of all this, nothing.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    horizon: &'a Horizon,
    logs: SharedLogs<'a>,
    /// The epoch in question.
    pub(super) epoch: u64,
    /// The spec that holds in it.
    pub(super) spec: Option<&'a OracleSpec>,
}

impl<'a> Knowledge<'a> {
    /// Within a horizon, of one epoch; `implicit` is the spec that the field has before anybody wrote one.
    pub(super) fn of_epoch(
        horizon: &'a Horizon,
        logs: SharedLogs<'a>,
        epoch: u64,
        implicit: Option<&'a OracleSpec>,
    ) -> Self {
        let within = covered(logs.specs, horizon).filter(|held| held.epoch == epoch);
        let greatest = within.max_by_key(|held| held.place());
        let spec = greatest.map(|held| &held.what).or(implicit.filter(|implicit| implicit.epoch == epoch));
        Self { horizon, logs, epoch, spec }
    }

    /// Within a horizon, of the epoch that holds; `None` if the field does not exist.
    pub(super) fn of_latest(
        horizon: &'a Horizon,
        logs: SharedLogs<'a>,
        implicit: Option<&'a OracleSpec>,
    ) -> Option<Self> {
        let specs = covered(logs.specs, horizon);
        let greatest = specs.max_by_key(|held| (held.epoch, held.place()));
        let spec = greatest.map(|held| &held.what).or(implicit)?;
        (!spec.dropped).then_some(Self { horizon, logs, epoch: spec.epoch, spec: Some(spec) })
    }

    /// Of the cluster.
    pub(super) fn of_cluster(horizon: &'a Horizon) -> Self {
        let logs = SharedLogs { steps: &[], interventions: &[], specs: &[] };
        Self { horizon, logs, epoch: 0, spec: None }
    }

    /// The spec that holds, if the engine learns.
    pub(super) fn learning_spec(&self) -> Option<&'a OracleSpec> {
        self.spec.filter(|spec| spec.learns())
    }

    /// Records of a log that are known, of all epochs.
    pub(super) fn of_all_epochs<T>(&self, log: &'a [Record<T>]) -> impl Iterator<Item = &'a Record<T>> + use<'a, T> {
        covered(log, self.horizon)
    }

    /// Records of a log that are known, of this epoch.
    pub(super) fn of_this_epoch<T>(&self, log: &'a [Record<T>]) -> impl Iterator<Item = &'a Record<T>> + use<'a, T> {
        let epoch = self.epoch;
        covered(log, self.horizon).filter(move |record| record.epoch == epoch)
    }

    /// Steps of the epoch.
    pub(super) fn steps(&self) -> impl Iterator<Item = &'a Record<StepRecord>> + use<'a> {
        self.of_this_epoch(self.logs.steps)
    }

    /// Steps of all epochs.
    pub(super) fn all_steps(&self) -> impl Iterator<Item = &'a Record<StepRecord>> + use<'a> {
        self.of_all_epochs(self.logs.steps)
    }

    /// Specs of all epochs.
    pub(super) fn all_specs(&self) -> impl Iterator<Item = &'a Record<OracleSpec>> + use<'a> {
        self.of_all_epochs(self.logs.specs)
    }

    /// Interventions of the epoch.
    pub(super) fn interventions(&self) -> impl Iterator<Item = &'a Record<InterventionRecord>> + use<'a> {
        self.of_this_epoch(self.logs.interventions)
    }

    /// The step with the highest clock.
    pub(super) fn last_step(&self) -> Option<&'a Record<StepRecord>> {
        self.steps().max_by_key(|step| step.place())
    }
}

fn covered<'a, T>(records: &'a [Record<T>], horizon: &'a Horizon) -> impl Iterator<Item = &'a Record<T>> + use<'a, T> {
    records.iter().filter(|record| horizon.covers(record))
}
