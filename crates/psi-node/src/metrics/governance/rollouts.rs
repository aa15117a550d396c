//! Series of models and their rollouts, set at the scrape from what voters decided: all nodes show the same.

use std::sync::Arc;

use prometheus::Registry;
use psi_rollout::Status;

use super::super::{
    family::{Family, families},
    values::{count, seconds},
};
use crate::governance::rollout::models::KnownModel;

families! {
    pub(crate) struct RolloutMetrics {
        active: IntGaugeVec = "psi_rollout_active" ["model"] "1 while a rollout of the model is under way";
        percent: GaugeVec = "psi_rollout_percent" ["model", "version"]
            "The share of keys that the version of the latest rollout answers";
        status: IntGaugeVec = "psi_rollout_status" ["model", "status"]
            "1 for the status of the latest rollout, 0 for the others";
        changed: GaugeVec = "psi_rollout_last_change_timestamp_seconds" ["model"]
            "When the percentage of the latest rollout changed last, or the rollout began";
        begun: IntCounterVec = "psi_rollouts_total" ["model"] "Rollouts that ever began";
        rolled_back: IntCounterVec = "psi_rollouts_rolled_back_total" ["model"] "Rollouts that were rolled back";
        late: IntGaugeVec = "psi_rollout_late_rollback" ["model"]
            "1 where somebody rolled back after the promotion was decided";
    }
}

impl RolloutMetrics {
    pub(in crate::metrics) fn families() -> &'static [Family] {
        Self::FAMILIES
    }

    pub(in crate::metrics) fn new(registry: &Registry) -> Self {
        Self::register(registry)
    }

    /// Shows the models as they are known now.
    pub(in crate::metrics) fn show(&self, models: &[Arc<KnownModel>]) {
        // The version of the latest rollout changes.
        self.percent.reset();
        for known in models {
            let model = &known.model;
            let name = model.name().as_str();
            for (counter, total) in [(&self.begun, model.rollouts()), (&self.rolled_back, model.rolled_back())] {
                let counter = counter.with_label_values(&[name]);
                counter.inc_by(total.saturating_sub(counter.get()));
            }
            self.active.with_label_values(&[name]).set(count(usize::from(model.active().is_some())));
            let Some(rollout) = model.rollout() else { continue };
            let share = f64::from(rollout.percent().hundredths()) / 100.0;
            self.percent.with_label_values(&[name, rollout.canary().version().as_str()]).set(share);
            for status in Status::ALL {
                let is_it = usize::from(status == rollout.status());
                self.status.with_label_values(&[name, status.name()]).set(count(is_it));
            }
            let ended = model.ended().last().map_or(0, |ended| ended.ended_ms);
            let changed = rollout.since_ms().max(model.began_ms()).max(ended);
            self.changed.with_label_values(&[name]).set(seconds(changed));
            self.late.with_label_values(&[name]).set(count(usize::from(rollout.has_late_rollback())));
        }
    }
}
