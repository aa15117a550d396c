//! Which interventions count, and what they make of ν.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    oracle::{
        component::{Component, OwnRecords, Scope, Sights},
        known::Knowledge,
        records::{InterventionRecord, Record, StepRecord},
        words::{OracleAction, OracleMoment},
    },
    report::markers::Marker,
};

const NOISE_MAX: f64 = 1.5;
const NIGREDO: f64 = 1.5;
const ALBEDO: f64 = -0.7;

/// The guardian intervened.
const AUTOMATIC: Marker = Marker::new("automatic intervention");
/// Two nodes intervened for one threat, neither knowing of the other's.
const TWICE: Marker = Marker::new("two followed the same");
/// An intervention that did not count was what a later one followed.
const SUPERSEDED_FOLLOWED: Marker = Marker::new("superseded one followed");
/// A nigredo dissolved latents that another origin wrote.
const DISSOLVED_OTHERS: Marker = Marker::new("others' latents dissolved");

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Interventions;

/// What the interventions of an epoch come to.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedNoise {
    /// ν.
    pub noise: f64,
    /// Interventions that count.
    pub count: u64,
}

impl Component for Interventions {
    const SCOPE: Scope = Scope::Epoch;
    const SIGHTS: &'static [Marker] = &[AUTOMATIC, TWICE, SUPERSEDED_FOLLOWED, DISSOLVED_OTHERS];
    type Write = OracleAction;
    type Record = InterventionRecord;
    type Expectation = ExpectedNoise;

    /// One by hand.
    fn record(
        known: &Knowledge<'_>,
        _: &OwnRecords<'_, InterventionRecord>,
        new: &Record<OracleAction>,
        sights: &mut Sights,
    ) -> Option<InterventionRecord> {
        sights.extend(sight(known, new.number, new.what));
        Some(InterventionRecord { action: new.what, k: known.steps().count() as u64, automatic: None })
    }

    /// One by the guardian: in the same moment, right after the step.
    fn record_step(
        known: &Knowledge<'_>,
        _: &OwnRecords<'_, InterventionRecord>,
        step: &Record<StepRecord>,
        sights: &mut Sights,
    ) -> Result<Option<Record<InterventionRecord>>, String> {
        let Some(threat) = step.what.intervened else { return Ok(None) };
        let action = threat.action();
        sights.insert(AUTOMATIC);
        sights.extend(sight(known, step.number, action));
        let follows = CountedEvents::of(known).last().map(Record::moment);
        let what = InterventionRecord { action, k: step.what.answer.k, automatic: Some((threat, follows)) };
        let clock = (step.clock.0, step.clock.1 + 1);
        Ok(Some(Record { clock, ..step.with(what) }))
    }

    fn expect(known: &Knowledge<'_>, _: &OwnRecords<'_, InterventionRecord>, sights: &mut Sights) -> ExpectedNoise {
        let counted = CountedEvents::of(known);
        sights.extend(&counted.sights);
        ExpectedNoise {
            noise: noise(counted.counting.iter().map(|event| event.what.action)),
            count: counted.counting.len() as u64,
        }
    }
}

/// Whether an intervention of an origin that knows so much dissolves what another wrote.
fn sight(known: &Knowledge<'_>, origin: usize, action: OracleAction) -> Option<Marker> {
    known.learning_spec()?;
    let before = CountedEvents::of(known).dissolved();
    let others = known.steps().any(|step| step.number != origin && step.is_after(before.as_ref()));
    (action == OracleAction::Nigredo && others).then_some(DISSOLVED_OTHERS)
}

/// ν.
fn noise(actions: impl Iterator<Item = OracleAction>) -> f64 {
    actions.fold(0.0, |noise, action| {
        let moved = match action {
            OracleAction::Nigredo => noise + NIGREDO,
            OracleAction::Albedo => noise + ALBEDO,
        };
        f64::clamp(moved, 0.0, NOISE_MAX)
    })
}

/// The interventions of an epoch, in order: which count, and for those that don't which one they stand for.
pub(in crate::oracle) struct CountedEvents<'a> {
    pub(in crate::oracle) counting: Vec<&'a Record<InterventionRecord>>,
    superseded: BTreeMap<OracleMoment, OracleMoment>,
    sights: BTreeSet<Marker>,
}

impl<'a> CountedEvents<'a> {
    /// All are counted: that replicas keep the last 64 of each origin must make no difference.
    pub(in crate::oracle) fn of(known: &Knowledge<'a>) -> Self {
        let mut events: Vec<_> = known.interventions().collect();
        events.sort_by_key(|event| event.place());
        let mut counted = Self { counting: Vec::new(), superseded: BTreeMap::new(), sights: BTreeSet::new() };
        // Of the automatic ones that count: what they follow, and when they were.
        let mut followed: Vec<(Option<OracleMoment>, OracleMoment)> = Vec::new();
        for event in events {
            if let Some((_, named)) = &event.what.automatic {
                let follows = named.as_ref().map(|named| counted.superseded.get(named).unwrap_or(named).clone());
                if follows != *named {
                    counted.sights.insert(SUPERSEDED_FOLLOWED);
                }
                if let Some((_, first)) = followed.iter().find(|(other, _)| *other == follows) {
                    if first.1 != event.origin {
                        counted.sights.insert(TWICE);
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
    pub(in crate::oracle) fn dissolved(&self) -> Option<OracleMoment> {
        let nigredo = |event: &&&Record<InterventionRecord>| event.what.action == OracleAction::Nigredo;
        self.counting.iter().rev().find(nigredo).map(|event| event.moment())
    }

    /// The latest that counts.
    pub(in crate::oracle) fn last(&self) -> Option<&'a Record<InterventionRecord>> {
        self.counting.last().copied()
    }

    /// Whether an intervention does not count, since it follows what an earlier one follows.
    pub(in crate::oracle) fn is_superseded(&self, event: &Record<InterventionRecord>) -> bool {
        self.superseded.contains_key(&event.moment())
    }
}
