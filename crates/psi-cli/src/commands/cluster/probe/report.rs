//! What one round came to, for people and for programs.

use serde::Serialize;

use super::{
    fault::{Fault, Reason},
    round::Round,
};
use crate::output::{numbers::duration, pluralize, table};

/// A round as programs read it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    field: String,
    ok: bool,
    nodes: Vec<NodeRow>,
    reads: Vec<ReadRow>,
}

#[derive(Clone, Debug, Serialize)]
struct NodeRow {
    target: String,
    /// What the node calls itself; null if it acknowledged no step.
    node: Option<String>,
    /// Whether the step and all reads at the node went well.
    ok: bool,
    step_us: Option<u64>,
    reason: Option<Reason>,
    why: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ReadRow {
    source: String,
    target: String,
    propagation_us: Option<u64>,
    reason: Option<Reason>,
    why: Option<String>,
}

impl Report {
    pub(super) fn new(field: &str, round: &Round) -> Self {
        let us = |took: &std::time::Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let cause = |fault: Option<&Fault>| (fault.map(|fault| fault.reason), fault.map(|fault| fault.said.clone()));
        let nodes = round.steps.iter().map(|step| {
            let (reason, why) = cause(round.fault(&step.target));
            NodeRow {
                target: step.target.clone(),
                node: step.node.clone(),
                ok: reason.is_none(),
                step_us: step.took.as_ref().ok().map(us),
                reason,
                why,
            }
        });
        let reads = round.reads.iter().map(|read| {
            let (reason, why) = cause(read.took.as_ref().err());
            ReadRow {
                source: read.source.clone(),
                target: read.target.clone(),
                propagation_us: read.took.as_ref().ok().map(us),
                reason,
                why,
            }
        });
        Self { field: field.to_owned(), ok: round.failed() == 0, nodes: nodes.collect(), reads: reads.collect() }
    }
}

pub(super) fn text(report: &Report) -> String {
    let time = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), duration);
    let row = |node: &NodeRow| {
        [
            node.target.clone(),
            node.node.clone().unwrap_or_else(|| "-".to_owned()),
            node.reason.map_or("ok", Reason::as_str).to_owned(),
            time(node.step_us),
        ]
    };
    let ok = report.nodes.iter().filter(|node| node.ok).count();
    let all = pluralize(report.nodes.len() as u64, "node");
    let nodes = table(["target", "node", "result", "step"], &[3], report.nodes.iter().map(row).collect());
    let mut text = format!("field {}: {ok} of {all} ok\n\n{nodes}", report.field);
    if !report.reads.is_empty() {
        let row = |read: &ReadRow| {
            let took = read.reason.map_or_else(|| time(read.propagation_us), |reason| reason.as_str().to_owned());
            [read.source.clone(), read.target.clone(), took]
        };
        let reads = table(["step at", "read at", "after"], &[2], report.reads.iter().map(row).collect());
        text += &format!("\n\n{reads}");
    }
    let why: Vec<&str> = report.nodes.iter().filter_map(|node| node.why.as_deref()).collect();
    if !why.is_empty() {
        text += &format!("\n\n{}", why.join("\n"));
    }
    text
}
