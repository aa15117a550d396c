//! What votes for a model may lead to, and what nodes must show of its rollouts.
//!
//! It is told what voters answer, what is taken for decided, which rollbacks nodes hold and what they show. Models are
//! read from their bytes by definitions of its own. Left out: the arithmetic of gates. Of a version of which nine steps
//! of ten are slow it knows that no gate may let it pass.

mod chain;
mod message;
mod model;
mod proposal;
mod rules;
mod shown;

pub(crate) use self::{
    chain::{DecisionChain, PlainValue},
    model::{PlainCommand, PlainEvent, PlainModel, PlainStatus},
    proposal::{HeardMember, check_proposal, check_vote, step_of},
    shown::{SeenRollback, ShownBook, ShownModel, ShownRollout},
};

#[cfg(test)]
mod tests;
