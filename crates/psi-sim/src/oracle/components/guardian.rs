//! What the guardians of all nodes must have seen and done: what they look at, what is a threat, and what follows.

use std::collections::BTreeMap;

use super::interventions::CountedEvents;
use crate::{
    oracle::{
        arithmetic::percentile,
        component::{Component, NoWrite, OwnRecords, Scope, Sights},
        known::Knowledge,
        records::{Record, StepRecord},
        words::{OracleAnswer, OracleThreat},
    },
    report::markers::Marker,
};

/// Samples that thresholds come from at most.
pub const ORACLE_HISTORY: usize = 200;
const ADAPTIVE_FROM: usize = 50;
const COOLDOWN_STEPS: u64 = 100;
/// Steps of an origin that are looked at within a span, and its milliseconds.
const LOOKED_AT: usize = 16;
const SPAN_MS: u64 = 20;
/// Interventions that each origin keeps.
const KEPT: usize = 64;

/// Thresholds were percentiles of the history.
const ADAPTIVE: Marker = Marker::new("thresholds adaptive");

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Guardian;

/// A look at a step.
#[derive(Clone, Debug)]
pub struct GuardianLook {
    sample: GuardianSample,
    /// What the guardian took it for.
    threat: Option<OracleThreat>,
}

/// What a guardian looks at.
#[derive(Clone, Copy, Debug)]
struct GuardianSample {
    density: f64,
    prediction_error: f64,
    entropy: f64,
}

/// What a step is judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedThresholds {
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
    /// Density, prediction error and entropy of the latest steps that were looked at, newest first.
    pub history: Vec<[f64; 3]>,
    /// From these.
    pub thresholds: ExpectedThresholds,
    /// Why the red flag is up.
    pub flag: Option<OracleThreat>,
    /// Automatic interventions that count, of the last 64 of each origin.
    pub automatic: u64,
    /// Those that don't.
    pub superseded: u64,
    /// The count at the latest intervention.
    pub last_step: Option<u64>,
}

impl Component for Guardian {
    const SCOPE: Scope = Scope::Epoch;
    const SIGHTS: &'static [Marker] = &[ADAPTIVE];
    type Write = NoWrite;
    type Record = GuardianLook;
    type Expectation = ExpectedGuardian;

    fn record_step(
        known: &Knowledge<'_>,
        own: &OwnRecords<'_, GuardianLook>,
        step: &Record<StepRecord>,
        _: &mut Sights,
    ) -> Result<Option<Record<GuardianLook>>, String> {
        let look = looks_at(known, step).then(|| {
            let sample = GuardianSample::of(&step.what.answer);
            let history: Vec<_> = [sample].into_iter().chain(history(own)).take(ORACLE_HISTORY).collect();
            GuardianLook { sample, threat: ExpectedThresholds::of(&history).threat(&sample) }
        });
        let must = look.as_ref().and_then(|look| intervenes(known, own, look, step.what.answer.k));
        let does = step.what.intervened;
        if must != does {
            return Err(format!("the guardian must intervene for {must:?}, does for {does:?}"));
        }
        Ok(look.map(|look| step.with(look)))
    }

    fn expect(known: &Knowledge<'_>, own: &OwnRecords<'_, GuardianLook>, sights: &mut Sights) -> ExpectedGuardian {
        let history = history(own);
        let thresholds = ExpectedThresholds::of(&history);
        if thresholds.adaptive {
            sights.insert(ADAPTIVE);
        }
        let counted = CountedEvents::of(known);
        let (automatic, superseded) = automatic(known, &counted);
        ExpectedGuardian {
            history: history.iter().map(|sample| [sample.density, sample.prediction_error, sample.entropy]).collect(),
            thresholds,
            flag: flag(own, &counted),
            automatic,
            superseded,
            last_step: counted.last().map(|last| last.what.k),
        }
    }
}

/// Whether a guardian looks at a step of its origin: at so many within a span, and where the field exists.
pub(in crate::oracle) fn looks_at(known: &Knowledge<'_>, step: &Record<StepRecord>) -> bool {
    let is_beside =
        |other: &&Record<StepRecord>| other.number == step.number && other.clock.0 / SPAN_MS == step.clock.0 / SPAN_MS;
    known.spec.is_some() && known.steps().filter(is_beside).count() < LOOKED_AT
}

/// What a guardian intervenes for when it has looked at a step with this count.
fn intervenes(
    known: &Knowledge<'_>,
    own: &OwnRecords<'_, GuardianLook>,
    look: &GuardianLook,
    k: u64,
) -> Option<OracleThreat> {
    let spec = known.spec.filter(|spec| spec.intervenes)?;
    let counted = CountedEvents::of(known);
    let rested = counted.last().is_none_or(|last| k.saturating_sub(last.what.k) >= COOLDOWN_STEPS);
    look.threat.or_else(|| flag(own, &counted)).filter(|_| rested && spec.intervenes)
}

/// What guardians looked at, newest first.
fn history(own: &OwnRecords<'_, GuardianLook>) -> Vec<GuardianSample> {
    own.in_order().into_iter().rev().map(|look| look.what.sample).take(ORACLE_HISTORY).collect()
}

/// The threat that the flag is up for: the latest after the latest intervention.
fn flag(own: &OwnRecords<'_, GuardianLook>, counted: &CountedEvents<'_>) -> Option<OracleThreat> {
    let threats = own.iter().filter(|look| look.what.threat.is_some());
    let latest = threats.max_by_key(|look| look.place())?;
    let is_after = counted.last().is_none_or(|last| last.place() < latest.place());
    latest.what.threat.filter(|_| is_after)
}

/// Automatic interventions that count and those that don't, of the last 64 of each origin.
fn automatic(known: &Knowledge<'_>, counted: &CountedEvents<'_>) -> (u64, u64) {
    let mut events: Vec<_> = known.interventions().collect();
    events.sort_by(|one, other| other.place().cmp(&one.place()));
    let mut kept: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    events.retain(|event| {
        let kept = kept.entry((event.number, event.what.automatic.is_some())).or_default();
        *kept += 1;
        *kept <= KEPT
    });
    let superseded = events.iter().filter(|event| counted.is_superseded(event)).count() as u64;
    let automatic = events.iter().filter(|event| event.what.automatic.is_some()).count() as u64;
    (automatic - superseded, superseded)
}

impl GuardianSample {
    fn of(answer: &OracleAnswer) -> Self {
        Self { density: answer.density(), prediction_error: answer.prediction_error(), entropy: answer.entropy() }
    }
}

impl ExpectedThresholds {
    fn of(history: &[GuardianSample]) -> Self {
        if history.len() < ADAPTIVE_FROM {
            return Self { error_high: 2.0, density_low: 0.25, entropy_high: 2.2, adaptive: false };
        }
        let of = |number: fn(&GuardianSample) -> f64, hundredths| {
            percentile(history.iter().map(number).collect(), hundredths)
        };
        Self {
            error_high: of(|sample| sample.prediction_error, 95),
            density_low: of(|sample| sample.density, 5),
            entropy_high: of(|sample| sample.entropy, 95),
            adaptive: true,
        }
    }

    fn threat(&self, sample: &GuardianSample) -> Option<OracleThreat> {
        if sample.prediction_error > self.error_high {
            Some(OracleThreat::HighPredictionError)
        } else if sample.density < self.density_low {
            Some(OracleThreat::LowDensity)
        } else if sample.entropy > self.entropy_high {
            Some(OracleThreat::HighEntropy)
        } else {
            None
        }
    }
}
