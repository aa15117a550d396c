//! The rules in words of their own: where a task stands after a transition, or the process.

use psi_process::Verdict;

use super::record::{Hash, PlainTask, PlainTransition, TaskEnd};
use crate::cast::{DAY_MS, RETAIN_DAYS, SCORES};

/// The phases of each spec, in order.
const PHASES: [&[&str]; 2] = [&["a", "b", "c"], &["a", "b", "c", "d"]];
/// Phases with a gate.
const GATED: [&str; 2] = ["a", "b"];

/// Where it stands after the transition; else what is wrong.
pub(super) fn follow(
    before: Option<&PlainTask>,
    transition: &PlainTransition,
    head: Hash,
) -> Result<PlainTask, String> {
    let Some(before) = before.filter(|before| !is_over(before, transition)) else {
        return begin(transition, head);
    };
    if before.end.is_some() {
        return Err("something follows an end whose time is not over".to_owned());
    }
    if transition.predecessor != Some(before.head) {
        return Err("it names another predecessor than the head".to_owned());
    }
    let is_task = before.phase.is_some();
    if !is_task && transition.enforces != before.enforces && transition.action != "switch" {
        return Err("the mode changed without a switch".to_owned());
    }
    let next = PlainTask {
        head,
        enforces: transition.enforces,
        steps: before.steps + 1,
        wall_ms: transition.wall_ms,
        ..before.clone()
    };
    if transition.action != "spec_change" && transition.spec != before.spec {
        return Err("it was judged by another spec".to_owned());
    }
    match transition.action {
        "spec_change" if before.phase.as_deref().is_none_or(|phase| PHASES[transition.spec].contains(&phase)) => {
            Ok(PlainTask { spec: transition.spec, ..next })
        }
        "baseline_setting" => Ok(PlainTask { baseline: transition.baseline.clone(), ..next }),
        "switch" if !is_task && transition.enforces != before.enforces => Ok(next),
        "abort" if transition.from == before.phase => Ok(ended(next, false)),
        "advance" | "return" | "rewind" if is_task => {
            if transition.from != before.phase {
                return Err("it leaves another phase".to_owned());
            }
            move_task(before, next, transition)
        }
        other => Err(format!("{other} is nothing that happens here")),
    }
}

/// What histories must meet.
pub(super) fn markers(before: Option<&PlainTask>, transition: &PlainTransition) -> Vec<&'static str> {
    let mut markers = vec![match (transition.action, transition.name.is_empty()) {
        ("start", _) => "decided: start",
        ("advance", _) if transition.is_forced => "decided: forced advance",
        ("advance", _) if transition.enforces => "decided: advance in mode enforce",
        ("advance", _) => "decided: advance in mode watch",
        ("return", _) => "decided: return",
        ("rewind", _) => "decided: rewind",
        ("abort", false) => "decided: abort",
        ("abort", true) => "decided: abort of the process",
        ("spec_change", false) => "decided: spec change of a task",
        ("spec_change", true) => "decided: spec change",
        ("switch", _) => "decided: switch",
        _ => "decided: baseline",
    }];
    let is_end = transition.action == "advance" && transition.to.is_none();
    markers.extend(is_end.then_some("decided: done"));
    markers.extend(before.filter(|before| is_over(before, transition)).map(|_| "decided: a name is used again"));
    markers
}

/// Whether it ended so long ago that its name is free: by the clock of the transition, which all read alike.
fn is_over(before: &PlainTask, transition: &PlainTransition) -> bool {
    before.end.as_ref().is_some_and(|end| end.kept_until_ms <= transition.wall_ms)
}

fn begin(transition: &PlainTransition, head: Hash) -> Result<PlainTask, String> {
    if transition.predecessor.is_some() {
        return Err("it follows something, and there is nothing".to_owned());
    }
    let phase = match (transition.action, transition.name.is_empty(), transition.to.as_deref()) {
        ("start", false, Some("a")) => Some("a".to_owned()),
        ("spec_change", true, None) if transition.enforces => None,
        (other, ..) => return Err(format!("it begins by {other}")),
    };
    Ok(PlainTask {
        head,
        spec: transition.spec,
        enforces: transition.enforces,
        phase,
        steps: 1,
        returns: 0,
        baseline: None,
        wall_ms: transition.wall_ms,
        end: None,
    })
}

/// A task is kept for its time, and has no baseline then. A process never leaves.
fn ended(next: PlainTask, is_done: bool) -> PlainTask {
    let kept_until_ms = match next.phase {
        Some(_) => next.wall_ms + RETAIN_DAYS[next.spec] * DAY_MS,
        None => u64::MAX,
    };
    let baseline = next.baseline.clone().filter(|_| next.phase.is_none());
    PlainTask { baseline, end: Some(TaskEnd { is_done, kept_until_ms }), ..next }
}

fn move_task(before: &PlainTask, next: PlainTask, transition: &PlainTransition) -> Result<PlainTask, String> {
    let phases = PHASES[before.spec];
    let at = |name: Option<&str>| phases.iter().position(|phase| Some(*phase) == name);
    let from = at(before.phase.as_deref()).ok_or("it is in no phase")?;
    let to = transition.to.clone();
    match transition.action {
        "advance" => {
            if to.as_deref() != phases.get(from + 1).copied() {
                return Err("it advances elsewhere".to_owned());
            }
            check_gate(before, phases[from], transition)?;
            match to {
                Some(to) => Ok(PlainTask { phase: Some(to), ..next }),
                None => Ok(ended(next, true)),
            }
        }
        "return" => {
            let has_failed = matches!(transition.score, Some((Verdict::Fail, _)));
            if phases[from] != "b" || to.as_deref() != Some("a") || !(has_failed || transition.is_forced) {
                return Err("it returns without a failure, or elsewhere".to_owned());
            }
            Ok(PlainTask { phase: to, returns: before.returns + 1, ..next })
        }
        _ => match at(to.as_deref()).filter(|to| *to < from) {
            Some(_) => Ok(PlainTask { phase: to, ..next }),
            None => Err("it is rewound to no earlier phase".to_owned()),
        },
    }
}

/// Only PASS advances in mode `enforce`, unless a person forces it with a reason. What is said to pass must do so by the
/// numbers that are recorded, in any mode.
fn check_gate(before: &PlainTask, phase: &str, transition: &PlainTransition) -> Result<(), String> {
    if transition.is_forced {
        let is_allowed = transition.is_by_person && transition.has_reason;
        return if is_allowed { Ok(()) } else { Err("it is forced by nobody, or for no reason".to_owned()) };
    }
    if GATED.contains(&phase) {
        let enough = SCORES[transition.spec];
        let (verdict, score) = transition.score.ok_or("a gate has no judgement")?;
        let is_borne_out = transition.has_report && score.is_some_and(|score| score >= enough);
        let may_advance = match verdict {
            Verdict::Pass => is_borne_out,
            Verdict::Fail | Verdict::Hold(_) => !transition.enforces,
        };
        if !may_advance {
            return Err(format!("it rests on a gate that did not pass: {verdict:?}, {score:?}"));
        }
    }
    let is_drift = before.baseline.is_some() && before.baseline != transition.work;
    if is_drift && phase == "b" && transition.enforces {
        return Err("it does other work than its baseline says".to_owned());
    }
    Ok(())
}
