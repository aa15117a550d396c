//! What was promised and whether it was kept, in plain words and as JSON.

use psi_api::v1;
use serde::Serialize;

use super::record::{ModelRecord, records_table};
use crate::output::{Failure, Tone, pluralize, screen};

/// The pace at which steps of a demo are counted in minutes: a guess at a model that is asked now and then.
const STEPS_A_MINUTE: u64 = 50;

/// What stands above the acts.
const LOOKED: &str = "\nWhat was looked at, and whether it was so:\n";

/// The whole result.
#[derive(Debug, Default, Serialize)]
pub(in super::super) struct RolloutReport {
    /// Whether all went as promised.
    pub(in super::super) kept_all: bool,
    acts: Vec<Act>,
    pub(super) rollback: Option<Rollback>,
    pub(super) promotion: Option<Promotion>,
    /// What ledgers have of it, the first first.
    pub(super) records: Vec<ModelRecord>,
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
    pub(super) fn promise(&mut self, kept: bool, promise: impl Into<String>) {
        self.promises.push(Promise { promise: promise.into(), kept });
    }

    /// Whether all went as promised so far.
    pub(super) fn holds(&self) -> bool {
        self.promises.iter().all(|promise| promise.kept)
    }

    fn text(&self) -> String {
        const LABEL: usize = "  yes  ".len();
        let line = |promise: &Promise| {
            let label = if promise.kept { "  yes" } else { "  NOT" };
            screen::labelled(label, LABEL, &promise.promise)
        };
        let lines: Vec<String> = self.promises.iter().map(line).collect();
        format!("\n{}\n{}", self.title, lines.join("\n"))
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
    /// Another act.
    pub(super) fn begin(&mut self, title: &'static str) -> &mut Act {
        self.acts.push(Act { title, promises: Vec::new() });
        self.acts.last_mut().expect("it was pushed")
    }

    /// Whether all went as promised so far.
    pub(super) fn holds(&self) -> bool {
        self.acts.iter().all(Act::holds)
    }

    /// The act came to no end.
    pub(super) fn break_off(&mut self, failure: &Failure) {
        if let Some(act) = self.acts.last_mut() {
            act.promise(false, format!("it went on to its end, and this was in the way: {}", failure.text()));
        }
    }

    /// Nothing follows.
    pub(super) fn conclude(&mut self) {
        self.kept_all = self.holds();
    }

    /// What was not as promised, for the line that says why the demo failed.
    pub(in super::super) fn broken(&self) -> String {
        let broken = self.acts.iter().flat_map(|act| &act.promises).filter(|promise| !promise.kept);
        let broken: Vec<&str> = broken.map(|promise| promise.promise.as_str()).collect();
        format!("not as promised: {}", broken.join("; "))
    }

    /// The summary.
    pub(in super::super) fn text(&self) -> String {
        let acts = self.acts.iter().map(Act::text).collect::<Vec<_>>().join("\n");
        let (verdict, tone) = match self.kept_all {
            true => ("All went as promised, and every node said the same.", Tone::Good),
            false => ("NOT all went as promised.", Tone::Bad),
        };
        let times = "Times are those of this machine. What is made up is how steps went, which callers say. Who holds the keys \
                     of the ledgers is not shown: this cluster has no authority.";
        let gate = self.rollback.as_ref().map_or_else(String::new, |rollback| {
            screen::labelled("The gate said:", "The gate said:  ".len(), &rollback.reason)
        });
        let records = if self.records.is_empty() { String::new() } else { records_table(&self.records) };
        let text = [LOOKED.to_owned() + &acts, gate, records, times.to_owned(), tone.paint(verdict).to_string()];
        text.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}
