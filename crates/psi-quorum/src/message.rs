//! What proposers and voters send each other.

use crate::{
    ballot::Ballot,
    decision::{Decision, Proposal, Step},
    refusal::Refusal,
    register::{Register, RegisterId, RegisterName},
};

/// A proposer to a voter. It carries the decision of the step before, so that the voter can catch up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub(crate) register: RegisterName,
    pub(crate) register_id: RegisterId,
    pub(crate) previous: Decision,
    pub(crate) call: Call,
}

/// What is asked of a voter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Accept nothing below this ballot, and say what was accepted so far.
    Prepare(Ballot),
    /// Vote for this.
    Accept(Proposal),
    /// Nothing; learn the decision that comes with it, and answer with the last one known.
    Announce,
}

/// A voter's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Response {
    pub(crate) register_id: RegisterId,
    pub(crate) step: Step,
    pub(crate) ballot: Option<Ballot>,
    pub(crate) answer: Answer,
}

/// What a voter answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It accepts nothing below the ballot any more; with what it accepted so far.
    Promise(Option<Proposal>),
    /// It accepted the proposal.
    Vote,
    /// It promised this higher ballot before.
    Nack(Ballot),
    /// The last decision that it knows.
    Decision(Decision),
    /// It helps no one but the holder of the lease for so many milliseconds.
    Hold(u64),
    /// It will not take part.
    Refusal(Refusal),
}

impl Request {
    pub(crate) fn new(register: &Register, previous: Decision, call: Call) -> Self {
        Self { register: register.name().clone(), register_id: register.id(), previous, call }
    }

    /// The name of the register that it is about.
    #[must_use]
    pub fn register(&self) -> &RegisterName {
        &self.register
    }

    /// The id of the register that it is about.
    #[must_use]
    pub fn register_id(&self) -> RegisterId {
        self.register_id
    }

    /// The decision that it carries.
    #[must_use]
    pub fn previous(&self) -> &Decision {
        &self.previous
    }

    /// The step that it is about: the one after the decision that it carries.
    #[must_use]
    pub fn step(&self) -> Step {
        self.previous.step().next()
    }

    /// What it asks for.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }

    pub(crate) fn response(&self, answer: Answer) -> Response {
        let ballot = match &self.call {
            Call::Prepare(ballot) => Some(*ballot),
            Call::Accept(proposal) => Some(proposal.ballot),
            Call::Announce => None,
        };
        Response { register_id: self.register_id, step: self.step(), ballot, answer }
    }
}

impl Response {
    /// The step of the request.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// The ballot of the request; announcements have none.
    #[must_use]
    pub fn ballot(&self) -> Option<Ballot> {
        self.ballot
    }

    /// What the voter answers.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }
}
