//! Each kind of gate, judged.

use super::facts::Facts;
use crate::{
    judgement::Judgement,
    name::Name,
    spec::{Check, Gate, Phase, Spec},
};

mod attestation;
mod evidence;
mod field;
mod process;
mod statement;

pub use attestation::DRIFT_SEVERITY;
pub use field::COUNT;
pub use statement::SIGNERS;

/// What a gate says, given what is known. It is a function of its arguments, and it never panics.
#[must_use]
pub fn judge(spec: &Spec, phase: &Phase, gate: &Gate, facts: &Facts) -> Judgement {
    let name = &gate.name;
    match &gate.check {
        Check::Artifacts { artifacts, bytes_max } => evidence::judge_artifacts(name, artifacts, *bytes_max, facts),
        Check::Evidence { document, thresholds } => evidence::judge_document(name, document, thresholds, facts),
        Check::Field { field, count_min, thresholds } => field::judge(name, field, *count_min, thresholds, facts),
        Check::Statement { .. } => statement::judge(gate, phase, facts),
        Check::Attestation { nodes, work } => attestation::judge(name, (*nodes, *work), (spec, phase), facts),
        Check::Process { process, task, phase } => process::judge(name, process, task.as_ref(), phase.as_ref(), facts),
        Check::External { judge, .. } => process::judge_external(name, judge, facts),
    }
}

/// What all gates of a phase say, in the order of their names. [`crate::Verdict::of_all`] sums it up.
#[must_use]
pub fn judge_phase(spec: &Spec, phase: &Phase, facts: &Facts) -> Vec<Judgement> {
    let mut judgements: Vec<_> = phase.gates.iter().map(|gate| judge(spec, phase, gate, facts)).collect();
    judgements.sort_by(|a, b| a.gate.cmp(&b.gate));
    judgements
}

/// All evidence that gates of a phase need and that is not there, in the order of names: one answer names all of it.
#[must_use]
pub fn missing_evidence<'a>(phase: &'a Phase, facts: &Facts) -> Vec<&'a Name> {
    let documents = phase.gates.iter().flat_map(|gate| gate.check.documents());
    let mut missing: Vec<_> = documents.filter(|name| !facts.evidence.contains_key(name.as_str())).collect();
    missing.sort();
    missing.dedup();
    missing
}
