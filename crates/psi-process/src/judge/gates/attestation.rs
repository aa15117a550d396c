//! Gates about what runs, and what the work is.

use crate::{
    attestation::{Attestation, AttestationStatus, Baseline, BaselineState, Severity},
    judge::facts::Facts,
    judgement::{HoldReason, Judgement, Verdict},
    name::Name,
    spec::{DriftReaction, Phase, Spec},
    text::list,
    value::{Reading, Value},
};

/// The name by which readings have the severity of a drift: `low`, `medium` or `high`.
pub const DRIFT_SEVERITY: &str = "drift:severity";

/// Whether nodes and work are as their baselines say.
pub(super) fn judge(
    gate: &Name,
    (nodes, work): (bool, bool),
    (spec, phase): (&Spec, &Phase),
    facts: &Facts,
) -> Judgement {
    let mut compared = Vec::new();
    if nodes {
        if facts.nodes.is_empty() {
            return Judgement::hold(gate, HoldReason::NoData, "no live node is known".to_owned());
        }
        compared.extend(compare_nodes(facts, phase.severity));
    }
    if work {
        let baseline = only(&facts.work_baseline, |Baseline { work, .. }| Baseline { node: None, work: *work });
        let attested = Attestation { node: None, work: facts.work };
        compared.push(("the work".to_owned(), baseline.compare(&attested, phase.severity)));
    }
    verdict(gate, &compared, spec, phase)
}

fn compare_nodes(facts: &Facts, severity: Severity) -> Vec<(String, AttestationStatus)> {
    let baseline = only(&facts.node_baseline, |Baseline { node, .. }| Baseline { node: node.clone(), work: None });
    let compare = |node: &Option<_>| baseline.compare(&Attestation { node: node.clone(), work: None }, severity);
    facts.nodes.iter().map(|(name, node)| (format!("node {name}"), compare(node))).collect()
}

/// The part of a baseline that is looked at.
fn only(state: &BaselineState, part: impl FnOnce(&Baseline) -> Baseline) -> BaselineState {
    match state {
        BaselineState::Set(baseline) => BaselineState::Set(part(baseline)),
        other => other.clone(),
    }
}

fn verdict(gate: &Name, compared: &[(String, AttestationStatus)], spec: &Spec, phase: &Phase) -> Judgement {
    let hold = compared.iter().find_map(|(what, status)| {
        let hold = match status {
            AttestationStatus::CorruptBaseline(_) => HoldReason::CorruptBaseline,
            AttestationStatus::MissingBaseline => HoldReason::MissingBaseline,
            AttestationStatus::Unattested(_) => HoldReason::MissingEvidence,
            AttestationStatus::Same | AttestationStatus::Drift { .. } => return None,
        };
        Some(Judgement::hold(gate, hold, format!("{what}: {status}")))
    });
    let is_drift = |status: &AttestationStatus| matches!(status, AttestationStatus::Drift { .. });
    let drifts: Vec<_> = compared.iter().filter(|(_, status)| is_drift(status)).collect();
    if drifts.is_empty() {
        let pass = || Judgement::new(gate, Verdict::Pass, format!("{} as the baseline says", compared.len()));
        return hold.unwrap_or_else(pass);
    }
    let blocks = phase.severity >= Severity::High && spec.attestation() == DriftReaction::Block;
    let verdict = if blocks { Verdict::Fail } else { Verdict::Pass };
    let reason = list(drifts.iter().map(|(what, status)| format!("{what}: {status}")));
    let reason = if blocks { reason } else { format!("warned, not blocked: {reason}") };
    let severity = Value::Text(phase.severity.to_string());
    let judgement = Judgement::new(gate, verdict, reason);
    let judgement = judgement.with_readings(vec![Reading { name: DRIFT_SEVERITY.to_owned(), value: severity }]);
    // A drift that blocks comes first; one that only warns does not hide what can't be compared.
    if blocks { judgement } else { hold.unwrap_or(judgement) }
}
