//! Series by field, read from the merged view at the scrape.

use prometheus::{GaugeVec, IntGauge, IntGaugeVec};
use psi_engine::{Metrics as StepMetrics, guardian::Thresholds};
use psi_replica::{FieldName, FieldView};

use super::{count, maker::Maker};

/// Name, help, and the metric of a step that it shows.
type WindowGauge = (&'static str, &'static str, fn(&StepMetrics) -> f64);

/// The seven gauges of a field, each the mean over the 60 s up to its latest step.
const WINDOW_GAUGES: [WindowGauge; 7] = [
    ("psi_field_density", "Density (Psi): overall stability, 0 to 1", |m| m.density),
    ("psi_field_phase_coherence", "Phase coherence (Phi): temporal alignment", |m| m.phase_coherence),
    ("psi_field_continuity", "Continuity (C): how well the present binds to the immediate past", |m| m.continuity),
    ("psi_field_futurity", "Futurity (U): anticipatory grip on the near future", |m| m.futurity),
    ("psi_field_temporal_entropy", "Temporal entropy (H), nats", |m| m.temporal_entropy),
    ("psi_field_prediction_error", "Prediction error (PE)", |m| m.prediction_error),
    ("psi_field_time_dilation", "Effective integration step (dt_eff), seconds", |m| m.time_dilation),
];

const WINDOW: &str = "; mean over the 60 s up to the field's latest step, of all nodes";

const BY_FIELD: [&str; 2] = ["field", "engine"];

const BY_METRIC: [&str; 3] = ["field", "engine", "metric"];

/// Series of the fields that have some of their own.
pub(super) struct FieldMetrics {
    series_max: usize,
    /// In the order of [`WINDOW_GAUGES`].
    windows: Vec<GaugeVec>,
    steps: IntGaugeVec,
    noise: GaugeVec,
    interventions: IntGaugeVec,
    window_steps: IntGaugeVec,
    last_step: GaugeVec,
    novelty: GaugeVec,
    red_flag: IntGaugeVec,
    automatic: IntGaugeVec,
    thresholds: GaugeVec,
    fields: IntGauge,
    uncounted: IntGauge,
}

impl FieldMetrics {
    /// At most `series_max` fields get series.
    pub(super) fn new(make: &Maker<'_>, series_max: usize) -> Self {
        let windows = WINDOW_GAUGES
            .iter()
            .map(|(name, help, _)| make.numbers(name, &format!("{help}{WINDOW}"), &BY_FIELD))
            .collect();
        Self {
            series_max,
            windows,
            steps: make.gauges("psi_field_steps", "Steps that all nodes accepted in the field's epoch", &BY_FIELD),
            noise: make.numbers("psi_field_noise", "Noise level, 0 to 1.5: the fold of all interventions", &BY_FIELD),
            interventions: make.gauges(
                "psi_field_interventions",
                "Interventions of all nodes in the field's epoch",
                &BY_FIELD,
            ),
            window_steps: make.gauges("psi_field_window_steps", "Steps in the 60 s window", &BY_FIELD),
            last_step: make.numbers(
                "psi_field_last_step_timestamp_seconds",
                "When the latest step was accepted, seconds since the Unix epoch",
                &BY_FIELD,
            ),
            novelty: make.numbers(
                "psi_field_novelty",
                "How unlike all earlier inputs the latest one is: root mean square z-score",
                &BY_FIELD,
            ),
            red_flag: make.gauges("psi_field_guardian_red_flag", "1 while the guardian's red flag is up", &BY_FIELD),
            automatic: make.gauges(
                "psi_field_guardian_interventions",
                "Interventions by the guardian that count, of all nodes, in the field's epoch; of the last 64 of each run",
                &BY_FIELD,
            ),
            thresholds: make.numbers(
                "psi_field_guardian_threshold",
                "Beyond which value of the metric the next step is a threat: density below, the others above",
                &BY_METRIC,
            ),
            fields: make.gauge("psi_fields", "Fields that exist"),
            uncounted: make.gauge(
                "psi_fields_without_series",
                "Fields beyond metrics.field_series_max, without series of their own",
            ),
        }
    }

    /// Notes which fields exist; tells which of them get series.
    pub(super) fn choose<'a>(&self, names: &'a [FieldName]) -> impl Iterator<Item = &'a FieldName> {
        self.fields.set(count(names.len()));
        self.uncounted.set(count(names.len().saturating_sub(self.series_max)));
        names.iter().take(self.series_max)
    }

    /// Shows these fields and no others.
    pub(super) fn show(&self, views: &[FieldView]) {
        let Self { windows, steps, noise, interventions, window_steps, last_step, .. } = self;
        let Self { novelty, red_flag, automatic, thresholds, .. } = self;
        windows.iter().chain([noise, last_step, novelty, thresholds]).for_each(GaugeVec::reset);
        [steps, interventions, window_steps, red_flag, automatic].into_iter().for_each(IntGaugeVec::reset);
        for view in views {
            let [field, engine] = [view.spec.field.as_str(), view.spec.spec.setup.shape.engine.as_str()];
            let labels = [field, engine];
            if let Some(mean) = view.window_mean() {
                for (gauge, (_, _, metric)) in windows.iter().zip(WINDOW_GAUGES) {
                    gauge.with_label_values(&labels).set(metric(&mean));
                }
            }
            if let Some(last) = &view.last {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
                last_step.with_label_values(&labels).set(last.clock.wall_ms as f64 / 1000.0);
                novelty.with_label_values(&labels).set(last.novelty);
            }
            red_flag.with_label_values(&labels).set(view.guardian.flag.is_some().into());
            automatic.with_label_values(&labels).set(count(view.guardian.automatic));
            let Thresholds { density_low, error_high, entropy_high, .. } = view.guardian.thresholds();
            for (metric, value) in
                [("density", density_low), ("prediction_error", error_high), ("temporal_entropy", entropy_high)]
            {
                thresholds.with_label_values(&[field, engine, metric]).set(value);
            }
            steps.with_label_values(&labels).set(count(view.count));
            interventions.with_label_values(&labels).set(count(view.interventions));
            window_steps.with_label_values(&labels).set(count(view.window.count()));
            noise.with_label_values(&labels).set(view.noise.value());
        }
    }
}
