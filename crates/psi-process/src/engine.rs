//! What transitions come to: where a task or a process stands.
//!
//! The rules are in one place, and both ways to decide use them. What is [decided](DecidedChain) by a majority is
//! applied step by step. What is [folded](ProvisionalChain) is a function of the set of transitions, in any order.

mod bucket;
mod decided;
mod fate;
mod provisional;
mod refusal;
mod rules;
mod snapshot;
mod specs;
mod state;
mod support;

pub use bucket::TaskBucket;
pub use decided::DecidedChain;
pub use fate::{Fate, ProposedStep, hidden_steps};
pub use provisional::{ProvisionalChain, TransitionStatus, VerdictChange};
pub use refusal::TransitionRefusal;
pub use rules::{check_policy, next_action};
pub use snapshot::SnapshotError;
pub use specs::SpecStore;
pub use state::{BUCKET_BYTES_MAX, ChainState, End, STEPS_MAX};
