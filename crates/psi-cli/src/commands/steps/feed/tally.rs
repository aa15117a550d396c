//! The results of the steps so far.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::targets::{Acceptance, Refusal};
use crate::{answer, output::Failure};

/// Counts, shared by all that send.
pub(super) type SharedTally = Arc<Mutex<Tally>>;

pub(super) struct Tally {
    field: String,
    source: String,
    begun: Instant,
    accepted: u64,
    refused: BTreeMap<String, u64>,
    retried: u64,
    unreadable: u64,
    skipped: u64,
    share: Option<f64>,
    by_node: BTreeMap<String, u64>,
    latency_us: Histogram<u64>,
    last: Option<answer::Step>,
    unusual: u64,
    threats: BTreeMap<&'static str, u64>,
    greatest_severity: f64,
    /// Nodes that were not available when they were last asked.
    absent: BTreeSet<String>,
    /// What has not been reported yet.
    news: Vec<String>,
}

/// The tally at one moment, as programs read it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) field: String,
    pub(super) source: String,
    /// Ended by Ctrl-C or SIGTERM.
    pub(super) interrupted: bool,
    pub(super) seconds: f64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    pub(super) refused_by_reason: BTreeMap<String, u64>,
    /// Attempts that were followed by another.
    pub(super) retried: u64,
    /// Vectors of the source that could not be read.
    pub(super) unreadable: u64,
    /// Rows of the source in which a number was missing, left out as --missing says.
    pub(super) skipped: u64,
    /// How far the source has been sent, 0 to 1, if that is known.
    pub(super) share: Option<f64>,
    pub(super) rate_per_s: f64,
    pub(super) latency_us: Latency,
    pub(super) accepted_by_node: BTreeMap<String, u64>,
    pub(super) last: Option<answer::Step>,
    /// Steps that were unlike all before them.
    pub(super) unusual: u64,
    /// Steps that the guardian took for a threat, by kind.
    pub(super) threats: BTreeMap<&'static str, u64>,
    /// Of the drift that steps were answered with.
    pub(super) greatest_severity: f64,
}

/// From the first attempt to the answer, microseconds, to three digits.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

/// Longer ones count as this: an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// The reason of steps that no node took; nothing is known against the step itself.
const UNAVAILABLE: &str = "UNAVAILABLE";

impl Tally {
    pub(super) fn new(field: &str, source: &str, notes: Vec<String>, unreadable: u64) -> Self {
        Self {
            field: field.to_owned(),
            source: source.to_owned(),
            begun: Instant::now(),
            accepted: 0,
            refused: BTreeMap::new(),
            retried: 0,
            unreadable,
            skipped: 0,
            share: None,
            by_node: BTreeMap::new(),
            latency_us: Histogram::new_with_max(LATENCY_US_MAX, 3).expect("three digits are allowed"),
            last: None,
            unusual: 0,
            threats: BTreeMap::new(),
            greatest_severity: 0.0,
            absent: BTreeSet::new(),
            news: notes,
        }
    }

    /// The source has given one more vector, or an error.
    pub(super) fn delivered(&mut self, share: Option<f64>, skipped: u64) {
        self.share = share;
        self.skipped = skipped;
    }

    pub(super) fn accepted(&mut self, accepted: Acceptance, took: Duration) {
        let Acceptance { address, step } = accepted;
        self.accepted += 1;
        if self.absent.remove(&address) {
            self.news.push(format!("{address}: accepts steps again"));
        }
        *self.by_node.entry(step.node.clone()).or_default() += 1;
        self.latency_us.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let step = answer::Step::from(step);
        self.unusual += u64::from(step.unusual);
        if let Some(threat) = step.threat {
            *self.threats.entry(threat).or_default() += 1;
        }
        let severity = step.drift.as_ref().map_or(0.0, |drift| drift.severity);
        self.greatest_severity = self.greatest_severity.max(severity);
        if self.last.as_ref().is_none_or(|last| last.k <= step.k) {
            self.last = Some(step);
        }
    }

    pub(super) fn refused(&mut self, refused: &Refusal) {
        let status = &refused.status;
        let reason = if refused.is_worth_another_try() {
            UNAVAILABLE.to_owned()
        } else {
            psi_api::cause_of(status).map_or_else(|| format!("{:?}", status.code()), |(reason, _)| reason)
        };
        let count = self.refused.entry(reason).or_default();
        *count += 1;
        let is_first = *count == 1;
        if refused.is_absence() {
            self.absence(refused);
        } else if is_first {
            self.news.push(refused.failure().message);
        }
    }

    pub(super) fn retried(&mut self, refused: &Refusal) {
        self.retried += 1;
        self.absence(refused);
    }

    /// Shown once, until the node accepts steps again.
    fn absence(&mut self, refused: &Refusal) {
        if self.absent.insert(refused.address.clone()) {
            let Failure { message, .. } = refused.failure();
            let goes_on = if refused.is_worth_another_try() { "; trying on" } else { "" };
            self.news.push(format!("{message}{goes_on}"));
        }
    }

    pub(super) fn unreadable(&mut self, error: &str) {
        self.unreadable += 1;
        if self.unreadable == 1 {
            self.news.push(format!("left out: {error}"));
        }
    }

    /// What has not been reported yet: the first problem of each kind, and nodes that go and return.
    pub(super) fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn summary(&self, interrupted: bool) -> Summary {
        let seconds = self.begun.elapsed().as_secs_f64();
        let latency = |share| self.latency_us.value_at_quantile(share);
        Summary {
            field: self.field.clone(),
            source: self.source.clone(),
            interrupted,
            seconds,
            accepted: self.accepted,
            refused: self.refused.values().sum(),
            refused_by_reason: self.refused.clone(),
            retried: self.retried,
            unreadable: self.unreadable,
            skipped: self.skipped,
            share: self.share,
            rate_per_s: if seconds > 0.0 { self.accepted as f64 / seconds } else { 0.0 },
            latency_us: Latency {
                p50: latency(0.5),
                p90: latency(0.9),
                p99: latency(0.99),
                max: self.latency_us.max(),
            },
            accepted_by_node: self.by_node.clone(),
            last: self.last.clone(),
            unusual: self.unusual,
            threats: self.threats.clone(),
            greatest_severity: self.greatest_severity,
        }
    }
}

impl Summary {
    /// Whether all went well, as an exit code.
    ///
    /// # Errors
    /// If any vector was not accepted.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let lost = self.refused + self.unreadable;
        if lost == 0 {
            return Ok(());
        }
        if self.accepted == 0 && self.refused_by_reason.get(UNAVAILABLE) == Some(&lost) {
            return Err(Failure::unreachable("no node accepted any step; are the nodes running? see --patience"));
        }
        Err(Failure::failed(format!("{lost} of {} vectors were not accepted", lost + self.accepted)))
    }
}

#[cfg(test)]
mod tests {
    use psi_api::v1::StepResponse;
    use tonic::Code;

    use super::*;
    use crate::output::Exit;

    fn refused(code: Code) -> Refusal {
        Refusal::new("a:1", tonic::Status::new(code, "why"))
    }

    fn answer() -> Acceptance {
        Acceptance { address: "a:1".to_owned(), step: StepResponse::default() }
    }

    fn exit_after(accepted: u64, codes: &[Code], unreadable: u64) -> Option<Exit> {
        let mut tally = Tally::new("f", "s", vec![], 0);
        for _ in 0..accepted {
            tally.accepted(answer(), Duration::from_micros(5));
        }
        codes.iter().for_each(|code| tally.refused(&refused(*code)));
        for _ in 0..unreadable {
            tally.unreadable("x");
        }
        tally.summary(false).verdict().err().map(|failure| failure.exit)
    }

    #[test]
    fn the_exit_code_says_what_became_of_the_steps() {
        for (accepted, codes, unreadable, want) in [
            (2, &[][..], 0, None),
            (0, &[], 0, None),
            (2, &[Code::InvalidArgument], 0, Some(Exit::Failed)),
            (2, &[Code::Unavailable], 0, Some(Exit::Failed)),
            (0, &[Code::Unavailable], 0, Some(Exit::Unreachable)),
            (0, &[Code::Unavailable, Code::Internal], 0, Some(Exit::Failed)),
            (2, &[], 1, Some(Exit::Failed)),
        ] {
            assert_eq!(exit_after(accepted, codes, unreadable), want, "{accepted} {codes:?} {unreadable}");
        }
    }

    #[test]
    fn latencies_are_kept_to_three_digits() {
        let mut tally = Tally::new("f", "s", vec![], 0);
        for ms in 1..=100 {
            tally.accepted(answer(), Duration::from_millis(ms));
        }
        let Latency { p50, p90, p99, max } = tally.summary(false).latency_us;
        for (got, want) in [(p50, 50_000), (p90, 90_000), (p99, 99_000), (max, 100_000)] {
            assert!(u64::abs_diff(got, want) <= want / 1000, "{got}, not {want}");
        }
    }

    #[test]
    fn only_the_first_problem_of_a_kind_is_news() {
        let mut tally = Tally::new("f", "s", vec![], 0);
        for code in [Code::Internal, Code::Internal, Code::InvalidArgument] {
            tally.refused(&refused(code));
        }
        assert_eq!(tally.take_news().len(), 2);
        assert!(tally.take_news().is_empty());
        assert_eq!(tally.summary(false).refused_by_reason["Internal"], 2);
    }

    #[test]
    fn what_was_left_out_before_the_first_step_counts() {
        let mut tally = Tally::new("f", "s", vec!["note: x is left out".to_owned()], 1);
        tally.accepted(answer(), Duration::ZERO);
        assert_eq!(tally.take_news(), ["note: x is left out"]);
        let summary = tally.summary(false);
        assert_eq!((summary.unreadable, summary.verdict().err().map(|failure| failure.exit)), (1, Some(Exit::Failed)));
    }

    #[test]
    fn a_node_that_goes_and_returns_is_news_each_time() {
        let mut tally = Tally::new("f", "s", vec![], 0);
        for _ in 0..2 {
            tally.retried(&refused(Code::Unavailable));
            tally.retried(&refused(Code::Unavailable));
            tally.refused(&refused(Code::DeadlineExceeded));
            assert_eq!(tally.take_news(), ["a:1: why; trying on"]);
            tally.accepted(answer(), Duration::ZERO);
            tally.accepted(answer(), Duration::ZERO);
            assert_eq!(tally.take_news(), ["a:1: accepts steps again"]);
        }
    }
}
