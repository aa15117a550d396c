//! Gates of a phase, checked.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::FieldName;

use super::key::TrustedKey;
use crate::{
    name::{Name, TaskName},
    threshold::Threshold,
    value::Value,
};

/// What must pass before a task leaves a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// What it is called.
    pub name: Name,
    /// What it looks at.
    pub check: Check,
}

/// What a gate looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether artifacts are there: `kind = "artifacts"`.
    Artifacts {
        /// Which.
        artifacts: BTreeSet<Name>,
        /// How large each may be, in bytes.
        bytes_max: u64,
    },
    /// What a document says: `kind = "evidence"`.
    Evidence {
        /// The name of the evidence.
        document: Name,
        /// What its values must satisfy.
        thresholds: Vec<Threshold>,
    },
    /// What a field's statistics say: `kind = "field"`.
    Field {
        /// Which field.
        field: FieldName,
        /// How many inputs there must be before anything is judged.
        count_min: u32,
        /// What its statistics must satisfy.
        thresholds: Vec<Threshold>,
    },
    /// What others have signed: `kind = "statement"`.
    Statement {
        /// The name of the evidence: an in-toto statement in a DSSE envelope.
        document: Name,
        /// What the statement must be a statement of.
        predicate_type: String,
        /// Whose signatures count. A key counts once, whatever names it has.
        keys: BTreeSet<TrustedKey>,
        /// How many of these keys must have signed.
        signers: u32,
        /// What values of its predicate must satisfy.
        thresholds: Vec<Threshold>,
        /// Whether a statement about the phase counts for any task; else its subject must name the task.
        any_task: bool,
    },
    /// Whether nodes and work are as the baseline says: `kind = "attestation"`.
    Attestation {
        /// Whether nodes are compared.
        nodes: bool,
        /// Whether the work is compared.
        work: bool,
    },
    /// How far another process is: `kind = "process"`.
    Process {
        /// Which process.
        process: Name,
        /// Which task of it; the task of the same name if none is given.
        task: Option<TaskName>,
        /// The phase that it must have reached; if none is given, it must be done.
        phase: Option<Name>,
    },
    /// What other code judges: `kind = "external"`.
    External {
        /// Which code.
        judge: Name,
        /// What it is given.
        parameters: BTreeMap<String, Value>,
    },
}

impl Check {
    /// Its `kind` in a spec.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Artifacts { .. } => "artifacts",
            Self::Evidence { .. } => "evidence",
            Self::Field { .. } => "field",
            Self::Statement { .. } => "statement",
            Self::Attestation { .. } => "attestation",
            Self::Process { .. } => "process",
            Self::External { .. } => "external",
        }
    }

    /// The evidence that it looks at, by name.
    #[must_use]
    pub fn documents(&self) -> Vec<&Name> {
        match self {
            Self::Artifacts { artifacts, .. } => artifacts.iter().collect(),
            Self::Evidence { document, .. } | Self::Statement { document, .. } => vec![document],
            Self::Field { .. } | Self::Attestation { .. } | Self::Process { .. } | Self::External { .. } => Vec::new(),
        }
    }
}
