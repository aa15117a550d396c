//! What Prometheus scrapes of the probe. Series of a node begin at 0 when it is first probed, so that its first failure
//! is an increase, and go with the node.

use std::collections::BTreeSet;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use super::{fault::Reason, round::Round};

/// Upper bounds in seconds: a step takes well under a millisecond, its way to another node some tens.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

const OK: &str = "ok";
const FAILED: &str = "failed";

pub(super) struct Metrics {
    registry: Registry,
    attempts: IntCounterVec,
    success: IntGaugeVec,
    failures: IntCounterVec,
    step_seconds: HistogramVec,
    propagation_seconds: HistogramVec,
    /// Nodes that have series.
    shown: BTreeSet<String>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let times = |name, help, labels: &[&str]| {
            add(&registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels))
        };
        Self {
            attempts: add(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "psi_probe_attempts_total",
                        "Rounds by node: ok if its step was acknowledged and showed elsewhere, and the others' at it",
                    ),
                    &["target", "result"],
                ),
            ),
            success: add(
                &registry,
                IntGaugeVec::new(Opts::new("psi_probe_success", "1 if the latest round was ok"), &["target"]),
            ),
            failures: add(
                &registry,
                IntCounterVec::new(
                    Opts::new("psi_probe_failures_total", "Rounds that failed, by what weighs most of what went wrong"),
                    &["target", "reason"],
                ),
            ),
            step_seconds: times(
                "psi_probe_step_seconds",
                "From the call of a step to its acknowledgement, over the wire",
                &["target"],
            ),
            propagation_seconds: times(
                "psi_probe_propagation_seconds",
                "From the acknowledgement of a step at the source to the answer of a read at the target that shows it",
                &["source", "target"],
            ),
            shown: BTreeSet::new(),
            registry,
        }
    }

    /// Records a round.
    pub(super) fn observe(&mut self, round: &Round) {
        self.show(round.steps.iter().map(|one| one.target.clone()).collect());
        for step in &round.steps {
            let target = step.target.as_str();
            if let Ok(took) = &step.took {
                self.step_seconds.with_label_values(&[target]).observe(took.as_secs_f64());
            }
            let fault = round.fault(target);
            let result = if fault.is_some() { FAILED } else { OK };
            self.attempts.with_label_values(&[target, result]).inc();
            self.success.with_label_values(&[target]).set(fault.is_none().into());
            if let Some(fault) = fault {
                self.failures.with_label_values(&[target, fault.reason.as_str()]).inc();
            }
        }
        for read in &round.reads {
            if let Ok(took) = &read.took {
                let pair = [read.source.as_str(), read.target.as_str()];
                self.propagation_seconds.with_label_values(&pair).observe(took.as_secs_f64());
            }
        }
    }

    /// Everything in the text format of Prometheus.
    pub(super) fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// Makes the series of nodes that are new, and removes those of nodes that are gone.
    fn show(&mut self, now: BTreeSet<String>) {
        let before = std::mem::replace(&mut self.shown, now);
        for gone in before.difference(&self.shown) {
            for result in [OK, FAILED] {
                let _ = self.attempts.remove_label_values(&[gone, result]);
            }
            for reason in Reason::ALL {
                let _ = self.failures.remove_label_values(&[gone, reason.as_str()]);
            }
            let _ = self.success.remove_label_values(&[gone]);
            let _ = self.step_seconds.remove_label_values(&[gone]);
            for other in &before {
                let _ = self.propagation_seconds.remove_label_values(&[gone, other]);
                let _ = self.propagation_seconds.remove_label_values(&[other, gone]);
            }
        }
        for new in self.shown.difference(&before) {
            for result in [OK, FAILED] {
                self.attempts.with_label_values(&[new, result]);
            }
            for reason in Reason::ALL {
                self.failures.with_label_values(&[new, reason.as_str()]);
            }
            self.step_seconds.with_label_values(&[new]);
            for other in self.shown.iter().filter(|other| *other != new) {
                self.propagation_seconds.with_label_values(&[new, other]);
                self.propagation_seconds.with_label_values(&[other, new]);
            }
        }
    }
}

/// Every name is a constant of this module and occurs once.
fn add<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let metric = made.expect("a valid name and labels");
    registry.register(Box::new(metric.clone())).expect("a name of its own");
    metric
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::commands::cluster::probe::{
        fault::Fault,
        round::{ReadResult, StepResult},
    };

    fn round(targets: &[&str], failing: Option<&str>) -> Round {
        let took = |target: &str| match failing {
            Some(failing) if failing == target => Err(Fault::new(Reason::Unreachable, "")),
            _ => Ok(Duration::from_millis(3)),
        };
        let steps =
            targets.iter().map(|target| StepResult { target: (*target).to_owned(), node: None, took: took(target) });
        let pairs = targets.iter().flat_map(|source| targets.iter().map(move |target| (source, target)));
        let pairs = pairs.filter(|(source, target)| source != target && took(source).is_ok());
        let reads = pairs.map(|(source, target)| ReadResult {
            source: (*source).to_owned(),
            target: (*target).to_owned(),
            took: took(target),
        });
        Round { steps: steps.collect(), reads: reads.collect(), left_out: 0 }
    }

    fn value(text: &str, series: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn a_failing_node_counts_against_itself_alone() {
        let mut metrics = Metrics::new();
        metrics.observe(&round(&["a", "b", "c"], None));
        metrics.observe(&round(&["a", "b", "c"], Some("c")));
        let text = metrics.render();
        for (series, want) in [
            (r#"psi_probe_attempts_total{result="ok",target="a"}"#, 2.0),
            (r#"psi_probe_attempts_total{result="failed",target="a"}"#, 0.0),
            (r#"psi_probe_attempts_total{result="failed",target="c"}"#, 1.0),
            (r#"psi_probe_success{target="b"}"#, 1.0),
            (r#"psi_probe_success{target="c"}"#, 0.0),
            (r#"psi_probe_failures_total{reason="unreachable",target="c"}"#, 1.0),
            (r#"psi_probe_failures_total{reason="stale",target="c"}"#, 0.0),
            (r#"psi_probe_step_seconds_count{target="c"}"#, 1.0),
            (r#"psi_probe_propagation_seconds_count{source="a",target="b"}"#, 2.0),
            (r#"psi_probe_propagation_seconds_count{source="a",target="c"}"#, 1.0),
            (r#"psi_probe_propagation_seconds_bucket{source="a",target="b",le="0.0025"}"#, 0.0),
            (r#"psi_probe_propagation_seconds_bucket{source="a",target="b",le="0.005"}"#, 2.0),
        ] {
            assert_eq!(value(&text, series), Some(want), "{series} in\n{text}");
        }
    }

    #[test]
    fn a_node_that_is_gone_leaves_no_series() {
        let mut metrics = Metrics::new();
        metrics.observe(&round(&["a", "b", "c"], Some("b")));
        assert!(metrics.render().contains("\"b\""));
        metrics.observe(&round(&["a", "c"], None));
        assert!(!metrics.render().contains("\"b\""), "{}", metrics.render());
        assert!(metrics.render().contains("\"a\""));
    }
}
