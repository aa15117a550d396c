//! How a rollout is written down, in one way only.

use prost::Message;

use super::{record::Status, state::Rollout};
use crate::{
    assignment::BUCKETS,
    measure::Measure,
    name::{ModelName, ModelVersion, RolloutId, VersionName},
    outcome::{Outcomes, Tally},
    plan::{Plan, PlanInput},
};

/// A rollout, but for its model.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RolloutMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    champion: String,
    #[prost(string, tag = "3")]
    canary: String,
    #[prost(message, optional, tag = "4")]
    plan: Option<PlanMessage>,
    #[prost(bool, tag = "5")]
    forced: bool,
    /// Its place in [`Status::ALL`].
    #[prost(uint32, tag = "6")]
    status: u32,
    /// The step, from 1; 0 before the first.
    #[prost(uint32, tag = "7")]
    step: u32,
    #[prost(uint64, tag = "8")]
    since_ms: u64,
    /// The sums of the champion's buckets, one after the other; none where it answers still.
    #[prost(uint64, repeated, tag = "9")]
    frozen: Vec<u64>,
    #[prost(bool, tag = "10")]
    late_rollback: bool,
}

/// A plan.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PlanMessage {
    /// Hundredths of a percent.
    #[prost(uint32, repeated, tag = "1")]
    schedule: Vec<u32>,
    #[prost(uint64, tag = "2")]
    window_ms: u64,
    #[prost(uint64, tag = "3")]
    predictions_min: u64,
    #[prost(double, optional, tag = "4")]
    error_rate: Option<f64>,
    #[prost(double, optional, tag = "5")]
    latency_factor: Option<f64>,
    #[prost(message, repeated, tag = "6")]
    measures: Vec<MeasureMessage>,
    #[prost(double, optional, tag = "7")]
    drift_severity: Option<f64>,
}

/// A value that a gate watches.
#[derive(Clone, PartialEq, Message)]
struct MeasureMessage {
    #[prost(string, tag = "1")]
    subject: String,
    #[prost(double, tag = "2")]
    margin: f64,
}

#[expect(clippy::cast_possible_truncation, reason = "halves")]
fn halves(sum: u128) -> [u64; 2] {
    [sum as u64, (sum >> 64) as u64]
}

/// The sums of a bucket; those of 128 bits in two halves, the lower one first.
fn words_of(tally: &Tally) -> [u64; 7] {
    let [latency, squares] = [tally.latency_us, tally.latency_us_squares].map(halves);
    [tally.steps, tally.errors, tally.timed_steps, latency[0], latency[1], squares[0], squares[1]]
}

fn tally_of([steps, errors, timed_steps, sum, sum_high, squares, squares_high]: [u64; 7]) -> Tally {
    let whole = |low: u64, high: u64| u128::from(low) | (u128::from(high) << 64);
    let (latency_us, latency_us_squares) = (whole(sum, sum_high), whole(squares, squares_high));
    Tally { steps, errors, timed_steps, latency_us, latency_us_squares }
}

impl MeasureMessage {
    fn of(measure: &Measure) -> Self {
        Self { subject: measure.subject().to_string(), margin: measure.margin() }
    }
}

impl PlanMessage {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            schedule: plan.schedule().iter().map(|percent| u32::from(percent.hundredths())).collect(),
            window_ms: plan.window_ms(),
            predictions_min: plan.predictions_min(),
            error_rate: plan.error_rate(),
            latency_factor: plan.latency_factor(),
            measures: plan.measures().iter().map(MeasureMessage::of).collect(),
            drift_severity: plan.drift_severity(),
        }
    }

    pub(crate) fn plan(&self) -> Option<Plan> {
        let input = PlanInput {
            schedule: self.schedule.iter().map(|hundredths| f64::from(*hundredths) / 100.0).collect(),
            evaluation_window_ms: self.window_ms,
            minimum_predictions: self.predictions_min,
            error_rate_threshold: self.error_rate,
            latency_degradation_threshold: self.latency_factor,
            metric_thresholds: self.measures.iter().map(|one| (one.subject.clone(), one.margin)).collect(),
            drift_severity_threshold: self.drift_severity,
        };
        Plan::new(&input).ok()
    }
}

impl RolloutMessage {
    pub(crate) fn of(rollout: &Rollout) -> Self {
        let status = Status::ALL.iter().position(|status| *status == rollout.status).unwrap_or_default();
        let frozen = rollout.frozen_champion.iter().flat_map(Outcomes::buckets).flat_map(words_of).collect();
        Self {
            id: rollout.id.to_string(),
            champion: rollout.champion.version().to_string(),
            canary: rollout.canary.version().to_string(),
            plan: Some(PlanMessage::of(&rollout.plan)),
            forced: rollout.is_forced,
            status: u32::try_from(status).unwrap_or_default(),
            step: rollout.step.map_or(0, |step| u32::try_from(step + 1).unwrap_or(u32::MAX)),
            since_ms: rollout.since_ms,
            frozen,
            late_rollback: rollout.has_late_rollback,
        }
    }

    /// The rollout, if there may be such a one.
    pub(crate) fn rollout(&self, model: &ModelName) -> Option<Rollout> {
        let version = |name: &str| ModelVersion::new(model.clone(), VersionName::new(name).ok()?).ok();
        let plan = self.plan.as_ref()?.plan()?;
        let step = (self.step as usize).checked_sub(1);
        let has_step = step.is_none_or(|step| step < plan.schedule().len());
        let status = *Status::ALL.get(self.status as usize)?;
        let needs_step = matches!(status, Status::InProgress | Status::Promoted);
        if !has_step || (needs_step && step.is_none()) || (step.is_some() && status == Status::Pending) {
            return None;
        }
        Some(Rollout {
            id: RolloutId::new(&self.id).ok()?,
            champion: version(&self.champion)?,
            canary: version(&self.canary)?,
            plan,
            is_forced: self.forced,
            status,
            step,
            since_ms: self.since_ms,
            frozen_champion: frozen(&self.frozen)?,
            has_late_rollback: self.late_rollback,
        })
    }
}

/// The frozen record of a champion; `None` of what is none.
#[expect(clippy::option_option, reason = "no record is one thing, and one that can't be read another")]
fn frozen(sums: &[u64]) -> Option<Option<Outcomes>> {
    if sums.is_empty() {
        return Some(None);
    }
    let (words, rest) = sums.as_chunks();
    let words: &[[u64; 7]; BUCKETS] = words.try_into().ok().filter(|_| rest.is_empty())?;
    Outcomes::new(words.map(tally_of)).ok().map(Some)
}
