//! What follows: by itself, or because a person asks for it. Both go by the same rules.

use super::{
    facts::Facts,
    record::{Command, Force, Record, Status},
    refusal::Refusal,
    state::Rollout,
};
use crate::{
    assignment::Percent,
    gate::{self, DriftLimits, HoldReason, Judgement, Verdict},
    outcome::Outcomes,
    text::list,
};

/// What follows by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This, at once. A rollback needs no majority.
    Act {
        /// What is to be decided or, for a rollback, written.
        record: Record,
        /// Why, in words and numbers.
        reason: String,
        /// What the gates said.
        judgements: Vec<Judgement>,
    },
    /// Nothing yet.
    Hold {
        /// Why.
        hold: HoldReason,
        /// The same in words and numbers.
        reason: String,
        /// What the gates said.
        judgements: Vec<Judgement>,
    },
    /// Nothing until a person acts: it is paused, or has ended.
    Idle {
        /// Where it stands.
        status: Status,
        /// What the gates say. None after an end.
        judgements: Vec<Judgement>,
    },
}

impl Rollout {
    /// What follows by itself, given what is known. A function of its arguments.
    ///
    /// A sure FAIL rolls back before the window is over, once both versions have the predictions of the plan. PASS waits
    /// for the window, for every registered member and for a majority. While it is paused only people act.
    #[must_use]
    pub fn next(&self, facts: &Facts<'_>) -> Next {
        let judgements = self.judge(facts);
        let status = self.status();
        if status == Status::Paused || status.is_end() {
            return Next::Idle { status, judgements };
        }
        if let Some(reason) = self.fault(facts, &judgements) {
            return Next::Act { record: Record::Rollback, reason, judgements };
        }
        let command = if self.next_step().is_ok() { Command::Advance } else { Command::Promote };
        match self.propose(command, None, facts) {
            Ok(record) => Next::Act { record, reason: self.passed(&judgements), judgements },
            Err(refusal) => {
                let hold = refusal.hold_reason().unwrap_or(HoldReason::Inconclusive);
                Next::Hold { hold, reason: refusal.to_string(), judgements }
            }
        }
    }

    /// What a command would write, if it may happen now. Nothing has changed before that was decided.
    ///
    /// `force` overrides gates, window, members and a rejection; it overrides neither status nor majority.
    ///
    /// # Errors
    /// [`Refusal`] names what is in the way.
    pub fn propose(&self, command: Command, force: Option<&Force>, facts: &Facts<'_>) -> Result<Record, Refusal> {
        let record = match command {
            // It counts whatever it follows, and needs nobody's consent.
            Command::Rollback => return Ok(Record::Rollback),
            Command::Pause => Record::Pause,
            Command::Resume => Record::Resume,
            Command::Promote => Record::Promote,
            Command::Cancel => Record::Cancel,
            Command::Advance => self.advance(facts)?,
        };
        self.check_status(command)?;
        if matches!(command, Command::Advance | Command::Promote) && force.is_none() {
            self.check_facts(command, facts)?;
        }
        if facts.has_majority { Ok(record) } else { Err(Refusal::NoMajority { command }) }
    }

    fn advance(&self, facts: &Facts<'_>) -> Result<Record, Refusal> {
        self.check_status(Command::Advance)?;
        let step = self.next_step()?;
        let is_whole = self.plan().schedule().get(step) == Some(&Percent::ALL);
        let (steps, steps_min) = (facts.champion.total().steps, self.plan().predictions_min());
        if is_whole && steps < steps_min {
            return Err(Refusal::NoRecord { steps, steps_min });
        }
        let frozen_champion = is_whole.then(|| facts.champion.clone());
        Ok(Record::Advance { step, at_ms: facts.now_ms, frozen_champion })
    }

    /// Whether all that nobody forced speaks for it.
    fn check_facts(&self, command: Command, facts: &Facts<'_>) -> Result<(), Refusal> {
        self.check_rejection(command, facts)?;
        if self.step().is_none() {
            return Ok(());
        }
        if command == Command::Promote && self.next_step().is_ok() {
            let last = self.plan().schedule().last().copied().unwrap_or_default();
            return Err(Refusal::EarlyPromotion { percent: self.percent(), last });
        }
        self.check_gates(command, facts)?;
        self.check_members(command, facts)
    }

    fn check_rejection(&self, command: Command, facts: &Facts<'_>) -> Result<(), Refusal> {
        let version = self.canary().version();
        if facts.rejected.contains(version) && !self.is_forced() {
            return Err(Refusal::Rejected { command, version: version.clone() });
        }
        Ok(())
    }

    /// PASS, after a whole window.
    fn check_gates(&self, command: Command, facts: &Facts<'_>) -> Result<(), Refusal> {
        let judgements = self.judge(facts);
        let words = |verdict| list(judgements.iter().filter(|judgement| judgement.verdict == verdict));
        match Verdict::of_all(&judgements) {
            Verdict::Fail => return Err(Refusal::Failed { command, reason: words(Verdict::Fail) }),
            Verdict::Hold(hold) => {
                return Err(Refusal::Held { command, hold, reason: words(Verdict::Hold(hold)) });
            }
            Verdict::Pass => {}
        }
        let (elapsed_ms, window_ms) = (facts.now_ms.saturating_sub(self.since_ms()), self.plan().window_ms());
        if elapsed_ms < window_ms {
            return Err(Refusal::Window { command, elapsed_ms, window_ms });
        }
        Ok(())
    }

    fn check_members(&self, command: Command, facts: &Facts<'_>) -> Result<(), Refusal> {
        let members = facts.unheard(self.since_ms().saturating_add(self.plan().window_ms()));
        if members.is_empty() && facts.has_members() { Ok(()) } else { Err(Refusal::Unheard { command, members }) }
    }

    /// What the gates say about the current step. Nothing is judged before the first step and after an end.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>) -> Vec<Judgement> {
        let Some(step) = self.step().filter(|_| !self.status().is_end()) else { return Vec::new() };
        let champion: &Outcomes = self.frozen_champion().unwrap_or(facts.champion);
        let mut judgements = gate::judge(self.plan(), step, facts.canary, champion);
        judgements.extend(self.plan().drift_severity().map(|threshold| {
            facts.drift.judge(DriftLimits {
                threshold,
                since_ms: self.since_ms(),
                window_ms: self.plan().window_ms(),
                inputs_min: self.plan().predictions_min(),
                now_ms: facts.now_ms,
            })
        }));
        judgements
    }

    /// Why it must be rolled back, if it must.
    fn fault(&self, facts: &Facts<'_>, judgements: &[Judgement]) -> Option<String> {
        if self.check_rejection(Command::Advance, facts).is_err() {
            return Some(format!("version {} was rejected meanwhile", self.canary().version()));
        }
        let failed = judgements.iter().filter(|judgement| judgement.verdict == Verdict::Fail);
        let words = list(failed);
        (!words.is_empty()).then_some(words)
    }

    fn passed(&self, judgements: &[Judgement]) -> String {
        if judgements.is_empty() { format!("begins: {}", self.plan()) } else { list(judgements) }
    }
}
