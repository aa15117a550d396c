//! A gate as it is written: one table, whose members depend on its kind.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::FieldName;
use serde::{Deserialize, Serialize};

use crate::{
    name::{Name, TaskName},
    spec::{
        error::{self, SpecFault, check_count, check_range},
        gate::{Check, Gate},
        key::TrustedKey,
        limits::ARTIFACT_BYTES_MAX,
    },
    threshold::{Threshold, is_value_name},
    value::{TEXT_BYTES_MAX, Value},
};

/// Longest type of a predicate, in bytes.
const PREDICATE_TYPE_BYTES_MAX: usize = 256;

/// Which kind of gate.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GateKind {
    Artifacts,
    Evidence,
    Field,
    Statement,
    Attestation,
    Process,
    External,
}

/// A gate as it is written. What is absent is not written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGate {
    name: Name,
    kind: GateKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifacts: Option<Vec<Name>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thresholds: Option<Vec<Threshold>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count_min: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    predicate_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<Name>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signers: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    any_task: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nodes: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    judge: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<BTreeMap<String, Value>>,
}

/// What the check of a member returns: the member with the fault.
type Member<T> = Result<T, (&'static str, SpecFault)>;

impl GateKind {
    /// What it is called, and the members that it has.
    fn members(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Artifacts => ("artifacts", &["artifacts", "bytes_max"]),
            Self::Evidence => ("evidence", &["document", "thresholds"]),
            Self::Field => ("field", &["field", "count_min", "thresholds"]),
            Self::Statement => {
                ("statement", &["document", "predicate_type", "keys", "signers", "thresholds", "any_task"])
            }
            Self::Attestation => ("attestation", &["nodes", "work"]),
            Self::Process => ("process", &["process", "task", "phase"]),
            Self::External => ("external", &["judge", "parameters"]),
        }
    }
}

impl RawGate {
    /// The gate, if nothing is wrong with it. Defaults are written down, so that they are part of the canonical form.
    pub(super) fn check(&mut self, keys: &BTreeMap<Name, TrustedKey>) -> Member<Gate> {
        let (kind, has) = self.kind.members();
        if let Some(member) = self.set().into_iter().find(|member| !has.contains(member)) {
            return Err((member, SpecFault::OtherMember { kind, member, has }));
        }
        let check = match self.kind {
            GateKind::Artifacts => self.artifacts()?,
            GateKind::Evidence => Check::Evidence { document: self.document()?, thresholds: self.thresholds(true)? },
            GateKind::Field => self.field()?,
            GateKind::Statement => self.statement(keys)?,
            GateKind::Attestation => self.attestation()?,
            GateKind::Process => {
                let process = needed(kind, "process", self.process.as_ref())?.clone();
                Check::Process { process, task: self.task.clone(), phase: self.phase.clone() }
            }
            GateKind::External => self.external()?,
        };
        Ok(Gate { name: self.name.clone(), check })
    }

    /// The members that are there, beside name and kind.
    fn set(&self) -> Vec<&'static str> {
        let members = [
            ("artifacts", self.artifacts.is_some()),
            ("bytes_max", self.bytes_max.is_some()),
            ("document", self.document.is_some()),
            ("thresholds", self.thresholds.is_some()),
            ("field", self.field.is_some()),
            ("count_min", self.count_min.is_some()),
            ("predicate_type", self.predicate_type.is_some()),
            ("keys", self.keys.is_some()),
            ("signers", self.signers.is_some()),
            ("any_task", self.any_task.is_some()),
            ("nodes", self.nodes.is_some()),
            ("work", self.work.is_some()),
            ("process", self.process.is_some()),
            ("task", self.task.is_some()),
            ("phase", self.phase.is_some()),
            ("judge", self.judge.is_some()),
            ("parameters", self.parameters.is_some()),
        ];
        members.into_iter().filter_map(|(member, is_set)| is_set.then_some(member)).collect()
    }

    fn document(&self) -> Member<Name> {
        needed(self.kind.members().0, "document", self.document.as_ref()).cloned()
    }

    fn thresholds(&self, are_needed: bool) -> Member<Vec<Threshold>> {
        let found = self.thresholds.as_ref();
        let thresholds = if are_needed {
            needed(self.kind.members().0, "thresholds", found)?.clone()
        } else {
            found.cloned().unwrap_or_default()
        };
        let (min, max) = error::THRESHOLD_COUNT;
        let min = if are_needed { min } else { 0 };
        check_count("thresholds", thresholds.len(), min, max).map_err(|fault| ("thresholds", fault))?;
        distinct("thresholds", &thresholds)?;
        Ok(thresholds)
    }

    fn artifacts(&mut self) -> Member<Check> {
        let names = needed("artifacts", "artifacts", self.artifacts.as_ref())?;
        let (min, max) = error::ARTIFACT_COUNT;
        check_count("artifacts", names.len(), min, max).map_err(|fault| ("artifacts", fault))?;
        distinct("artifacts", names)?;
        let artifacts = names.iter().cloned().collect();
        let bytes_max = *self.bytes_max.get_or_insert(ARTIFACT_BYTES_MAX);
        let (min, max) = error::ARTIFACT_BYTES;
        check_range("bytes_max", bytes_max, min, max).map_err(|fault| ("bytes_max", fault))?;
        Ok(Check::Artifacts { artifacts, bytes_max })
    }

    fn field(&mut self) -> Member<Check> {
        let name = needed("field", "field", self.field.as_ref())?;
        let field = FieldName::new(name).map_err(|_| ("field", unfit("field", name, "the name of a field")))?;
        let count_min = *self.count_min.get_or_insert(1);
        check_range("count_min", count_min.into(), 1, u32::MAX.into()).map_err(|fault| ("count_min", fault))?;
        Ok(Check::Field { field, count_min, thresholds: self.thresholds(true)? })
    }

    fn statement(&mut self, known: &BTreeMap<Name, TrustedKey>) -> Member<Check> {
        let predicate_type = needed("statement", "predicate_type", self.predicate_type.as_ref())?.clone();
        let is_type = (1..=PREDICATE_TYPE_BYTES_MAX).contains(&predicate_type.len());
        if !is_type || predicate_type.chars().any(char::is_control) {
            return Err(("predicate_type", unfit("predicate_type", &predicate_type, "a URI of up to 256 bytes")));
        }
        let mut keys = BTreeSet::new();
        for name in needed("statement", "keys", self.keys.as_ref())? {
            let unknown = || SpecFault::UnknownKey { key: name.clone(), known: known.keys().cloned().collect() };
            keys.insert(*known.get(name).ok_or_else(|| ("keys", unknown()))?);
        }
        let (signers, distinct) = (*self.signers.get_or_insert(1), keys.len());
        if signers == 0 || usize::try_from(signers).is_ok_and(|signers| signers > distinct) {
            return Err(("signers", SpecFault::Signers { signers, distinct }));
        }
        let (document, thresholds) = (self.document()?, self.thresholds(false)?);
        let any_task = *self.any_task.get_or_insert(false);
        Ok(Check::Statement { document, predicate_type, keys, signers, thresholds, any_task })
    }

    fn attestation(&mut self) -> Member<Check> {
        let nodes = *self.nodes.get_or_insert(true);
        let work = *self.work.get_or_insert(false);
        if nodes || work { Ok(Check::Attestation { nodes, work }) } else { Err(("nodes", SpecFault::NothingAttested)) }
    }

    fn external(&mut self) -> Member<Check> {
        let judge = needed("external", "judge", self.judge.as_ref())?.clone();
        let parameters = self.parameters.get_or_insert_default().clone();
        let (min, max) = error::PARAMETER_COUNT;
        check_count("parameters", parameters.len(), min, max).map_err(|fault| ("parameters", fault))?;
        for (name, value) in &parameters {
            let is_short = !matches!(value, Value::Text(text) if text.len() > TEXT_BYTES_MAX);
            if !is_short || !is_value_name(name) {
                return Err((
                    "parameters",
                    unfit("parameters", name, "a name of A-Z a-z 0-9 . _ - with a short value"),
                ));
            }
        }
        Ok(Check::External { judge, parameters })
    }
}

/// A member that gates of a kind need.
fn needed<T>(kind: &'static str, member: &'static str, found: Option<T>) -> Member<T> {
    found.ok_or(("kind", SpecFault::MissingMember { kind, member }))
}

/// A text that does not fit.
fn unfit(member: &'static str, got: &str, allowed: &'static str) -> SpecFault {
    SpecFault::Text { member, got: got.chars().take(100).collect(), allowed }
}

/// Refuses a list with an item twice.
fn distinct<T: ToString>(member: &'static str, items: &[T]) -> Member<()> {
    let mut seen = BTreeSet::new();
    let twice = items.iter().map(ToString::to_string).find(|item| !seen.insert(item.clone()));
    twice.map_or(Ok(()), |item| Err((member, SpecFault::DuplicateItem { member, item })))
}
