//! The log: a line when a node begins to fail, one when it no longer does, and none in between, but where somebody
//! watches.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{round::Round, targets::TARGETS_MAX};
use crate::output::{numbers, pluralize};

/// Least time between two lines that sum rounds up: somewhat less than that between two rounds by default,
/// so that each of those has its line.
const SUMMARY: Duration = Duration::from_secs(9);

pub(super) struct RoundLog {
    targets: BTreeSet<String>,
    failing: BTreeSet<String>,
    left_out: usize,
    /// Only where somebody watches.
    summary: Option<Summary>,
}

/// The results of the rounds since the last line that summed them up.
#[derive(Default)]
struct Summary {
    last_line: Option<Instant>,
    rounds: u64,
    /// Nodes, each in each round.
    turns: usize,
    failed: usize,
    step_max: Duration,
    read_max: Duration,
}

impl Summary {
    /// Records a round; gives the line if it is time for one.
    fn line(&mut self, round: &Round, now: Instant) -> Option<String> {
        self.rounds += 1;
        self.turns += round.steps.len();
        self.failed += round.failed();
        let steps = round.steps.iter().filter_map(|step| step.took.as_ref().ok());
        self.step_max = steps.copied().fold(self.step_max, Duration::max);
        let reads = round.reads.iter().filter_map(|read| read.took.as_ref().ok());
        self.read_max = reads.copied().fold(self.read_max, Duration::max);
        if self.last_line.is_some_and(|last| now.duration_since(last) < SUMMARY) {
            return None;
        }
        let Self { rounds, turns, failed, step_max, read_max, .. } = std::mem::take(self);
        self.last_line = Some(now);
        let came = if failed == 0 { "all nodes ok".to_owned() } else { format!("{failed} of {turns} turns failed") };
        let short = |took: Duration| numbers::duration(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let (step, read) = (short(step_max), short(read_max));
        // With one node there are no reads.
        let read = if read_max.is_zero() { String::new() } else { format!(", slowest read {read}") };
        Some(format!("{}: {came}; slowest step {step}{read}", pluralize(rounds, "round")))
    }
}

impl RoundLog {
    /// What was logged at the start: the names. `is_watched` by a person who would take silence for a standstill.
    pub(super) fn new(names: &[String], is_watched: bool) -> Self {
        Self {
            targets: names.iter().cloned().collect(),
            failing: BTreeSet::new(),
            left_out: 0,
            summary: is_watched.then(Summary::default),
        }
    }

    pub(super) fn record(&mut self, round: &Round) {
        let targets: BTreeSet<String> = round.steps.iter().map(|step| step.target.clone()).collect();
        if self.targets != targets {
            info!(
                nodes = targets.iter().map(String::as_str).collect::<Vec<_>>().join(","),
                "the names stand for these nodes now"
            );
            self.failing.retain(|target| targets.contains(target));
            self.targets = targets;
        }
        if self.left_out != round.left_out {
            self.left_out = round.left_out;
            warn!(left_out = round.left_out, "more than {TARGETS_MAX} nodes, some are not probed");
        }
        for step in &round.steps {
            let target = step.target.as_str();
            match round.fault(target) {
                Some(fault) if self.failing.insert(target.to_owned()) => {
                    warn!(node = target, reason = fault.reason.as_str(), "the node fails: {}", fault.said);
                }
                None if self.failing.remove(target) => info!(node = target, "the node is ok again"),
                _ => {}
            }
        }
        if let Some(line) = self.summary.as_mut().and_then(|summary| summary.line(round, Instant::now())) {
            info!("{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            fault::{Fault, Reason},
            round::{ReadResult, StepResult},
        },
        *,
    };

    #[test]
    fn the_first_round_is_logged_at_once_and_later_ones_together() {
        let took = |ms| Ok(Duration::from_millis(ms));
        let step = |target: &str, took| StepResult { target: target.to_owned(), node: None, took };
        let read = ReadResult { source: "a".to_owned(), target: "b".to_owned(), took: took(7) };
        let good = Round { steps: vec![step("a", took(2)), step("b", took(3))], reads: vec![read], left_out: 0 };
        let late = Fault::new(Reason::Late, "");
        let bad = Round { steps: vec![step("a", took(4)), step("b", Err(late))], ..Round::default() };
        let (mut summary, begun) = (Summary::default(), Instant::now());
        let mut line = |round, second| summary.line(round, begun + Duration::from_secs(second));
        assert_eq!(line(&good, 0).unwrap(), "1 round: all nodes ok; slowest step 3.0 ms, slowest read 7.0 ms");
        assert_eq!(line(&bad, 4), None);
        assert_eq!(line(&bad, 8), None);
        let later = line(&good, 10).unwrap();
        assert_eq!(later, "3 rounds: 2 of 6 turns failed; slowest step 4.0 ms, slowest read 7.0 ms");
        assert_eq!(line(&good, 20).unwrap(), "1 round: all nodes ok; slowest step 3.0 ms, slowest read 7.0 ms");
    }
}
