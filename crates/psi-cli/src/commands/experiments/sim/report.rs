//! What a sweep or a replay found, as text and as JSON.

use std::{collections::BTreeMap, time::Duration};

use psi_sim::{Marker, Totals};
use serde::Serialize;

use crate::output::{pluralize, table};

/// The result of a sweep.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Runs in which nothing was wrong, by mode.
    runs: BTreeMap<&'static str, u64>,
    seconds: f64,
    virtual_seconds: u64,
    frames: u64,
    bytes: u64,
    writes: u64,
    writes_refused: u64,
    /// How often a replica reached a frontier that another had reached before, and was compared with it.
    compared: u64,
    /// Longest time from the end of the faults to agreement.
    agreed_ms_max: u64,
    faults: BTreeMap<&'static str, u64>,
    /// How often each marker was reached.
    markers: BTreeMap<&'static str, u64>,
    /// Markers that were expected and not reached.
    missing: Vec<&'static str>,
    failed_seed: Option<u64>,
    /// What this build can't simulate.
    left_out: &'static [&'static str],
}

impl Report {
    pub(crate) fn new(totals: &Totals, missing: &[Marker], took: Duration) -> Self {
        let counts = &totals.counts;
        Self {
            runs: totals.runs.iter().map(|(mode, runs)| (mode.name(), *runs)).collect(),
            seconds: took.as_secs_f64(),
            virtual_seconds: totals.virtual_ms / 1000,
            frames: counts.frames,
            bytes: counts.bytes,
            writes: counts.writes,
            writes_refused: counts.writes_refused,
            compared: counts.compared,
            agreed_ms_max: totals.agreed_ms_max,
            faults: counts.faults.clone(),
            markers: Marker::ALL.iter().map(|marker| (marker.name(), counts.markers.count(*marker))).collect(),
            missing: missing.iter().map(|marker| marker.name()).collect(),
            failed_seed: totals.failure.as_ref().map(|failure| failure.seed),
            left_out: psi_sim::LEFT_OUT,
        }
    }

    pub(crate) fn text(&self) -> String {
        let modes = self.runs.iter().map(|(mode, runs)| format!("{runs} {mode}")).collect::<Vec<_>>().join(", ");
        let runs: u64 = self.runs.values().sum();
        let faults = rows(&self.faults);
        let markers = rows(&self.markers);
        let faults = table(["fault", "times"], &[1], faults);
        let markers = table(["marker", "times"], &[1], markers);
        let Self { seconds, virtual_seconds, frames, bytes, writes, writes_refused, compared, agreed_ms_max, .. } =
            self;
        format!(
            "{} held ({modes}): {virtual_seconds} virtual seconds in {seconds:.1} s\n\
             {frames} frames of {bytes} bytes; {writes} writes, {writes_refused} refused; {compared} states compared \
             bit for bit\nat most {:.1} s from the end of the faults to agreement{}\n\n{faults}\n\n{markers}",
            pluralize(runs, "run"),
            *agreed_ms_max as f64 / 1000.0,
            left_out_text(self.left_out),
        )
    }
}

/// A line on what was left out; empty where nothing was.
fn left_out_text(left_out: &[&str]) -> String {
    if left_out.is_empty() {
        return String::new();
    }
    format!("\nleft out: {} (a build with `--features testing` has them)", left_out.join(", "))
}

fn rows(counts: &BTreeMap<&'static str, u64>) -> Vec<[String; 2]> {
    counts.iter().map(|(name, count)| [(*name).to_owned(), count.to_string()]).collect()
}

/// The result of one seed.
#[derive(Serialize)]
pub(crate) struct Replay {
    seed: u64,
    mode: &'static str,
    virtual_ms: u64,
    agreed_ms: u64,
    frames: u64,
    writes: u64,
    faults: BTreeMap<&'static str, u64>,
    /// Hash of all that happened.
    trace: String,
}

impl From<&psi_sim::Report> for Replay {
    fn from(report: &psi_sim::Report) -> Self {
        Self {
            seed: report.seed,
            mode: report.mode.name(),
            virtual_ms: report.ms,
            agreed_ms: report.agreed_ms,
            frames: report.counts.frames,
            writes: report.counts.writes,
            faults: report.counts.faults.clone(),
            trace: data_encoding::HEXLOWER.encode(&report.trace),
        }
    }
}

impl Replay {
    pub(crate) fn text(&self) -> String {
        let Self { seed, mode, virtual_ms, agreed_ms, frames, writes, trace, .. } = self;
        let faults = self.faults.iter().map(|(kind, count)| format!("{count}× {kind}")).collect::<Vec<_>>().join(", ");
        format!(
            "seed {seed}, {mode}: held. {virtual_ms} virtual ms, agreement {agreed_ms} ms after the faults, \
             {frames} frames, {writes} writes\nfaults: {faults}\ntrace {trace}"
        )
    }
}

/// What a few replicas say to each other.
#[derive(Serialize)]
pub(crate) struct Transcript {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Transcript {
    pub(crate) fn text(&self) -> String {
        self.text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_a_build_leaves_out() {
        assert_eq!(left_out_text(&[]), "");
        let line = left_out_text(&["unknown lanes", "views folded again"]);
        assert!(
            line.starts_with("\nleft out: unknown lanes, views folded again (") && line.contains("testing"),
            "{line}"
        );
    }
}
