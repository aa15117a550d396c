//! Requests for votes and responses: carried as calls between nodes, each for itself.

use psi_quorum::{Answer, Call, Decision, Envelope, Outcome, Progress, Request, Response};
use psi_security::node_key::NodePublicKey;

use super::{
    decision::to_ms,
    refresh::decided_model,
    seat::{PendingVote, RegisterRole},
    turn::{RolloutTurn, VoteMessage},
};
use crate::{report::markers::Marker, world::World};

impl World<'_> {
    /// Sends what a proposer wants sent.
    pub(super) fn send_requests(&mut self, p: usize, progress: &Progress) {
        for Envelope { to, request } in &progress.sends {
            if let Some(other) = self.process_of(*to) {
                self.transmit(p, other, VoteMessage::Request(request.encode()));
            }
        }
    }

    /// The process that votes with a key, if one runs or stands still.
    fn process_of(&self, key: NodePublicKey) -> Option<usize> {
        self.rollouts.seats.iter().rev().find(|(_, seat)| seat.key == key).map(|(p, _)| *p)
    }

    fn transmit(&mut self, from: usize, to: usize, message: VoteMessage) {
        let machines = (self.processes[from].machine, self.processes[to].machine);
        if machines.0 == machines.1 {
            return self.turn_after(1, RolloutTurn::Arrive { from, to, message });
        }
        let weather = self.network.weather(machines.0, machines.1);
        if !self.network.is_open(machines.0, machines.1) || self.dice.votes.chance(weather.loss) {
            return self.reach(Marker::VOTE_LOST);
        }
        let copies = 1 + u64::from(self.dice.votes.chance(weather.twice));
        for _ in 0..copies {
            let delay = 1 + self.dice.votes.below(weather.delay_ms + 1);
            self.turn_after(delay, RolloutTurn::Arrive { from, to, message: message.clone() });
        }
    }

    pub(super) fn take_vote_message(&mut self, from: usize, to: usize, message: VoteMessage) {
        match message {
            VoteMessage::Request(bytes) => match Request::decode(&bytes) {
                Ok(request) => self.vote(to, from, &request),
                Err(error) => self.found_wrong(format_args!("a request can't be read: {error}")),
            },
            VoteMessage::Response { voter, bytes } => match Response::decode(&bytes) {
                Ok(response) => self.take_response(to, voter, &response),
                Err(error) => self.found_wrong(format_args!("a response can't be read: {error}")),
            },
        }
    }

    /// A voter gets a request. It looks at what is proposed before it votes.
    fn vote(&mut self, p: usize, reply_to: usize, request: &Request) {
        self.refresh(p);
        if let Err(why) = self.may_vote(p, request) {
            self.reach(Marker::VOTE_REFUSED);
            return self.trace_process(p, "refusal", format_args!("does not vote: {why}"));
        }
        self.check_asked(p, request);
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        match role.voter.handle(request) {
            Outcome::Send(response) => self.respond(p, reply_to, request.call(), &response),
            Outcome::Sync(response) => {
                role.pending.push_back(PendingVote { reply_to, response });
                let sync_ms = self.dice.votes.between(1, 6);
                self.turn_after(sync_ms, RolloutTurn::Synced(p));
            }
        }
        self.observe_decisions(p);
    }

    fn may_vote(&self, p: usize, request: &Request) -> Result<(), String> {
        let Call::Accept(proposal) = request.call() else { return Ok(()) };
        let before = decided_model(request.previous())?;
        let next = psi_rollout::Model::from_bytes(proposal.value.body()).map_err(|error| error.to_string())?;
        before.check_next(&next).map_err(|refusal| refusal.to_string())?;
        // A value that another proposer recovers may have been decided.
        let is_recovered = proposal.value.proposer() != Some(proposal.ballot.proposer);
        let seat = self.rollouts.seats.get(&p).filter(|_| !is_recovered);
        seat.map_or(Ok(()), |seat| seat.rollbacks.check_vote(&next).map_err(|refusal| refusal.to_string()))
    }

    /// The oldest vote that waits for the disk is there.
    pub(super) fn sync_vote(&mut self, p: usize) {
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        let Some(PendingVote { reply_to, response }) = role.pending.pop_front() else { return };
        let record = response.record().clone();
        let response = role.voter.into_response(response);
        let machine = self.processes[p].machine;
        if let Some(store) = &mut self.machines[machine].disk.votes {
            store.record = Some(record.clone());
        }
        if let (Answer::Vote, Some(proposal)) = (response.answer(), record.accepted()) {
            self.record_vote(p, response.step().0, proposal);
        }
        self.send_response(p, reply_to, &response);
    }

    fn respond(&mut self, p: usize, reply_to: usize, call: &Call, response: &Response) {
        if let (Answer::Vote, Call::Accept(proposal)) = (response.answer(), call) {
            self.record_vote(p, response.step().0, proposal);
        }
        self.send_response(p, reply_to, response);
    }

    fn send_response(&mut self, p: usize, reply_to: usize, response: &Response) {
        let Some(voter) = self.rollouts.seats.get(&p).map(|seat| seat.key) else { return };
        self.transmit(p, reply_to, VoteMessage::Response { voter, bytes: response.encode() });
    }

    fn take_response(&mut self, p: usize, voter: NodePublicKey, response: &Response) {
        let (now, random) = (to_ms(self.now), self.dice.votes.raw());
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        let progress = role.proposer.handle(now, random, voter, response);
        self.go_on(p, &progress);
    }
}

impl World<'_> {
    /// What a process takes for decided since that was asked last.
    pub(crate) fn new_decisions(&mut self, p: usize) -> Vec<Decision> {
        let role = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut());
        role.map(RegisterRole::new_decisions).unwrap_or_default()
    }

    /// The key that a process votes with.
    pub(crate) fn voter_key(&self, p: usize) -> Option<[u8; 32]> {
        self.rollouts.seats.get(&p).map(|seat| *seat.key.as_bytes())
    }

    /// The last step that a process may propose after.
    pub(crate) fn known_step(&self, p: usize) -> Option<u64> {
        let role = self.rollouts.seats.get(&p)?.role.as_ref()?;
        Some(role.proposer.last().step().0)
    }
}
