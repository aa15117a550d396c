//! A proposer: what a run of a node does so that a step of a register is decided.

use psi_security::node_key::NodePublicKey;

use crate::{
    ballot::{Ballot, ProposerId},
    boot_time::BootTime,
    decision::{BodyLengthError, Decision, Proposal, Step, Value},
    message::{Answer, Call, Request, Response},
    refusal::Refusal,
    register::Register,
    voters::VoterSet,
};

mod attempt;
mod progress;
mod retry;

use attempt::{Attempt, Phase};
pub use progress::{Envelope, Progress, Verdict};
pub use retry::RetryPolicy;

/// The proposer of a run in one register. It proposes once at a time, for all clients of its node.
///
/// A run has one per register and keeps it for as long as it lives. It remembers which ballots the run has used;
/// a second one, or another in its place, would use them twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposer {
    id: ProposerId,
    register: Register,
    retry: RetryPolicy,
    last: Decision,
    open: OpenBallots,
    attempt: Option<Attempt>,
}

/// What is known of the ballots of the step after the last decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct OpenBallots {
    /// The highest number that was used here or seen elsewhere.
    number: Option<u64>,
    /// When a proposal of this run was first sent to voters.
    first_sent: Option<BootTime>,
}

/// Why nothing was proposed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// Another proposal of this node is on its way.
    #[error("this node proposes in step {0} already; wait for its verdict")]
    Busy(Step),
    /// The body is too long.
    #[error(transparent)]
    Body(#[from] BodyLengthError),
}

impl Proposer {
    /// The proposer of a run, which knows no more than the genesis.
    #[must_use]
    pub fn new(id: ProposerId, register: Register, retry: RetryPolicy) -> Self {
        let last = register.genesis().clone();
        Self { id, register, retry, last, open: OpenBallots::default(), attempt: None }
    }

    /// Who proposes.
    #[must_use]
    pub fn id(&self) -> ProposerId {
        self.id
    }

    /// The last decision that it knows. There may be later ones.
    #[must_use]
    pub fn last(&self) -> &Decision {
        &self.last
    }

    /// Whether a proposal is on its way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.attempt.is_some()
    }

    /// When [`Proposer::tick`] is to be called next.
    #[must_use]
    pub fn wake_at(&self) -> Option<BootTime> {
        self.attempt.as_ref().map(|attempt| attempt.deadline)
    }

    /// The last decision as a request to voters, and as what other proposers [learn](Proposer::learn) from.
    #[must_use]
    pub fn announcement(&self) -> Request {
        Request::new(&self.register, self.last.clone(), Call::Announce)
    }

    /// Proposes a value for the step after the last decision, and the voters of the step after that.
    ///
    /// # Errors
    /// A proposal is on its way already, or the body is too long.
    pub fn propose(&mut self, now: BootTime, voters: VoterSet, body: Vec<u8>) -> Result<Progress, ProposeError> {
        if self.is_busy() {
            return Err(ProposeError::Busy(self.step()));
        }
        let value = Value::new(self.id, voters, body)?;
        Ok(self.start_ballot(now, value, 0))
    }

    /// Gives up. The value may be decided all the same, now or later.
    pub fn withdraw(&mut self) {
        self.attempt = None;
    }

    /// Takes a decision from elsewhere, as another proposer [announces](Proposer::announcement) it.
    ///
    /// # Errors
    /// It is of another register, or another decision of that step is known.
    pub fn learn(&mut self, announcement: &Request) -> Result<Progress, Refusal> {
        let (own, asked) = (self.register.id(), announcement.register_id);
        if asked != own {
            return Err(Refusal::OtherGenesis { own, asked });
        }
        self.advance(announcement.previous())
    }

    /// Takes a voter's response. `from` is the key that the connection proved, and `random` any number.
    pub fn handle(&mut self, now: BootTime, random: u64, from: NodePublicKey, response: &Response) -> Progress {
        if response.register_id != self.register.id() {
            return Progress::default();
        }
        if let Answer::Decision(decision) = &response.answer {
            return self.advance(decision).unwrap_or_else(|refusal| self.give_up(refusal));
        }
        let step = self.step();
        let voters = self.last.value().voters();
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| {
            response.step == step && response.ballot == Some(attempt.ballot) && voters.contains(&from)
        }) else {
            return Progress::default();
        };
        match (&response.answer, &mut attempt.phase) {
            (Answer::Promise(accepted), Phase::Prepare(promises)) => {
                promises.insert(from, accepted.clone());
                if promises.len() >= voters.majority() { self.start_accept(now) } else { Progress::default() }
            }
            (Answer::Vote, Phase::Accept { votes, value }) => {
                votes.insert(from);
                if votes.len() < voters.majority() {
                    return Progress::default();
                }
                let decision = Decision::new(step, value.clone());
                self.announce_decision(&decision)
            }
            (Answer::Nack(promised), _) => {
                attempt.schedule_retry(now, self.retry.backoff_ms(attempt.tries, random));
                self.open.number = self.open.number.max(Some(promised.number));
                Progress::default()
            }
            (Answer::Hold(left_ms), _) => {
                attempt.holds.insert(from, *left_ms);
                let is_blocked = voters.is_blocked_by(attempt.holds.len());
                if is_blocked { self.give_way() } else { Progress::default() }
            }
            (Answer::Refusal(refusal), _) => {
                attempt.refusals.insert(from, refusal.clone());
                let is_blocked = voters.is_blocked_by(attempt.refusals.len());
                if is_blocked { self.give_up(refusal.clone()) } else { Progress::default() }
            }
            _ => Progress::default(),
        }
    }

    /// Sends again what is not answered, or tries a higher ballot, once [`Proposer::wake_at`] has come.
    pub fn tick(&mut self, now: BootTime) -> Progress {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.deadline <= now) else {
            return Progress::default();
        };
        if !attempt.holds.is_empty() {
            return self.give_way();
        }
        if attempt.retries {
            let (value, tries) = (attempt.value.clone(), attempt.tries.saturating_add(1));
            return self.start_ballot(now, value, tries);
        }
        attempt.deadline = now.plus_ms(self.retry.resend_ms);
        self.send_calls()
    }

    /// The open step.
    fn step(&self) -> Step {
        self.last.step().next()
    }

    fn start_ballot(&mut self, now: BootTime, value: Value, tries: u32) -> Progress {
        let owns_ballot_0 = self.last.value().proposer() == Some(self.id);
        let number = match self.open.number {
            None if owns_ballot_0 => 0,
            number => number.unwrap_or(0).saturating_add(1),
        };
        self.open.number = Some(number);
        let ballot = Ballot { number, proposer: self.id };
        let deadline = now.plus_ms(self.retry.resend_ms);
        self.attempt = Some(Attempt::new(value, ballot, tries, deadline));
        // Nothing can have been accepted under a lower ballot than 0, so it needs no promises.
        if number == 0 { self.start_accept(now) } else { self.send_calls() }
    }

    /// Asks for votes: for what was accepted under the highest ballot, or else for its own value.
    fn start_accept(&mut self, now: BootTime) -> Progress {
        let Some(attempt) = self.attempt.as_mut() else { return Progress::default() };
        let value = attempt.value_to_accept();
        if value.proposer() == Some(self.id) {
            self.open.first_sent.get_or_insert(now);
        }
        attempt.start_accept(value, now.plus_ms(self.retry.resend_ms));
        self.send_calls()
    }

    /// What the voters are asked that have not answered yet.
    fn send_calls(&self) -> Progress {
        let Some(attempt) = &self.attempt else { return Progress::default() };
        let call = match &attempt.phase {
            Phase::Prepare(_) => Call::Prepare(attempt.ballot),
            Phase::Accept { value, .. } => Call::Accept(Proposal { ballot: attempt.ballot, value: value.clone() }),
        };
        let request = Request::new(&self.register, self.last.clone(), call);
        let missing = self.last.value().voters().keys().iter().filter(|key| !attempt.has_answer(key));
        Progress::sending(missing.map(|key| Envelope { to: *key, request: request.clone() }).collect())
    }

    /// The step is decided by votes that arrived here. Its voters, and those of the next step, are to learn it.
    fn announce_decision(&mut self, decision: &Decision) -> Progress {
        let mut keys = [self.last.value().voters().keys(), decision.value().voters().keys()].concat();
        keys.sort_unstable();
        keys.dedup();
        let mut progress = self.advance(decision).unwrap_or_else(|refusal| self.give_up(refusal));
        let request = self.announcement();
        progress.sends = keys.into_iter().map(|to| Envelope { to, request: request.clone() }).collect();
        progress
    }

    /// Learns a decision, which may end the attempt.
    fn advance(&mut self, decision: &Decision) -> Result<Progress, Refusal> {
        if decision.step() == self.last.step() && *decision != self.last {
            return Err(Refusal::TwoDecisions(decision.step()));
        }
        if decision.step() <= self.last.step() {
            return Ok(Progress::default());
        }
        let is_next = decision.step() == self.step();
        let first_sent = self.open.first_sent;
        self.last = decision.clone();
        self.open = OpenBallots::default();
        Ok(Progress::ending(self.attempt.take().map(|attempt| match is_next {
            true => {
                let is_ours = attempt.value == *decision.value();
                Verdict::Decided { decision: decision.clone(), is_ours, first_sent }
            }
            false => Verdict::Overtaken(decision.clone()),
        })))
    }

    fn give_way(&mut self) -> Progress {
        let voters = self.last.value().voters();
        Progress::ending(self.attempt.take().map(|attempt| Verdict::Held { left_ms: attempt.left_ms(voters) }))
    }

    fn give_up(&mut self, refusal: Refusal) -> Progress {
        self.attempt = None;
        Progress::ending(Some(Verdict::Refused(refusal)))
    }
}
