//! Whether a recorded PASS follows from what is recorded with it. A node that says PASS without the numbers for it
//! convinces nobody.

use std::collections::BTreeMap;

use crate::{
    judge::{COUNT, SIGNERS},
    judgement::Judgement,
    name::Name,
    spec::{Check, Gate},
    text::list,
    threshold::Threshold,
    transition::Transition,
    value::Value,
};

/// Whether the transition bears out that the gate passed; if not, what contradicts it.
pub(super) fn supports(gate: &Gate, judgement: &Judgement, transition: &Transition) -> Result<(), String> {
    let readings: BTreeMap<_, _> =
        judgement.readings.iter().map(|reading| (reading.name.clone(), reading.value.clone())).collect();
    names_evidence(&gate.check.documents(), transition)?;
    match &gate.check {
        Check::Artifacts { bytes_max, artifacts } => sizes(artifacts.iter(), *bytes_max, transition),
        Check::Evidence { thresholds, .. } => satisfies(thresholds, &readings),
        Check::Field { thresholds, count_min, .. } => {
            at_least(COUNT, *count_min, &readings)?;
            satisfies(thresholds, &readings)
        }
        Check::Statement { thresholds, signers, .. } => {
            at_least(SIGNERS, *signers, &readings)?;
            satisfies(thresholds, &readings)
        }
        // What these rest on is not in the record but for words.
        Check::Attestation { .. } | Check::Process { .. } | Check::External { .. } => Ok(()),
    }
}

fn names_evidence(documents: &[&Name], transition: &Transition) -> Result<(), String> {
    let missing: Vec<_> = documents.iter().filter(|name| transition.evidence(name.as_str()).is_none()).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("the evidence does not name {}", list(missing))) }
}

fn sizes<'a>(artifacts: impl Iterator<Item = &'a Name>, bytes_max: u64, transition: &Transition) -> Result<(), String> {
    for name in artifacts {
        let size = transition.evidence(name.as_str()).map_or(0, |piece| piece.content().size);
        if size > bytes_max {
            return Err(format!("{name} has {size} bytes, and at most {bytes_max} are allowed"));
        }
    }
    Ok(())
}

fn satisfies(thresholds: &[Threshold], readings: &BTreeMap<String, Value>) -> Result<(), String> {
    let measured = Threshold::measure(thresholds, readings);
    if let Some(name) = measured.missing.first() {
        return Err(format!("no reading of {name} is recorded"));
    }
    match measured.failures.first().or(measured.mismatches.first()) {
        Some(words) => Err(words.clone()),
        None => Ok(()),
    }
}

fn at_least(name: &str, needed: u32, readings: &BTreeMap<String, Value>) -> Result<(), String> {
    match readings.get(name) {
        Some(Value::Number(found)) if *found >= needed.into() => Ok(()),
        Some(found) => Err(format!("{name} is {found}, and at least {needed} is needed")),
        None => Err(format!("no reading of {name} is recorded")),
    }
}
