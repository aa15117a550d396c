//! What a field of the engine that learns must have learned, as far as it can be counted: time, updates, and how many
//! vectors there are in each memory. Leaves out the vectors themselves: for these replicas are held against each other.

pub mod episodic;
pub mod latents;
pub mod tally;
pub mod transitions;
pub mod working;

use num_traits::ToPrimitive;

use super::interventions::CountedEvents;
use crate::oracle::{known::Knowledge, words::OracleSpec};

/// Whether a step corrects the transition, by what its origin knows: there is one before it to learn from, and no
/// nigredo since.
fn corrects(known: &Knowledge<'_>) -> bool {
    let dissolved = CountedEvents::of(known).dissolved();
    known.learning_spec().is_some() && known.steps().any(|step| step.is_after(dissolved.as_ref()))
}

/// Latents that are retained, the previous one at least.
fn retention(spec: &OracleSpec) -> usize {
    whole((spec.parameter("W_r") / spec.parameter("dt")).round_ties_even()).max(1)
}

/// Vectors that fit into working memory.
fn capacity(spec: &OracleSpec) -> usize {
    whole(spec.parameter("C_w"))
}

fn whole(number: f64) -> usize {
    number.to_usize().unwrap_or(0)
}
