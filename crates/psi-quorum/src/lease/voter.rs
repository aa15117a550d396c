//! A voter of a lease: it waits before it helps anyone but the holder.

use psi_security::node_key::NodePublicKey;

use super::value::LeaseValue;
use crate::{
    boot_time::BootTime,
    decision::Decision,
    message::{Answer, Call, Request, Response},
    refusal::Refusal,
    register::Register,
    voter::{Outcome, PendingResponse, Record, RecordError, Voter},
};

/// A [`Voter`] of a register that holds leases.
///
/// One that voted for the holder's step helps no one else for the lease's duration and 1 %, counted from its vote.
/// After a restart it counts from its start, as it knows no more when it voted. Where a step changed the voters, one
/// that did not vote counts from when it learned the decision. A release ends the wait. All voters of
/// a lease must be of this type: a plain [`Voter`] does not wait.
#[derive(Clone, Debug)]
pub struct LeaseVoter {
    voter: Voter,
    /// The last vote in the open step, or the start.
    voted_at: BootTime,
    /// From when the lease of the last decision is counted. `None` if others guard it: a majority voted for it, and
    /// each majority of the same voters shares one with that.
    guards_from: Option<BootTime>,
}

impl LeaseVoter {
    /// A voter that never voted in this register under its key, as [`Voter::new`]. It starts now.
    #[must_use]
    pub fn new(key: NodePublicKey, register: &Register, now: BootTime) -> Self {
        Self { voter: Voter::new(key, register), voted_at: now, guards_from: Some(now) }
    }

    /// The voter that synced this record last, as [`Voter::restore`]. It starts now.
    ///
    /// # Errors
    /// The record is of another voter or register.
    pub fn restore(
        key: NodePublicKey,
        register: &Register,
        record: Record,
        now: BootTime,
    ) -> Result<Self, RecordError> {
        Ok(Self { voter: Voter::restore(key, register, record)?, voted_at: now, guards_from: Some(now) })
    }

    /// Its key, record and last decision.
    #[must_use]
    pub fn voter(&self) -> &Voter {
        &self.voter
    }

    /// Answers a request.
    pub fn handle(&mut self, now: BootTime, request: &Request) -> Outcome {
        match self.check(now, request) {
            Ok(0) => {}
            Ok(left_ms) => return Outcome::Send(request.response(Answer::Hold(left_ms))),
            Err(refusal) => return Outcome::Send(request.response(Answer::Refusal(refusal))),
        }
        let outcome = self.voter.handle(request);
        if outcome.is_vote() {
            self.voted_at = now;
        }
        outcome
    }

    /// The response, now that the record of it is on the disk, as [`Voter::into_response`].
    pub fn into_response(&mut self, pending: PendingResponse) -> Response {
        self.voter.into_response(pending)
    }

    /// Learns what the request carries. Then: for how many milliseconds it must not be helped.
    fn check(&mut self, now: BootTime, request: &Request) -> Result<u64, Refusal> {
        let (own, asked) = (self.voter.record().register_id, request.register_id());
        if asked != own {
            return Err(Refusal::OtherGenesis { own, asked });
        }
        self.learn(now, request.previous())?;
        let last = self.voter.last();
        if request.step() != last.step().next() {
            return Ok(0);
        }
        let is_of_holder = match request.call() {
            Call::Announce => true,
            // The same run may have another client, which is seen when it asks for the vote.
            Call::Prepare(ballot) => last.value().proposer() == Some(ballot.proposer),
            Call::Accept(proposal) => {
                let lease = LeaseValue::of(&proposal.value).ok_or(Refusal::NoLease(request.step()))?;
                LeaseValue::holder_by(last) == Some(lease.holder)
            }
        };
        Ok(if is_of_holder { 0 } else { self.left_ms(now) })
    }

    /// For how many milliseconds the holder of the last decision is guarded.
    fn left_ms(&self, now: BootTime) -> u64 {
        let lease = LeaseValue::of(self.voter.last().value()).filter(|lease| !lease.is_released);
        let end = self.guards_from.zip(lease).map(|(from, lease)| lease.duration.guarded_end(from));
        end.map_or(0, |end| now.ms_until(end))
    }

    fn learn(&mut self, now: BootTime, decision: &Decision) -> Result<(), Refusal> {
        let last = self.voter.last();
        let is_next = decision.step() == last.step().next();
        let has_same_voters = is_next && last.value().voters() == decision.value().voters();
        let has_voted = is_next && self.voter.accepted().is_some_and(|vote| vote.value == *decision.value());
        if self.voter.learn(decision)? {
            self.guards_from = match (has_voted, has_same_voters) {
                (true, _) => Some(self.voted_at),
                (false, true) => None,
                (false, false) => Some(now),
            };
        }
        Ok(())
    }
}
