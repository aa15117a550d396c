//! What people change by hand: a spec, a mode, a baseline, an end.

use psi_api::{Cause, v1};
use psi_process::{Action, Baseline, ChainState, Decision, Mode, Spec, Subject, WorkHash, WorkOrder};
use tonic::Code;

use super::{Ops, TransitionDraft, bad, deadline, predecessor, stale, subject, unreadable};
use crate::governance::process::{attestation::own_attestation, chain::PROCESS_PREFIX, documents};

/// Most processes of a cluster.
const PROCESSES_MAX: usize = 256;

impl Ops {
    /// Begins a process by its spec, or changes its spec.
    pub(crate) async fn apply_spec(&self, request: v1::ApplySpecRequest) -> Result<v1::ProcessState, Cause> {
        let v1::ApplySpecRequest { toml, predecessor: named, reason, deadline_ms } = request;
        let applied = async {
            let spec = read_spec(&toml)?;
            self.record_object(spec.name().as_str());
            let subject = Subject::process(spec.name().clone());
            let chain = self.chain(&subject)?;
            let predecessor = predecessor(&named)?;
            // Applied already: nothing is to be decided.
            if let Some(state) = chain.state().filter(|state| state.spec == spec.hash() && state.end.is_none()) {
                if predecessor.is_some_and(|named| named != state.head) {
                    return Err(stale(&chain, predecessor));
                }
                return Ok(chain);
            }
            if chain.state().is_none() {
                self.check_room()?;
            }
            // The mode of a process changes by a switch alone.
            let mode = chain.state().map_or(spec.mode(), |state| state.mode);
            let kept = vec![(*spec.hash().as_bytes(), spec.canonical().to_vec())];
            documents::keep(&self.context, kept).await.map_err(|error| unreadable(&error.to_string()))?;
            let draft = TransitionDraft::plain(subject, Action::SpecChange, predecessor, (spec.hash(), mode));
            self.decide(TransitionDraft { reason, ..draft }, None, deadline(deadline_ms)).await
        };
        let applied = applied.await;
        Ok(self.state_message(&self.record_refusal(applied)?))
    }

    /// Ends a task where it is, or lets a process start no more tasks.
    pub(crate) async fn abort_process(&self, request: v1::AbortProcessRequest) -> Result<v1::ProcessState, Cause> {
        let v1::AbortProcessRequest { process, task, predecessor, reason, deadline_ms } = request;
        let change = |state: &ChainState| Ok((Action::Abort { from: state.phase.clone() }, None));
        self.change_process((&process, &task), (&predecessor, reason, deadline_ms), change).await
    }

    /// Lets gates block, or only be recorded.
    pub(crate) async fn switch_mode(&self, request: v1::SwitchModeRequest) -> Result<v1::ProcessState, Cause> {
        let v1::SwitchModeRequest { process, mode, predecessor, reason, deadline_ms } = request;
        let change = |_: &ChainState| match mode.as_str() {
            "watch" => Ok((Action::Switch, Some(Mode::Watch))),
            "enforce" => Ok((Action::Switch, Some(Mode::Enforce))),
            _ => Err(bad("a mode is `watch` or `enforce`".to_owned())),
        };
        self.change_process((&process, ""), (&predecessor, reason, deadline_ms), change).await
    }

    /// Sets what later attestations are compared with.
    pub(crate) async fn set_process_baseline(
        &self,
        request: v1::SetProcessBaselineRequest,
    ) -> Result<v1::ProcessState, Cause> {
        let v1::SetProcessBaselineRequest { process, task, predecessor, reason, work, deadline_ms } = request;
        let change = |state: &ChainState| {
            let baseline = match (&state.phase, work.map(work_hash)) {
                (None, None) => Baseline { node: own_attestation(&self.context, &state.subject.process), work: None },
                (Some(_), Some(work)) => Baseline { node: None, work: Some(work) },
                (None, Some(_)) => return Err(bad("a process has no work; name a task".to_owned())),
                (Some(_), None) => return Err(bad("say what the work of the task is (work; --work FILE)".to_owned())),
            };
            Ok((Action::BaselineSetting(baseline), None))
        };
        self.change_process((&process, &task), (&predecessor, reason, deadline_ms), change).await
    }

    /// A change by hand of what exists, in the mode that is in force unless the change is a switch.
    async fn change_process(
        &self,
        (process, task): (&str, &str),
        (named, reason, deadline_ms): (&str, String, u32),
        change: impl FnOnce(&ChainState) -> Result<(Action, Option<Mode>), Cause>,
    ) -> Result<v1::ProcessState, Cause> {
        let changed = async {
            self.record_object(process);
            let subject = subject(process, task)?;
            let policy = self.policy(&subject.process).await?;
            let chain = self.chain(&subject)?;
            let state = chain.state().ok_or_else(|| self.unknown(&subject))?;
            let (action, mode) = change(state)?;
            let is_task = subject.task.is_some();
            let mode = mode.unwrap_or(if is_task { policy.mode } else { policy.state.mode });
            let draft = TransitionDraft::plain(subject, action, predecessor(named)?, (state.spec, mode));
            let policy = Some(&policy).filter(|_| is_task);
            self.decide(TransitionDraft { reason, ..draft }, policy, deadline(deadline_ms)).await
        };
        let changed = changed.await;
        Ok(self.state_message(&self.record_refusal(changed)?))
    }

    /// Whether there may be one more process.
    fn check_room(&self) -> Result<(), Cause> {
        let processes = self.context.read(|replica| replica.registers_below(PROCESS_PREFIX)).len();
        if processes < PROCESSES_MAX {
            return Ok(());
        }
        let message = format!("there are {processes} processes, and at most {PROCESSES_MAX}; change the spec of one");
        Err(Cause::new(Code::ResourceExhausted, "TOO_MANY_PROCESSES", message).with("limit", PROCESSES_MAX))
    }
}

/// A spec that this version can decide.
fn read_spec(toml: &str) -> Result<Spec, Cause> {
    let spec = Spec::parse(toml).map_err(|error| Cause::new(Code::InvalidArgument, "BAD_SPEC", error))?;
    if spec.decide() == Decision::Quorum {
        return Ok(spec);
    }
    let message = format!(
        "process `{}` has decide = \"fold\", and this version decides by quorum only; write decide = \"quorum\" and name \
         voters (psi-field lease voters set n1 n2 n3)",
        spec.name()
    );
    Err(Cause::new(Code::InvalidArgument, "FOLD_UNSUPPORTED", message))
}

/// What the work was asked to be.
pub(super) fn work_hash(work: v1::WorkOrder) -> WorkHash {
    let v1::WorkOrder { requirements, gates, artifacts, model, persona } = work;
    WorkOrder { requirements, gates, artifacts, model, persona }.hash()
}
