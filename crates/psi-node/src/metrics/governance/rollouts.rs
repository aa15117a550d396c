//! Series of models and their rollouts, set at the scrape from what voters decided: all nodes show the same.

use std::{sync::Arc, time::Duration};

use prometheus::Registry;
use psi_rollout::{HoldReason, RemediationMode, Status};

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
        hold: IntGaugeVec = "psi_rollout_hold" ["model", "reason"]
            "1 for the reason why nothing follows by itself in the latest rollout, 0 for the others";
        changed: GaugeVec = "psi_rollout_last_change_timestamp_seconds" ["model"]
            "When the percentage of the latest rollout changed last, or the rollout began";
        begun: IntCounterVec = "psi_rollouts_total" ["model"] "Rollouts that ever began";
        rolled_back: IntCounterVec = "psi_rollouts_rolled_back_total" ["model"] "Rollouts that were rolled back";
        late: IntGaugeVec = "psi_rollout_late_rollback" ["model"]
            "1 where somebody rolled back after the promotion was decided";
        remediation: IntGaugeVec = "psi_remediation_mode" ["model", "mode"]
            "1 for what follows by itself where the inputs of the champion drift, 0 for the others";
        found: IntCounterVec = "psi_remediations_total" ["model"] "Times that drift of a champion was found";
        failed: IntCounterVec = "psi_remediations_failed_total" ["model"]
            "Rollouts that were to remedy drift, and ended otherwise than by a promotion";
        remedied: Histogram = "psi_remediation_duration_seconds" []
            "Time from what let a rollout begin by itself (drift found, a version staged, the mode set) to its start here";
        notifications: IntCounterVec = "psi_notifications_total" ["result"]
            "Events that this node posted to the webhook: taken, refused and posted again, or lost";
    }
}

impl RolloutMetrics {
    pub(in crate::metrics) fn families() -> &'static [Family] {
        Self::FAMILIES
    }

    pub(in crate::metrics) fn new(registry: &Registry) -> Self {
        let rollouts = Self::register(registry);
        // A rate needs a series that was there before the first loss.
        for result in ["taken", "refused", "lost"] {
            rollouts.notifications.with_label_values(&[result]);
        }
        rollouts
    }

    /// A rollout began by itself so long after the drift that it is to remedy.
    pub(crate) fn record_remedy(&self, took: Duration) {
        self.remedied.observe(took.as_secs_f64());
    }

    /// An event was posted, with this result.
    pub(crate) fn record_notification(&self, result: &str) {
        self.notifications.with_label_values(&[result]).inc();
    }

    /// Shows the models as they are known now, and why their rollouts hold.
    pub(in crate::metrics) fn show(
        &self,
        models: &[Arc<KnownModel>],
        hold_of: impl Fn(&KnownModel) -> Option<HoldReason>,
    ) {
        // The version of the latest rollout changes.
        self.percent.reset();
        for known in models {
            let model = &known.model;
            let name = model.name().as_str();
            let totals = [
                (&self.begun, model.rollouts()),
                (&self.rolled_back, model.rolled_back()),
                (&self.found, model.found()),
                (&self.failed, model.failed()),
            ];
            for (counter, total) in totals {
                let counter = counter.with_label_values(&[name]);
                counter.inc_by(total.saturating_sub(counter.get()));
            }
            for mode in RemediationMode::ALL {
                let is_it = usize::from(mode == model.policy().mode);
                self.remediation.with_label_values(&[name, mode.name()]).set(count(is_it));
            }
            self.active.with_label_values(&[name]).set(count(usize::from(model.active().is_some())));
            let Some(rollout) = model.rollout() else { continue };
            let share = f64::from(rollout.percent().hundredths()) / 100.0;
            self.percent.with_label_values(&[name, rollout.canary().version().as_str()]).set(share);
            for status in Status::ALL {
                let is_it = usize::from(status == rollout.status());
                self.status.with_label_values(&[name, status.name()]).set(count(is_it));
            }
            let hold = hold_of(known);
            for reason in HoldReason::ALL {
                let is_it = usize::from(hold == Some(reason));
                self.hold.with_label_values(&[name, reason.name()]).set(count(is_it));
            }
            let ended = model.ended().last().map_or(0, |ended| ended.ended_ms);
            let changed = rollout.since_ms().max(model.began_ms()).max(ended);
            self.changed.with_label_values(&[name]).set(seconds(changed));
            self.late.with_label_values(&[name]).set(count(usize::from(rollout.has_late_rollback())));
        }
    }
}
