//! Series about drift, read from the merged view at the scrape. And what this node's own steps were, so that an unusual
//! one between two scrapes is not lost.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};
use psi_engine::guardian::Threat;
use psi_replica::FieldName;
use psi_state::{DriftStatus, FieldView, Step};
use psi_stats::drift::Column;

use super::{
    family::{Family, families},
    values::count,
};

/// Seconds of steps that the novelty is shown of.
const SECONDS: u64 = 60;
/// Columns that have a series of their own: those with the greatest excess.
const COLUMNS_SHOWN: usize = 3;

families! {
    struct DriftSeries {
        severity: GaugeVec = "psi_drift_severity" ["model", "version"]
            "How severe the drift of a field's inputs is, 0 to 1: a warning from 0.5 on, critical from 0.8 on";
        status: IntGaugeVec = "psi_drift_status" ["model", "status"] "1 for the status that holds, 0 for the others";
        detected: IntCounterVec = "psi_drift_detected_total" ["model"]
            "Times that steps on this node were the first to be answered with drift";
        window_inputs: IntGaugeVec = "psi_drift_window_inputs" ["model"] "Inputs in the longest window that is judged";
        excess: GaugeVec = "psi_drift_column_excess" ["model", "column"]
            "PSI beyond what the baseline does by itself, of the three columns or pairs that have most";
        frozen: IntGaugeVec = "psi_drift_frozen_columns" ["model"]
            "Columns that have one value in the longest window, and had several in the baseline";
        novelty_max: GaugeVec = "psi_field_novelty_max" ["field"]
            "Greatest novelty of the steps that this node took in the latest 60 s";
        novelty_mean: GaugeVec = "psi_field_novelty_mean" ["field"]
            "Mean novelty of the steps that this node took in the latest 60 s";
        unusual: IntCounterVec = "psi_field_unusual_steps_total" ["field"]
            "Steps of this node that were unlike all before them";
        threats: IntCounterVec = "psi_field_threats_total" ["field", "threat"]
            "Steps of this node that the guardian took for a threat, by kind, whether it intervenes or watches";
    }
}

/// Series about drift.
pub(super) struct DriftMetrics {
    series: DriftSeries,
    tallies: Mutex<BTreeMap<FieldName, StepTally>>,
}

/// What the steps of one field on this node were.
#[derive(Debug, Default)]
struct StepTally {
    /// The latest seconds with steps: number, greatest novelty, sum and count.
    seconds: BTreeMap<u64, (f64, f64, u64)>,
    unusual: u64,
    threats: [u64; Threat::ALL.len()],
    detected: u64,
    is_drifting: bool,
}

impl StepTally {
    /// Returns whether drift began with it.
    fn record(&mut self, step: &Step) -> bool {
        let second = step.clock.second();
        let (max, sum, steps) = self.seconds.entry(second).or_default();
        *max = max.max(step.novelty);
        *sum += step.novelty;
        *steps += 1;
        if let Some(old) = self.seconds.first_entry().filter(|first| *first.key() + SECONDS <= second) {
            old.remove();
        }
        self.unusual += u64::from(step.unusual);
        let kind = step.threat.and_then(|threat| Threat::ALL.iter().position(|known| *known == threat));
        if let Some(threats) = kind.and_then(|kind| self.threats.get_mut(kind)) {
            *threats += 1;
        }
        let is_drifting = step.drift.is_drift();
        let begins = is_drifting && !self.is_drifting;
        self.detected += u64::from(begins);
        self.is_drifting = is_drifting;
        begins
    }

    /// Greatest and mean novelty up to a second; `None` without steps.
    fn novelty(&self, second: u64) -> Option<(f64, f64)> {
        let latest = || self.seconds.range((second + 1).saturating_sub(SECONDS)..).map(|(_, tally)| tally);
        let (sum, steps) = latest().fold((0.0, 0_u64), |(sum, steps), (_, more, count)| (sum + more, steps + count));
        let max = latest().fold(0.0_f64, |max, (one, ..)| max.max(*one));
        #[expect(clippy::cast_precision_loss, reason = "steps of a minute")]
        (steps > 0).then(|| (max, sum / steps as f64))
    }
}

impl DriftMetrics {
    pub(super) fn families() -> &'static [Family] {
        DriftSeries::FAMILIES
    }

    pub(super) fn new(registry: &Registry) -> Self {
        Self { series: DriftSeries::register(registry), tallies: Mutex::default() }
    }

    /// Takes note of accepted steps; returns the one with which drift began, if it did.
    pub(super) fn record<'a>(&self, field: &FieldName, steps: &'a [Step]) -> Option<&'a Step> {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        if !tallies.contains_key(field) {
            tallies.insert(field.clone(), StepTally::default());
        }
        let tally = tallies.get_mut(field)?;
        steps.iter().fold(None, |begins, step| if tally.record(step) { Some(step) } else { begins })
    }

    /// Shows these fields and no others, at a second. What was counted of fields that are gone is forgotten.
    pub(super) fn show(&self, views: &[FieldView], names: &[FieldName], second: u64) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.retain(|field, _| names.contains(field));
        self.reset();
        for view in views {
            self.show_view(view);
            if let Some(tally) = tallies.get(&view.spec.field) {
                self.show_tally(view.spec.field.as_str(), tally, second);
            }
        }
    }

    fn reset(&self) {
        let DriftSeries {
            severity,
            status,
            detected,
            window_inputs,
            excess,
            frozen,
            novelty_max,
            novelty_mean,
            unusual,
            threats,
        } = &self.series;
        [severity, excess, novelty_max, novelty_mean].into_iter().for_each(GaugeVec::reset);
        [status, window_inputs, frozen].into_iter().for_each(IntGaugeVec::reset);
        [detected, unusual, threats].into_iter().for_each(IntCounterVec::reset);
    }

    fn show_view(&self, view: &FieldView) {
        let (model, drift) = (view.spec.field.as_str(), &view.drift);
        for status in DriftStatus::ALL {
            let holds = (status == drift.status).into();
            self.series.status.with_label_values(&[model, status.as_str()]).set(holds);
        }
        let Some(baseline) = view.baseline.set() else { return };
        let version = baseline.title.version.as_str();
        if !drift.verdict.columns().is_empty() {
            self.series.severity.with_label_values(&[model, version]).set(drift.severity());
        }
        self.series.window_inputs.with_label_values(&[model]).set(count(drift.inputs));
        self.series.frozen.with_label_values(&[model]).set(count(drift.frozen.len()));
        let mut columns: Vec<_> = drift.verdict.columns().iter().collect();
        columns.sort_by(|a, b| b.comparison.excess.total_cmp(&a.comparison.excess));
        for verdict in columns.into_iter().take(COLUMNS_SHOWN) {
            let column = match verdict.column {
                Column::Single(column) => column.to_string(),
                Column::Pair(column, other) => format!("{column}-{other}"),
            };
            self.series.excess.with_label_values(&[model, &column]).set(verdict.comparison.excess);
        }
    }

    fn show_tally(&self, field: &str, tally: &StepTally, second: u64) {
        self.series.detected.with_label_values(&[field]).inc_by(tally.detected);
        self.series.unusual.with_label_values(&[field]).inc_by(tally.unusual);
        for (threat, steps) in Threat::ALL.iter().zip(tally.threats) {
            self.series.threats.with_label_values(&[field, threat.as_str()]).inc_by(steps);
        }
        if let Some((max, mean)) = tally.novelty(second) {
            self.series.novelty_max.with_label_values(&[field]).set(max);
            self.series.novelty_mean.with_label_values(&[field]).set(mean);
        }
    }
}
