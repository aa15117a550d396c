//! Has changes of the model decided: what `psi-node` awaits in a loop, step by step.

use psi_quorum::{BootTime, Progress, Request, Verdict, VoterSet};
use psi_rollout::{ChangeError, Refusal};
use psi_security::node_key::NodePublicKey;

use super::{cast, refresh::decided_model, seat::Attempt, turn::RolloutTurn, wish::Wish};
use crate::{report::markers::Marker, world::World};

/// How long a decision may take.
const PATIENCE_MS: u64 = 5_000;

/// The clock of proposers.
pub(super) fn to_ms(now: u64) -> BootTime {
    BootTime(now)
}

impl World<'_> {
    /// A node wants something decided, once what it has decided now is.
    pub(crate) fn wish(&mut self, p: usize, wish: Wish) {
        self.refresh(p);
        let (at_ms, until) = (self.agreed_ms(p), self.now + PATIENCE_MS);
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        role.waiting.push_back(Attempt { wish, at_ms, until });
        self.attempt_next(p);
    }

    /// Turns to what has waited longest, unless something is being decided.
    fn attempt_next(&mut self, p: usize) {
        let now = self.now;
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        if role.attempt.is_some() {
            return;
        }
        role.waiting.retain(|attempt| attempt.until > now);
        role.attempt = role.waiting.pop_front();
        if role.attempt.is_some() {
            self.propose(p);
        }
    }

    /// Proposes what is wanted as the step after the last decision that is known here.
    fn propose(&mut self, p: usize) {
        self.refresh(p);
        self.learn(p);
        let body = match self.proposed_body(p) {
            Ok(Some(body)) => body,
            Ok(None) => return self.end_attempt(p),
            Err(refusal) => {
                self.record_wish_refusal(&refusal);
                self.trace_process(p, "wish", format_args!("proposes nothing: {refusal}"));
                return self.end_attempt(p);
            }
        };
        self.check_proposed(p, &body);
        let Some(voters) = self.wanted_voters(p) else { return };
        let now = to_ms(self.now);
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        role.proposer.withdraw();
        match role.proposer.propose(now, voters, body) {
            Ok(progress) => self.go_on(p, &progress),
            Err(error) => self.found_wrong(format_args!("{} can't propose: {error}", self.label(p))),
        }
    }

    /// The body that the wish leads to; `None` where there is nothing to propose.
    fn proposed_body(&self, p: usize) -> Result<Option<Vec<u8>>, ChangeError> {
        let Some(seat) = self.rollouts.seats.get(&p) else { return Ok(None) };
        let Some(role) = &seat.role else { return Ok(None) };
        let Some(Attempt { wish, at_ms, .. }) = &role.attempt else { return Ok(None) };
        let Ok(decided) = decided_model(role.proposer.last()) else { return Ok(None) };
        match wish.change(&decided, &seat.rollbacks, (|counts: &_| self.facts(p, counts), *at_ms))? {
            Some(change) => Ok(Some(decided.follow(&change)?.to_bytes())),
            None if role.proposer.last().value().body().is_empty() => Ok(None),
            None => Ok(Some(role.proposer.last().value().body().to_vec())),
        }
    }

    /// Who is to vote from the next step on: those whom an operator named last.
    fn wanted_voters(&self, p: usize) -> Option<VoterSet> {
        let role = self.rollouts.seats.get(&p)?.role.as_ref()?;
        let keys = self.processes[p].replica.voters().into_iter();
        let keys: Option<Vec<_>> =
            keys.map(|voter| voter.key.as_ref().try_into().ok().map(NodePublicKey::from_bytes)).collect();
        let named = keys.and_then(|keys| VoterSet::new(keys).ok());
        Some(named.unwrap_or_else(|| role.proposer.last().value().voters().clone()))
    }

    /// Takes over what the node's own voter knows, and replicated state.
    fn learn(&mut self, p: usize) {
        let shown = self.register_view(p).filter(|view| view.step > 0);
        let shown = shown.and_then(|view| Request::decode(&view.decision).ok());
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        let mut refused = None;
        for known in [Some(role.voter.announcement()), shown].into_iter().flatten() {
            refused = role.proposer.learn(&known).err().or(refused);
        }
        if let Some(refusal) = refused {
            self.found_wrong(format_args!("{} does not believe a decision: {refusal}", self.label(p)));
        }
        self.observe_decisions(p);
    }

    /// Sends what a proposer wants sent, and goes on where its attempt has ended.
    pub(super) fn go_on(&mut self, p: usize, progress: &Progress) {
        self.observe_decisions(p);
        self.send_requests(p, progress);
        self.wake_later(p);
        match &progress.verdict {
            None => {}
            Some(Verdict::Decided { is_ours: true, .. }) => {
                self.reach(Marker::ROLLOUT_DECIDED);
                self.show_decision(p);
                self.refresh(p);
                self.end_attempt(p);
            }
            // It is tried again after what was decided instead.
            Some(Verdict::Decided { .. } | Verdict::Held { .. }) => {
                self.reach(Marker::STEP_LOST);
                self.show_decision(p);
                self.propose(p);
            }
            Some(Verdict::Overtaken(_) | Verdict::Refused(_)) => {
                self.show_decision(p);
                self.end_attempt(p);
            }
        }
    }

    fn wake_later(&mut self, p: usize) {
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        let at = role.proposer.wake_at().map(|at| at.0.max(self.now + 1));
        if let Some(at) = at.filter(|at| role.wake_at.replace(*at) != Some(*at)) {
            self.turn_after(at - self.now, RolloutTurn::Wake(p));
        }
    }

    /// A proposer sends again what was not answered, or its time is up.
    pub(super) fn wake_proposer(&mut self, p: usize) {
        let now = self.now;
        let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) else { return };
        let Some(attempt) = &role.attempt else { return };
        if attempt.until <= now {
            role.proposer.withdraw();
            self.reach(Marker::NO_MAJORITY);
            return self.end_attempt(p);
        }
        let progress = role.proposer.tick(to_ms(now));
        self.go_on(p, &progress);
    }

    fn end_attempt(&mut self, p: usize) {
        if let Some(role) = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut()) {
            role.attempt = None;
        }
        self.attempt_next(p);
    }

    /// Shows the last decision to those who missed it.
    fn show_decision(&mut self, p: usize) {
        let Some(role) = self.rollouts.seats.get(&p).and_then(|seat| seat.role.as_ref()) else { return };
        let (step, bytes) = (role.proposer.last().step().0, role.proposer.announcement().encode());
        if step <= role.shown {
            return;
        }
        let name = cast::register_name();
        let shown = self.with(p, |replica, now| replica.show_decision(now, name.as_str(), step, bytes.into()));
        let role = self.rollouts.seats.get_mut(&p).and_then(|seat| seat.role.as_mut());
        if let Some(role) = role.filter(|_| shown.is_ok()) {
            role.shown = step;
        }
    }

    fn record_wish_refusal(&mut self, refusal: &ChangeError) {
        let ChangeError::Rollout(refusal) = refusal else { return };
        match refusal {
            Refusal::Ended { .. } => self.reach(Marker::STEP_AFTER_END),
            Refusal::Rejected { .. } => self.reach(Marker::REJECTED_AGAIN),
            _ => {}
        }
    }
}
