//! A task starts, or is judged and does what its gates say.

use std::time::Instant;

use psi_api::{Cause, v1};
use psi_ledger::record::Evidence;
use psi_process::{
    Action, Attestation, ChainState, Judgement, Mode, Spec, Subject, TaskName, Verdict, WorkHash,
    engine::next_action,
    judge::{DRIFT_SEVERITY, judge_phase},
    spec::Phase,
    value::Value,
};
use psi_quorum::{ClientName, Register};
use tokio::sync::Semaphore;
use tonic::Code;

use super::{
    Ops, ProcessPolicy, TransitionDraft, bad, changes::work_hash, conflict, deadline, predecessor, stale,
    states::judgement_message, task_subject, unreadable,
};
use crate::{
    calls::governance::leases::LeaseRequest,
    governance::process::{attestation::own_attestation, facts},
};

/// Who holds the lease of a task where the caller does not say it.
const CLIENT: &str = "operator";

/// Seconds for which who does not work on a task takes its lease for a step: voters that start again wait for as long.
const STEP_SECONDS: u32 = 5;

/// For how long a lease is waited for that another holds.
const HANDOVER_MS: u64 = 500;

/// Reviews at a time: each may hold 32 MiB of documents, and check signatures for seconds of a core.
static REVIEWS: Semaphore = Semaphore::const_new(2);

/// The lease under which a task advances.
struct TaskLease {
    /// Known by now: the lease has no name once the task has ended.
    register: Register,
    fence: u64,
    client: ClientName,
    /// Whether the caller held it before, to work on the task.
    was_held: bool,
}

/// What the gates of a phase said of a task.
struct PhaseReview {
    judgements: Vec<Judgement>,
    evidence: Vec<Evidence>,
}

impl Ops {
    /// Starts a task, or judges the gates of its phase and does what they say.
    pub(crate) async fn advance_task(&self, request: v1::AdvanceTaskRequest) -> Result<v1::AdvanceTaskResponse, Cause> {
        self.record_object(&format!("{}/{}", request.process, request.task));
        let until = deadline(request.deadline_ms);
        let advanced = self.advance(request, until).await;
        self.record_refusal(advanced)
    }

    async fn advance(&self, request: v1::AdvanceTaskRequest, until: Instant) -> Result<v1::AdvanceTaskResponse, Cause> {
        let (subject, task) = task_subject(&request.process, &request.task)?;
        let mut policy = self.policy(&subject.process).await?;
        if policy.mode == Mode::Watch {
            self.refresh_mode(&subject.process, until).await?;
            policy = self.policy(&subject.process).await?;
        }
        let chain = self.chain(&subject)?;
        let named = predecessor(&request.predecessor)?;
        let Some(state) = chain.state() else {
            let start = Action::Start { to: policy.spec.first().name.clone() };
            let draft = TransitionDraft::plain(subject, start, named, (policy.state.spec, policy.mode));
            let draft = TransitionDraft { reason: request.reason, ..draft };
            let next = self.decide(draft, Some(&policy), until).await?;
            let state = Some(self.state_message(&next));
            return Ok(v1::AdvanceTaskResponse { action: "start".to_owned(), judgements: Vec::new(), state });
        };
        if named != Some(state.head) || state.end.is_some() {
            let refusal = state.end.map(|end| psi_process::TransitionRefusal::Ended { end, current: state.head });
            return Err(refusal.map_or_else(|| stale(&chain, named), |refusal| super::refused(&chain, &refusal, named)));
        }
        // To force a task is for when those who work on it are gone, with their lease.
        let lease = if request.forced { None } else { self.lease_of_task(state, &request, until).await? };
        let fence = lease.as_ref().map(|lease| lease.fence);
        let advanced = self.leave_phase((&task, state), &policy, (fence, request), until).await;
        if let Some(TaskLease { register, client, was_held, .. }) = lease {
            let has_moved = advanced.as_ref().is_ok_and(|answer| !answer.action.is_empty());
            // The next phase is another's to work on. One who stays in this works on.
            if has_moved || !was_held {
                self.release_later(register, client);
            }
        }
        advanced
    }

    /// Judges the phase in which a task is, and does what follows.
    async fn leave_phase(
        &self,
        (task, state): (&TaskName, &ChainState),
        policy: &ProcessPolicy,
        (fence, request): (Option<u64>, v1::AdvanceTaskRequest),
        until: Instant,
    ) -> Result<v1::AdvanceTaskResponse, Cause> {
        let spec = self.spec(state.spec).await?;
        let lost = || conflict(&state.subject, "its spec does not have the phase in which it is");
        let phase = state.phase.as_ref().and_then(|phase| spec.phase(phase)).ok_or_else(lost)?;
        let work = request.work.map(work_hash);
        let reviewed = self.review((&spec, &policy.state), (task, state), phase, work);
        let reviewed = tokio::time::timeout_at(until.into(), reviewed).await;
        let PhaseReview { judgements, evidence } = reviewed.map_err(|_| slow_review(&state.subject))??;
        self.count(&judgements);
        let shown = judgements.iter().map(judgement_message).collect();
        let verdict = Verdict::of_all(&judgements);
        let forced = || {
            let to = spec.next(&phase.name).map(|next| next.name.clone());
            Action::Advance { from: phase.name.clone(), to }
        };
        let action = if request.forced { Some(forced()) } else { next_action(&spec, phase, verdict, policy.mode) };
        let Some(action) = action else {
            let chain = self.chain(&state.subject)?;
            let state = Some(self.state_message(&chain));
            return Ok(v1::AdvanceTaskResponse { action: String::new(), judgements: shown, state });
        };
        if request.forced && request.reason.is_empty() {
            return Err(bad("to force a task past its gates needs a reason (reason; --reason TEXT)".to_owned()));
        }
        let name = action.name().to_owned();
        let node = own_attestation(&self.context, &state.subject.process);
        let draft = TransitionDraft::plain(state.subject.clone(), action, Some(state.head), (state.spec, policy.mode));
        let draft = TransitionDraft {
            evidence,
            attestation: Some(Attestation { node, work }),
            judgements: judgements.iter().map(Judgement::for_record).collect(),
            fence,
            is_forced: request.forced,
            reason: request.reason,
            ..draft
        };
        let next = self.decide(draft, Some(policy), until).await?;
        Ok(v1::AdvanceTaskResponse { action: name, judgements: shown, state: Some(self.state_message(&next)) })
    }

    /// What the gates of a phase say now, and the evidence that there is.
    async fn review(
        &self,
        (spec, process): (&Spec, &ChainState),
        (task, state): (&TaskName, &ChainState),
        phase: &Phase,
        work: Option<WorkHash>,
    ) -> Result<PhaseReview, Cause> {
        let _turn = REVIEWS.acquire().await;
        let facts = facts::collect(&self.context, (task, state), process, phase, work).await;
        let (spec, phase) = (spec.clone(), phase.clone());
        let judged = tokio::task::spawn_blocking(move || (judge_phase(&spec, &phase, &facts), facts)).await;
        let (judgements, facts) = judged.map_err(|gone| unreadable(&gone.to_string()))?;
        let named = facts.evidence.iter().map(|(name, found)| Evidence::new(name, found.content));
        let evidence = named.collect::<Result<_, _>>().map_err(|refusal| bad(refusal.to_string()))?;
        Ok(PhaseReview { judgements, evidence })
    }

    /// What the gates say of a task now; nothing of one that has ended.
    pub(super) async fn judged(&self, task: &TaskName, state: &ChainState) -> Result<Vec<v1::GateJudgement>, Cause> {
        let policy = self.policy(&state.subject.process).await?;
        let spec = self.spec(state.spec).await?;
        let phase = state.phase.as_ref().filter(|_| state.end.is_none()).and_then(|phase| spec.phase(phase));
        let Some(phase) = phase else { return Ok(Vec::new()) };
        let review = self.review((&spec, &policy.state), (task, state), phase, None).await?;
        Ok(review.judgements.iter().map(judgement_message).collect())
    }

    /// The lease of a task where its spec asks for one.
    async fn lease_of_task(
        &self,
        state: &ChainState,
        request: &v1::AdvanceTaskRequest,
        until: Instant,
    ) -> Result<Option<TaskLease>, Cause> {
        let Some(terms) = self.spec(state.spec).await?.lease() else { return Ok(None) };
        let (name, client) = (lease_name(state), if request.client.is_empty() { CLIENT } else { &request.client });
        if let Some((register, grant, left_ms)) = self.held_lease(&name, client).await?
            && left_ms >= u64::from(terms.seconds) * 1_000 / 2
        {
            return Ok(Some(TaskLease { register, fence: grant.fence.0, client: grant.client, was_held: true }));
        }
        let known = self.lease(&name).await?;
        let was_held = known.holder == client && known.holder_node == known.node;
        let seconds = if was_held { terms.seconds } else { terms.seconds.min(STEP_SECONDS) };
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let wish = LeaseRequest {
            name,
            client: client.to_owned(),
            duration_ms: u64::from(seconds) * 1_000,
            // Who advanced it last gives it back behind its answer.
            wait_ms: HANDOVER_MS,
            deadline_ms: u32::try_from(left).unwrap_or(u32::MAX).max(1),
            way_out: "advance again then, or as that client through its node (client; --client NAME --node ADDRESS)",
        };
        let fence = self.acquire_lease(wish).await?.fence;
        let held = self.held_lease(&lease_name(state), client).await?;
        Ok(held.map(|(register, grant, _)| TaskLease { register, fence, client: grant.client, was_held }))
    }

    fn count(&self, judgements: &[Judgement]) {
        for judgement in judgements {
            self.context.metrics.processes.record_judgement(judgement.verdict);
            let severity = judgement.readings.iter().find(|reading| reading.name == DRIFT_SEVERITY);
            if let Some(Value::Text(severity)) = severity.map(|reading| &reading.value) {
                self.context.metrics.processes.record_drift(severity);
            }
        }
    }
}

fn slow_review(subject: &Subject) -> Cause {
    let message = format!(
        "the evidence of {subject} could not be fetched and judged in time, and nothing was proposed; ask again, with more \
         time (--timeout, deadline_ms), or look which node is slow: `psi-field members`"
    );
    Cause::new(Code::DeadlineExceeded, "REVIEW_LATE", message)
}

/// What the lease of a task is called, for those who work on it.
fn lease_name(state: &ChainState) -> String {
    let task = state.subject.task.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("process/{}/{task}", state.subject.process)
}
