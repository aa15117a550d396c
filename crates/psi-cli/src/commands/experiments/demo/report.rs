//! What the demo measured, in plain words and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::acts::{AgreementResult, DRIFT_ALERT, DriftResult, ReturnResult};

/// The whole result.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether agreement held in acts two and three.
    pub(super) agreement: bool,
    nodes: usize,
    replication_off: DriftResult,
    replication_on: AgreementResult,
    node_returning: ReturnResult,
}

impl Report {
    pub(super) fn new(nodes: usize, apart: DriftResult, together: AgreementResult, returning: ReturnResult) -> Self {
        let agreement = together.figures_match
            && together.digests_equal
            && together.spread == 0.0
            && returning.digests_equal
            && returning.equals_one_node
            && returning.steps_failed == 0;
        Self { agreement, nodes, replication_off: apart, replication_on: together, node_returning: returning }
    }

    /// The summary.
    pub(super) fn text(&self) -> String {
        let (off, on, back) = (&self.replication_off, &self.replication_on, &self.node_returning);
        let mut text = String::new();
        let mut line = |sentence: String| {
            let _ = writeln!(text, "{sentence}");
        };
        let alert = |spread: f64| if spread > DRIFT_ALERT { "fires" } else { "stays silent" };
        line(format!(
            "\nReplication off: prediction errors {}; they differ by {:.4},\n                 \
             so the drift alert (over {DRIFT_ALERT}) {}.",
            listed(off.prediction_error.values()),
            off.spread,
            alert(off.spread)
        ));
        line(format!(
            "Replication on:  prediction errors {}; they differ by {:.4},\n                 so the alert {}.",
            listed(on.prediction_error.values()),
            on.spread,
            alert(on.spread)
        ));
        line(if on.figures_match {
            "                 gRPC, /state and /metrics of every node give the incident's figures:\n                 \
             Ψ 0.5259, Φ 0.1535, C 0.7757, U 0.6370, H 0.6332, PE 0.8625."
                .to_owned()
        } else {
            format!("                 NOT the incident's figures: {}", on.deviations.join("; "))
        });
        line(format!(
            "                 A step on one node was visible on all others after {:.0} ms (median), {:.0} ms at most.",
            on.visible_ms_median, on.visible_ms_max
        ));
        line(format!(
            "Node returning:  {} stopped; the others knew after {:.0} ms; back and listed as live, it held everything\n                 \
             after {:.0} ms.",
            back.node, back.noticed_gone_ms, back.caught_up_ms
        ));
        line(format!(
            "                 {} steps accepted, {} of them by the next node after a refusal, {} failed;\n                 \
             every node counts {}.",
            back.steps_accepted,
            back.steps_retried,
            back.steps_failed,
            same(back.steps.values())
        ));
        let verdict = |held| if held { "equal" } else { "NOT equal" };
        line(format!(
            "Agreement:       frontiers equal, digests {}; count, mean and variance {}, to the last bit,\n                 \
             to those of one node that saw every step.",
            verdict(on.digests_equal && back.digests_equal),
            verdict(back.equals_one_node)
        ));
        line(if self.agreement {
            format!("\nAll {} nodes gave one answer.", self.nodes)
        } else {
            "\nThe nodes did NOT agree.".to_owned()
        });
        text.trim_end().to_owned()
    }
}

fn listed<'a>(errors: impl Iterator<Item = &'a f64>) -> String {
    errors.map(|error| format!("{error:.4}")).collect::<Vec<_>>().join(", ")
}

/// The number that all have, or all of them.
fn same<'a>(counts: impl Iterator<Item = &'a u64>) -> String {
    let mut counts: Vec<u64> = counts.copied().collect();
    counts.dedup();
    counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" / ")
}
