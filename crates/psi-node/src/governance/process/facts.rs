//! What is known when the gates of a task are judged.

use std::collections::{BTreeMap, BTreeSet};

use psi_process::{
    BaselineState, ChainState, Facts, Name, Spec, Subject, TaskName, WorkHash,
    judge::{EvidenceFacts, FieldFacts, ProcessFacts},
    spec::{Check, Phase},
};
use psi_replica::FieldName;
use psi_state::{FieldView, Replica};

use super::{
    attestation::attested_nodes,
    chain::known_chain,
    documents,
    evidence::{content_of, document, merged_evidence},
};
use crate::{metrics::STEP_METRICS, node::context::NodeContext};

/// All that the gates of a phase look at.
pub(crate) async fn collect(
    context: &NodeContext,
    (task, state): (&TaskName, &ChainState),
    process: &ChainState,
    phase: &Phase,
    work: Option<WorkHash>,
) -> Facts {
    let subject = &state.subject;
    let mut facts = Facts::none(task.clone());
    let attests = phase.gates.iter().any(|gate| matches!(gate.check, Check::Attestation { nodes: true, .. }));
    let nodes = async { if attests { attested_nodes(context, &subject.process).await } else { BTreeMap::new() } };
    (facts.evidence, facts.nodes) = tokio::join!(evidence(context, state, phase), nodes);
    facts.node_baseline = baseline_of(process);
    facts.work_baseline = baseline_of(state);
    facts.work = work;
    for gate in &phase.gates {
        match &gate.check {
            Check::Field { field, .. } => {
                let field = field.clone();
                let found = context.read(|replica| statistics(replica, &field));
                facts.fields.extend(found.map(|found| (field, found)));
            }
            Check::Process { process, task: other, .. } => {
                let other = Subject::task(process.clone(), other.as_ref().unwrap_or(task).clone());
                let known = process_facts(context, &other).await;
                facts.processes.extend(known.map(|known| (other, known)));
            }
            _ => {}
        }
    }
    facts
}

/// What a chain was given to compare with.
fn baseline_of(state: &ChainState) -> BaselineState {
    state.baseline.clone().map_or(BaselineState::Missing, BaselineState::Set)
}

/// All evidence of the task, with the documents that the gates read.
async fn evidence(context: &NodeContext, state: &ChainState, phase: &Phase) -> BTreeMap<String, EvidenceFacts> {
    let is_read = |check: &Check| matches!(check, Check::Evidence { .. } | Check::Statement { .. });
    let read: BTreeSet<&Name> =
        phase.gates.iter().filter(|gate| is_read(&gate.check)).flat_map(|gate| gate.check.documents()).collect();
    let mut evidence = BTreeMap::new();
    for (name, piece) in merged_evidence(context, state).await {
        let Some(content) = content_of(&piece) else { continue };
        let wanted = read.iter().any(|wanted| wanted.as_str() == name);
        let bytes = if wanted { document(context, &state.subject, (&name, &piece)).await } else { None };
        evidence.insert(name, EvidenceFacts { content, bytes });
    }
    evidence
}

/// How far a task of another process is, as this node knows; `None` if nothing is known.
async fn process_facts(context: &NodeContext, subject: &Subject) -> Option<ProcessFacts> {
    let chain = known_chain(context, subject).ok()?;
    let spec: Spec = documents::spec(context, chain.state()?.spec, None).await?;
    ProcessFacts::of(chain.state()?, &spec)
}

/// Statistics of a field from this node's merged state; `None` if there is no such field.
fn statistics(replica: &Replica, field: &FieldName) -> Option<Result<FieldFacts, String>> {
    if let Err(error) = replica.readiness().for_reading() {
        return Some(Err(error.to_string()));
    }
    replica.view(field).map(|view| Ok(field_facts(&view)))
}

fn field_facts(view: &FieldView) -> FieldFacts {
    let mut metrics = BTreeMap::from([("noise".to_owned(), view.interventions.noise.value())]);
    metrics.extend(view.last.as_ref().map(|last| ("novelty".to_owned(), last.novelty)));
    if let Some(mean) = view.window_mean() {
        metrics.extend(STEP_METRICS.iter().map(|metric| metric.name.to_owned()).zip(mean.to_array()));
    }
    // A severity is known once a baseline was compared with.
    if view.baseline.set().is_some() && !view.drift.verdict.columns().is_empty() {
        metrics.insert("drift_severity".to_owned(), view.drift.severity());
    }
    FieldFacts { count: view.moments.count, metrics }
}
