//! A transition: what a task or a process did, what it follows, and what it rests on. Its bytes identify it.

mod action;
mod encoding;
mod error;
mod judgements;
mod limits;
mod record;

pub use action::Action;
pub use error::TransitionError;
pub use limits::{TRANSITION_BYTES_MAX, TRANSITION_EVIDENCE_MAX};
pub use record::{Subject, Transition};
