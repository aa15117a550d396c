//! Runs of nodes: those that have not ended, and what is known of those that have.

use std::collections::BTreeMap;

use indicatif::HumanBytes;
use psi_api::v1::{self, RunStage};
use serde::Serialize;

use crate::output::{
    numbers::{ago, span, time},
    pluralize, table,
};

/// A wait for an agreement that is worth a word: most take a few seconds.
const WAITS_MS: u64 = 60_000;

/// A run that has not ended.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Run {
    pub(super) node: String,
    /// When it was minted, microseconds since the Unix epoch.
    pub(super) incarnation: u64,
    pub(super) stage: Stage,
    /// Writes that are held of it.
    pub(super) version: u64,
    pub(super) bytes: u64,
    pub(super) silence_ms: u64,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Live,
    Closed,
    Silent,
    Unknown,
}

/// What the node that was asked knows of runs that have ended.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct EndedRuns {
    names: u64,
    checkpoint: u64,
    horizon_ms: u64,
    base_bytes: u64,
    bytes_freed: u64,
    late_runs: u64,
    waits_ms: u64,
    missing: Vec<String>,
}

impl From<v1::Run> for Run {
    fn from(from: v1::Run) -> Self {
        let stage = match from.stage() {
            RunStage::Live => Stage::Live,
            RunStage::Closed => Stage::Closed,
            RunStage::Silent => Stage::Silent,
            RunStage::Unspecified => Stage::Unknown,
        };
        let v1::Run { node, incarnation, stage: _, version, bytes, silence_ms } = from;
        Self { node, incarnation, stage, version, bytes, silence_ms }
    }
}

impl From<v1::EndedRuns> for EndedRuns {
    fn from(from: v1::EndedRuns) -> Self {
        let v1::EndedRuns { names, checkpoint, horizon_ms, base_bytes, bytes_freed, late_runs, waits_ms, missing } =
            from;
        Self { names, checkpoint, horizon_ms, base_bytes, bytes_freed, late_runs, waits_ms, missing }
    }
}

impl Stage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Unknown => "unknown",
        }
    }
}

/// The runs of each node, and what is known of ended ones.
pub(super) fn runs_text(runs: &[Run], ended: &EndedRuns) -> String {
    let mut by_node: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        by_node.entry(&run.node).or_default().push(run);
    }
    let rows = by_node.into_iter().map(|(node, runs)| node_row(node, &runs)).collect();
    let header = ["runs of", "live", "closed", "silent", "writes", "bytes", "last heard"];
    let counts = table(header, &[1, 2, 3, 4, 5, 6], rows);
    [counts, ended_text(ended)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn node_row(node: &str, runs: &[&Run]) -> [String; 7] {
    let of = |stage| runs.iter().filter(|run| run.stage == stage).count().to_string();
    let heard = runs.iter().map(|run| run.silence_ms).min().unwrap_or(0);
    [
        node.to_owned(),
        of(Stage::Live),
        of(Stage::Closed),
        of(Stage::Silent),
        runs.iter().map(|run| run.version).sum::<u64>().to_string(),
        HumanBytes(runs.iter().map(|run| run.bytes).sum()).to_string(),
        ago(heard),
    ]
}

/// Empty if no run has ended and none waits to.
fn ended_text(ended: &EndedRuns) -> String {
    let EndedRuns { names, checkpoint, horizon_ms, base_bytes, bytes_freed, late_runs, waits_ms, missing } = ended;
    let mut lines = Vec::new();
    if *checkpoint > 0 {
        lines.push(format!(
            "{} known by name, at checkpoint {checkpoint}\nthe base, which is what they come to, takes {}; {} were freed",
            pluralize(*names, "ended run"),
            HumanBytes(*base_bytes),
            HumanBytes(*bytes_freed),
        ));
    }
    if let Some(horizon_ms) = i64::try_from(*horizon_ms).ok().filter(|ms| *ms > 0) {
        lines.push(format!("names of ended runs from before {} are forgotten", time(horizon_ms / 1000, 0)));
    }
    if *late_runs > 0 {
        lines.push(format!("{} came too late to count in full; see the log for LATE", pluralize(*late_runs, "run")));
    }
    if *waits_ms >= WAITS_MS {
        lines.push(format!("nothing was agreed for {}, though runs wait to end", span(waits_ms / 1000)));
    }
    if !missing.is_empty() {
        lines.push(format!("missing: {}", missing.join(", ")));
        lines.push("until they are back, or `psi-field members forget NODE`, killed runs are kept".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_80_columns() {
        let run = |node: &str, stage, silence_ms| Run {
            node: node.to_owned(),
            incarnation: 1_796_000_000_000_000,
            stage,
            version: 123_456_789,
            bytes: 987_654_321,
            silence_ms,
        };
        let runs = [run("node-1.example", Stage::Live, 0), run("node-2.example", Stage::Silent, 900_000_000)];
        let ended = EndedRuns {
            names: 12_345,
            checkpoint: 123_456,
            horizon_ms: 1_796_000_000_000,
            base_bytes: 123_456_789,
            bytes_freed: 123_456_789_012,
            late_runs: 3,
            waits_ms: 400_000_000,
            missing: vec!["node-2".to_owned(), "node-3".to_owned()],
        };
        let text = runs_text(&runs, &ended);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for want in ["10 days ago", "node-2, node-3", "12345 ended runs", "forgotten", "LATE", "for 4 days"] {
            assert!(text.contains(want), "{want} is missing from:\n{text}");
        }
        assert_eq!(runs_text(&[], &EndedRuns::default()).lines().count(), 1, "the header alone");
    }
}
