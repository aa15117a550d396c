//! Series by field, read from the merged view at the scrape.

mod versions;

use prometheus::{GaugeVec, IntGaugeVec, Registry};
use psi_engine::guardian::Thresholds;
use psi_replica::FieldName;
use psi_state::{CurrentSpec, FieldView, GuardianView, InterventionsView, MomentsView, Record};

use super::{
    family::{Family, Series, families},
    step::STEP_METRICS,
    values::{count, seconds},
};
use versions::VersionMetrics;

families! {
    struct FieldSeries {
        steps: IntGaugeVec = "psi_field_steps" ["field", "engine"]
            "Steps that all nodes accepted in the field's epoch";
        noise: GaugeVec = "psi_field_noise" ["field", "engine"] "Noise level, 0 to 1.5: the fold of all interventions";
        interventions: IntGaugeVec = "psi_field_interventions" ["field", "engine"]
            "Interventions of all nodes in the field's epoch";
        window_steps: IntGaugeVec = "psi_field_window_steps" ["field", "engine"] "Steps in the 60 s window";
        last_step: GaugeVec = "psi_field_last_step_timestamp_seconds" ["field", "engine"]
            "When the latest step was accepted, seconds since the Unix epoch";
        novelty: GaugeVec = "psi_field_novelty" ["field", "engine"]
            "How unlike all earlier inputs the latest one is: root mean square z-score, at most √n after n inputs";
        red_flag: IntGaugeVec = "psi_field_guardian_red_flag" ["field", "engine"]
            "1 while the guardian's red flag is up";
        automatic: IntGaugeVec = "psi_field_guardian_interventions" ["field", "engine"]
            "Interventions by the guardian that count, of all nodes, in the field's epoch; of the last 64 of each run";
        thresholds: GaugeVec = "psi_field_guardian_threshold" ["field", "engine", "metric"]
            "Beyond which value of the metric the next step is a threat: density below, the others above";
        threat_share: GaugeVec = "psi_field_guardian_threat_share" ["field", "engine"]
            "Share of the steps in the guardian's history that are a threat; some 0.14 by chance alone";
        fields: IntGauge = "psi_fields" [] "Fields that exist";
        without_series: IntGauge = "psi_fields_without_series" []
            "Fields beyond metrics.field_series_max, without series of their own";
    }
}

/// Series of the fields that have some of their own.
pub(super) struct FieldMetrics {
    series_max: usize,
    /// By the place of their metric in [`STEP_METRICS`].
    windows: Vec<(usize, GaugeVec)>,
    series: FieldSeries,
    versions: VersionMetrics,
}

impl FieldMetrics {
    /// The rows, except those of the metrics of a step.
    pub(super) fn families() -> &'static [Family] {
        FieldSeries::FAMILIES
    }

    /// The rows of fields that are versions of models.
    pub(super) fn version_families() -> &'static [Family] {
        VersionMetrics::families()
    }

    /// At most `series_max` fields get series.
    pub(super) fn new(registry: &Registry, series_max: usize) -> Self {
        let gauges = STEP_METRICS.iter().enumerate().filter_map(|(place, metric)| Some((place, metric.gauge?)));
        let windows = gauges.map(|(place, family)| (place, GaugeVec::register(registry, &family))).collect();
        let (series, versions) = (FieldSeries::register(registry), VersionMetrics::new(registry));
        Self { series_max, windows, series, versions }
    }

    /// Counts the fields that exist; returns which of them get series.
    pub(super) fn choose<'a>(&self, names: &'a [FieldName]) -> impl Iterator<Item = &'a FieldName> {
        self.series.fields.set(count(names.len()));
        self.series.without_series.set(count(names.len().saturating_sub(self.series_max)));
        names.iter().take(self.series_max)
    }

    /// Shows these fields and no others.
    pub(super) fn show(&self, views: &[FieldView]) {
        self.reset();
        views.iter().for_each(|view| self.show_view(view));
    }

    fn reset(&self) {
        self.versions.reset();
        let FieldSeries {
            steps,
            noise,
            interventions,
            window_steps,
            last_step,
            novelty,
            red_flag,
            automatic,
            thresholds,
            threat_share,
            fields: _,
            without_series: _,
        } = &self.series;
        self.windows.iter().for_each(|(_, gauge)| gauge.reset());
        [noise, last_step, novelty, thresholds, threat_share].into_iter().for_each(GaugeVec::reset);
        [steps, interventions, window_steps, red_flag, automatic].into_iter().for_each(IntGaugeVec::reset);
    }

    fn show_view(&self, view: &FieldView) {
        let FieldView {
            spec: CurrentSpec { field, epoch: _, spec },
            // The parts have as many numbers as the field is wide.
            moments: MomentsView { count: steps, parts: _ },
            window,
            last,
            interventions: InterventionsView { noise, counted: interventions },
            outcomes,
            guardian,
            // Shown by `/state`.
            learned: _,
            steps_dropped: _,
            // Text for people, of any value: not for a series.
            label: _,
            names: _,
            // Series of their own.
            anchored: _,
            baseline: _,
            drift_onset: _,
            drift: _,
        } = view;
        let labels = [field.as_str(), spec.setup.shape.engine.as_str()];
        if let Some(mean) = view.window_mean() {
            let numbers = mean.to_array();
            self.windows.iter().for_each(|(place, gauge)| gauge.with_label_values(&labels).set(numbers[*place]));
        }
        if let Some(last) = last {
            self.show_last(labels, last);
        }
        self.show_guardian(labels, guardian);
        self.versions.show(field.as_str(), &outcomes.total);
        self.series.steps.with_label_values(&labels).set(count(*steps));
        self.series.interventions.with_label_values(&labels).set(count(*interventions));
        self.series.window_steps.with_label_values(&labels).set(count(window.count()));
        self.series.noise.with_label_values(&labels).set(noise.value());
    }

    fn show_last(&self, labels: [&str; 2], last: &Record) {
        self.series.last_step.with_label_values(&labels).set(seconds(last.clock.wall_ms));
        self.series.novelty.with_label_values(&labels).set(last.novelty);
    }

    fn show_guardian(&self, labels: [&str; 2], guardian: &GuardianView) {
        let GuardianView { history: _, flag, flag_step: _, automatic, superseded: _, last_step: _ } = guardian;
        self.series.red_flag.with_label_values(&labels).set(flag.is_some().into());
        self.series.automatic.with_label_values(&labels).set(count(*automatic));
        if let Some(share) = guardian.threat_share() {
            self.series.threat_share.with_label_values(&labels).set(share);
        }
        let Thresholds { density_low, error_high, entropy_high, adaptive: _ } = guardian.thresholds();
        let [field, engine] = labels;
        for (metric, value) in
            [("density", density_low), ("prediction_error", error_high), ("temporal_entropy", entropy_high)]
        {
            self.series.thresholds.with_label_values(&[field, engine, metric]).set(value);
        }
    }
}
