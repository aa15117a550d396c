//! What the guardians of all nodes must have seen and done: which interventions count, what is a threat, and what follows.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Horizon, InterventionRecord, ModelAction, ModelAnswer, ModelClock, ModelMoment, ModelSight, ModelSpec, ModelThreat,
    Record, StepRecord, Writes,
};

/// Samples that thresholds come from at most.
pub const MODEL_HISTORY: usize = 200;
const ADAPTIVE_FROM: usize = 50;
const COOLDOWN_STEPS: u64 = 100;
/// Steps of an origin that are recorded within a span, and its milliseconds.
const RECORDED: usize = 16;
const SPAN_MS: u64 = 20;
/// Interventions that each origin keeps.
const KEPT: usize = 64;

/// What a step is judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelThresholds {
    /// A prediction error above is a threat.
    pub error_high: f64,
    /// A density below is.
    pub density_low: f64,
    /// An entropy above is.
    pub entropy_high: f64,
    /// They come from the history.
    pub adaptive: bool,
}

/// What the guardians must have seen and done.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedGuardian {
    /// Density, prediction error and entropy of the latest steps that were recorded, newest first.
    pub history: Vec<[f64; 3]>,
    /// From these.
    pub thresholds: ModelThresholds,
    /// Why the red flag is up.
    pub flag: Option<ModelThreat>,
    /// Automatic interventions that count, of the last 64 of each origin.
    pub automatic: u64,
    /// Those that don't.
    pub superseded: u64,
    /// The count at the latest intervention.
    pub last_step: Option<u64>,
}

/// What comes of a step.
pub(super) struct Judged {
    pub(super) recorded: bool,
    pub(super) threat: Option<ModelThreat>,
    pub(super) intervenes: Option<ModelThreat>,
    /// The latest intervention that counts.
    pub(super) follows: Option<ModelMoment>,
}

/// The interventions of an epoch, in order: which count, and for those that don't which one they stand for.
pub(super) struct Counted<'a> {
    pub(super) counting: Vec<&'a Record<InterventionRecord>>,
    superseded: BTreeMap<ModelMoment, ModelMoment>,
    pub(super) sights: BTreeSet<ModelSight>,
}

impl<'a> Counted<'a> {
    fn of(mut events: Vec<&'a Record<InterventionRecord>>) -> Self {
        events.sort_by_key(|event| event.place());
        let mut counted = Self { counting: Vec::new(), superseded: BTreeMap::new(), sights: BTreeSet::new() };
        // Of the automatic ones that count: what they follow, and when they were.
        let mut followed: Vec<(Option<ModelMoment>, ModelMoment)> = Vec::new();
        for event in events {
            if let Some((_, named)) = &event.what.automatic {
                let follows = named.as_ref().map(|named| counted.superseded.get(named).unwrap_or(named).clone());
                if follows != *named {
                    counted.sights.insert(ModelSight::SupersededFollowed);
                }
                if let Some((_, first)) = followed.iter().find(|(other, _)| *other == follows) {
                    if first.1 != event.origin {
                        counted.sights.insert(ModelSight::AutomaticTwice);
                    }
                    counted.superseded.insert(event.moment(), first.clone());
                    continue;
                }
                followed.push((follows, event.moment()));
            }
            counted.counting.push(event);
        }
        counted
    }

    /// The latest nigredo that counts.
    pub(super) fn dissolved(&self) -> Option<ModelMoment> {
        let nigredo = |event: &&&Record<InterventionRecord>| event.what.action == ModelAction::Nigredo;
        self.counting.iter().rev().find(nigredo).map(|event| event.moment())
    }

    fn last(&self) -> Option<&'a Record<InterventionRecord>> {
        self.counting.last().copied()
    }
}

impl Writes {
    /// The interventions of an epoch. All are counted: that replicas keep the last 64 of each origin must make no
    /// difference.
    pub(super) fn counted(&self, epoch: u64, horizon: &Horizon) -> Counted<'_> {
        let within = self.interventions.iter().filter(|held| held.what.epoch == epoch && horizon.covers(held));
        Counted::of(within.collect())
    }

    /// The latest steps that the guardians looked at, newest first.
    fn recorded(&self, epoch: u64, horizon: &Horizon) -> Vec<&Record<StepRecord>> {
        let mut recorded: Vec<_> = self.steps_in(epoch, horizon).filter(|step| step.what.is_recorded).collect();
        recorded.sort_by(|one, other| other.place().cmp(&one.place()));
        recorded.truncate(MODEL_HISTORY);
        recorded
    }

    /// The threat that the flag is up for: the latest after the latest intervention.
    fn flag(&self, epoch: u64, horizon: &Horizon, counted: &Counted<'_>) -> Option<ModelThreat> {
        let threats = self.steps_in(epoch, horizon).filter(|step| step.what.threat.is_some());
        let latest = threats.max_by_key(|step| step.place())?;
        let is_after = counted.last().is_none_or(|last| last.place() < latest.place());
        latest.what.threat.filter(|_| is_after)
    }

    /// What the guardian makes of a step of the origin of this number.
    pub(super) fn judge(
        &self,
        spec: Option<&ModelSpec>,
        horizon: &Horizon,
        origin: usize,
        clock: ModelClock,
        answer: &ModelAnswer,
    ) -> Judged {
        let Some(spec) = spec else { return Judged { recorded: false, threat: None, intervenes: None, follows: None } };
        let counted = self.counted(spec.epoch, horizon);
        let follows = counted.last().map(Record::moment);
        let span = |clock: ModelClock| clock.0 / SPAN_MS;
        let own = self.steps.iter().filter(|step| step.number == origin && step.what.epoch == spec.epoch);
        if own.filter(|step| span(step.clock) == span(clock)).count() >= RECORDED {
            return Judged { recorded: false, threat: None, intervenes: None, follows };
        }
        let before = self.recorded(spec.epoch, horizon);
        let history: Vec<&ModelAnswer> =
            [answer].into_iter().chain(before.iter().map(|step| &step.what.answer)).take(MODEL_HISTORY).collect();
        let threat = ModelThresholds::of(&history).threat(answer);
        let raised = threat.or_else(|| self.flag(spec.epoch, horizon, &counted));
        let rested = counted.last().is_none_or(|last| answer.k.saturating_sub(last.what.k) >= COOLDOWN_STEPS);
        Judged { recorded: true, threat, intervenes: raised.filter(|_| rested && spec.intervenes), follows }
    }

    pub(super) fn guardian(&self, epoch: u64, horizon: &Horizon, counted: &Counted<'_>) -> ExpectedGuardian {
        let recorded = self.recorded(epoch, horizon);
        let history: Vec<&ModelAnswer> = recorded.iter().map(|step| &step.what.answer).collect();
        let mut events: Vec<_> =
            self.interventions.iter().filter(|held| held.what.epoch == epoch && horizon.covers(held)).collect();
        events.sort_by(|one, other| other.place().cmp(&one.place()));
        let mut kept: BTreeMap<(usize, bool), usize> = BTreeMap::new();
        events.retain(|event| {
            let kept = kept.entry((event.number, event.what.automatic.is_some())).or_default();
            *kept += 1;
            *kept <= KEPT
        });
        let is_superseded = |event: &&&Record<InterventionRecord>| counted.superseded.contains_key(&event.moment());
        let superseded = events.iter().filter(is_superseded).count();
        let automatic = events.iter().filter(|event| event.what.automatic.is_some()).count() - superseded;
        ExpectedGuardian {
            history: history
                .iter()
                .map(|answer| [answer.density(), answer.prediction_error(), answer.entropy()])
                .collect(),
            thresholds: ModelThresholds::of(&history),
            flag: self.flag(epoch, horizon, counted),
            automatic: automatic as u64,
            superseded: superseded as u64,
            last_step: counted.last().map(|last| last.what.k),
        }
    }
}

impl ModelThresholds {
    fn of(history: &[&ModelAnswer]) -> Self {
        if history.len() < ADAPTIVE_FROM {
            return Self { error_high: 2.0, density_low: 0.25, entropy_high: 2.2, adaptive: false };
        }
        let of = |number: fn(&ModelAnswer) -> f64, hundredths| {
            percentile(history.iter().map(|answer| number(answer)).collect(), hundredths)
        };
        Self {
            error_high: of(ModelAnswer::prediction_error, 95),
            density_low: of(ModelAnswer::density, 5),
            entropy_high: of(ModelAnswer::entropy, 95),
            adaptive: true,
        }
    }

    fn threat(&self, answer: &ModelAnswer) -> Option<ModelThreat> {
        if answer.prediction_error() > self.error_high {
            Some(ModelThreat::HighPredictionError)
        } else if answer.density() < self.density_low {
            Some(ModelThreat::LowDensity)
        } else if answer.entropy() > self.entropy_high {
            Some(ModelThreat::HighEntropy)
        } else {
            None
        }
    }
}

impl ModelThreat {
    pub(super) fn action(self) -> ModelAction {
        match self {
            Self::HighPredictionError | Self::HighEntropy => ModelAction::Nigredo,
            Self::LowDensity => ModelAction::Albedo,
        }
    }
}

/// Between the order statistics on both sides of the place that so many hundredths come to.
pub(super) fn percentile(mut numbers: Vec<f64>, hundredths: usize) -> f64 {
    const WHOLE: usize = 100;
    numbers.sort_by(f64::total_cmp);
    let place = hundredths * numbers.len().saturating_sub(1);
    let (below, beyond) = (numbers[place / WHOLE], place % WHOLE);
    let above = numbers.get(place / WHOLE + 1).copied().unwrap_or(below);
    let share = u8::try_from(beyond).map_or(0.0, f64::from) / 100.0;
    below + (above - below) * share
}
