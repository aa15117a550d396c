//! How a node has a transition decided, and what it tells its client.

use std::rc::Rc;

use psi_process::{
    DecidedChain, Transition, TransitionHash, TransitionRefusal,
    engine::{Fate, ProposedStep, check_policy, hidden_steps},
};
use psi_quorum::Verdict;
use psi_replica::Clock;

use super::{
    body::Body,
    job::{Draft, Job},
};
use crate::{oracle::Answer, plan::Mutation, world::World};

impl World {
    /// One transition of a register at a time; others wait.
    pub(crate) fn decide(&mut self, machine: usize, draft: Draft) {
        let Some(seat) = self.seat(machine, draft.register) else { return };
        if seat.job.is_some() {
            seat.queue.push_back(draft);
        } else {
            self.begin(machine, draft);
        }
    }

    fn begin(&mut self, machine: usize, mut draft: Draft) {
        let register = draft.register;
        self.learn(machine, register);
        let counter = u32::try_from(draft.number).unwrap();
        draft.transition.clock = Clock { wall_ms: self.wall_ms(machine), counter };
        if draft.is_forged {
            return self.begin_forged(machine, draft);
        }
        let Some(before) = self.body(machine, register) else { return self.answer(machine, &draft, Answer::Unknown) };
        let policy = draft.policy.as_ref().map_or(Ok(()), |policy| check_policy(policy, &draft.transition));
        let checked = policy.and_then(|()| before.follow(&draft.transition));
        match checked {
            Err(refusal) => self.deny(machine, &draft, None, &refusal),
            Ok(next) => {
                let transition = Rc::new(draft.transition.clone());
                let head = self.write(machine, &transition);
                let led_to = next.chain(&transition.subject, transition.clock.wall_ms);
                self.propose(machine, Job { draft, head, transition, led_to, before, before_step: 0 });
            }
        }
    }

    /// What is proposed does not follow, and its client gets no answer that counts.
    fn begin_forged(&mut self, machine: usize, draft: Draft) {
        let register = draft.register;
        let before = self.body(machine, register);
        let forged = before.and_then(|before| Some((self.forge(&before, &draft.transition)?, before)));
        let Some(((transitions, body), before)) = forged else { return self.answer(machine, &draft, Answer::Unknown) };
        self.mark("a broken machine proposes what does not follow");
        for transition in transitions {
            self.write(machine, &Rc::new(transition));
        }
        let (transition, subject) = (Rc::new(draft.transition.clone()), draft.transition.subject.clone());
        let head = transition.hash().unwrap();
        self.propose_body(
            machine,
            Job { draft, head, transition, led_to: DecidedChain::new(subject), before, before_step: 0 },
            body,
        );
    }

    /// A transition is on the disk before it is proposed, so that voters can fetch it.
    fn write(&mut self, machine: usize, transition: &Rc<Transition>) -> TransitionHash {
        let head = transition.hash().unwrap();
        self.machines[machine].documents.insert(head, transition.clone());
        self.oracle.written(head, transition);
        head
    }

    fn propose(&mut self, machine: usize, mut job: Job) {
        let Some(before) = self.body(machine, job.draft.register) else {
            return self.answer(machine, &job.draft, Answer::Unknown);
        };
        match before.follow(&job.transition) {
            Err(refusal) => self.deny(machine, &job.draft, Some(job.head), &refusal),
            Ok(next) => {
                job.led_to = next.chain(&job.transition.subject, job.transition.clock.wall_ms);
                job.before = before;
                job.before_step =
                    self.seat(machine, job.draft.register).map_or(0, |seat| seat.proposer.last().step().0);
                self.propose_body(machine, job, next.to_bytes());
            }
        }
    }

    fn propose_body(&mut self, machine: usize, job: Job, body: Vec<u8>) {
        let (now, register, number) = (self.boot_time(), job.draft.register, job.draft.number);
        let Some(seat) = self.seat(machine, register) else { return };
        seat.job = Some(job);
        seat.proposer.withdraw();
        let voters = seat.proposer.last().value().voters().clone();
        match seat.proposer.propose(now, voters, body) {
            Ok(progress) => self.go_on(machine, register, progress),
            // Forged, and longer than any register holds.
            Err(_) => self.give_up(machine, register, number),
        }
    }

    /// A proposal came to an end.
    pub(crate) fn settle(&mut self, machine: usize, register: usize, verdict: Verdict) {
        let Some(job) = self.seat(machine, register).and_then(|seat| seat.job.take()) else { return };
        if job.draft.is_forged {
            return self.answer(machine, &job.draft, Answer::Unknown);
        }
        let is_usurped = self.plan.mutation == Some(Mutation::Usurpation);
        match verdict {
            Verdict::Decided { is_ours, .. } if is_ours || is_usurped => self.confirm(machine, &job),
            Verdict::Decided { .. } | Verdict::Held { .. } => self.look_again(machine, job, true),
            Verdict::Overtaken(_) => self.look_again(machine, job, false),
            Verdict::Refused(refusal) => {
                self.oracle.breach(format!("machine {machine}: {refusal}"));
                self.answer(machine, &job.draft, Answer::Unknown);
            }
        }
    }

    /// Another value took the step, or the register went on further. `is_rejected`: the own value did not take it.
    fn look_again(&mut self, machine: usize, mut job: Job, is_rejected: bool) {
        let register = job.draft.register;
        self.learn(machine, register);
        let Some(body) = self.body(machine, register) else {
            return self.answer(machine, &job.draft, Answer::Unknown);
        };
        match if is_rejected { Fate::Rejected } else { self.fate(machine, &body, &job) } {
            Fate::Decided => {
                self.mark("a step is found in the history");
                return self.confirm(machine, &job);
            }
            Fate::Unknown => {
                self.mark("a client is told that nobody knows");
                self.open_wishes.remove(&job.draft.number);
                return self.answer(machine, &job.draft, Answer::Unknown);
            }
            Fate::Rejected => {}
        }
        let current = body.chain(&job.transition.subject, job.transition.clock.wall_ms);
        let head = current.state().map(|state| state.head);
        if head != job.transition.predecessor {
            let (named, current) = (job.transition.predecessor, head);
            let refusal = TransitionRefusal::OtherPredecessor { named, current };
            return self.deny(machine, &job.draft, Some(job.head), &refusal);
        }
        self.mark("another task of the bucket took the step");
        if self.plan.mutation == Some(Mutation::Rewriting) {
            let mut other = Transition::clone(&job.transition);
            other.clock.wall_ms += 1;
            job.transition = Rc::new(other);
            self.write(machine, &job.transition);
        }
        self.propose(machine, job);
    }

    /// What became of a transition after a later step than its own was decided.
    fn fate(&mut self, machine: usize, body: &Body, job: &Job) -> Fate {
        let step = ProposedStep { transition: &job.transition, head: job.head, led_to: &job.led_to };
        let current = body.chain(&job.transition.subject, 0);
        let newest = current.state().map(|state| state.head);
        let history = self.history(machine, newest, step.history_count(&current));
        let last = self.seat(machine, job.draft.register).map_or(0, |seat| seat.proposer.last().step().0);
        let hidden = hidden_steps(&job.before.chains(), &body.chains(), last - job.before_step);
        match step.fate(&current, &history, hidden) {
            Fate::Unknown if self.plan.mutation == Some(Mutation::Guess) => Fate::Rejected,
            fate => fate,
        }
    }

    /// The deadline of a client has come.
    pub(crate) fn give_up(&mut self, machine: usize, register: usize, number: u64) {
        let Some(seat) = self.seat(machine, register) else { return };
        if let Some(at) = seat.queue.iter().position(|draft| draft.number == number) {
            let draft = seat.queue.remove(at).unwrap();
            return self.answer(machine, &draft, Answer::Unknown);
        }
        if let Some(job) = seat.job.take_if(|job| job.draft.number == number) {
            seat.proposer.withdraw();
            self.mark("a client learns nothing in time");
            self.answer(machine, &job.draft, Answer::Unknown);
        }
    }

    /// A proposer takes over what its machine knows.
    fn learn(&mut self, machine: usize, register: usize) {
        let Some(seat) = self.seat(machine, register) else { return };
        let learned = [seat.voter.announcement(), seat.view.clone()].map(|known| seat.proposer.learn(&known));
        seat.show(seat.proposer.announcement());
        self.observe(machine, register);
        for refusal in learned.into_iter().filter_map(Result::err) {
            self.oracle.breach(format!("machine {machine}: {refusal}"));
        }
    }

    /// What was decided last in a register, as far as its proposer here knows.
    fn body(&mut self, machine: usize, register: usize) -> Option<Body> {
        self.seat(machine, register).and_then(|seat| Body::of(register, seat.proposer.last()).ok())
    }

    fn confirm(&mut self, machine: usize, job: &Job) {
        self.mark("a client learns that it is decided");
        let answer = Answer::Decided { head: job.head, led_to: Box::new(job.led_to.clone()) };
        self.answer(machine, &job.draft, answer);
    }

    fn deny(&mut self, machine: usize, draft: &Draft, head: Option<TransitionHash>, refusal: &TransitionRefusal) {
        self.mark(match refusal {
            TransitionRefusal::OtherPredecessor { .. } => "a client is told that it is stale",
            TransitionRefusal::Ended { .. } => "a client is told that it has ended",
            TransitionRefusal::FullBucket { .. } => "a client is told that a bucket is full",
            TransitionRefusal::NotPassed(_) => "a client is told that a gate did not pass",
            _ => "a client is told otherwise that it does not follow",
        });
        self.answer(machine, draft, Answer::Denied(head));
    }

    /// A client gets its answer, and the next one has its turn.
    fn answer(&mut self, machine: usize, draft: &Draft, answer: Answer) {
        let wish = self.open_wishes.remove(&draft.number);
        if let (Some(wish), Answer::Unknown) = (wish, &answer) {
            self.oracle.breach(format!("machine {machine} does not answer in the calm: {wish}"));
        }
        self.oracle.told(answer);
        let register = draft.register;
        if let Some(next) = self.seat(machine, register).and_then(|seat| seat.queue.pop_front()) {
            self.begin(machine, next);
        }
    }
}
