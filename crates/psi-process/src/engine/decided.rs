//! A chain of transitions that others decide, one step after the other.

use super::{refusal::TransitionRefusal, rules::follow, specs::SpecStore, state::ChainState};
use crate::transition::{Subject, Transition};

/// A task or a process whose transitions a majority decides. What is decided never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedChain {
    subject: Subject,
    state: Option<ChainState>,
    step: u64,
}

impl DecidedChain {
    /// A chain of which nothing is decided yet.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self { subject, state: None, step: 0 }
    }

    /// A chain as it was kept.
    pub(super) fn restored(subject: Subject, state: Option<ChainState>, step: u64) -> Self {
        Self { subject, state, step }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Where it stands; `None` before its first transition.
    #[must_use]
    pub fn state(&self) -> Option<&ChainState> {
        self.state.as_ref()
    }

    /// The number of the newest step that was applied; steps count from 1.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether this transition can be decided next. Ask before it is proposed, and before it is voted for.
    ///
    /// # Errors
    /// [`TransitionRefusal`]; [`TransitionRefusal::is_precondition`] says whether it is a 412.
    pub fn check_next(&self, transition: &Transition, specs: &SpecStore) -> Result<(), TransitionRefusal> {
        self.follow(transition, specs).map(|_| ())
    }

    /// Applies what was decided as step `number`.
    ///
    /// A transition that does not fit is refused, and its step is used up nonetheless: all nodes refuse it alike. While
    /// its spec is not known here, nothing changes; apply it again when the spec has arrived.
    ///
    /// # Errors
    /// [`TransitionRefusal`].
    pub fn apply(&mut self, number: u64, transition: &Transition, specs: &SpecStore) -> Result<(), TransitionRefusal> {
        let next = self.step.saturating_add(1);
        if number != next {
            return Err(TransitionRefusal::StepNumber { named: number, next });
        }
        match self.follow(transition, specs) {
            Err(refusal) if refusal.is_temporary() => Err(refusal),
            Err(refusal) => {
                self.step = next;
                Err(refusal)
            }
            Ok(state) => {
                (self.state, self.step) = (Some(state), next);
                Ok(())
            }
        }
    }

    /// Forgets what attestations were compared with. Nothing follows that would be.
    pub(super) fn drop_baseline(&mut self) {
        if let Some(state) = &mut self.state {
            state.baseline = None;
        }
    }

    fn follow(&self, transition: &Transition, specs: &SpecStore) -> Result<ChainState, TransitionRefusal> {
        follow(&self.subject, self.state.as_ref(), (transition, transition.hash()?), specs)
    }
}
