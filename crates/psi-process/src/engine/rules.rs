//! The rules: which transition may follow where a chain stands. They read the transition, the state and specs, nothing
//! else, so every node that holds the same says the same.

use psi_ledger::record::Actor;

use super::{
    refusal::TransitionRefusal,
    specs::SpecStore,
    state::{ChainState, End, STEPS_MAX},
    support::supports,
};
use crate::{
    attestation::{AttestationStatus, Severity},
    hash::TransitionHash,
    judgement::{Judgement, Verdict},
    name::Name,
    spec::{Decision, DriftReaction, Mode, Phase, Spec},
    transition::{Action, Subject, Transition},
};

type NextState = Result<ChainState, TransitionRefusal>;

/// Where a chain stands after a transition.
pub(super) fn follow(
    subject: &Subject,
    state: Option<&ChainState>,
    (transition, hash): (&Transition, TransitionHash),
    specs: &SpecStore,
) -> NextState {
    if transition.subject != *subject {
        let (named, current) = (transition.subject.clone(), subject.clone());
        return Err(TransitionRefusal::OtherSubject { named, current });
    }
    if let Some((end, current)) = state.and_then(|state| Some((state.end?, state.head))) {
        return Err(TransitionRefusal::Ended { end, current });
    }
    let current = state.map(|state| state.head);
    if transition.predecessor != current {
        return Err(TransitionRefusal::OtherPredecessor { named: transition.predecessor, current });
    }
    let spec = specs.get(&transition.spec).ok_or(TransitionRefusal::UnknownSpec(transition.spec))?;
    if *spec.name() != subject.process {
        let (of, process) = (spec.name().clone(), subject.process.clone());
        return Err(TransitionRefusal::OtherProcess { spec: transition.spec, of, process });
    }
    if transition.is_forced && matches!(transition.actor, Actor::Node(_)) {
        return Err(TransitionRefusal::ForcedByNode);
    }
    let Some(state) = state else { return begin(transition, hash, spec) };
    check_chain(state, transition, spec)?;
    let next = ChainState {
        mode: transition.mode,
        head: hash,
        steps: state.steps.saturating_add(1),
        fence: transition.fence.max(state.fence),
        clock: transition.clock,
        ..state.clone()
    };
    if let Action::SpecChange = transition.action {
        if state.phase.is_none() && state.mode != transition.mode {
            return Err(TransitionRefusal::OtherMode { named: transition.mode, current: state.mode });
        }
        return change_spec(next, transition, spec, specs);
    }
    if state.spec != transition.spec {
        return Err(TransitionRefusal::OtherSpec { named: transition.spec, current: state.spec });
    }
    match &state.phase {
        None => change_process(state, next, transition),
        Some(phase) => move_task(next, transition, spec, phase),
    }
}

/// Whether a task's transition keeps to what its process says now. Ask before it is proposed: a transition that is decided
/// is judged by the mode that it carries, since others may learn of a switch later.
///
/// Voters do not ask. They may know an older state of the process, or a newer one, and what some voted for must never be
/// refused by the others for good: its register would be stuck.
///
/// # Errors
/// It was judged in another mode, or starts a task by another spec, or after the end of the process.
pub fn check_policy(process: &ChainState, transition: &Transition) -> Result<(), TransitionRefusal> {
    if transition.mode != process.mode {
        return Err(TransitionRefusal::OtherMode { named: transition.mode, current: process.mode });
    }
    let Action::Start { .. } = transition.action else { return Ok(()) };
    if let Some(end) = process.end {
        return Err(TransitionRefusal::Ended { end, current: process.head });
    }
    if transition.spec == process.spec {
        return Ok(());
    }
    Err(TransitionRefusal::OtherSpec { named: transition.spec, current: process.spec })
}

/// What a task in a phase does after its gates were judged; `None` if it stays.
///
/// PASS advances, and in mode `watch` so does all else. In mode `enforce`, FAIL goes back if the spec says where to.
#[must_use]
pub fn next_action(spec: &Spec, phase: &Phase, verdict: Verdict, mode: Mode) -> Option<Action> {
    let from = phase.name.clone();
    let back = phase.on_fail.clone().filter(|_| verdict == Verdict::Fail && mode == Mode::Enforce);
    if let Some(to) = back {
        return Some(Action::Return { from, to });
    }
    let to = spec.next(&from).map(|next| next.name.clone());
    (verdict.is_pass() || mode == Mode::Watch).then_some(Action::Advance { from, to })
}

/// The first transition of a chain.
fn begin(transition: &Transition, hash: TransitionHash, spec: &Spec) -> NextState {
    let is_task = transition.subject.task.is_some();
    let phase = match (&transition.action, is_task) {
        (Action::Start { to }, true) if *to == spec.first().name => Some(to.clone()),
        (Action::Start { to }, true) => {
            let allowed = Some(spec.first().name.clone());
            return Err(TransitionRefusal::Destination { named: Some(to.clone()), allowed });
        }
        (Action::SpecChange, false) if transition.mode != spec.mode() => {
            return Err(TransitionRefusal::OtherMode { named: transition.mode, current: spec.mode() });
        }
        (Action::SpecChange, false) => None,
        (_, true) => return Err(unfit(transition, "a task begins by a start")),
        (_, false) => return Err(unfit(transition, "a process begins by a spec_change")),
    };
    Ok(ChainState {
        subject: transition.subject.clone(),
        spec: transition.spec,
        mode: transition.mode,
        phase,
        head: hash,
        steps: 1,
        returns: 0,
        fence: transition.fence,
        baseline: None,
        begun: transition.clock,
        clock: transition.clock,
        end: None,
    })
}

/// What holds for every transition but the first.
fn check_chain(state: &ChainState, transition: &Transition, spec: &Spec) -> Result<(), TransitionRefusal> {
    let is_end = matches!(transition.action, Action::Abort { .. });
    if state.steps >= STEPS_MAX && !is_end {
        return Err(TransitionRefusal::StepCount);
    }
    if spec.decide() == Decision::Fold && transition.clock <= state.clock {
        return Err(TransitionRefusal::EarlierClock { named: transition.clock, current: state.clock });
    }
    match (transition.fence, state.fence) {
        (Some(named), Some(current)) if named < current => Err(TransitionRefusal::StaleFence { named, current }),
        _ => Ok(()),
    }
}

fn change_spec(next: ChainState, transition: &Transition, spec: &Spec, specs: &SpecStore) -> NextState {
    let current = specs.get(&next.spec).ok_or(TransitionRefusal::UnknownSpec(next.spec))?;
    if current.decide() != spec.decide() {
        return Err(TransitionRefusal::OtherDecision { named: spec.decide(), current: current.decide() });
    }
    if let Some(phase) = next.phase.as_ref().filter(|phase| spec.phase(phase).is_none()) {
        return Err(TransitionRefusal::LostPhase { phase: phase.clone(), spec: transition.spec });
    }
    Ok(ChainState { spec: transition.spec, ..next })
}

/// What a process does, beside changes of its spec.
fn change_process(state: &ChainState, next: ChainState, transition: &Transition) -> NextState {
    match &transition.action {
        Action::Switch if state.mode == transition.mode => Err(TransitionRefusal::SameMode(state.mode)),
        Action::Switch => Ok(next),
        _ if state.mode != transition.mode => {
            Err(TransitionRefusal::OtherMode { named: transition.mode, current: state.mode })
        }
        Action::BaselineSetting(baseline) => Ok(ChainState { baseline: Some(baseline.clone()), ..next }),
        Action::Abort { from: None } => Ok(ChainState { end: Some(End::Aborted), ..next }),
        _ => Err(unfit(transition, "a process changes its spec, mode or baseline, or is aborted")),
    }
}

/// What a task does, beside changes of its spec.
fn move_task(next: ChainState, transition: &Transition, spec: &Spec, current: &Name) -> NextState {
    let phase = spec.phase(current).ok_or_else(|| lost(current, transition))?;
    if let Some(named) = transition.action.from().filter(|named| *named != current) {
        return Err(TransitionRefusal::OtherPhase { named: named.clone(), current: current.clone() });
    }
    match &transition.action {
        Action::Advance { to, .. } => {
            let allowed = spec.next(current).map(|phase| phase.name.clone());
            check_destination(to.as_ref(), allowed)?;
            check_fence(transition, spec)?;
            check_gates(transition, phase)?;
            check_attestation(&next, transition, spec, phase)?;
            let end = if to.is_none() { Some(End::Done) } else { None };
            Ok(ChainState { phase: Some(to.as_ref().unwrap_or(current).clone()), end, ..next })
        }
        Action::Return { to, .. } => {
            check_destination(Some(to), phase.on_fail.clone())?;
            check_fence(transition, spec)?;
            check_failure(transition, phase)?;
            Ok(ChainState { phase: Some(to.clone()), returns: next.returns.saturating_add(1), ..next })
        }
        Action::Rewind { to, .. } if spec.is_before(to, current) => Ok(ChainState { phase: Some(to.clone()), ..next }),
        Action::Rewind { to, .. } => Err(TransitionRefusal::Destination { named: Some(to.clone()), allowed: None }),
        Action::BaselineSetting(baseline) => Ok(ChainState { baseline: Some(baseline.clone()), ..next }),
        Action::Abort { from: Some(_) } => Ok(ChainState { end: Some(End::Aborted), ..next }),
        Action::Start { .. } | Action::Abort { from: None } | Action::SpecChange | Action::Switch => {
            Err(unfit(transition, "a task advances, returns, is rewound or aborted, or gets a spec or baseline"))
        }
    }
}

fn check_destination(named: Option<&Name>, allowed: Option<Name>) -> Result<(), TransitionRefusal> {
    if named == allowed.as_ref() {
        return Ok(());
    }
    Err(TransitionRefusal::Destination { named: named.cloned(), allowed })
}

fn check_fence(transition: &Transition, spec: &Spec) -> Result<(), TransitionRefusal> {
    let needs = spec.lease().is_some() && !transition.is_forced;
    if needs && transition.fence.is_none() { Err(TransitionRefusal::MissingFence) } else { Ok(()) }
}

/// Whether the gates let a task leave a phase, by what is recorded.
fn check_gates(transition: &Transition, phase: &Phase) -> Result<(), TransitionRefusal> {
    check_known(transition, phase)?;
    if transition.is_forced {
        return Ok(());
    }
    let without = phase.gates.iter().filter(|gate| transition.judgement(&gate.name).is_none());
    let missing: Vec<_> = without.map(|gate| gate.name.clone()).collect();
    if !missing.is_empty() {
        return Err(TransitionRefusal::MissingJudgements(missing));
    }
    let not_passed = |judgement: &&Judgement| !judgement.verdict.is_pass();
    let blocking: Vec<_> = transition.judgements.iter().filter(not_passed).cloned().collect();
    if transition.mode == Mode::Enforce && !blocking.is_empty() {
        return Err(TransitionRefusal::NotPassed(blocking));
    }
    for gate in &phase.gates {
        let pass = transition.judgement(&gate.name).filter(|judgement| judgement.verdict.is_pass());
        pass.map_or(Ok(()), |judgement| supports(gate, judgement, transition))
            .map_err(|cause| TransitionRefusal::Unsupported { gate: gate.name.clone(), cause })?;
    }
    Ok(())
}

fn check_known(transition: &Transition, phase: &Phase) -> Result<(), TransitionRefusal> {
    let unknown = transition.judgements.iter().find(|judgement| phase.gate(&judgement.gate).is_none());
    unknown.map_or(Ok(()), |judgement| Err(TransitionRefusal::UnknownGate(judgement.gate.clone())))
}

/// Whether a gate failed, by what is recorded.
fn check_failure(transition: &Transition, phase: &Phase) -> Result<(), TransitionRefusal> {
    check_known(transition, phase)?;
    let has_failed = transition.judgements.iter().any(|judgement| judgement.verdict == Verdict::Fail);
    if has_failed || transition.is_forced { Ok(()) } else { Err(TransitionRefusal::NothingFailed) }
}

/// Whether what is attested is what the baseline of the task says, where that blocks.
fn check_attestation(
    state: &ChainState,
    transition: &Transition,
    spec: &Spec,
    phase: &Phase,
) -> Result<(), TransitionRefusal> {
    let blocks = transition.mode == Mode::Enforce
        && spec.attestation() == DriftReaction::Block
        && phase.severity >= Severity::High
        && !transition.is_forced;
    let Some(baseline) = state.baseline.as_ref().filter(|_| blocks) else { return Ok(()) };
    match baseline.compare(&transition.attestation.clone().unwrap_or_default(), phase.severity) {
        AttestationStatus::Same => Ok(()),
        status => Err(TransitionRefusal::Attestation(status.to_string())),
    }
}

fn unfit(transition: &Transition, hint: &'static str) -> TransitionRefusal {
    let (subject, action) = (transition.subject.clone(), transition.action.name());
    TransitionRefusal::Action { subject, action, hint }
}

fn lost(phase: &Name, transition: &Transition) -> TransitionRefusal {
    TransitionRefusal::LostPhase { phase: phase.clone(), spec: transition.spec }
}
