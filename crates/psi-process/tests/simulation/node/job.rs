//! What clients want of a node, and what it does of that.

use std::rc::Rc;

use psi_process::{ChainState, DecidedChain, Transition, TransitionHash};

use super::body::Body;

/// What a client wants to have decided.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) number: u64,
    pub(crate) register: usize,
    /// The clock is that of the moment in which it is proposed.
    pub(crate) transition: Transition,
    /// Where the process stood when the client looked, if it is about a task.
    pub(crate) policy: Option<ChainState>,
    /// Whether what is proposed is made up instead.
    pub(crate) is_forged: bool,
}

/// A transition that is proposed.
pub(crate) struct Job {
    pub(crate) draft: Draft,
    pub(crate) head: TransitionHash,
    pub(crate) transition: Rc<Transition>,
    /// Where it leads, once it is decided.
    pub(crate) led_to: DecidedChain,
    /// What its register held when it was proposed, after which step.
    pub(crate) before: Body,
    pub(crate) before_step: u64,
}
