//! What the nodes said of the machine, in plain words and as JSON.

use psi_api::v1;
use serde::Serialize;

use super::machine::Fault;
use crate::output::{Tone, numbers, pluralize};

/// From here on a severity is a warning.
const WARNING: f64 = 0.5;

/// The whole result.
#[derive(Debug, Serialize)]
pub(in super::super) struct DriftReport {
    /// Whether every fault was found, the same on all nodes, and nothing before.
    pub(in super::super) found_all: bool,
    nodes: usize,
    baseline_readings: usize,
    healthy_readings: usize,
    /// The greatest that an answer carried in the healthy week.
    healthy_severity: f64,
    findings: Vec<FaultReport>,
}

/// What became of one fault.
#[derive(Debug, Serialize)]
pub(super) struct FaultReport {
    fault: &'static str,
    /// Readings with the fault, until an answer named a column that shows it.
    readings: usize,
    severity: f64,
    /// Columns that the verdict names, the most severe first.
    columns: Vec<String>,
    since: Option<String>,
    /// Nodes that were asked.
    nodes: Vec<String>,
    /// Whether all gave the same verdict, to the last bit.
    same_on_all: bool,
}

impl FaultReport {
    pub(super) fn new(fault: Fault, readings: usize, reports: &[(String, v1::DriftReport)]) -> Self {
        let without_node =
            |report: &v1::DriftReport| v1::DriftReport { node: String::new(), token: String::new(), ..report.clone() };
        let verdicts: Vec<v1::DriftReport> = reports.iter().map(|(_, report)| without_node(report)).collect();
        let first = verdicts.first().cloned().unwrap_or_default();
        let drift = first.drift.clone().unwrap_or_default();
        Self {
            fault: fault.text(),
            readings,
            severity: drift.severity,
            columns: drift.column_names,
            since: first.since.map(|time| numbers::time(time.seconds, time.nanos)),
            nodes: reports.iter().map(|(name, _)| name.clone()).collect(),
            same_on_all: verdicts.iter().all(|verdict| *verdict == first),
        }
    }

    pub(super) fn text(&self) -> String {
        let same = if self.same_on_all { "the same on" } else { "NOT the same on" };
        format!(
            "found after {} in {}; severity {:.2}, {same} {}",
            pluralize(self.readings as u64, "reading"),
            self.columns.join(", "),
            self.severity,
            self.nodes.join(", ")
        )
    }
}

impl DriftReport {
    pub(super) fn new(
        nodes: usize,
        baseline_readings: usize,
        healthy_readings: usize,
        healthy_severity: f64,
        findings: Vec<FaultReport>,
    ) -> Self {
        let found_all = healthy_severity < WARNING && findings.iter().all(|finding| finding.same_on_all);
        Self { found_all, nodes, baseline_readings, healthy_readings, healthy_severity, findings }
    }

    /// The summary.
    pub(in super::super) fn text(&self) -> String {
        let Self { found_all, nodes, baseline_readings, healthy_readings, healthy_severity, findings } = self;
        let mut text = format!(
            "\nUsual:           learned from {}\nA healthy week:  {}, one of {nodes} nodes stopped; {}, severity at \
             most {healthy_severity:.2}\n",
            pluralize(*baseline_readings as u64, "reading"),
            pluralize(*healthy_readings as u64, "reading"),
            if *healthy_severity < WARNING { "no alarm" } else { "ALARMED" },
        );
        for finding in findings {
            text += &format!("\n{}\n  {}\n", finding.fault, finding.text());
        }
        let (verdict, tone) = match found_all {
            true => ("Every fault was found, and every node said the same.", Tone::Good),
            false => ("NOT all went as it should.", Tone::Bad),
        };
        format!("{text}\n{}", tone.paint(verdict))
    }
}
