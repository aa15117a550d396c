//! Gates about other processes, and gates that other code judges.

use crate::{
    engine::End,
    judge::facts::{ExternalJudgement, Facts, ProcessFacts},
    judgement::{HoldReason, Judgement, Verdict},
    name::{Name, TaskName},
    transition::Subject,
};

/// Whether a task of another process is far enough.
pub(super) fn judge(
    gate: &Name,
    process: &Name,
    task: Option<&TaskName>,
    wanted: Option<&Name>,
    facts: &Facts,
) -> Judgement {
    let subject = Subject::task(process.clone(), task.unwrap_or(&facts.task).clone());
    let Some(ProcessFacts { phase, reached, end }) = facts.processes.get(&subject) else {
        return Judgement::hold(gate, HoldReason::NoData, format!("nothing is known of {subject}"));
    };
    let goal = wanted.map_or_else(|| "its end".to_owned(), |wanted| format!("phase `{wanted}`"));
    let words = format!("{subject} is in phase `{phase}`, and {goal} is needed");
    match end {
        Some(End::Aborted) => Judgement::new(gate, Verdict::Fail, format!("{subject} was aborted in phase `{phase}`")),
        Some(End::Done) => Judgement::new(gate, Verdict::Pass, format!("{subject} is done")),
        None if wanted.is_some_and(|wanted| reached.contains(wanted)) => Judgement::new(gate, Verdict::Pass, words),
        None => Judgement::hold(gate, HoldReason::NotReached, words),
    }
}

/// What other code said. If it said nothing, the gate holds.
pub(super) fn judge_external(gate: &Name, judge: &Name, facts: &Facts) -> Judgement {
    match facts.external.get(gate) {
        None => Judgement::hold(gate, HoldReason::NoData, format!("judge {judge} has said nothing")),
        Some(Err(error)) => {
            Judgement::hold(gate, HoldReason::BrokenEvaluator, format!("judge {judge} could not judge: {error}"))
        }
        Some(Ok(ExternalJudgement { verdict, reason, readings })) => {
            Judgement::new(gate, *verdict, reason.clone()).with_readings(readings.clone())
        }
    }
}
