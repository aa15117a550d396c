//! Votes, and what is taken for decided by them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    message,
    model::{PlainEvent, PlainModel},
    rules::History,
};

/// A voter.
pub(crate) type VoterKey = [u8; 32];
/// A ballot: its number, and the key and the run of who proposes.
pub(crate) type BallotName = (u64, VoterKey, u64);

/// What is voted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlainValue {
    /// Key and run of who proposed it first; nobody proposed the beginning.
    pub(crate) proposer: Option<(VoterKey, u64)>,
    /// Who votes in the next step.
    pub(crate) voters: Vec<VoterKey>,
    pub(crate) body: Vec<u8>,
}

/// The votes of a ballot.
#[derive(Clone, Debug)]
struct VoteCount {
    value: PlainValue,
    voters: BTreeSet<VoterKey>,
}

/// All votes, and all that was decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecisionChain {
    votes: BTreeMap<(u64, BallotName), VoteCount>,
    /// By step; the first is nobody's.
    decided: Vec<PlainValue>,
    models: Vec<PlainModel>,
    history: History,
}

impl DecisionChain {
    /// Somebody registered the model, with its first voters.
    pub(crate) fn begin(&mut self, voters: Vec<VoterKey>) {
        if self.decided.is_empty() {
            self.decided.push(PlainValue { proposer: None, voters, body: Vec::new() });
            self.models.push(PlainModel::default());
        }
    }

    /// Nine steps of ten of a version are slow, wherever it answers.
    pub(crate) fn declare_bad(&mut self, version: &str) {
        self.history.bad.insert(version.to_owned());
    }

    /// The model as a step decided it.
    pub(crate) fn model(&self, step: u64) -> Option<&PlainModel> {
        self.models.get(usize::try_from(step).ok()?)
    }

    /// Who votes in the next step.
    pub(crate) fn voters(&self) -> &[VoterKey] {
        self.decided.last().map_or(&[], |value| &value.voters)
    }

    /// A voter has answered that it votes.
    pub(crate) fn vote(
        &mut self,
        step: u64,
        ballot: BallotName,
        voter: VoterKey,
        value: &PlainValue,
    ) -> Result<(), String> {
        let count = self.votes.entry((step, ballot));
        let count = count.or_insert_with(|| VoteCount { value: value.clone(), voters: BTreeSet::new() });
        if count.value != *value {
            return Err(format!("ballot {} of step {step} has two values", ballot.0));
        }
        count.voters.insert(voter);
        Ok(())
    }

    /// Somebody takes a step for decided. Returns what happened, if it is news.
    pub(crate) fn decide(&mut self, step: u64, value: &PlainValue) -> Result<Option<PlainModel>, String> {
        let at = usize::try_from(step).map_err(|_| "no such step".to_owned())?;
        match self.decided.get(at) {
            Some(known) if known == value => return Ok(None),
            Some(_) => return Err(format!("step {step} has two decisions")),
            None if at != self.decided.len() => {
                return Err(format!("step {step} is decided before step {}", self.decided.len()));
            }
            None => {}
        }
        self.check_majority(step, value)?;
        let model = message::read(&value.body).ok_or_else(|| format!("step {step} can't be read"))?;
        let before = self.models.last().cloned().unwrap_or_default();
        self.history.check(&before, &model).map_err(|what| format!("step {step}: {what}; {:?}", model.last))?;
        self.decided.push(value.clone());
        self.models.push(model.clone());
        Ok((model != before).then_some(model))
    }

    fn check_majority(&self, step: u64, value: &PlainValue) -> Result<(), String> {
        let listed: BTreeSet<VoterKey> = self.voters().iter().copied().collect();
        let of_step = self.votes.range((step, (0, [0; 32], 0))..).take_while(|((of, _), _)| *of == step);
        let mut counts = of_step.filter(|(_, count)| count.value == *value).map(|(_, count)| count);
        let has_majority = |count: &VoteCount| 2 * count.voters.intersection(&listed).count() > listed.len();
        if counts.any(has_majority) { Ok(()) } else { Err(format!("step {step} is decided without a majority")) }
    }
}

/// What a proposed body says happens.
pub(super) fn event_of(body: &[u8]) -> Option<(PlainModel, PlainEvent)> {
    let model = message::read(body)?;
    let event = model.last.as_ref()?.event.clone();
    Some((model, event))
}
