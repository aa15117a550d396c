//! What the rules of rollouts make of steps, one after the other: what nodes would have done, had they looked then.

use std::collections::{BTreeMap, BTreeSet};

use psi_rollout::{
    Arm, DriftComparison, Facts, HoldReason, Judgement, KeyError, KeyHash, LiveVersions, Member, Next, Outcomes,
    OutcomesError, Percent, Record, Refusal, Rollout, RolloutSetup, StartFacts, StepKey,
};

use super::{samples::Samples, steps::Step};
use crate::output::Failure;

/// Something that happened to the rollout, or why nothing did at the end.
#[derive(Debug)]
pub(super) struct Occurrence {
    /// The last row that was known, from 0.
    pub(super) row: u64,
    pub(super) ms: u64,
    /// What a record is called; `hold` at the end.
    pub(super) event: &'static str,
    /// Why it holds.
    pub(super) hold: Option<HoldReason>,
    /// What the rollout had come to.
    pub(super) percent: Percent,
    pub(super) reason: String,
    pub(super) judgements: Vec<Judgement>,
}

/// A rollout over steps that were recorded.
pub(super) struct Course {
    pub(super) rollout: Rollout,
    /// What was counted since the percentage began.
    pub(super) canary: Outcomes,
    pub(super) champion: Outcomes,
    members: BTreeMap<String, Member>,
    look_ms: u64,
    pub(super) begin_ms: u64,
    next_look_ms: u64,
    /// The last step that was counted.
    row: u64,
    ms: u64,
    pub(super) steps: u64,
    pub(super) occurrences: Vec<Occurrence>,
    /// What gates said at each look.
    pub(super) samples: Samples,
}

impl Course {
    /// Begins a rollout at the moment of the first step.
    ///
    /// # Errors
    /// What the rules refuse.
    pub(super) fn begin(setup: RolloutSetup, look_ms: u64, begin_ms: u64) -> Result<Self, Failure> {
        let (live, rejected) = (LiveVersions::default(), BTreeSet::new());
        let facts = StartFacts { live: &live, rejected: &rejected, active: None };
        let rollout = Rollout::start(setup, None, &facts)?;
        // The file is all that there is: nobody else is waited for.
        let member = Member { heard_ms: Some(u64::MAX), is_evicted: false };
        Ok(Self {
            rollout,
            canary: Outcomes::default(),
            champion: Outcomes::default(),
            members: BTreeMap::from([("file".to_owned(), member)]),
            look_ms,
            begin_ms,
            next_look_ms: begin_ms,
            row: 0,
            ms: begin_ms,
            steps: 0,
            occurrences: Vec::new(),
            samples: Samples::default(),
        })
    }

    /// Whether nothing follows any more.
    pub(super) fn has_ended(&self) -> bool {
        self.rollout.status().is_end()
    }

    /// Looks as often as was due before a step, and counts that, unless the rollout has ended by then.
    ///
    /// # Errors
    /// If it can't be counted.
    pub(super) fn take(&mut self, step: &Step) -> Result<(), Failure> {
        self.look_until(step.ms)?;
        if self.has_ended() {
            return Ok(());
        }
        let bucket = KeyHash::new(self.rollout.id(), StepKey::new(&step.key)?).bucket();
        let outcomes = match step.arm {
            Arm::Canary => &mut self.canary,
            Arm::Champion => &mut self.champion,
        };
        if let Some(outcome) = step.outcome {
            outcomes.add(bucket, outcome)?;
        }
        if !step.units.is_empty() {
            outcomes.add_measured(bucket, &step.units)?;
        }
        (self.row, self.ms) = (step.row, step.ms);
        self.steps += 1;
        Ok(())
    }

    /// Looks at the moment of the last step, and says why the rollout holds if it has not ended.
    ///
    /// # Errors
    /// What the rules refuse.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        while !self.has_ended() {
            if let Some(hold) = self.look(self.ms)? {
                self.occurrences.push(hold);
                return Ok(());
            }
        }
        Ok(())
    }

    fn look_until(&mut self, until_ms: u64) -> Result<(), Failure> {
        while self.next_look_ms <= until_ms && !self.has_ended() {
            let at_ms = self.next_look_ms;
            let is_held = self.look(at_ms)?.is_some();
            // Before the next step nothing is new but that the window ends.
            let window_end_ms = self.rollout.since_ms().saturating_add(self.rollout.plan().window_ms());
            let want_ms = match is_held {
                true if at_ms < window_end_ms => window_end_ms.min(until_ms),
                true => until_ms,
                false => at_ms,
            };
            let looks = (want_ms - at_ms).div_ceil(self.look_ms).max(1);
            self.next_look_ms = at_ms.saturating_add(looks.saturating_mul(self.look_ms));
        }
        Ok(())
    }

    /// Does what follows by itself; why nothing does, otherwise.
    fn look(&mut self, at_ms: u64) -> Result<Option<Occurrence>, Failure> {
        let (drift, rejected) = (DriftComparison::default(), BTreeSet::new());
        let facts = Facts {
            now_ms: at_ms,
            canary: &self.canary,
            champion: &self.champion,
            drift: &drift,
            members: &self.members,
            has_majority: true,
            rejected: &rejected,
        };
        let next = self.rollout.next(&facts);
        let mut occurrence = Occurrence {
            row: self.row,
            ms: at_ms,
            event: "hold",
            hold: None,
            percent: self.rollout.percent(),
            reason: String::new(),
            judgements: Vec::new(),
        };
        let record = match next {
            Next::Act { record, reason, judgements } => {
                (occurrence.reason, occurrence.judgements) = (reason, judgements);
                Some(record)
            }
            Next::Hold { hold, reason, judgements } => {
                (occurrence.hold, occurrence.reason, occurrence.judgements) = (Some(hold), reason, judgements);
                None
            }
            Next::Idle { judgements, .. } => {
                occurrence.judgements = judgements;
                None
            }
        };
        self.samples.push(at_ms - self.begin_ms, &occurrence.judgements);
        let Some(record) = record else { return Ok(Some(occurrence)) };
        self.apply(&record, occurrence)?;
        Ok(None)
    }

    fn apply(&mut self, record: &Record, occurrence: Occurrence) -> Result<(), Failure> {
        self.rollout.apply(record)?;
        let mut percent = occurrence.percent;
        if matches!(record, Record::Advance { .. }) {
            // Each percentage is judged by its own steps.
            (self.canary, self.champion) = (Outcomes::default(), Outcomes::default());
            percent = self.rollout.percent();
        }
        self.occurrences.push(Occurrence { event: record.command().name(), percent, ..occurrence });
        Ok(())
    }

    /// What the canary was compared with.
    pub(super) fn record_of_champion(&self) -> &Outcomes {
        self.rollout.frozen_champion().unwrap_or(&self.champion)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::usage(refusal.to_string())
    }
}

impl From<OutcomesError> for Failure {
    fn from(error: OutcomesError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::usage(error.to_string())
    }
}
