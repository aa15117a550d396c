//! What became of a transition, where others were decided while it was proposed.

use std::collections::BTreeMap;

use super::decided::DecidedChain;
use crate::{hash::TransitionHash, transition::Transition};

/// What became of a proposed transition, by what is known of its register now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is decided.
    Decided,
    /// It is not. Where its predecessor is still the newest, it can be proposed again.
    Rejected,
    /// That can't be said: the history is not to be had, or its task may have ended and left its bucket. Do not say that
    /// it does not count, and do not propose it again.
    Unknown,
}

/// A transition that was proposed as a step of a register.
#[derive(Clone, Copy, Debug)]
pub struct ProposedStep<'a> {
    /// The transition.
    pub transition: &'a Transition,
    /// Its hash.
    pub head: TransitionHash,
    /// Where it leads.
    pub led_to: &'a DecidedChain,
}

impl ProposedStep<'_> {
    /// How many transitions [`ProposedStep::fate`] must see, from the newest of `current` back.
    #[must_use]
    pub fn history_count(&self, current: &DecidedChain) -> usize {
        let later = current.step().saturating_sub(self.led_to.step());
        usize::try_from(later).unwrap_or(usize::MAX).saturating_add(2)
    }

    /// What became of it.
    ///
    /// `current` is where the register says that its task stands, also if that has ended long ago. `history` has the
    /// newest transition of it first, and is shorter than [`ProposedStep::history_count`] where one can't be had.
    /// `hidden` is how many steps since then are of nothing that the register still has: [`hidden_steps`].
    #[must_use]
    pub fn fate(&self, current: &DecidedChain, history: &[TransitionHash], hidden: u64) -> Fate {
        let newest = current.state().map(|state| state.head);
        // What follows another transition never becomes the predecessor again.
        if newest.is_some() && newest == self.transition.predecessor {
            return Fate::Rejected;
        }
        if let Some(later) = current.step().checked_sub(self.led_to.step()) {
            let later = usize::try_from(later).unwrap_or(usize::MAX);
            match (history.get(later), history.get(later.saturating_add(1))) {
                (None, _) => return Fate::Unknown,
                (Some(hash), _) if *hash == self.head => return Fate::Decided,
                (_, Some(before)) if Some(*before) == self.transition.predecessor => return Fate::Rejected,
                _ => {}
            }
        }
        // Its task does not have it. To have had it and have left, the task took this step, and one to end.
        let is_end = self.led_to.state().is_some_and(|state| state.end.is_some());
        if hidden < if is_end { 1 } else { 2 } { Fate::Rejected } else { Fate::Unknown }
    }
}

/// How many of `passed` steps that led a register from `before` to `current` are of no chain that it still has.
///
/// At least so many: a name that was used again may hide more, and is counted so that it never hides less.
#[must_use]
pub fn hidden_steps(before: &[&DecidedChain], current: &[&DecidedChain], passed: u64) -> u64 {
    let before: BTreeMap<_, _> = before.iter().map(|chain| (chain.subject(), chain.step())).collect();
    let visible = current.iter().map(|chain| {
        let known = before.get(chain.subject()).copied().unwrap_or(0);
        chain.step().checked_sub(known).unwrap_or(chain.step())
    });
    passed.saturating_sub(visible.sum())
}
