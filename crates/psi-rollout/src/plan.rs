//! What a rollout follows: its percentages, how long each lasts at least, and what its gates ask for.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    assignment::Percent,
    measure::{MEASURES_MAX, Measure, Subject, SubjectError},
    text::{duration, list},
};

/// Most percentages in a schedule.
pub const SCHEDULE_STEPS_MAX: usize = 16;
/// Shortest and longest evaluation window.
pub const WINDOW_MS: std::ops::RangeInclusive<u64> = 1_000..=30 * 86_400_000;
/// Fewest and most predictions that a gate may ask for. Below the least the normal approximation is too coarse.
pub const PREDICTIONS: std::ops::RangeInclusive<u64> = 30..=1_000_000_000;
/// Least and greatest latency threshold.
const LATENCY_FACTOR: std::ops::RangeInclusive<f64> = 1.01..=100.0;

/// A plan as people write it; [`Plan::new`] checks it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanInput {
    /// Percentages, rising. Default: 5, 10, 25, 50, 100; below 100 where values or drift are compared.
    pub schedule: Vec<f64>,
    /// `evaluationWindow` in milliseconds: how long each percentage lasts at least. Shorter promotes sooner, and sees
    /// less of the day. Default: 1 h.
    pub evaluation_window_ms: u64,
    /// `minimumPredictions`: steps that each version needs at each percentage before anything is judged. Default: 100.
    pub minimum_predictions: u64,
    /// `errorRateThreshold`: the greatest excess of errors that PASS may leave open, as a share of steps. `None`
    /// turns the gate off. Default: 0.05.
    pub error_rate_threshold: Option<f64>,
    /// `latencyDegradationThreshold`: the multiple of the champion's mean latency that PASS must rule out. `None` turns
    /// the gate off, as where no latency is sent. Default: 1.5.
    pub latency_degradation_threshold: Option<f64>,
    /// `metricThresholds`: values that steps have, and by how much the canary's mean may differ from the champion's: upwards
    /// of a margin above 0, else downwards. Default: none.
    pub metric_thresholds: BTreeMap<String, f64>,
    /// `driftSeverityThreshold`: from which severity on drift of the canary's inputs fails where the champion's do not
    /// drift. Default: `None`, off.
    pub drift_severity_threshold: Option<f64>,
}

/// A plan that can be followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    schedule: Vec<Percent>,
    window_ms: u64,
    predictions_min: u64,
    error_rate: Option<f64>,
    latency_factor: Option<f64>,
    measures: Arc<[Measure]>,
    drift_severity: Option<f64>,
}

/// What is wrong with a plan: all of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}", list(.0))]
pub struct PlanError(pub Vec<PlanFault>);

/// One thing that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanFault {
    /// Too few or too many percentages.
    #[error("rolloutSchedule has {steps} percentages: give 1 to {SCHEDULE_STEPS_MAX}")]
    Length {
        /// How many there are.
        steps: usize,
    },
    /// No percentage of traffic.
    #[error("rolloutSchedule holds {percent}: give percentages above 0 and up to 100, with at most two decimals")]
    Percentage {
        /// What was given.
        percent: f64,
    },
    /// A percentage that does not rise.
    #[error("rolloutSchedule goes from {before} to {after}: a percentage only rises; put them in order, each once")]
    Order {
        /// The percentage before.
        before: Percent,
        /// The one that is not above it.
        after: Percent,
    },
    /// Nothing to compare with.
    #[error("rolloutSchedule begins at 100 %, where no champion is left to compare with: begin below")]
    NoChampion,
    /// Another window than allowed.
    #[error(
        "evaluationWindow is {}: give {} to {}",
        duration(*.window_ms), duration(*WINDOW_MS.start()), duration(*WINDOW_MS.end())
    )]
    Window {
        /// What was given.
        window_ms: u64,
    },
    /// Too few or too many predictions.
    #[error("minimumPredictions is {predictions}: give {} to {}", PREDICTIONS.start(), PREDICTIONS.end())]
    Predictions {
        /// What was given.
        predictions: u64,
    },
    /// No error rate.
    #[error("errorRateThreshold is {threshold}: give a share above 0 and up to 1, such as 0.05, or leave the gate out")]
    ErrorRate {
        /// What was given.
        threshold: f64,
    },
    /// No multiple of a latency.
    #[error(
        "latencyDegradationThreshold is {threshold}: give {} to {}, such as 1.5, or leave the gate out",
        LATENCY_FACTOR.start(), LATENCY_FACTOR.end()
    )]
    LatencyFactor {
        /// What was given.
        threshold: f64,
    },
    /// Nothing that steps have.
    #[error("metricThresholds: {0}")]
    Subject(SubjectError),
    /// No difference between means.
    #[error(
        "metricThresholds gives {subject} the margin {margin}: give one above 0 for what may rise, below 0 for what may fall"
    )]
    Margin {
        /// What it is about.
        subject: Subject,
        /// What was given.
        margin: f64,
    },
    /// Nothing to compare values with.
    #[error(
        "rolloutSchedule ends at 100 %, where no champion is left to compare {what} with: end it below, such as at 50"
    )]
    NoComparison {
        /// What the gates compare.
        what: &'static str,
    },
    /// Too many values.
    #[error("metricThresholds names {measures} values: give up to {MEASURES_MAX}")]
    Measures {
        /// How many there are.
        measures: usize,
    },
    /// No severity.
    #[error("driftSeverityThreshold is {threshold}: give 0.5 to below 1, such as 0.75; a verdict warns from 0.5 on")]
    DriftSeverity {
        /// What was given.
        threshold: f64,
    },
    /// Nothing would be judged.
    #[error("all gates are left out, so that nothing would be judged: give errorRateThreshold")]
    NoGate,
}

impl PlanInput {
    /// The default schedule of a plan: gates that need a champion beside the canary end it below 100 %.
    #[must_use]
    pub fn default_schedule(needs_champion: bool) -> Vec<f64> {
        let whole = (!needs_champion).then_some(100.0);
        [5.0, 10.0, 25.0, 50.0].into_iter().chain(whole).collect()
    }
}

impl Default for PlanInput {
    fn default() -> Self {
        Self {
            schedule: Self::default_schedule(false),
            evaluation_window_ms: 3_600_000,
            minimum_predictions: 100,
            error_rate_threshold: Some(0.05),
            latency_degradation_threshold: Some(1.5),
            metric_thresholds: BTreeMap::new(),
            drift_severity_threshold: None,
        }
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new(&PlanInput::default()).expect("the default is a plan")
    }
}

impl Plan {
    /// Checks and takes a plan.
    ///
    /// # Errors
    /// [`PlanError`] with everything that is wrong.
    pub fn new(input: &PlanInput) -> Result<Self, PlanError> {
        let (schedule, mut faults) = checked_schedule(&input.schedule);
        let (window_ms, predictions) = (input.evaluation_window_ms, input.minimum_predictions);
        if !WINDOW_MS.contains(&window_ms) {
            faults.push(PlanFault::Window { window_ms });
        }
        if !PREDICTIONS.contains(&predictions) {
            faults.push(PlanFault::Predictions { predictions });
        }
        let (error_rate, latency_factor) = (input.error_rate_threshold, input.latency_degradation_threshold);
        faults.extend(
            error_rate
                .filter(|threshold| !(*threshold > 0.0 && *threshold <= 1.0))
                .map(|threshold| PlanFault::ErrorRate { threshold }),
        );
        faults.extend(
            latency_factor
                .filter(|threshold| !LATENCY_FACTOR.contains(threshold))
                .map(|threshold| PlanFault::LatencyFactor { threshold }),
        );
        let (measures, of_measures) = checked_measures(&input.metric_thresholds);
        faults.extend(of_measures);
        let drift_severity = input.drift_severity_threshold;
        faults.extend(
            drift_severity
                .filter(|threshold| !(0.5..1.0).contains(threshold))
                .map(|threshold| PlanFault::DriftSeverity { threshold }),
        );
        let whole = schedule.last() == Some(&Percent::ALL);
        let compared = [("metrics", !measures.is_empty()), ("drift", drift_severity.is_some())];
        faults.extend(
            compared
                .into_iter()
                .find(|(_, is_compared)| whole && *is_compared)
                .map(|(what, _)| PlanFault::NoComparison { what }),
        );
        let is_judged = error_rate.or(latency_factor).or(drift_severity).is_some() || !measures.is_empty();
        if !is_judged && faults.is_empty() {
            faults.push(PlanFault::NoGate);
        }
        if !faults.is_empty() {
            return Err(PlanError(faults));
        }
        Ok(Self {
            schedule,
            window_ms,
            predictions_min: predictions,
            error_rate,
            latency_factor,
            measures,
            drift_severity,
        })
    }

    /// The percentages, rising. There is at least one.
    #[must_use]
    pub fn schedule(&self) -> &[Percent] {
        &self.schedule
    }

    /// How long each percentage lasts at least, in milliseconds.
    #[must_use]
    pub fn window_ms(&self) -> u64 {
        self.window_ms
    }

    /// Steps that each version needs at each percentage before it is judged.
    #[must_use]
    pub fn predictions_min(&self) -> u64 {
        self.predictions_min
    }

    /// The greatest excess of errors that PASS may leave open, as a share of steps.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        self.error_rate
    }

    /// The multiple of the champion's mean latency that PASS must rule out.
    #[must_use]
    pub fn latency_factor(&self) -> Option<f64> {
        self.latency_factor
    }

    /// Values that steps have, and how far apart their means may be.
    #[must_use]
    pub fn measures(&self) -> &Arc<[Measure]> {
        &self.measures
    }

    /// From which severity on drift of the canary's inputs alone fails.
    #[must_use]
    pub fn drift_severity(&self) -> Option<f64> {
        self.drift_severity
    }
}

/// The measures in the order of their names, and what is wrong with them.
fn checked_measures(given: &BTreeMap<String, f64>) -> (Arc<[Measure]>, Vec<PlanFault>) {
    let mut faults = Vec::new();
    if given.len() > MEASURES_MAX {
        faults.push(PlanFault::Measures { measures: given.len() });
    }
    let checked = given.iter().take(MEASURES_MAX).map(|(name, margin)| {
        let subject: Subject = name.parse().map_err(PlanFault::Subject)?;
        let fault = PlanFault::Margin { subject: subject.clone(), margin: *margin };
        Measure::new(subject, *margin).ok_or(fault)
    });
    let (measures, of_each): (Vec<_>, Vec<_>) = checked.partition(Result::is_ok);
    faults.extend(of_each.into_iter().filter_map(Result::err));
    (measures.into_iter().filter_map(Result::ok).collect(), faults)
}

/// The schedule, and what is wrong with it.
fn checked_schedule(given: &[f64]) -> (Vec<Percent>, Vec<PlanFault>) {
    let mut faults = Vec::new();
    if !(1..=SCHEDULE_STEPS_MAX).contains(&given.len()) {
        faults.push(PlanFault::Length { steps: given.len() });
    }
    let mut schedule: Vec<Percent> = Vec::new();
    for &percent in given.iter().take(SCHEDULE_STEPS_MAX) {
        match (Percent::new(percent), schedule.last()) {
            (Err(_), _) | (Ok(Percent::ZERO), _) => faults.push(PlanFault::Percentage { percent }),
            (Ok(after), Some(&before)) if after <= before => faults.push(PlanFault::Order { before, after }),
            (Ok(percent), _) => schedule.push(percent),
        }
    }
    if schedule.first() == Some(&Percent::ALL) {
        faults.push(PlanFault::NoChampion);
    }
    (schedule, faults)
}

/// `5 %, 10 %, 25 %, each for at least 1 h`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, each for at least {}", list(&self.schedule), duration(self.window_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut PlanInput);

    fn faults(change: Change) -> Vec<PlanFault> {
        let mut input = PlanInput::default();
        change(&mut input);
        Plan::new(&input).expect_err("a fault").0
    }

    #[test]
    fn each_fault_of_a_plan_is_named() {
        let plan = Plan::new(&PlanInput::default()).expect("the default");
        assert_eq!(plan.to_string(), "5 %, 10 %, 25 %, 50 %, 100 %, each for at least 1 h");
        let percent = |number| Percent::new(number).expect("a percentage");
        let cases: [(Change, PlanFault); 12] = [
            (|input| input.schedule.clear(), PlanFault::Length { steps: 0 }),
            (|input| input.schedule = (1..=17).map(f64::from).collect(), PlanFault::Length { steps: 17 }),
            (|input| input.schedule = vec![0.0, 5.0], PlanFault::Percentage { percent: 0.0 }),
            (|input| input.schedule = vec![5.0, 100.5], PlanFault::Percentage { percent: 100.5 }),
            (|input| input.schedule = vec![5.0, 5.0], PlanFault::Order { before: percent(5.0), after: percent(5.0) }),
            (|input| input.schedule = vec![100.0], PlanFault::NoChampion),
            (|input| input.evaluation_window_ms = 999, PlanFault::Window { window_ms: 999 }),
            (|input| input.minimum_predictions = 0, PlanFault::Predictions { predictions: 0 }),
            (|input| input.error_rate_threshold = Some(0.0), PlanFault::ErrorRate { threshold: 0.0 }),
            (|input| input.error_rate_threshold = Some(5.0), PlanFault::ErrorRate { threshold: 5.0 }),
            (|input| input.latency_degradation_threshold = Some(1.0), PlanFault::LatencyFactor { threshold: 1.0 }),
            (
                |input| (input.error_rate_threshold, input.latency_degradation_threshold) = (None, None),
                PlanFault::NoGate,
            ),
        ];
        for (change, want) in cases {
            assert_eq!(faults(change), [want]);
        }
        let words = PlanError(vec![PlanFault::Window { window_ms: 999 }, PlanFault::Predictions { predictions: 0 }]);
        assert_eq!(
            words.to_string(),
            "evaluationWindow is 999 ms: give 1 s to 30 d, minimumPredictions is 0: give 30 to 1000000000"
        );
    }

    #[test]
    fn each_fault_of_a_measure_is_named() {
        let faults = |given: &[(&str, f64)]| {
            let metric_thresholds = given.iter().map(|(name, margin)| ((*name).to_owned(), *margin)).collect();
            let schedule = PlanInput::default_schedule(true);
            Plan::new(&PlanInput { metric_thresholds, schedule, ..PlanInput::default() })
                .map_err(|error| error.to_string())
        };
        let plan = faults(&[("novelty", 0.5), ("density", -0.1), ("column:car value", -100.0)]).expect("a plan");
        let measures: Vec<_> = plan.measures().iter().map(ToString::to_string).collect();
        assert_eq!(measures, ["column:car value -100", "density -0.1", "novelty +0.5"]);
        for (given, want) in [
            (&[("psi", 0.5)][..], "metricThresholds: `psi` is no value of a step"),
            (&[("density", 0.0)], "gives density the margin 0: give one above 0"),
            (&[("density", f64::NAN)], "gives density the margin NaN"),
            (
                &[("density", 0.1), ("novelty", 0.1), ("memory", 0.1), ("column:a", 1.0), ("column:b", 1.0)],
                "names 5 values: give up to 4",
            ),
        ] {
            let got = faults(given).expect_err("a fault");
            assert!(got.contains(want), "{got}");
        }
    }

    #[test]
    fn any_gate_is_enough() {
        let none = PlanInput {
            error_rate_threshold: None,
            latency_degradation_threshold: None,
            schedule: PlanInput::default_schedule(true),
            ..PlanInput::default()
        };
        assert_eq!(Plan::new(&none), Err(PlanError(vec![PlanFault::NoGate])));
        let drift = PlanInput { drift_severity_threshold: Some(0.75), ..none.clone() };
        let metric = PlanInput { metric_thresholds: [("novelty".to_owned(), 1.0)].into(), ..none };
        assert!(Plan::new(&drift).is_ok() && Plan::new(&metric).is_ok());
        for threshold in [0.0, 0.49, 1.0, 1.5, f64::NAN] {
            let wrong = PlanInput { drift_severity_threshold: Some(threshold), ..drift.clone() };
            assert!(Plan::new(&wrong).is_err(), "{threshold}");
        }
        // Where the canary answers all, nobody is left to compare with.
        let whole = PlanInput { schedule: PlanInput::default_schedule(false), ..drift };
        assert_eq!(Plan::new(&whole), Err(PlanError(vec![PlanFault::NoComparison { what: "drift" }])));
    }

    #[test]
    fn no_number_passes_for_a_threshold() {
        let nan = faults(|input| {
            input.error_rate_threshold = Some(f64::NAN);
            input.latency_degradation_threshold = Some(f64::INFINITY);
            input.schedule = vec![f64::NAN];
        });
        assert_eq!(nan.len(), 3, "{nan:?}");
    }
}
