//! Series of runs that end: how many are held and where they stand, and what the base of ended runs takes.

use prometheus::Registry;
use psi_replica::{EndStatus, RunStage, RunStatus};

use super::{
    family::{Family, families},
    values::{count, seconds},
};
use crate::settings::Settings;

families! {
    /// Counters are kept as things happen, gauges are set at the scrape.
    struct EndSeries {
        runs: IntGaugeVec = "psi_replica_runs" ["stage"]
            "Runs of nodes that have not ended, by stage: live, closed (stopped cleanly) or silent (not heard for long)";
        origins: IntGauge = "psi_replica_origins" [] "Runs of nodes whose own entries are held: those that have not ended";
        ended: IntGauge = "psi_replica_ended_runs" [] "Ended runs whose names are known";
        checkpoint: IntGauge = "psi_replica_checkpoint" []
            "Checkpoints, that is, agreements on which runs have ended, that the base has taken";
        horizon: Gauge = "psi_replica_horizon_timestamp_seconds" []
            "Names of ended runs that began before this are forgotten, seconds since the Unix epoch; 0 if none are";
        base_bytes: IntGauge = "psi_replica_base_bytes" [] "Bytes of the values of the base: what ended runs come to";
        waits: Gauge = "psi_replica_end_waits_seconds" []
            "For how long runs have been waiting to end, or to be known to all, with nothing agreed; seconds in health";
        end_after: Gauge = "psi_replica_end_after_seconds" []
            "The setting cluster.end_after_s: how long an unheard run is waited for; 0 means without end";
        checkpoints: IntCounter = "psi_replica_checkpoints_total" [] "Checkpoints that this node took by its own votes, not from another node";
        freed: IntCounter = "psi_replica_freed_bytes_total" [] "Bytes that entries take less because runs ended";
        late: IntCounter = "psi_replica_late_runs_total" []
            "Runs of which this node held more than counted when the others ended them: steps were lost";
        replaced: IntCounter = "psi_replica_bases_replaced_total" []
            "Times that the base grew apart from the other members' and gave way to theirs";
        reminted: IntCounter = "psi_replica_reminted_total" []
            "Times that this node went on as another run, because it was cut off or its run was ended";
    }
}

pub(crate) struct EndMetrics {
    series: EndSeries,
}

impl EndMetrics {
    pub(super) fn families() -> &'static [Family] {
        EndSeries::FAMILIES
    }

    pub(super) fn new(registry: &Registry, settings: &Settings) -> Self {
        let series = EndSeries::register(registry);
        series.end_after.set(settings.end_after.as_secs_f64());
        Self { series }
    }

    pub(crate) fn record_end(&self, bytes_freed: u64) {
        self.series.checkpoints.inc();
        self.series.freed.inc_by(bytes_freed);
    }

    pub(crate) fn record_late(&self) {
        self.series.late.inc();
    }

    pub(crate) fn record_replaced(&self) {
        self.series.replaced.inc();
    }

    pub(crate) fn record_reminted(&self) {
        self.series.reminted.inc();
    }

    pub(super) fn show(&self, status: &EndStatus) {
        let EndStatus {
            runs,
            ended,
            checkpoint,
            horizon,
            base_bytes,
            waits_ms,
            // Counted as they happen.
            bytes_freed: _,
            late_runs: _,
            // Named by `psi-field members`.
            missing: _,
        } = status;
        for (stage, name) in STAGES {
            let number = runs.iter().filter(|RunStatus { stage: its, .. }| *its == stage).count();
            self.series.runs.with_label_values(&[name]).set(count(number));
        }
        self.series.origins.set(count(runs.len()));
        self.series.ended.set(count(*ended));
        self.series.checkpoint.set(count(*checkpoint));
        // Incarnations are microseconds.
        self.series.horizon.set(seconds(horizon / 1000));
        self.series.base_bytes.set(count(*base_bytes));
        self.series.waits.set(seconds(*waits_ms));
    }
}

/// Where a run may stand, by the names that labels, JSON and people have.
const STAGES: [(RunStage, &str); 3] =
    [(RunStage::Live, "live"), (RunStage::Closed, "closed"), (RunStage::Silent, "silent")];
