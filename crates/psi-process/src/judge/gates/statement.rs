//! Gates about what others have signed.

use super::evidence::{bytes, judge_values, malformed};
use crate::{
    judge::{
        envelope::{EnvelopeError, SignedStatement},
        facts::Facts,
    },
    judgement::{HoldReason, Judgement, Verdict},
    name::Name,
    spec::{Check, Gate, Phase},
    text::{list, shown},
    value::{Reading, Value},
};

/// The name by which readings have the number of keys that signed. No value of a predicate can have it.
pub const SIGNERS: &str = "dsse:signers";

/// What signed statements say: that enough trusted keys signed, what about, and what their values are.
pub(super) fn judge(gate: &Gate, phase: &Phase, facts: &Facts) -> Judgement {
    let Check::Statement { document, keys, signers, .. } = &gate.check else {
        return Judgement::hold(&gate.name, HoldReason::BrokenEvaluator, "the gate is of another kind".to_owned());
    };
    let bytes = match bytes(&gate.name, document, facts) {
        Ok(bytes) => bytes,
        Err(judgement) => return judgement,
    };
    match SignedStatement::verify(bytes, keys, *signers) {
        Ok(signed) => judge_signed(gate, phase, &signed, facts),
        Err(error) => refused(&gate.name, document, &error),
    }
}

fn refused(gate: &Name, document: &Name, error: &EnvelopeError) -> Judgement {
    let reason = format!("of {document}: {error}");
    match error {
        EnvelopeError::Signatures { .. } => Judgement::hold(gate, HoldReason::MissingSignatures, reason),
        _ => malformed(gate, reason),
    }
}

fn judge_signed(gate: &Gate, phase: &Phase, signed: &SignedStatement, facts: &Facts) -> Judgement {
    let Check::Statement { document, predicate_type, any_task, thresholds, signers, .. } = &gate.check else {
        return Judgement::hold(&gate.name, HoldReason::BrokenEvaluator, "the gate is of another kind".to_owned());
    };
    let SignedStatement { statement, values, signers: found } = signed;
    if statement.predicate_type != *predicate_type {
        let is = shown(&statement.predicate_type, 80);
        let reason = format!("{document} has a predicate of type `{is}`, and `{predicate_type}` is needed");
        return Judgement::hold(&gate.name, HoldReason::OtherSubject, reason);
    }
    let task = (!any_task).then(|| facts.task.as_str());
    if !statement.is_about(&phase.hash, task) {
        return Judgement::hold(&gate.name, HoldReason::OtherSubject, other_subject(document, phase, signed, task));
    }
    let mut judgement = judge_values(&gate.name, thresholds, values, HoldReason::MissingEvidence);
    judgement.readings.push(Reading { name: SIGNERS.to_owned(), value: Value::Number((*found).into()) });
    let words = format!("{found} distinct trusted keys signed {document}, of {signers} needed");
    let is_short = judgement.verdict == Verdict::Pass && thresholds.is_empty();
    judgement.reason = if is_short { words } else { format!("{}; {words}", judgement.reason) };
    judgement
}

fn other_subject(document: &Name, phase: &Phase, signed: &SignedStatement, task: Option<&str>) -> String {
    let subjects = signed.statement.subjects.iter().take(4);
    let about = list(subjects.map(|subject| {
        let hash = subject.sha256.as_deref().unwrap_or("no sha256");
        format!("`{}` {}", shown(&subject.name, 64), shown(hash, 64))
    }));
    let task = task.map(|task| format!("`{task}` ")).unwrap_or_default();
    format!("{document} is about {about}, and {task}{} is needed, of phase {}", phase.hash, phase.name)
}
