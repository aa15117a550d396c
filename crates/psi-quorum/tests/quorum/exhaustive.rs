//! All states that three voters and a few proposers can reach in one step, whatever the network does.
//!
//! What was sent stays in the network for good, and any of it may arrive at any time, again and again, or never. That
//! covers loss, doubling, delay and reordering, and a process that stops: nothing arrives there any more. A voter that
//! restarts has what it synced before it answered, which is the state that is kept here. The code of the crate makes
//! every transition; each is worked out once and looked up after that.

use std::collections::{BTreeMap, BTreeSet};

use psi_quorum::{
    Answer, Ballot, Call, Progress, Proposer, ProposerId, Record, Register, Request, Response, Step, Verdict, Voter,
};

use crate::support::{RETRY, START, Voters, answer, key, proposer_id, register};

/// A state, by numbers of what [`Model`] keeps.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    voters: [u16; 3],
    proposers: Vec<u16>,
    /// Requests that were sent, one bit each.
    requests: u64,
    /// Responses that were sent, one bit each.
    responses: u128,
}

/// Things by number.
struct Numbers<T> {
    things: Vec<T>,
    numbers: BTreeMap<Vec<u8>, u16>,
}

impl<T> Numbers<T> {
    fn new() -> Self {
        Self { things: Vec::new(), numbers: BTreeMap::new() }
    }

    fn number(&mut self, name: Vec<u8>, thing: T) -> u16 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.things.push(thing);
            u16::try_from(self.things.len() - 1).unwrap()
        })
    }

    fn get(&self, number: u16) -> &T {
        &self.things[usize::from(number)]
    }
}

/// What is known of the code so far.
struct Model {
    register: Register,
    ballot_max: u64,
    voters: Numbers<Record>,
    proposers: Numbers<Proposer>,
    requests: Numbers<Request>,
    /// With the voter that sent it.
    responses: Numbers<(usize, Response)>,
    /// Voter, its state and a request: the next state, and the response.
    votes: BTreeMap<(usize, u16, u16), (u16, u16)>,
    /// A proposer's state and a response: the next state, and requests.
    advances: BTreeMap<(u16, u16), (u16, u64)>,
    /// Values that proposers took for decided.
    decided: BTreeSet<Vec<u8>>,
}

impl Model {
    fn new(register: Register, ballot_max: u64) -> Self {
        Self {
            register,
            ballot_max,
            voters: Numbers::new(),
            proposers: Numbers::new(),
            requests: Numbers::new(),
            responses: Numbers::new(),
            votes: BTreeMap::new(),
            advances: BTreeMap::new(),
            decided: BTreeSet::new(),
        }
    }

    fn voter(&mut self, voter: &Voter) -> u16 {
        self.voters.number(voter.record().encode(), voter.record().clone())
    }

    fn proposer(&mut self, proposer: Proposer) -> u16 {
        self.proposers.number(format!("{proposer:?}").into_bytes(), proposer)
    }

    /// The requests that a proposer sends. All voters may get each.
    fn send(&mut self, progress: &Progress) -> u64 {
        let mut bits = 0;
        for envelope in &progress.sends {
            let number = self.requests.number(envelope.request.encode(), envelope.request.clone());
            bits |= 1u64.checked_shl(u32::from(number)).unwrap();
        }
        if let Some(Verdict::Decided { decision, .. }) = &progress.verdict {
            self.decided.insert(decision.value().body().to_vec());
        }
        bits
    }

    fn deliver_request(&mut self, at: usize, state: u16, request: u16) -> (u16, u16) {
        if let Some(known) = self.votes.get(&(at, state, request)) {
            return *known;
        }
        let mut voter = Voter::restore(key(at as u64 + 1), &self.register, self.voters.get(state).clone()).unwrap();
        let response = answer(&mut voter, self.requests.get(request));
        let name = [response.encode(), vec![u8::try_from(at).unwrap()]].concat();
        let next = (self.voter(&voter), self.responses.number(name, (at, response)));
        self.votes.insert((at, state, request), next);
        next
    }

    fn deliver_response(&mut self, state: u16, response: u16) -> (u16, u64) {
        if let Some(known) = self.advances.get(&(state, response)) {
            return *known;
        }
        let mut proposer = self.proposers.get(state).clone();
        let (at, message) = self.responses.get(response).clone();
        let mut progress = proposer.handle(START, 0, key(at as u64 + 1), &message);
        // A nack leads to a higher ballot after a while, unless the model ends there.
        if let (Answer::Nack(ballot), Some(wake_at)) = (message.answer(), proposer.wake_at()) {
            if proposer.wake_at() != self.proposers.get(state).wake_at() && ballot.number < self.ballot_max {
                progress = proposer.tick(wake_at);
            } else {
                proposer = self.proposers.get(state).clone();
            }
        }
        let sent = self.send(&progress);
        let next = (self.proposer(proposer), sent);
        self.advances.insert((state, response), next);
        next
    }

    /// The states that one delivery leads to.
    fn successors(&mut self, state: &State, network: Network) -> Vec<State> {
        let mut next = Vec::new();
        for request in (0..64).filter(|bit| state.requests >> bit & 1 == 1) {
            for at in 0..3 {
                let (voter, response) = self.deliver_request(at, state.voters[at], request);
                let mut after = state.clone();
                after.voters[at] = voter;
                if network == Network::Late || self.is_vote(response) {
                    after.responses |= 1u128.checked_shl(u32::from(response)).unwrap();
                }
                if network == Network::Prompt {
                    next.extend(self.after_response(&after, response));
                }
                next.push(after);
            }
        }
        if network == Network::Late {
            for response in (0..128).filter(|bit| state.responses >> bit & 1 == 1) {
                next.extend(self.after_response(state, response));
            }
        }
        next.retain(|after| after != state);
        next
    }

    /// The states in which one proposer has taken a response.
    fn after_response(&mut self, state: &State, response: u16) -> Vec<State> {
        let mut next = Vec::new();
        for at in 0..state.proposers.len() {
            let (proposer, requests) = self.deliver_response(state.proposers[at], response);
            if proposer != state.proposers[at] || requests & !state.requests != 0 {
                let mut after = state.clone();
                after.proposers[at] = proposer;
                after.requests |= requests;
                next.push(after);
            }
        }
        next
    }

    fn is_vote(&self, response: u16) -> bool {
        let (_, message) = self.responses.get(response);
        (message.step(), message.answer()) == (Step(2), &Answer::Vote)
    }

    /// The values for which a majority voted under one ballot in step 2.
    fn chosen(&self, state: &State) -> BTreeSet<Vec<u8>> {
        let mut votes: BTreeMap<Ballot, BTreeSet<usize>> = BTreeMap::new();
        for response in (0..128).filter(|bit| state.responses >> bit & 1 == 1 && self.is_vote(*bit)) {
            let (at, message) = self.responses.get(response);
            votes.entry(message.ballot().unwrap()).or_default().insert(*at);
        }
        votes.retain(|_, voters| voters.len() >= 2);
        let accepts = (0..64).filter(|bit| state.requests >> bit & 1 == 1).map(|number| self.requests.get(number));
        let values = accepts.filter_map(|request| match request.call() {
            Call::Accept(proposal) if votes.contains_key(&proposal.ballot) => Some(proposal.value.body().to_vec()),
            _ => None,
        });
        values.collect()
    }
}

/// When responses arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    /// At any time, again and again, or never.
    Late,
    /// At once or never. A later one changes nothing but when the proposer goes on, and what it sends may wait anyway.
    Prompt,
}

/// Explores all states in which these proposers each propose a value of their own for step 2, of which the first one
/// holds step 1. Returns how many states there are, and how many values were decided in some of them.
fn explore(proposers: &[ProposerId], knowing: usize, ballot_max: u64, network: Network) -> (usize, usize) {
    let register = register(&[1, 2, 3]);
    let mut voters = Voters::new(&register, &[1, 2, 3]);
    let mut holder = Proposer::new(proposers[0], register.clone(), RETRY);
    decide_first_step(&mut holder, &mut voters, knowing);
    let mut model = Model::new(register.clone(), ballot_max);
    let mut state = State { voters: [0; 3], proposers: Vec::new(), requests: 0, responses: 0 };
    for at in 0..3 {
        state.voters[at] = model.voter(&voters.0[at]);
    }
    for (at, id) in proposers.iter().enumerate() {
        let mut proposer = if at == 0 { holder.clone() } else { Proposer::new(*id, register.clone(), RETRY) };
        let _ = proposer.learn(&holder.announcement()).unwrap();
        let voters = register.genesis().value().voters().clone();
        let progress = proposer.propose(START, voters, format!("value {at}").into_bytes()).unwrap();
        state.requests |= model.send(&progress);
        state.proposers.push(model.proposer(proposer));
    }
    let (mut seen, mut open) = (BTreeSet::from([state.clone()]), vec![state]);
    while let Some(state) = open.pop() {
        for after in model.successors(&state, network) {
            if seen.insert(after.clone()) {
                let chosen = if after.responses == state.responses { BTreeSet::new() } else { model.chosen(&after) };
                assert!(chosen.len() <= 1, "two decisions of one step: {chosen:?}");
                open.push(after);
            }
        }
    }
    (seen.len(), model.decided.len())
}

/// The first proposer decides step 1, and so many voters learn that.
fn decide_first_step(holder: &mut Proposer, voters: &mut Voters, knowing: usize) {
    let all = holder.last().value().voters().clone();
    let mut sends = holder.propose(START, all, b"first".to_vec()).unwrap().sends;
    while holder.is_busy() {
        for envelope in std::mem::take(&mut sends) {
            let (from, response) = voters.answer(&envelope).unwrap();
            sends.extend(holder.handle(START, 0, from, &response).sends);
        }
    }
    for voter in &mut voters.0[..knowing] {
        let _ = answer(voter, &holder.announcement());
    }
}

fn check(proposers: &[ProposerId], knowing: usize, ballot_max: u64, network: Network) {
    let (states, decided) = explore(proposers, knowing, ballot_max, network);
    println!("{} proposers, {network:?}: {states} states", proposers.len());
    assert_eq!(decided, proposers.len(), "each value is decided in some history");
    assert!(states > 10_000);
}

/// Ballot 0, and one ballot each of another node and of the holder's next run.
#[test]
fn no_order_of_three_ballots_decides_a_step_twice() {
    let restarted = ProposerId { run: 2, ..proposer_id(1) };
    check(&[proposer_id(1), proposer_id(2), restarted], 3, 1, Network::Prompt);
}

/// Ballot 0, and retries of both after nacks, while most voters don't know that the step before is decided.
#[test]
fn no_order_of_retries_decides_a_step_twice() {
    check(&[proposer_id(1), proposer_id(2)], 1, 2, Network::Prompt);
}

#[test]
#[ignore = "3.6 million states, half a minute"]
fn no_late_response_decides_a_step_twice() {
    check(&[proposer_id(1), proposer_id(2)], 1, 1, Network::Late);
}
