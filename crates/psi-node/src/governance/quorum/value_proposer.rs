//! Has values decided in a register that holds no lease: one proposal of this node at a time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use psi_quorum::{Call, Decision, Progress, Proposer, ProposerId, Register, Request, RetryPolicy, Verdict, VoterSet};
use psi_state::Replica;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tracing::{debug, warn};

use super::{
    desk::{ValueProposer, ValueSlot},
    links::{NoAnswer, ask},
    peers::node_of,
    registers::{boot_time, key_of},
    voters::vote_place,
};
use crate::node::context::NodeContext;

/// Responses that may wait to be looked at.
const RESPONSES_MAX: usize = 64;

/// How a proposal ended.
#[derive(Debug)]
pub(crate) enum ProposalOutcome {
    /// It was decided.
    Decided,
    /// Another value was decided, or the step was decided before.
    Lost,
    /// The step and later ones were decided, and it is not known here by what.
    Overtaken,
    /// Voters will not take part.
    Refused(String),
    /// Most voters did not vote in time. It may be decided all the same. What the last said that refused to.
    NoMajority(Option<String>),
}

/// The proposer of a register; `None` while this node has begun no run.
pub(crate) fn value_slot(context: &NodeContext, register: &Register) -> Option<ValueSlot> {
    let key = context.ledger.store.voter_key().ok()?;
    let run = context.read(|replica| replica.origin().map(|origin| origin.incarnation))?;
    let mut values = context.quorum.values();
    let slot = values.entry(*register.id().as_bytes()).or_insert_with(|| {
        let proposer = Proposer::new(ProposerId { key, run }, register.clone(), RetryPolicy::default());
        Arc::new(AsyncMutex::new(ValueProposer { proposer, register: register.clone(), shown: 0 }))
    });
    Some(slot.clone())
}

impl ValueProposer {
    /// The last decision that this node knows.
    pub(crate) fn last(&self) -> &Decision {
        self.proposer.last()
    }

    /// Takes over what this node's own voter knows, and replicated state.
    pub(crate) async fn learn(&mut self, context: &NodeContext) {
        let slot = context.quorum.vote_slot(vote_place(self.register.name()));
        let own = slot.lock().await.as_ref().map(|voter| voter.voter().announcement());
        let view = context.read(|replica| replica.register_view(self.register.name().as_str()));
        let shown = view.filter(|view| view.step > 0).map(|view| Request::decode(&view.decision));
        for known in own.into_iter().map(Ok).chain(shown) {
            match known.map(|known| self.proposer.learn(&known)) {
                Ok(Ok(_)) => {}
                Ok(Err(refusal)) => warn!(register = %self.register.name(), "a decision was not believed: {refusal}"),
                Err(error) => warn!(register = %self.register.name(), "a decision can't be read: {error}"),
            }
        }
    }

    /// Takes over what most voters know. So what was decided and announced before is known here afterwards. `None` if most
    /// did not answer.
    pub(crate) async fn refresh(&mut self, context: &Arc<NodeContext>) -> Option<()> {
        self.learn(context).await;
        loop {
            let (before, request) = (self.last().clone(), self.proposer.announcement());
            let voters = before.value().voters();
            let asks = voters.keys().iter().map(|key| async { (*key, ask(context, *key, (&request, &[])).await) });
            let (mut asked, mut answers) = (asks.collect::<FuturesUnordered<_>>(), 0);
            while answers < voters.majority() {
                let (from, response) = asked.next().await?;
                if let Ok(response) = response {
                    answers += 1;
                    let _ = self.proposer.handle(boot_time(), 0, from, &response);
                }
            }
            if *self.last() == before {
                self.show(context);
                return Some(());
            }
        }
    }

    /// Has a value decided as the step after the last decision. `transition`: what leads there, as nodes keep it.
    pub(crate) async fn propose(
        &mut self,
        context: &Arc<NodeContext>,
        (body, transition): (Vec<u8>, &[u8]),
        deadline: Instant,
    ) -> ProposalOutcome {
        // Its caller went away.
        self.proposer.withdraw();
        let voters = self.wanted_voters(context);
        let (send, mut responses) = mpsc::channel(RESPONSES_MAX);
        let mut refusal = None;
        let mut progress = match self.proposer.propose(boot_time(), voters, body) {
            Ok(progress) => progress,
            Err(error) => return ProposalOutcome::Refused(error.to_string()),
        };
        loop {
            let Progress { sends, verdict } = progress;
            for envelope in sends {
                let is_proposal = matches!(envelope.request.call(), Call::Accept(_));
                let transition = if is_proposal { transition.to_vec() } else { Vec::new() };
                let (context, send) = (context.clone(), send.clone());
                tokio::spawn(async move {
                    let answer = ask(&context, envelope.to, (&envelope.request, &transition)).await;
                    let _ = send.send((envelope.to, answer)).await;
                });
            }
            if let Some(verdict) = verdict {
                self.show(context);
                return outcome_of(verdict);
            }
            let wake = self.proposer.wake_at().map_or(0, |at| boot_time().ms_until(at));
            let wake = Duration::from_millis(wake.max(1));
            progress = tokio::select! {
                answer = responses.recv() => match answer {
                    Some((from, Ok(response))) => {
                        self.proposer.handle(boot_time(), rand::random(), from, &response)
                    }
                    Some((from, Err(NoAnswer::Refused(why)))) => {
                        let node = node_of(context, from).map_or_else(|| from.to_string(), |node| node.to_string());
                        refusal = Some(format!("node {node} said: {why}"));
                        Progress::default()
                    }
                    Some((_, Err(NoAnswer::Silent))) | None => Progress::default(),
                },
                () = tokio::time::sleep(wake) => self.proposer.tick(boot_time()),
                () = tokio::time::sleep_until(deadline.into()) => {
                    self.proposer.withdraw();
                    return ProposalOutcome::NoMajority(refusal);
                }
            };
        }
    }

    /// Has what was decided last decided once more, for the voters that an operator named; `None` if they vote already.
    pub(crate) async fn change_voters(
        &mut self,
        context: &Arc<NodeContext>,
        deadline: Instant,
    ) -> Option<ProposalOutcome> {
        self.learn(context).await;
        if *self.last().value().voters() == self.wanted_voters(context) {
            self.show(context);
            return None;
        }
        let body = self.last().value().body().to_vec();
        Some(self.propose(context, (body, &[]), deadline).await)
    }

    /// Who is to vote from the next step on: those whom an operator named last.
    fn wanted_voters(&self, context: &NodeContext) -> VoterSet {
        let named = context.read(Replica::voters);
        let keys: Option<Vec<_>> = named.iter().map(|voter| key_of(&voter.key)).collect();
        let named = keys.and_then(|keys| VoterSet::new(keys).ok());
        named.unwrap_or_else(|| self.proposer.last().value().voters().clone())
    }

    /// Shows the last decision to those who missed it.
    pub(crate) fn show(&mut self, context: &NodeContext) {
        let step = self.proposer.last().step().0;
        if step <= self.shown {
            return;
        }
        let (name, decision) = (self.register.name().clone(), self.proposer.announcement().encode());
        match context.write(|replica, now| replica.show_decision(now, name.as_str(), step, decision.into())) {
            Ok(()) => self.shown = step,
            Err(error) => debug!(register = %name, "a decision is not shown yet: {error}"),
        }
    }
}

fn outcome_of(verdict: Verdict) -> ProposalOutcome {
    match verdict {
        Verdict::Decided { is_ours: true, .. } => ProposalOutcome::Decided,
        Verdict::Decided { .. } | Verdict::Held { .. } => ProposalOutcome::Lost,
        Verdict::Overtaken(_) => ProposalOutcome::Overtaken,
        Verdict::Refused(refusal) => ProposalOutcome::Refused(refusal.to_string()),
    }
}
