//! Gates about artifacts and documents.

use std::collections::{BTreeMap, BTreeSet};

use psi_ledger::record::Content;

use crate::{
    judge::{document::Document, facts::Facts},
    judgement::{HoldReason, Judgement, Verdict},
    name::Name,
    text::list,
    threshold::{Measurement, Threshold},
    value::Value,
};

/// Whether all artifacts are there, none of them too large. One answer names all that are missing.
pub(super) fn judge_artifacts(gate: &Name, artifacts: &BTreeSet<Name>, bytes_max: u64, facts: &Facts) -> Judgement {
    let found = |name: &&Name| facts.evidence.get(name.as_str());
    let missing: Vec<_> = artifacts.iter().filter(|name| found(name).is_none()).map(ToString::to_string).collect();
    if !missing.is_empty() {
        let reason = format!("{} of {} artifacts are missing: {}", missing.len(), artifacts.len(), list(&missing));
        return Judgement::hold(gate, HoldReason::MissingEvidence, reason).with_missing(missing);
    }
    let size = |name: &Name| facts.evidence.get(name.as_str()).map_or(0, |evidence| evidence.content.size);
    let large = artifacts.iter().filter(|name| size(name) > bytes_max);
    let large: Vec<_> = large.map(|name| format!("{name} has {} bytes", size(name))).collect();
    if large.is_empty() {
        return Judgement::new(gate, Verdict::Pass, format!("all {} artifacts are there", artifacts.len()));
    }
    let reason = format!("{}, and at most {bytes_max} are allowed", large.join(", "));
    Judgement::new(gate, Verdict::Fail, reason)
}

/// What a document says about thresholds.
pub(super) fn judge_document(gate: &Name, name: &Name, thresholds: &[Threshold], facts: &Facts) -> Judgement {
    let document = bytes(gate, name, facts).and_then(|bytes| {
        Document::parse(bytes).map_err(|error| malformed(gate, format!("{name} can't be judged: {error}")))
    });
    match document {
        Ok(document) => judge_values(gate, thresholds, &document.values, HoldReason::MissingEvidence),
        Err(judgement) => judgement,
    }
}

/// The bytes of a piece of evidence, if they are what its hash says; else what the gate answers.
pub(super) fn bytes<'a>(gate: &Name, name: &Name, facts: &'a Facts) -> Result<&'a [u8], Judgement> {
    let missing = |reason: String| {
        let judgement = Judgement::hold(gate, HoldReason::MissingEvidence, reason);
        judgement.with_missing(vec![name.to_string()])
    };
    let found = facts.evidence.get(name.as_str()).ok_or_else(|| missing(format!("evidence {name} is missing")))?;
    let bytes = found.bytes.as_ref().ok_or_else(|| missing(format!("the bytes of {name} are not on this node")))?;
    let is = Content::of(bytes);
    if is == found.content {
        return Ok(bytes);
    }
    let reason = format!(
        "{name} has {} bytes of hash {}, and {} bytes of hash {} were named",
        is.size, is.sha256, found.content.size, found.content.sha256
    );
    Err(malformed(gate, reason))
}

pub(super) fn malformed(gate: &Name, reason: String) -> Judgement {
    Judgement::hold(gate, HoldReason::MalformedEvidence, reason)
}

/// What values say about thresholds. A value that can't be compared holds, then one that misses its threshold fails,
/// then one that is not there holds.
pub(super) fn judge_values(
    gate: &Name,
    thresholds: &[Threshold],
    values: &BTreeMap<String, Value>,
    absent: HoldReason,
) -> Judgement {
    let measured = Threshold::measure(thresholds, values);
    let (verdict, reason) = verdict(&measured, absent);
    let Measurement { readings, missing, .. } = measured;
    Judgement::new(gate, verdict, reason).with_readings(readings).with_missing(missing)
}

fn verdict(measured: &Measurement, absent: HoldReason) -> (Verdict, String) {
    let Measurement { failures, mismatches, missing, .. } = measured;
    if !mismatches.is_empty() {
        return (Verdict::Hold(HoldReason::MalformedEvidence), mismatches.join("; "));
    }
    let no_value = (!missing.is_empty()).then(|| format!("there is no value of {}", list(missing)));
    if !failures.is_empty() {
        return (Verdict::Fail, failures.iter().chain(&no_value).cloned().collect::<Vec<_>>().join("; "));
    }
    match no_value {
        Some(words) => (Verdict::Hold(absent), words),
        None => (Verdict::Pass, measured.words()),
    }
}
