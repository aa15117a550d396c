//! States, judgements and transitions as callers see them.

use psi_api::v1;
use psi_ledger::record::Evidence;
use psi_process::{DecidedChain, Judgement, Subject, Verdict, value::Reading};
use psi_replica::Clock;

use super::Ops;
use crate::governance::{
    ledger::store::processes::StoredEvidence,
    process::{chain::known_chain, documents::PlacedTransition, emergency::emergency, evidence::content_of},
};

impl Ops {
    /// Where a chain stands.
    pub(super) fn state_message(&self, chain: &DecidedChain) -> v1::ProcessState {
        let Subject { process, task } = chain.subject();
        let mut message = v1::ProcessState {
            process: process.to_string(),
            task: task.as_ref().map(ToString::to_string).unwrap_or_default(),
            step: chain.step(),
            emergency: emergency(&self.context).on,
            node: self.context.settings.node.to_string(),
            ..v1::ProcessState::default()
        };
        let Some(state) = chain.state() else { return message };
        message.spec = state.spec.to_string();
        // A task goes by the mode of its process, which may have changed since its last step.
        let whole = known_chain(&self.context, &Subject::process(process.clone())).ok();
        let mode = whole.as_ref().and_then(DecidedChain::state).map_or(state.mode, |state| state.mode);
        message.mode = mode.to_string();
        message.phase = state.phase.as_ref().map(ToString::to_string).unwrap_or_default();
        message.head = state.head.to_string();
        message.returns = state.returns;
        message.end = state.end.map(|end| end.to_string()).unwrap_or_default();
        message.time = Some(psi_api::timestamp(state.clock));
        message.baseline = if state.baseline.is_some() { "set" } else { "missing" }.to_owned();
        message
    }
}

/// What a gate answered.
pub(super) fn judgement_message(judgement: &Judgement) -> v1::GateJudgement {
    let Judgement { gate, verdict, reason, readings, missing } = judgement;
    let (verdict, hold) = match verdict {
        Verdict::Pass => ("PASS", String::new()),
        Verdict::Fail => ("FAIL", String::new()),
        Verdict::Hold(hold) => ("HOLD", hold.to_string()),
    };
    v1::GateJudgement {
        gate: gate.to_string(),
        verdict: verdict.to_owned(),
        hold,
        reason: reason.clone(),
        readings: readings.iter().map(|Reading { name, value }| format!("{name} = {value}")).collect(),
        missing: missing.clone(),
    }
}

/// A piece of evidence that is kept; `None` if it has no hash.
pub(super) fn piece_message(name: &str, piece: &StoredEvidence) -> Option<v1::EvidencePiece> {
    let content = content_of(piece)?;
    let time = psi_api::timestamp(Clock { wall_ms: piece.wall_ms, counter: piece.counter });
    let sha256 = content.sha256.to_string();
    Some(v1::EvidencePiece { name: name.to_owned(), sha256, size: content.size, time: Some(time) })
}

/// What was decided.
pub(super) fn transition_message(step: u64, placed: &PlacedTransition) -> v1::ProcessTransition {
    let PlacedTransition { hash, transition, log, index } = placed;
    let text = |name: Option<&psi_process::Name>| name.map(ToString::to_string).unwrap_or_default();
    let named = |piece: &Evidence| {
        let (sha256, size) = (piece.content().sha256.to_string(), piece.content().size);
        v1::EvidencePiece { name: piece.name().to_owned(), sha256, size, time: None }
    };
    v1::ProcessTransition {
        step,
        hash: hash.to_string(),
        predecessor: transition.predecessor.map(|hash| hash.to_string()).unwrap_or_default(),
        action: transition.action.name().to_owned(),
        from: text(transition.action.from()),
        to: text(transition.action.to()),
        mode: transition.mode.to_string(),
        spec: transition.spec.to_string(),
        time: Some(psi_api::timestamp(transition.clock)),
        node: transition.origin.node.to_string(),
        actor: transition.actor.to_string(),
        forced: transition.is_forced,
        reason: transition.reason.clone(),
        judgements: transition.judgements.iter().map(judgement_message).collect(),
        evidence: transition.evidence.iter().map(named).collect(),
        log: log.clone(),
        index: *index,
    }
}
