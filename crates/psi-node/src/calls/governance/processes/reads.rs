//! Where processes and tasks stand, and what was decided of them.

use psi_api::{Cause, v1};
use psi_process::{
    Attestation, BaselineState, ChainState, DecidedChain, Name, Severity, Subject, TransitionHash,
    attestation::AttestationStatus,
};
use tonic::Code;

use super::{Ops, not_here, predecessor, states::transition_message, subject};
use crate::{
    calls::readiness::readable,
    governance::process::{
        attestation::attested_nodes,
        chain::{PROCESS_PREFIX, announced_body, buckets_of},
        documents,
    },
};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;
const TRANSITIONS_DEFAULT: usize = 50;
const TRANSITIONS_MAX: usize = 200;
/// A page ends before its transitions take more: 4 MB is what clients of gRPC take.
const PAGE_BYTES_MAX: usize = 1 << 20;

impl Ops {
    /// Where a process or a task stands.
    pub(crate) async fn process(&self, request: v1::GetProcessRequest) -> Result<v1::ProcessState, Cause> {
        let v1::GetProcessRequest { process, task, judged } = request;
        let found = async {
            let subject = subject(&process, &task)?;
            let chain = self.chain(&subject)?;
            let state = chain.state().ok_or_else(|| self.unknown(&subject))?;
            let mut message = self.state_message(&chain);
            if let Some(task) = &subject.task {
                message.evidence = self.pieces(state).await;
                if judged {
                    let spec = self.spec(state.spec).await?;
                    let phase = state.phase.as_ref().and_then(|phase| spec.phase(phase));
                    message.phase_hash = phase.map(|phase| phase.hash.to_string()).unwrap_or_default();
                    message.judgements = self.judged(task, state).await?;
                }
            } else if judged {
                message.nodes = self.nodes(state).await;
            }
            Ok(message)
        };
        let found = found.await;
        self.record_refusal(found)
    }

    /// What live nodes attest, and how that differs from the baseline of the process.
    async fn nodes(&self, state: &ChainState) -> Vec<v1::NodeAttestationState> {
        let baseline = state.baseline.clone().map_or(BaselineState::Missing, BaselineState::Set);
        let attested = attested_nodes(&self.context, &state.subject.process).await;
        let shown = attested.into_iter().map(|(node, attested)| {
            let attestation = Attestation { node: attested.clone(), work: None };
            let status = match baseline.compare(&attestation, Severity::Medium) {
                AttestationStatus::Same => "same".to_owned(),
                AttestationStatus::Drift { differences, .. } => differences.join(", "),
                other => other.to_string(),
            };
            let mut shown = v1::NodeAttestationState { node: node.to_string(), status, ..Default::default() };
            if let Some(attested) = attested {
                (shown.build, shown.protocol) = (attested.build, attested.protocol);
                (shown.settings, shown.spec) = (attested.settings.to_string(), attested.spec.to_string());
            }
            shown
        });
        shown.collect()
    }

    /// A page of processes, or of the tasks of one.
    pub(crate) fn processes(&self, request: v1::ListProcessesRequest) -> Result<v1::ListProcessesResponse, Cause> {
        let v1::ListProcessesRequest { process, page_size, page_token } = request;
        let listed = || {
            self.context.read(readable)?;
            let of = match process.as_str() {
                "" => None,
                process => Some(subject(process, "")?.process),
            };
            let mut chains = self.chains(of.as_ref());
            chains.retain(|chain| *name_of(chain) > *page_token);
            chains.sort_by(|one, other| one.subject().cmp(other.subject()));
            let size = page_of(page_size, PAGE_DEFAULT, PAGE_MAX);
            let has_more = chains.len() > size;
            chains.truncate(size);
            let next_page_token = chains.last().filter(|_| has_more).map(name_of).unwrap_or_default();
            let processes = chains.iter().map(|chain| self.state_message(chain)).collect();
            let node = self.context.settings.node.to_string();
            Ok(v1::ListProcessesResponse { processes, next_page_token, node })
        };
        self.record_refusal(listed())
    }

    /// All processes, or all tasks of one, as far as this node knows.
    fn chains(&self, of: Option<&Name>) -> Vec<DecidedChain> {
        let prefix = of.map_or_else(|| PROCESS_PREFIX.to_owned(), buckets_of);
        let (views, now_ms) =
            (self.context.read(|replica| replica.registers_below(&prefix)), self.context.now().wall.0);
        let decided = views.into_iter().filter(|view| view.step > 0);
        let bodies = decided.filter_map(|view| announced_body(&view.name, &view.decision).ok());
        bodies.flat_map(|body| body.chains(now_ms).into_iter().cloned().collect::<Vec<_>>()).collect()
    }

    /// A page of what was decided, the latest first.
    pub(crate) async fn transitions(
        &self,
        request: v1::ListTransitionsRequest,
    ) -> Result<v1::ListTransitionsResponse, Cause> {
        let v1::ListTransitionsRequest { process, task, page_size, page_token } = request;
        let listed = async {
            let subject = subject(&process, &task)?;
            let chain = self.chain(&subject)?;
            let state = chain.state().ok_or_else(|| self.unknown(&subject))?;
            let from = read_token(&page_token)?.unwrap_or((chain.step(), state.head));
            let size = page_of(page_size, TRANSITIONS_DEFAULT, TRANSITIONS_MAX);
            self.page_of_transitions(from, size).await
        };
        let listed = listed.await;
        self.record_refusal(listed)
    }

    /// A page from a step and its transition on, back.
    async fn page_of_transitions(
        &self,
        (mut step, head): (u64, TransitionHash),
        size: usize,
    ) -> Result<v1::ListTransitionsResponse, Cause> {
        let (mut next, mut transitions, mut bytes) = (Some(head), Vec::new(), 0);
        while let Some(hash) = next.filter(|_| transitions.len() < size && bytes < PAGE_BYTES_MAX) {
            let placed = documents::transition(&self.context, hash, None).await;
            let placed = placed.ok_or_else(|| not_here("transition", &hash.to_string()))?;
            let message = transition_message(step, &placed);
            bytes += prost::Message::encoded_len(&message);
            transitions.push(message);
            next = placed.transition.predecessor;
            step = step.saturating_sub(1);
        }
        let next_page_token = next.map_or_else(String::new, |hash| format!("{step}.{hash}"));
        let node = self.context.settings.node.to_string();
        Ok(v1::ListTransitionsResponse { transitions, next_page_token, node })
    }
}

/// By what a page names what it ends with.
fn name_of(chain: &DecidedChain) -> String {
    let Subject { process, task } = chain.subject();
    task.as_ref().map_or_else(|| process.to_string(), ToString::to_string)
}

fn page_of(size: u32, default: usize, max: usize) -> usize {
    let size = usize::try_from(size).unwrap_or(max).min(max);
    if size == 0 { default } else { size }
}

/// A step, and the transition that it decided.
fn read_token(token: &str) -> Result<Option<(u64, TransitionHash)>, Cause> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let (step, hash) = token.split_once('.')?;
        Some((step.parse().ok()?, predecessor(hash).ok()??))
    };
    let message = "page_token: send what the page before gave as next_page_token, or leave it out for the first page";
    read().map(Some).ok_or_else(|| Cause::new(Code::InvalidArgument, "BAD_PAGE", message))
}
