//! One lease, for all callers of this node: they wait in line, and the one in front has its wish proposed.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use psi_quorum::{
    Fence, Lease, LeaseProgress, LeaseValue, Proposer, ProposerId, Register, Request, RetryPolicy, VoterSet,
};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::{
    links::ask,
    message::{LeaseCall, LeaseMessage, LeaseOutcome, LeaseStatus},
    registers::{boot_time, key_of},
    voters::vote_place,
};
use crate::node::context::NodeContext;

/// Callers that may wait in line for one lease.
const LINE_MAX: usize = 1_024;
/// Beyond its deadline a caller waits no longer for the answer.
const GRACE: Duration = Duration::from_millis(100);
/// How often it is looked whether the caller in front is still there.
const LOOK: Duration = Duration::from_secs(1);

/// A caller in line.
struct QueuedCall {
    call: LeaseCall,
    deadline: Instant,
    answer: oneshot::Sender<LeaseOutcome>,
}

struct LeaseTask {
    context: Arc<NodeContext>,
    lease: Lease,
    register: Register,
    own: mpsc::WeakSender<LeaseMessage>,
    /// Whose wish is proposed.
    current: Option<QueuedCall>,
    line: VecDeque<QueuedCall>,
    /// Of the last decision that state was shown.
    shown: u64,
}

/// Puts a call to the lease of a register; `None` if its task is gone, or too many wait.
pub(crate) async fn call_lease(
    context: &Arc<NodeContext>,
    register: Register,
    call: LeaseCall,
    timeout: Duration,
) -> Option<LeaseOutcome> {
    let id = *register.id().as_bytes();
    let known = context.quorum.leases().get(&id).cloned();
    let sender = match known {
        Some(sender) => sender,
        None => begin(context, register)?,
    };
    let (answer, answered) = oneshot::channel();
    let deadline = Instant::now() + timeout;
    sender.try_send(LeaseMessage::Call { call, deadline, answer }).ok()?;
    tokio::time::timeout_at((deadline + GRACE).into(), answered).await.ok()?.ok()
}

/// Starts the task of a lease, unless another caller did meanwhile: a run has one proposer for each register.
fn begin(context: &Arc<NodeContext>, register: Register) -> Option<mpsc::Sender<LeaseMessage>> {
    let key = context.ledger.store.voter_key().ok()?;
    let run = context.read(|replica| replica.origin().map(|origin| origin.incarnation))?;
    let mut leases = context.quorum.leases();
    let id = *register.id().as_bytes();
    if let Some(sender) = leases.get(&id) {
        return Some(sender.clone());
    }
    let (sender, messages) = mpsc::channel(LINE_MAX);
    let proposer = Proposer::new(ProposerId { key, run }, register.clone(), RetryPolicy::default());
    let task = LeaseTask {
        context: context.clone(),
        lease: Lease::new(proposer),
        register,
        own: sender.downgrade(),
        current: None,
        line: VecDeque::new(),
        shown: 0,
    };
    tokio::spawn(task.run(messages));
    leases.insert(id, sender.clone());
    Some(sender)
}

impl LeaseTask {
    async fn run(mut self, mut messages: mpsc::Receiver<LeaseMessage>) {
        let stop = self.context.stop.clone();
        loop {
            let wake = self.next_wake();
            let message = tokio::select! {
                message = messages.recv() => message,
                () = tokio::time::sleep(wake) => None,
                () = stop.cancelled() => return,
            };
            match message {
                // It waits for nobody.
                Some(LeaseMessage::Call { call: LeaseCall::Look, deadline: _, answer }) => {
                    self.learn();
                    let _ = answer.send(LeaseOutcome::Status(self.status()));
                }
                Some(LeaseMessage::Call { answer, .. }) if self.line.len() >= LINE_MAX => drop(answer),
                Some(LeaseMessage::Call { call, deadline, answer }) => {
                    self.line.push_back(QueuedCall { call, deadline, answer });
                }
                Some(LeaseMessage::Response { from, response }) => {
                    let progress = self.lease.handle(boot_time(), rand::random(), from, &response);
                    self.act(progress);
                }
                None => {
                    let progress = self.lease.tick(boot_time());
                    self.act(progress);
                    self.end_late();
                }
            }
            self.serve_line();
        }
    }

    /// How long nothing is to be done by itself.
    fn next_wake(&self) -> Duration {
        let of_proposer = self.lease.proposer().wake_at().map(|at| Duration::from_millis(boot_time().ms_until(at)));
        let of_caller = self.current.as_ref().map(|waiting| waiting.deadline.saturating_duration_since(Instant::now()));
        let of_caller = of_caller.map(|left| left.min(LOOK));
        of_proposer
            .into_iter()
            .chain(of_caller)
            .min()
            .unwrap_or(Duration::from_secs(3_600))
            .max(Duration::from_millis(1))
    }

    /// Lets those in line have their turns, until one of them waits for voters.
    fn serve_line(&mut self) {
        while self.current.is_none() && !self.lease.proposer().is_busy() {
            let Some(waiting) = self.line.pop_front() else { return };
            // A caller that went away wants nothing any more, and one whose time is over gets nothing.
            if waiting.answer.is_closed() {
                continue;
            }
            if waiting.deadline <= Instant::now() {
                let _ = waiting.answer.send(LeaseOutcome::NoMajority);
                continue;
            }
            self.begin(waiting);
        }
    }

    fn begin(&mut self, waiting: QueuedCall) {
        self.learn();
        let call = waiting.call.clone();
        let progress = match &call {
            LeaseCall::Look => {
                let _ = waiting.answer.send(LeaseOutcome::Status(self.status()));
                return;
            }
            LeaseCall::Acquire { client, duration } => {
                let voters = self.wanted_voters();
                match self.lease.acquire(boot_time(), client, *duration, voters) {
                    Ok(progress) => progress,
                    // It was seen above that nothing is proposed.
                    Err(error) => {
                        warn!("a lease was not asked for: {error}");
                        return;
                    }
                }
            }
            LeaseCall::Release { client } => self.lease.release(boot_time(), client),
        };
        self.current = Some(waiting);
        let is_release = matches!(call, LeaseCall::Release { .. });
        self.act(progress);
        // Nothing was to be released.
        if is_release && self.current.is_some() && !self.lease.proposer().is_busy() {
            let status = LeaseOutcome::Status(self.status());
            self.answer(status);
        }
    }

    /// Who is to vote from the next step on: those whom an operator named last.
    fn wanted_voters(&self) -> VoterSet {
        let named = self.context.read(|replica| replica.voters());
        let keys: Option<Vec<_>> = named.iter().map(|voter| key_of(&voter.key)).collect();
        let named = keys.and_then(|keys| VoterSet::new(keys).ok());
        named.unwrap_or_else(|| self.lease.proposer().last().value().voters().clone())
    }

    /// Takes over what this node's own voter knows, and replicated state.
    fn learn(&mut self) {
        let slot = self.context.quorum.vote_slot(vote_place(self.register.name()));
        let known = slot.try_lock().ok().and_then(|voter| voter.as_ref().map(|voter| voter.voter().announcement()));
        if let Some(Ok(progress)) = known.map(|known| self.lease.learn(boot_time(), &known)) {
            self.act(progress);
        }
        let view = self.context.read(|replica| replica.register_view(self.register.name().as_str()));
        let Some(view) = view.filter(|view| view.step > self.lease.proposer().last().step().0) else { return };
        let announced = Request::decode(&view.decision);
        let learned = announced.map(|request| self.lease.learn(boot_time(), &request));
        match learned {
            Ok(Ok(progress)) => self.act(progress),
            Ok(Err(refusal)) => warn!(register = %self.register.name(), "a decision was not believed: {refusal}"),
            Err(error) => warn!(register = %self.register.name(), "a decision can't be read: {error}"),
        }
    }

    /// Sends what is to be sent, and answers who is waiting once there is a verdict.
    fn act(&mut self, LeaseProgress { sends, verdict }: LeaseProgress) {
        for envelope in sends {
            let (context, own) = (self.context.clone(), self.own.clone());
            tokio::spawn(async move {
                let response = ask(&context, envelope.to, (&envelope.request, &[])).await.ok();
                if let (Some(response), Some(own)) = (response, own.upgrade()) {
                    let _ = own.send(LeaseMessage::Response { from: envelope.to, response: Box::new(response) }).await;
                }
            });
        }
        self.show();
        let Some(verdict) = verdict else { return };
        self.answer(LeaseOutcome::Verdict(verdict));
    }

    /// Shows the last decision to those who missed it.
    fn show(&mut self) {
        let step = self.lease.proposer().last().step().0;
        if step <= self.shown {
            return;
        }
        let (name, decision) = (self.register.name().clone(), self.lease.proposer().announcement().encode());
        let shown = self.context.write(|replica, now| replica.show_decision(now, name.as_str(), step, decision.into()));
        match shown {
            Ok(()) => self.shown = step,
            Err(error) => debug!(register = %name, "a decision is not shown yet: {error}"),
        }
    }

    fn answer(&mut self, outcome: LeaseOutcome) {
        if let Some(waiting) = self.current.take() {
            let _ = waiting.answer.send(outcome);
        }
    }

    /// Gives up for a caller whose time is over. What it wanted may be decided all the same.
    fn end_late(&mut self) {
        let is_over = |waiting: &QueuedCall| waiting.deadline <= Instant::now() || waiting.answer.is_closed();
        if self.current.as_ref().is_some_and(is_over) {
            self.lease.withdraw();
            self.answer(LeaseOutcome::NoMajority);
        }
    }

    fn status(&self) -> LeaseStatus {
        let last = self.lease.proposer().last();
        LeaseStatus {
            fence: Fence::of(last.step()),
            value: LeaseValue::of(last.value()).filter(|value| !value.is_released),
            grant: self.lease.grant(boot_time()).cloned(),
        }
    }
}
