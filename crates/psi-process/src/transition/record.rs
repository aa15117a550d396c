//! A transition as it is recorded.

use std::fmt;

use psi_ledger::record::{Actor, Evidence};
use psi_replica::{Clock, Origin};

use super::action::Action;
use crate::{
    attestation::Attestation,
    hash::{SpecHash, TransitionHash},
    judgement::Judgement,
    name::{Name, TaskName},
    spec::Mode,
};

/// What transitions are about: a task of a process, or the process itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The process.
    pub process: Name,
    /// The task; `None` for the process itself: its spec, its mode, its baseline.
    pub task: Option<TaskName>,
}

/// A transition. It is a whole record: who, when, from what, to what, resting on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it is about.
    pub subject: Subject,
    /// What it does.
    pub action: Action,
    /// The transition that it follows; `None` for the first.
    pub predecessor: Option<TransitionHash>,
    /// The spec that it was judged by; of a change of the spec, the new one.
    pub spec: SpecHash,
    /// The mode that it was judged in; of a switch, the new one.
    pub mode: Mode,
    /// When, by the clock of the run that wrote it.
    pub clock: Clock,
    /// The run that wrote it.
    pub origin: Origin,
    /// Who acted.
    pub actor: Actor,
    /// What it rests on, in the order of names, at most [`super::TRANSITION_EVIDENCE_MAX`] pieces.
    pub evidence: Vec<Evidence>,
    /// What ran, and what it was asked to do.
    pub attestation: Option<Attestation>,
    /// What the gates of the phase answered, in the order of their names.
    pub judgements: Vec<Judgement>,
    /// The number of the lease that its writer held.
    pub fence: Option<u64>,
    /// Whether a person let it pass though gates did not. It needs a reason.
    pub is_forced: bool,
    /// Why, in words; empty if there is nothing to say.
    pub reason: String,
}

impl Subject {
    /// A task of a process.
    #[must_use]
    pub fn task(process: Name, task: TaskName) -> Self {
        Self { process, task: Some(task) }
    }

    /// A process itself.
    #[must_use]
    pub fn process(process: Name) -> Self {
        Self { process, task: None }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Some(task) => write!(f, "task `{task}` of process `{}`", self.process),
            None => write!(f, "process `{}`", self.process),
        }
    }
}

impl Transition {
    /// What decides which of two transitions comes first: clock, then origin. Two of one run and one clock, which no
    /// sound run writes, are ordered by hash.
    #[must_use]
    pub fn order(&self, hash: TransitionHash) -> (Clock, Origin, TransitionHash) {
        (self.clock, self.origin.clone(), hash)
    }

    /// What a gate of its phase answered.
    #[must_use]
    pub fn judgement(&self, gate: &Name) -> Option<&Judgement> {
        self.judgements.iter().find(|judgement| judgement.gate == *gate)
    }

    /// Evidence by its name.
    #[must_use]
    pub fn evidence(&self, name: &str) -> Option<&Evidence> {
        self.evidence.iter().find(|piece| piece.name() == name)
    }
}
