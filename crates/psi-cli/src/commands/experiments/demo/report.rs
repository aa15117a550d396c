//! What the demo measured, in plain words and as JSON.

use serde::Serialize;

use super::acts::{AgreementResult, DRIFT_ALERT, DriftResult, ReturnResult};
use crate::output::{Tone, screen};

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
        const LABEL: usize = "Replication off:  ".len();
        let (off, on, back) = (&self.replication_off, &self.replication_on, &self.node_returning);
        let paragraph = |label: &str, sentence: &str| screen::labelled(label, LABEL, sentence);
        let mut text = String::from("\n");
        let alert = |spread: f64| if spread > DRIFT_ALERT { "fires" } else { "stays silent" };
        let mut line = |label: &str, sentence: String| text += &format!("{}\n", paragraph(label, &sentence));
        line(
            "Replication off:",
            format!(
                "prediction errors {}; they differ by {:.4}, so the drift alert (over {DRIFT_ALERT}) {}.",
                listed(off.prediction_error.values()),
                off.spread,
                alert(off.spread)
            ),
        );
        line(
            "Replication on:",
            format!(
                "prediction errors {}; they differ by {:.4}, so the alert {}.",
                listed(on.prediction_error.values()),
                on.spread,
                alert(on.spread)
            ),
        );
        line("", figures(on));
        line(
            "",
            format!(
                "A step on one node was visible on all others after {:.0} ms (median), {:.0} ms at most.",
                on.visible_ms_median, on.visible_ms_max
            ),
        );
        line("Node returning:", returning(back));
        line("Agreement:", agreement(on, back));
        let (verdict, tone) = match self.agreement {
            true => (format!("All {} nodes gave one answer.", self.nodes), Tone::Good),
            false => ("The nodes did NOT agree.".to_owned(), Tone::Bad),
        };
        format!("{text}\n{}", tone.paint(&verdict))
    }
}

fn figures(on: &AgreementResult) -> String {
    if on.figures_match {
        "gRPC, /state and /metrics of every node give the incident's figures: Ψ 0.5259, Φ 0.1535, C 0.7757, U 0.6370, \
         H 0.6332, PE 0.8625."
            .to_owned()
    } else {
        format!("NOT the incident's figures: {}", on.deviations.join("; "))
    }
}

fn returning(back: &ReturnResult) -> String {
    format!(
        "{} stopped; the others knew after {:.0} ms; back and listed as live, it held everything after {:.0} ms. {} \
         steps accepted, {} of them by the next node after a refusal, {} failed; every node counts {}.",
        back.node,
        back.noticed_gone_ms,
        back.caught_up_ms,
        back.steps_accepted,
        back.steps_retried,
        back.steps_failed,
        same(back.steps.values())
    )
}

fn agreement(on: &AgreementResult, back: &ReturnResult) -> String {
    let verdict = |held| if held { "equal" } else { "NOT equal" };
    format!(
        "frontiers equal, digests {}; count, mean and variance {}, to the last bit, to those of one node that saw every \
         step.",
        verdict(on.digests_equal && back.digests_equal),
        verdict(back.equals_one_node)
    )
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
