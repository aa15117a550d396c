//! What is known when gates are judged. The caller collects it; here nothing is looked up.

use std::collections::{BTreeMap, BTreeSet};

use psi_ledger::record::Content;
use psi_replica::{FieldName, NodeId};

use crate::{
    attestation::{BaselineState, NodeAttestation},
    engine::{ChainState, End},
    hash::WorkHash,
    judgement::Verdict,
    name::{Name, TaskName},
    spec::Spec,
    transition::Subject,
    value::Reading,
};

/// All that gates look at. What is not in it is unknown, and what is unknown holds.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The task that is judged.
    pub task: TaskName,
    /// Evidence, by name.
    pub evidence: BTreeMap<String, EvidenceFacts>,
    /// Statistics of fields; an error, in words, where they could not be had.
    pub fields: BTreeMap<FieldName, Result<FieldFacts, String>>,
    /// What live nodes should run: the baseline of the process.
    pub node_baseline: BaselineState,
    /// What live nodes attest; `None` for one that attests nothing.
    pub nodes: BTreeMap<NodeId, Option<NodeAttestation>>,
    /// What the work should be: the baseline of the task.
    pub work_baseline: BaselineState,
    /// What the work was asked to be.
    pub work: Option<WorkHash>,
    /// How far tasks of other processes are.
    pub processes: BTreeMap<Subject, ProcessFacts>,
    /// What other code says, by gate; an error, in words, where it could not judge.
    pub external: BTreeMap<Name, Result<ExternalJudgement, String>>,
}

/// What is known of a piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceFacts {
    /// Its hash and size, as the caller names it.
    pub content: Content,
    /// Its bytes, if they are here. Only documents need them.
    pub bytes: Option<Vec<u8>>,
}

/// Statistics of a field.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldFacts {
    /// How many inputs they are about.
    pub count: u64,
    /// Numbers by name, such as `novelty` or `drift_severity`. One that is not finite is an evaluator's fault.
    pub metrics: BTreeMap<String, f64>,
}

/// How far a task of another process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Its phase.
    pub phase: Name,
    /// Its phase and those before.
    pub reached: BTreeSet<Name>,
    /// How it ended, if it has.
    pub end: Option<End>,
}

/// What other code says of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalJudgement {
    /// Its answer.
    pub verdict: Verdict,
    /// Why, in words and numbers.
    pub reason: String,
    /// What it rests on.
    pub readings: Vec<Reading>,
}

impl Facts {
    /// Of a task of which nothing is known.
    #[must_use]
    pub fn none(task: TaskName) -> Self {
        Self {
            task,
            evidence: BTreeMap::new(),
            fields: BTreeMap::new(),
            node_baseline: BaselineState::Missing,
            nodes: BTreeMap::new(),
            work_baseline: BaselineState::Missing,
            work: None,
            processes: BTreeMap::new(),
            external: BTreeMap::new(),
        }
    }
}

impl EvidenceFacts {
    /// Evidence whose bytes are here.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { content: Content::of(&bytes), bytes: Some(bytes) }
    }

    /// Evidence of which hash and size are known.
    #[must_use]
    pub fn named(content: Content) -> Self {
        Self { content, bytes: None }
    }
}

impl ProcessFacts {
    /// How far a task is, by its state; `None` for a state that is no task's.
    #[must_use]
    pub fn of(state: &ChainState, spec: &Spec) -> Option<Self> {
        let phase = state.phase.clone()?;
        let before = spec.phases().iter().map(|other| &other.name).filter(|other| spec.is_before(other, &phase));
        let reached = before.cloned().chain([phase.clone()]).collect();
        Some(Self { phase, reached, end: state.end })
    }
}
