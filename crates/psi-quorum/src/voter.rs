//! A voter of a register: the acceptor of single-decree Paxos, one step at a time.

use psi_security::node_key::NodePublicKey;

use crate::{
    ballot::Ballot,
    decision::{Decision, Proposal},
    message::{Answer, Call, Request, Response},
    refusal::Refusal,
    register::Register,
};

mod record;

pub(crate) use record::OpenStep;
pub use record::{Record, RecordError};

/// A voter of one register. It is a node key, not a node id and not a run.
///
/// Its record and its key belong together. One without its record must not vote under its key again: it makes a new
/// key, and votes once a step lists that. The same holds of a record that comes from a backup, as it may lack votes.
#[derive(Clone, Debug)]
pub struct Voter {
    record: Record,
    /// Whether the record is on the disk as it is here.
    is_synced: bool,
}

/// What a request led to.
#[derive(Debug)]
#[must_use = "a proposer waits for the response"]
pub enum Outcome {
    /// The response may be sent.
    Send(Response),
    /// A record must be on the disk before the response may be sent.
    Sync(PendingResponse),
}

/// A response that waits for its record to be on the disk. [`Voter::into_response`] gives it out.
#[derive(Debug)]
#[must_use = "a proposer waits for the response"]
pub struct PendingResponse {
    record: Box<Record>,
    response: Response,
}

impl Outcome {
    pub(crate) fn is_vote(&self) -> bool {
        let (Self::Send(response) | Self::Sync(PendingResponse { response, .. })) = self;
        response.answer == Answer::Vote
    }
}

impl PendingResponse {
    /// What must be on the disk.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }
}

impl Voter {
    /// A voter that never voted in this register under its key.
    #[must_use]
    pub fn new(key: NodePublicKey, register: &Register) -> Self {
        Self { record: Record::new(key, register), is_synced: false }
    }

    /// The voter that synced this record last.
    ///
    /// # Errors
    /// The record is of another voter or register.
    pub fn restore(key: NodePublicKey, register: &Register, record: Record) -> Result<Self, RecordError> {
        record.check(key, register)?;
        Ok(Self { record, is_synced: true })
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> NodePublicKey {
        self.record.voter
    }

    /// The last decision that it knows.
    #[must_use]
    pub fn last(&self) -> &Decision {
        &self.record.last
    }

    /// What it accepted in the step after [`Voter::last`].
    #[must_use]
    pub fn accepted(&self) -> Option<&Proposal> {
        self.record.open.accepted.as_ref()
    }

    /// The last decision as what proposers and other voters learn from, above all the proposer of the same node.
    #[must_use]
    pub fn announcement(&self) -> Request {
        let Record { register, register_id, last, .. } = &self.record;
        let (register, register_id, previous) = (register.clone(), *register_id, last.clone());
        Request { register, register_id, previous, call: Call::Announce }
    }

    /// Its record as it is here. [`Outcome::Sync`] says when it must be synced; at other times it may be.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Answers a request.
    pub fn handle(&mut self, request: &Request) -> Outcome {
        let answer = self.answer(request).unwrap_or_else(Answer::Refusal);
        let response = request.response(answer);
        // Whatever else is answered is true even if the disk forgets it.
        let rests_on_record = matches!(response.answer, Answer::Promise(_) | Answer::Vote);
        if rests_on_record && !self.is_synced {
            Outcome::Sync(PendingResponse { record: Box::new(self.record.clone()), response })
        } else {
            Outcome::Send(response)
        }
    }

    /// The response, now that the record of it is on the disk: written, and synced.
    ///
    /// If it could not be synced, drop it. The next promise or vote asks for the record again.
    pub fn into_response(&mut self, pending: PendingResponse) -> Response {
        self.is_synced = self.is_synced || self.record == *pending.record;
        pending.response
    }

    /// Learns a decision. Returns whether it was new.
    ///
    /// # Errors
    /// Another decision of that step is known.
    pub fn learn(&mut self, decision: &Decision) -> Result<bool, Refusal> {
        let last = &mut self.record.last;
        if decision.step() == last.step() && decision != last {
            return Err(Refusal::TwoDecisions(last.step()));
        }
        let is_new = decision.step() > last.step();
        if is_new {
            *last = decision.clone();
            self.record.open = OpenStep::default();
            self.is_synced = false;
        }
        Ok(is_new)
    }

    fn answer(&mut self, request: &Request) -> Result<Answer, Refusal> {
        let own = self.record.register_id;
        if request.register_id != own {
            return Err(Refusal::OtherGenesis { own, asked: request.register_id });
        }
        self.learn(&request.previous)?;
        if self.record.last.step() >= request.step() {
            return Ok(Answer::Decision(self.record.last.clone()));
        }
        // From here on the request is about the open step: the one after the last decision, which it carried.
        let is_listed = self.record.last.value().voters().contains(&self.record.voter);
        match &request.call {
            Call::Announce => Ok(Answer::Decision(self.record.last.clone())),
            _ if !is_listed => Err(Refusal::NotListed(request.step())),
            Call::Prepare(ballot) => Ok(self.promise(*ballot)),
            Call::Accept(proposal) => self.accept(proposal),
        }
    }

    fn promise(&mut self, ballot: Ballot) -> Answer {
        match self.record.open.promised {
            Some(promised) if promised > ballot => return Answer::Nack(promised),
            Some(promised) if promised == ballot => {}
            _ => {
                self.record.open.promised = Some(ballot);
                self.is_synced = false;
            }
        }
        Answer::Promise(self.record.open.accepted.clone())
    }

    fn accept(&mut self, proposal: &Proposal) -> Result<Answer, Refusal> {
        let (ballot, step) = (proposal.ballot, self.record.last.step().next());
        if ballot.number == 0 && self.record.last.value().proposer() != Some(ballot.proposer) {
            return Err(Refusal::ForeignBallot { step, ballot });
        }
        let open = &mut self.record.open;
        match (open.promised, &open.accepted) {
            (Some(promised), _) if promised > ballot => return Ok(Answer::Nack(promised)),
            (_, Some(accepted)) if accepted.ballot == ballot => {
                let is_same = accepted.value == proposal.value;
                return if is_same { Ok(Answer::Vote) } else { Err(Refusal::BallotReuse { step, ballot }) };
            }
            _ => {}
        }
        open.promised = Some(ballot);
        open.accepted = Some(proposal.clone());
        self.is_synced = false;
        Ok(Answer::Vote)
    }
}
