//! What a replay says.

use psi_api::{arm_outcomes, percent, v1};
use psi_rollout::{Judgement, Status, gate::Comparison};
use serde::Serialize;

use super::{
    clock::Clock,
    course::{Course, Occurrence},
};
use crate::{
    commands::governance::rollout::shown::{GateAnswer, OutcomesAnswer, gate_table, outcome_table},
    output::{self, Failure, Output, pluralize, screen},
};

/// What a file came to.
pub(super) struct Report<'a> {
    /// What the file is called.
    pub(super) name: &'a str,
    pub(super) course: &'a Course,
    pub(super) clock: Clock,
}

/// An occurrence for programs.
#[derive(Debug, Serialize)]
struct OccurrenceLine<'a> {
    row: u64,
    time: Option<String>,
    seconds: f64,
    event: &'static str,
    percent: f64,
    hold: Option<&'static str>,
    reason: &'a str,
    gates: Vec<GateLine>,
}

#[derive(Debug, Serialize)]
struct GateLine {
    #[serde(flatten)]
    answer: GateAnswer,
    comparison: Option<ComparisonLine>,
}

#[derive(Debug, Serialize)]
struct ComparisonLine {
    canary: f64,
    champion: f64,
    tolerated: f64,
    tolerated_radius: f64,
    limit: f64,
    limit_radius: f64,
}

impl Report<'_> {
    pub(super) fn print(&self, output: Output) -> Result<(), Failure> {
        let occurrences = &self.course.occurrences;
        match output {
            Output::Json => occurrences.iter().try_for_each(|one| output.print(&self.line(one), |_| String::new())),
            Output::Text => output::line(&screen::fitted(&self.text())),
        }
    }

    fn line<'a>(&self, occurrence: &'a Occurrence) -> OccurrenceLine<'a> {
        OccurrenceLine {
            row: occurrence.row,
            time: self.clock.date(occurrence.ms),
            seconds: (occurrence.ms - self.course.begin_ms) as f64 / 1_000.0,
            event: occurrence.event,
            percent: percent(occurrence.percent),
            hold: occurrence.hold.map(psi_rollout::HoldReason::name),
            reason: &occurrence.reason,
            gates: occurrence.judgements.iter().map(GateLine::from).collect(),
        }
    }

    fn text(&self) -> String {
        let rollout = &self.course.rollout;
        let (champion, canary) = (rollout.champion().version(), rollout.canary().version());
        let (steps, name) = (pluralize(self.course.steps, "step"), self.name);
        let mut text = format!(
            "replayed {steps} of {name}: {champion} answers, {canary} is to take over\n\n{}",
            self.occurrences()
        );
        let gates = self.course.occurrences.last().map(|last| gate_answers(&last.judgements)).unwrap_or_default();
        let arms = [(champion, self.course.record_of_champion()), (canary, &self.course.canary)];
        let arms = arms.map(|(version, outcomes)| OutcomesAnswer::from(arm_outcomes(version.as_str(), outcomes)));
        for block in [gate_table(&gates), outcome_table(&arms)].into_iter().flatten() {
            text += &format!("\n\n{block}");
        }
        text
    }

    /// What happened, one below the other.
    fn occurrences(&self) -> String {
        let label = |one: &Occurrence| {
            let shown = self.clock.shown(match self.clock {
                Clock::Rate(_) => one.ms - self.course.begin_ms,
                _ => one.ms,
            });
            format!("row {}, {shown}, {}  ", one.row, one.percent)
        };
        let labels: Vec<String> = self.course.occurrences.iter().map(label).collect();
        let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or_default();
        let lines = self.course.occurrences.iter().zip(&labels);
        let lines = lines.map(|(one, label)| screen::labelled(label, width, &self.why(one)));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Why, in fewer words than the record has: gates that pass are named, and the table has the last ones.
    fn why(&self, occurrence: &Occurrence) -> String {
        let verdicts = || {
            let each = occurrence.judgements.iter().map(|one| format!("{} {}", one.gate, one.verdict));
            each.collect::<Vec<_>>().join(", ")
        };
        match (occurrence.event, occurrence.hold) {
            ("advance", _) if occurrence.judgements.is_empty() => occurrence.reason.clone(),
            ("advance", _) => verdicts(),
            ("promote", _) => format!("{}: {}", Status::Promoted, verdicts()),
            ("rollback", _) => format!("{}: {}", Status::RolledBack, occurrence.reason),
            (_, Some(hold)) => format!("HOLD, {hold}: {}", occurrence.reason),
            _ => occurrence.reason.clone(),
        }
    }
}

fn gate_answers(judgements: &[Judgement]) -> Vec<GateAnswer> {
    judgements.iter().map(|judgement| GateAnswer::from(v1::RolloutJudgement::from(judgement))).collect()
}

impl From<&Judgement> for GateLine {
    fn from(judgement: &Judgement) -> Self {
        let answer = v1::RolloutJudgement::from(judgement).into();
        Self { answer, comparison: judgement.comparison.map(ComparisonLine::from) }
    }
}

impl From<Comparison> for ComparisonLine {
    fn from(comparison: Comparison) -> Self {
        let Comparison { canary, champion, tolerated, tolerated_radius, limit, limit_radius } = comparison;
        Self { canary, champion, tolerated, tolerated_radius, limit, limit_radius }
    }
}
