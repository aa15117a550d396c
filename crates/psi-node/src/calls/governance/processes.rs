//! Processes: what callers do with them. The steps that this makes are decided by voters.

mod advance;
mod changes;
mod emergency;
mod evidence;
mod reads;
mod states;

use std::time::{Duration, Instant};

use psi_api::Cause;
use psi_ledger::record::{Evidence, Kind};
use psi_process::{
    Action, Attestation, ChainState, DecidedChain, Judgement, Mode, Name, Spec, SpecHash, Subject, TaskName,
    Transition, TransitionHash, TransitionRefusal,
    engine::{Fate, ProposedStep, check_policy, hidden_steps},
};
use psi_quorum::Register;
use tokio::sync::oneshot;
use tonic::Code;

use super::registers::{kept_register, made_register, unreadable};
use crate::{
    calls::{ops::Ops, readiness::writable},
    governance::{
        ledger::{NewRecord, store::RecordPlace},
        process::{
            chain::{RegisterBody, known_chain, register_name, task_of_lease},
            documents,
            emergency::{EMERGENCY_REGISTER, emergency},
        },
        quorum::{
            desk::ValueProposer,
            registers::register_of,
            value_proposer::{ProposalOutcome, value_slot},
        },
    },
};

/// Longest names of a process and its task together: a lease of the task has both in its name, which has at most 100.
const NAMES_BYTES_MAX: usize = 90;
const DEADLINE_MS_DEFAULT: u32 = 5_000;
const DEADLINE_MS_MAX: u32 = 600_000;

/// What a transition says, but for what only the node that writes it knows.
struct TransitionDraft {
    subject: Subject,
    action: Action,
    predecessor: Option<TransitionHash>,
    spec: SpecHash,
    mode: Mode,
    evidence: Vec<Evidence>,
    attestation: Option<Attestation>,
    judgements: Vec<Judgement>,
    fence: Option<u64>,
    is_forced: bool,
    reason: String,
}

impl TransitionDraft {
    /// One that says no more than what it does.
    fn plain(
        subject: Subject,
        action: Action,
        predecessor: Option<TransitionHash>,
        (spec, mode): (SpecHash, Mode),
    ) -> Self {
        Self {
            subject,
            action,
            predecessor,
            spec,
            mode,
            evidence: Vec::new(),
            attestation: None,
            judgements: Vec::new(),
            fence: None,
            is_forced: false,
            reason: String::new(),
        }
    }
}

/// Where a process stands, and its spec.
struct ProcessPolicy {
    state: ChainState,
    spec: Spec,
    /// What holds now: that of the process, unless the emergency switch is on.
    mode: Mode,
}

impl Ops {
    /// Where a process or a task stands, as far as this node knows.
    fn chain(&self, subject: &Subject) -> Result<DecidedChain, Cause> {
        self.context.read(writable)?;
        known_chain(&self.context, subject).map_err(|why| conflict(subject, &why))
    }

    /// A process that exists, with its spec.
    async fn policy(&self, process: &Name) -> Result<ProcessPolicy, Cause> {
        let subject = Subject::process(process.clone());
        let chain = self.chain(&subject)?;
        let state = chain.state().cloned().ok_or_else(|| self.unknown(&subject))?;
        let spec = self.spec(state.spec).await?;
        let mode = if emergency(&self.context).on { Mode::Watch } else { state.mode };
        Ok(ProcessPolicy { state, spec, mode })
    }

    /// That nobody began it. Of a task whose process nobody began either, the process is what is missing.
    fn unknown(&self, subject: &Subject) -> Cause {
        let process = Subject::process(subject.process.clone());
        let has_process = self.chain(&process).is_ok_and(|chain| chain.state().is_some());
        let message = if subject.task.is_some() && has_process {
            format!(
                "{subject} is not known here; advance it once to start it, or see `psi-field process list {}`",
                subject.process
            )
        } else {
            format!("{process} is not known here; apply its spec, or see `psi-field process list`")
        };
        Cause::new(Code::NotFound, "UNKNOWN_PROCESS", message)
    }

    async fn spec(&self, hash: SpecHash) -> Result<Spec, Cause> {
        documents::spec(&self.context, hash, None).await.ok_or_else(|| not_here("spec", &hash.to_string()))
    }

    /// What the spec says of the lease of a task; `None` for a lease of no task, or one without terms.
    pub(super) async fn terms_of_lease(&self, lease: &str) -> Option<psi_process::spec::LeaseTerms> {
        let subject = task_of_lease(lease)?;
        let chain = known_chain(&self.context, &subject).ok()?;
        let spec = documents::spec(&self.context, chain.state()?.spec, None).await?;
        spec.lease()
    }

    /// Has a transition decided, and returns where it leads. That of a task keeps to what its process says.
    async fn decide(
        &self,
        draft: TransitionDraft,
        policy: Option<&ProcessPolicy>,
        deadline: Instant,
    ) -> Result<DecidedChain, Cause> {
        let subject = draft.subject.clone();
        self.check_begins(&draft, policy)?;
        let register = self.process_register(&subject).await?;
        let slot = value_slot(&self.context, &register).ok_or_else(|| unreadable("its voter's key"))?;
        let proposer = tokio::time::timeout_at(deadline.into(), slot.lock()).await;
        let mut proposer = proposer.map_err(|_| no_majority(&subject, None))?;
        proposer.learn(&self.context).await;
        let transition = self.transition(draft)?;
        let now_ms = transition.clock.wall_ms;
        let body = |proposer: &ValueProposer| {
            let body = RegisterBody::of(register.name().as_str(), proposer.last());
            body.map_err(|why| conflict(&subject, &why))
        };
        policy.map_or(Ok(()), |policy| check_task(policy, &body(&proposer)?.chain(&subject, now_ms), &transition))?;
        let mut kept = None;
        loop {
            let (before, before_step) = (body(&proposer)?, proposer.last().step().0);
            let next = self.following(&before, &transition).await?;
            let (head, blob) = match &kept {
                Some(kept) => kept,
                None => kept.insert(self.keep_transition(&transition, deadline).await?),
            };
            let led_to = next.chain(&subject, now_ms);
            let is_overtaken = match proposer.propose(&self.context, (next.to_bytes(), blob), deadline).await {
                ProposalOutcome::Decided => return Ok(led_to),
                ProposalOutcome::Lost => false,
                ProposalOutcome::Overtaken => true,
                ProposalOutcome::Refused(why) => return Err(conflict(&subject, &why)),
                ProposalOutcome::NoMajority(refusal) => return Err(no_majority(&subject, refusal)),
            };
            proposer.learn(&self.context).await;
            proposer.show(&self.context);
            let after = body(&proposer)?;
            if is_overtaken {
                let passed = proposer.last().step().0.saturating_sub(before_step);
                let hidden = hidden_steps(&before.chains(0), &after.chains(0), passed);
                let step = ProposedStep { transition: &transition, head: *head, led_to: &led_to };
                match self.fate(step, &after.chain(&subject, 0), hidden).await {
                    Fate::Decided => return Ok(led_to),
                    Fate::Rejected => {}
                    Fate::Unknown => return Err(unknown_fate(&subject, *head)),
                }
            }
            // Else another task of the bucket took the step.
            let current = after.chain(&subject, now_ms);
            if current.state().map(|state| state.head) != transition.predecessor {
                return Err(stale(&current, transition.predecessor));
            }
        }
    }

    /// What became of a transition, after others were decided: the history says so.
    async fn fate(&self, step: ProposedStep<'_>, current: &DecidedChain, hidden: u64) -> Fate {
        let newest = current.state().map(|state| state.head);
        let history = documents::history(&self.context, newest, step.history_count(current)).await;
        let history: Vec<_> = history.iter().map(|placed| placed.hash).collect();
        step.fate(current, &history, hidden)
    }

    /// That the first step of a chain may be one: else its register would be made, and its name be used up, for nothing.
    fn check_begins(&self, draft: &TransitionDraft, policy: Option<&ProcessPolicy>) -> Result<(), Cause> {
        let known = self.chain(&draft.subject)?;
        if known.step() > 0 {
            return Ok(());
        }
        if draft.predecessor.is_some() {
            return Err(stale(&known, draft.predecessor));
        }
        let ended = policy.and_then(|policy| Some((policy.state.end?, policy.state.head)));
        ended.map_or(Ok(()), |(end, current)| {
            Err(refused(&known, &TransitionRefusal::Ended { end, current }, draft.predecessor))
        })
    }

    /// Learns from most voters how mode and emergency switch stand, before a gate is passed that does not pass.
    async fn refresh_mode(&self, process: &Name, until: Instant) -> Result<(), Cause> {
        let subject = Subject::process(process.clone());
        for name in [EMERGENCY_REGISTER.to_owned(), register_name(&subject)] {
            let view = self.context.read(|replica| replica.register_view(&name)).filter(|view| view.step > 0);
            let Some(view) = view else { continue };
            let register = register_of(&view).ok_or_else(|| conflict(&subject, "its voters are none that can vote"))?;
            let slot = value_slot(&self.context, &register).ok_or_else(|| unreadable("its voter's key"))?;
            let refreshed = async { slot.lock().await.refresh(&self.context).await };
            let refreshed = tokio::time::timeout_at(until.into(), refreshed).await.ok().flatten();
            refreshed.ok_or_else(|| no_majority(&subject, None))?;
        }
        Ok(())
    }

    /// The register of a process or a task, which is made where there is none, and kept on this disk.
    async fn process_register(&self, subject: &Subject) -> Result<Register, Cause> {
        let conflict = |why: &str| conflict(subject, why);
        kept_register(&self.context, &register_name(subject), conflict).await
    }

    /// The transition as this node writes it now.
    fn transition(&self, draft: TransitionDraft) -> Result<Transition, Cause> {
        let clock = self.context.write(|replica, now| replica.ledger_clock(now));
        let (origin, clock) = clock.map_err(|error| Cause::from(&error))?;
        let TransitionDraft { subject, action, predecessor, spec, mode, evidence, attestation, .. } = draft;
        let TransitionDraft { judgements, fence, is_forced, reason, .. } = draft;
        let actor = self.actor();
        Ok(Transition {
            subject,
            action,
            predecessor,
            spec,
            mode,
            clock,
            origin,
            actor,
            evidence,
            attestation,
            judgements,
            fence,
            is_forced,
            reason,
        })
    }

    /// What the register decides next, if the rules let the transition follow.
    async fn following(&self, before: &RegisterBody, transition: &Transition) -> Result<RegisterBody, Cause> {
        let chain = before.chain(&transition.subject, transition.clock.wall_ms);
        let specs = documents::specs_of(&self.context, &chain, transition, None).await;
        let followed = before.follow(transition, &specs);
        followed.map_err(|refusal| refused(&chain, &refusal, transition.predecessor))
    }

    /// Writes the transition into the ledger and onto this disk. Returns it as it is kept.
    async fn keep_transition(
        &self,
        transition: &Transition,
        deadline: Instant,
    ) -> Result<(TransitionHash, Vec<u8>), Cause> {
        let hash = transition.hash().map_err(|error| bad(error.to_string()))?;
        let bytes = transition.encode().map_err(|error| bad(error.to_string()))?;
        let (placed, place) = oneshot::channel();
        let record = NewRecord {
            kind: Kind::Transition,
            actor: transition.actor.clone(),
            body: bytes.clone(),
            evidence: Vec::new(),
            transition: Some(*hash.as_bytes()),
            placed: Some(placed),
        };
        if !self.context.ledger.record(record) {
            return Err(unreadable("too many records wait for its disk"));
        }
        let place = tokio::time::timeout_at(deadline.into(), place).await;
        let Ok(Ok(RecordPlace { log, index, .. })) = place else {
            return Err(unreadable("the transition can't be written"));
        };
        Ok((hash, documents::transition_blob(bytes, log.to_string(), index)))
    }
}

/// Whether a task may do this by what its process says now.
fn check_task(policy: &ProcessPolicy, before: &DecidedChain, transition: &Transition) -> Result<(), Cause> {
    // In an emergency all are judged as if they were only watched.
    let process = ChainState { mode: policy.mode, ..policy.state.clone() };
    check_policy(&process, transition).map_err(|refusal| refused(before, &refusal, transition.predecessor))
}

pub(super) fn deadline(ms: u32) -> Instant {
    let ms = if ms == 0 { DEADLINE_MS_DEFAULT } else { ms.min(DEADLINE_MS_MAX) };
    Instant::now() + Duration::from_millis(ms.into())
}

/// What a caller names: a process, or a task of it.
fn subject(process: &str, task: &str) -> Result<Subject, Cause> {
    let process = Name::new(process).map_err(|error| bad(error.to_string()))?;
    let subject = match task {
        "" => Subject::process(process),
        task => Subject::task(process, TaskName::new(task).map_err(|error| bad(error.to_string()))?),
    };
    let bytes = subject.process.as_str().len() + task.len();
    if bytes <= NAMES_BYTES_MAX {
        return Ok(subject);
    }
    let message = format!(
        "the names of a process and its task have at most {NAMES_BYTES_MAX} bytes together, and these have {bytes}; shorten \
         one"
    );
    Err(bad(message).with("got", bytes).with("limit", NAMES_BYTES_MAX))
}

fn task_subject(process: &str, task: &str) -> Result<(Subject, TaskName), Cause> {
    let subject = subject(process, task)?;
    let task = subject.task.clone().ok_or_else(|| bad("name a task, such as `main`".to_owned()))?;
    Ok((subject, task))
}

/// The transition that a caller's one follows; empty for none.
fn predecessor(hash: &str) -> Result<Option<TransitionHash>, Cause> {
    if hash.is_empty() {
        return Ok(None);
    }
    let parsed = TransitionHash::parse(hash);
    let message = "a transition is named by 64 small hexadecimal digits; `psi-field process status NAME` shows them";
    parsed.map(Some).ok_or_else(|| bad(message.to_owned()))
}

fn bad(message: String) -> Cause {
    Cause::new(Code::InvalidArgument, "BAD_PROCESS", message)
}

fn not_here(what: &str, hash: &str) -> Cause {
    let message = format!("neither this node nor one that it reaches holds {what} {hash}; start a node that does");
    Cause::new(Code::Unavailable, "SPEC_NOT_HERE", message)
}

fn conflict(subject: &Subject, why: &str) -> Cause {
    let message =
        format!("{subject} can't be decided: {why}. If its voters do not come back, apply the spec under another name");
    Cause::new(Code::FailedPrecondition, "PROCESS_CONFLICT", message)
}

fn no_majority(subject: &Subject, refusal: Option<String>) -> Cause {
    no_majority_of(&subject.to_string(), refusal)
}

/// Most voters did not vote. `refusal`: what one said.
fn no_majority_of(what: &str, refusal: Option<String>) -> Cause {
    let refusal = refusal.map(|refusal| format!("; {refusal}")).unwrap_or_default();
    let message = format!(
        "most voters of {what} did not vote in time{refusal}. It may have been decided all the same: see `psi-field process \
         log`, `psi-field lease voters show` and `psi-field members`"
    );
    Cause::new(Code::DeadlineExceeded, "NO_MAJORITY", message)
}

/// Others were decided, and it can't be said whether the transition was before them.
fn unknown_fate(subject: &Subject, head: TransitionHash) -> Cause {
    let message = format!(
        "others had steps of {subject} decided meanwhile, and it can't be said here whether transition {head} is among them: \
         look for it in `psi-field process log`, and see `psi-field members`"
    );
    Cause::new(Code::DeadlineExceeded, "NO_MAJORITY", message)
}

/// Another transition than the one that the caller named is the current one.
fn stale(current: &DecidedChain, named: Option<TransitionHash>) -> Cause {
    let head = current.state().map(|state| state.head);
    refused(current, &TransitionRefusal::OtherPredecessor { named, current: head }, named)
}

fn refused(current: &DecidedChain, refusal: &TransitionRefusal, named: Option<TransitionHash>) -> Cause {
    let head = current.state().map_or_else(String::new, |state| state.head.to_string());
    let (code, reason) = match refusal {
        TransitionRefusal::OtherPredecessor { .. } => (Code::FailedPrecondition, "STALE_PREDECESSOR"),
        TransitionRefusal::Ended { .. } => (Code::FailedPrecondition, "PROCESS_ENDED"),
        TransitionRefusal::UnknownSpec(_) => (Code::Unavailable, "SPEC_NOT_HERE"),
        TransitionRefusal::Encoding(_) => (Code::InvalidArgument, "BAD_PROCESS"),
        TransitionRefusal::FullBucket { .. } => (Code::ResourceExhausted, "TOO_MANY_TASKS"),
        _ => (Code::FailedPrecondition, "TRANSITION_REFUSED"),
    };
    let cause = Cause::new(code, reason, refusal).with("current", head).with("step", current.step());
    named.map_or_else(|| cause.clone(), |named| cause.clone().with("named", named))
}
