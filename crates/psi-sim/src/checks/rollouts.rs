//! Votes, decisions, rollbacks and what nodes show of rollouts, held against the oracle.

use std::collections::BTreeSet;

use psi_quorum::{Call, Proposal, ProposerId, Request, Value};
use psi_rollout::{Rollout, Status};
use psi_state::Replica;

use crate::{
    oracle::rollouts::{
        PlainCommand, PlainEvent, PlainModel, PlainStatus, PlainValue, SeenRollback, ShownModel, ShownRollout,
        check_proposal, check_vote, step_of,
    },
    report::markers::Marker,
    world::World,
};

/// What is written becomes an entry within this.
const FLUSH_MS: u64 = 25;

impl World<'_> {
    /// A voter is about to answer that it votes.
    pub(crate) fn record_vote(&mut self, p: usize, step: u64, proposal: &Proposal) {
        let Some(key) = self.voter_key(p) else { return };
        let (key_of, run) = plain_proposer(proposal.ballot.proposer);
        let ballot = (proposal.ballot.number, key_of, run);
        let recorded = self.rollouts.chain.vote(step, ballot, key, &plain_value(&proposal.value));
        self.take_verdict(p, recorded);
    }

    /// Whatever a process takes for decided, the oracle hears of.
    pub(crate) fn observe_decisions(&mut self, p: usize) {
        for decision in self.new_decisions(p) {
            let (step, value) = (decision.step().0, plain_value(decision.value()));
            match self.rollouts.chain.decide(step, &value) {
                Ok(Some(model)) => self.record_decision(p, step, &model),
                Ok(None) => {}
                Err(what) => self.take_verdict(p, Err(what)),
            }
        }
    }

    fn record_decision(&mut self, p: usize, step: u64, model: &PlainModel) {
        let Some(change) = &model.last else { return };
        let status = model.rollout.as_ref().map(|rollout| rollout.status);
        if let PlainEvent::Rollout { command, id, .. } = &change.event {
            self.reach(decided_marker(*command, change.is_automatic, change.is_forced));
            let is_late = status == Some(PlainStatus::Promoted) && *command == PlainCommand::Rollback;
            if is_late {
                self.reach(Marker::LATE_ROLLBACK);
            }
            if *command == PlainCommand::Promote && self.rollouts.written.contains_key(id) {
                self.reach(Marker::PROMOTED_DESPITE_ROLLBACK);
            }
        }
        let line = format!("takes step {step} of the model for decided: {:?}", change.event);
        self.trace_process(p, "decided", line);
    }

    /// A voter is asked for a vote that it has not refused.
    pub(crate) fn check_asked(&mut self, p: usize, request: &Request) {
        let Call::Accept(proposal) = request.call() else { return };
        if proposal.value.proposer() != Some(proposal.ballot.proposer) {
            return self.reach(Marker::VALUE_RECOVERED);
        }
        let rolled_back = self.rolled_back(p);
        let verdict = check_vote(proposal.value.body(), &rolled_back);
        self.take_verdict(p, verdict);
    }

    /// A node proposes a model for the first time.
    pub(crate) fn check_proposed(&mut self, p: usize, body: &[u8]) {
        let rolled_back = self.rolled_back(p);
        // Who was heard when is not known once clocks have jumped.
        let has_jumped = self.machines.iter().any(|machine| machine.has_jumped);
        let members = if has_jumped { Vec::new() } else { self.heard_members(p) };
        let (now_ms, step) = (self.agreed_ms(p), self.known_step(p).unwrap_or_default());
        self.trace_process(p, "propose", format_args!("proposes after step {step}, at {now_ms}; heard {members:?}"));
        let Some(before) = self.known_step(p).and_then(|step| self.rollouts.chain.model(step)) else { return };
        let verdict = check_proposal(before, body, &rolled_back, &members);
        self.take_verdict(p, verdict);
        self.record_gaps(p, body, &rolled_back);
    }

    /// Notes a step that is proposed by a node that has heard of whom it heard too little: a member had written a rollback, and
    /// what it said later came before that.
    fn record_gaps(&mut self, p: usize, body: &[u8], rolled_back: &BTreeSet<String>) {
        let Some(id) = step_of(body).filter(|id| !rolled_back.contains(id)) else { return };
        let written = self.rollouts.written.get(&id).cloned().unwrap_or_default();
        let said = |machine: usize| self.rollouts.said.get(&(p, machine)).copied().unwrap_or_default();
        if written.iter().any(|(machine, at)| said(*machine) > at + FLUSH_MS) {
            self.reach(Marker::ROLLBACK_OVERTAKEN);
        }
    }

    /// Notes when a frame was sent that a process gets.
    pub(crate) fn record_said(&mut self, p: usize, sender: usize, sent_at: u64) {
        if self.plan.rollouts.is_some() && self.processes[p].is_running() {
            let machine = self.processes[sender].machine;
            let said = self.rollouts.said.entry((p, machine)).or_default();
            *said = sent_at.max(*said);
        }
    }

    /// What a node shows must be what was decided, and the rollbacks that it holds.
    pub(crate) fn check_shown(&mut self, p: usize) {
        self.rolled_back(p);
        let Some(shown) = self.shown_model(p) else { return };
        let replica = &self.processes[p].replica;
        // A base may have taken in what the frontier no longer names.
        let frontier = (!replica.is_dirty()).then(|| replica.frontier().hash().to_bytes());
        let Some(decided) = self.rollouts.chain.model(shown.step).cloned() else {
            return self.take_verdict(p, Err(format!("shows step {}, which nobody decided", shown.step)));
        };
        let held = self.rollouts.held.get(&p).cloned().unwrap_or_default();
        match self.rollouts.shown.check(p, (&decided, &held), frontier, shown) {
            Ok(true) => self.reach(Marker::SHOWN_ALIKE),
            Ok(false) => {}
            Err(what) => self.take_verdict(p, Err(what)),
        }
    }

    /// The rollouts that a process knows to be rolled back, read off its replica again.
    fn rolled_back(&mut self, p: usize) -> BTreeSet<String> {
        let shown = shown_rollbacks(&self.processes[p].replica);
        let held = self.rollouts.held.entry(p).or_default();
        held.extend(shown);
        held.iter().map(|rollback| rollback.id.clone()).collect()
    }

    fn shown_model(&self, p: usize) -> Option<ShownModel> {
        let known = self.rollouts.seats.get(&p)?.known.as_ref()?;
        let model = &known.model;
        let judged = model.rollout().zip(self.facts(p, model)).map(|(rollout, facts)| rollout.judge(&facts.facts()));
        let text = format!("{:?} {judged:?}", model.last());
        Some(ShownModel {
            step: known.step,
            champion: model.champion().map(ToString::to_string),
            rollout: model.rollout().map(shown_rollout),
            text,
        })
    }

    /// Notes when a member spoke to a process.
    pub(crate) fn record_heard(&mut self, p: usize, node: &str) {
        if self.plan.rollouts.is_some() {
            let moments = (self.agreed_ms(p), self.now);
            if let Some(seat) = self.rollouts.seats.get_mut(&p) {
                seat.heard.insert(node.to_owned(), moments);
            }
        }
    }

    /// Whether all show the same, and nothing that was written waits for voters that there are.
    pub(crate) fn are_rollouts_settled(&self) -> bool {
        let lasting = self.lasting();
        let shown: Vec<_> = lasting.iter().map(|p| self.shown_model(*p)).collect();
        let is_pending = |p: &usize| {
            let known = self.rollouts.seats.get(p).and_then(|seat| seat.known.as_ref());
            known.is_some_and(|known| known.decided.pending_rollback(&known.model).is_some())
        };
        let waits = lasting.iter().any(is_pending) && self.has_living_majority();
        shown.windows(2).all(|pair| pair[0] == pair[1]) && !waits
    }

    /// Whether most voters run, with what they voted.
    fn has_living_majority(&self) -> bool {
        let voters = self.rollouts.chain.voters();
        let lives = |key: &&[u8; 32]| self.lasting().iter().any(|p| self.voter_key(*p) == Some(**key));
        2 * voters.iter().filter(lives).count() > voters.len()
    }

    fn take_verdict(&mut self, p: usize, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            self.found_wrong(format_args!("{}: {what}", self.label(p)));
        }
    }

    /// At the end of a run: nothing hangs.
    pub(crate) fn check_rollouts_at_end(&mut self) {
        if self.plan.rollouts.is_some() && !self.are_rollouts_settled() {
            let shown: Vec<_> = self.lasting().iter().map(|p| self.shown_model(*p)).collect();
            self.found_wrong(format_args!("rollouts are not settled: {shown:?}"));
        }
    }
}

fn decided_marker(command: PlainCommand, is_automatic: bool, is_forced: bool) -> Marker {
    match (command, is_automatic) {
        (PlainCommand::Advance, true) => Marker::ADVANCED,
        (PlainCommand::Promote, true) => Marker::PROMOTED,
        (PlainCommand::Advance | PlainCommand::Promote, false) if is_forced => Marker::FORCED_FURTHER,
        (PlainCommand::Advance | PlainCommand::Promote, false) => Marker::ADVANCED_BY_PERSON,
        (PlainCommand::Pause, _) => Marker::ROLLOUT_PAUSED,
        (PlainCommand::Resume, _) => Marker::ROLLOUT_RESUMED,
        (PlainCommand::Cancel, _) => Marker::ROLLOUT_CANCELLED,
        (PlainCommand::Rollback, true) => Marker::ROLLBACK_DECIDED,
        (PlainCommand::Rollback, false) => Marker::PERSONS_ROLLBACK_DECIDED,
    }
}

/// The rollbacks that ledgers show, read as the oracle reads them.
fn shown_rollbacks(replica: &Replica) -> Vec<SeenRollback> {
    let records = replica.ledger_records(|_| true);
    let read = |text: &str| {
        let mut parts = text.split('|');
        let (by, _model, id) = (parts.next()?, parts.next()?, parts.next()?);
        Some(SeenRollback { id: id.to_owned(), is_automatic: by == "node" })
    };
    records.iter().filter_map(|record| read(std::str::from_utf8(&record.record).ok()?)).collect()
}

fn shown_rollout(rollout: &Rollout) -> ShownRollout {
    ShownRollout {
        id: rollout.id().to_string(),
        status: match rollout.status() {
            Status::Pending => PlainStatus::Pending,
            Status::InProgress => PlainStatus::InProgress,
            Status::Paused => PlainStatus::Paused,
            Status::Promoted => PlainStatus::Promoted,
            Status::RolledBack => PlainStatus::RolledBack,
            Status::Cancelled => PlainStatus::Cancelled,
        },
        hundredths: rollout.percent().hundredths().into(),
        is_late: rollout.has_late_rollback(),
    }
}

fn plain_proposer(proposer: ProposerId) -> ([u8; 32], u64) {
    (*proposer.key.as_bytes(), proposer.run)
}

fn plain_value(value: &Value) -> PlainValue {
    PlainValue {
        proposer: value.proposer().map(plain_proposer),
        voters: value.voters().keys().iter().map(|key| *key.as_bytes()).collect(),
        body: value.body().to_vec(),
    }
}
