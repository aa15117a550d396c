//! What was promised and what came of it, in plain words and as JSON.

use psi_api::v1;
use serde::Serialize;

use super::record::{ModelRecord, records_table};
use crate::output::{Tone, pluralize, screen};

/// The pace at which steps of a demo are counted in minutes: a guess at a model that is asked now and then.
const STEPS_A_MINUTE: u64 = 50;

/// The whole result.
#[derive(Debug, Serialize)]
pub(in super::super) struct RolloutReport {
    /// Whether all went as promised.
    pub(in super::super) kept_all: bool,
    acts: Vec<Act>,
    rollback: Rollback,
    promotion: Promotion,
    /// What ledgers have of it, the first first.
    records: Vec<ModelRecord>,
}

/// What was promised of an act.
#[derive(Debug, Serialize)]
pub(super) struct Act {
    title: &'static str,
    promises: Vec<Promise>,
}

/// What was looked at, and whether it was so.
#[derive(Debug, Serialize)]
struct Promise {
    promise: String,
    kept: bool,
}

/// How the bad version ended.
#[derive(Debug, Serialize)]
pub(super) struct Rollback {
    /// From the first step that was sent to the node that was left, until it rolled back.
    seconds: f64,
    /// Steps of the version, all in all.
    canary_steps: u64,
    /// The time that so many steps take at 50 a minute.
    minutes_at_50_a_minute: u64,
    /// What the gate said.
    reason: String,
}

/// How the good version came to answer everything.
#[derive(Debug, Serialize)]
pub(super) struct Promotion {
    pub(super) seconds: f64,
    pub(super) steps: u64,
    /// The percentages that were seen.
    pub(super) percent: Vec<f64>,
}

impl Act {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, promises: Vec::new() }
    }

    pub(super) fn promise(&mut self, kept: bool, promise: impl Into<String>) {
        self.promises.push(Promise { promise: promise.into(), kept });
    }

    fn text(&self) -> String {
        const LABEL: usize = "  yes  ".len();
        let line = |promise: &Promise| {
            let label = if promise.kept { "  yes" } else { "  NOT" };
            screen::labelled(label, LABEL, &promise.promise)
        };
        let lines: Vec<String> = self.promises.iter().map(line).collect();
        format!("\n{}\n{}\n", self.title, lines.join("\n"))
    }
}

impl Rollback {
    pub(super) fn new(seconds: f64, canary_steps: u64, rollout: &v1::Rollout) -> Self {
        let minutes_at_50_a_minute = canary_steps.div_ceil(STEPS_A_MINUTE);
        Self { seconds, canary_steps, minutes_at_50_a_minute, reason: rollout.change_reason.clone() }
    }

    pub(super) fn text(&self) -> String {
        let Self { seconds, canary_steps, minutes_at_50_a_minute: minutes, .. } = self;
        format!(
            "after {} of v2, here in {seconds:.1} s; at {STEPS_A_MINUTE} of them a minute, {minutes} min",
            pluralize(*canary_steps, "step")
        )
    }
}

impl Promotion {
    pub(super) fn text(&self) -> String {
        let percent: Vec<String> = self.percent.iter().map(ToString::to_string).collect();
        let steps = pluralize(self.steps, "step");
        format!("{} % in {:.1} s, with {steps} of v3", percent.join(", "), self.seconds)
    }
}

impl RolloutReport {
    pub(super) fn new(acts: Vec<Act>, rollback: Rollback, promotion: Promotion, records: Vec<ModelRecord>) -> Self {
        let kept_all = acts.iter().flat_map(|act| &act.promises).all(|promise| promise.kept);
        Self { kept_all, acts, rollback, promotion, records }
    }

    /// What was not as promised, for the line that says why the demo failed.
    pub(in super::super) fn broken(&self) -> String {
        let broken = self.acts.iter().flat_map(|act| &act.promises).filter(|promise| !promise.kept);
        broken.map(|promise| format!("NOT so: {}", promise.promise)).collect::<Vec<_>>().join("; ")
    }

    /// The summary.
    pub(in super::super) fn text(&self) -> String {
        let acts: String = self.acts.iter().map(Act::text).collect();
        let (verdict, tone) = match self.kept_all {
            true => ("All went as promised, and every node said the same.", Tone::Good),
            false => ("NOT all went as promised.", Tone::Bad),
        };
        let times = "Times are those of this machine. What is made up is how steps went, which callers say. Who holds the keys \
                     of the ledgers is not shown: this cluster has no authority.";
        let gate = screen::labelled("The gate said:", "The gate said:  ".len(), &self.rollback.reason);
        let records = records_table(&self.records);
        format!(
            "\nWhat was looked at, and whether it was so:\n{acts}\n{gate}\n\n{records}\n\n{}\n\n{}",
            screen::fitted(times),
            tone.paint(verdict)
        )
    }
}
