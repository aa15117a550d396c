//! `psi-field rollout replay`: what gates would have said about steps that were recorded.

mod clock;
mod course;
mod picture;
mod report;
mod samples;
mod steps;
mod table;

use std::path::PathBuf;

use clap::Args;
use psi_rollout::{ModelName, Plan, PlanInput, RolloutId, RolloutSetup, VersionName};

use self::{
    clock::Clock,
    course::Course,
    picture::Picture,
    report::Report,
    steps::{Arms, StepFile},
    table::Format,
};
use super::plan::{PlanArguments, span};
use crate::{
    commands::progress::Progress,
    output::{self, Failure, Output, canvas, pluralize},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field rollout replay steps.csv --window 10m
  psi-field rollout replay steps.csv --champion v1 --png gates.png
  psi-field rollout replay steps.jsonl --metric column:price=-2 --latency 0
  psi-field rollout replay steps.csv -o json | jq 'select(.event == \"rollback\")'

A row is a step, in order of time. CSV has a header, JSON lines have an object a line. Columns are found by name:
  version      which version answered: two names in the file
  key          what the step is of, such as a user; without one a step counts by a hash of its row's number, as if no two \
were of one user
  error        0, 1, true or false; may be missing with --error-rate 0
  latency_ms   how long it took; may be missing with --latency 0
  time         seconds or milliseconds since 1970, or dates such as 2026-11-30T20:54:38Z; without it rows come at --rate
and those that --metric names: price for column:price, prediction_error for prediction_error.

A rollout begins at the first row, and is looked at as nodes do, by the time of the file. All members are heard, and a \
majority answers. It stops at PROMOTED or ROLLED_BACK, else it says what it holds for at the end.

The file has the shares that it has: the percentage shows how far the plan would have come, and deals no step. Counting \
begins again with each percentage, as on nodes.

With `--output json` what happens is an object a line: row (the last one that was known, from 0), time, seconds since the \
first row, event (advance, promote, rollback, or hold at the end), percent, hold, reason and gates.

Exit codes: 0 done; 1 the answer could not be written; 2 wrong arguments, or something wrong in the file.";

/// Show what gates would have said about recorded steps
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Replay {
    /// The recorded steps
    file: PathBuf,

    /// What the file is, where its name does not say so
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// The version that answers [default: the first in the file]
    #[arg(long, value_name = "NAME")]
    champion: Option<VersionName>,

    /// The version that is to take over [default: the other]
    #[arg(long, value_name = "NAME")]
    canary: Option<VersionName>,

    #[command(flatten)]
    plan: PlanArguments,

    /// Time between two looks at the gates
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "1m")]
    look: u64,

    /// Rows a minute, where the file has no column `time` [default: 1000]
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,

    /// Draw what each gate compared over time into this file
    #[arg(long, value_name = "FILE.png")]
    png: Option<PathBuf>,

    /// Overwrite the picture if it is there
    #[arg(long, requires = "png")]
    force: bool,
}

/// A number of rows a minute.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "give a number of rows a minute above 0".to_owned())
}

impl Replay {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        if let Some(path) = &self.png {
            canvas::check_path(path, std::iter::once(self.file.as_path()), self.force)?;
        }
        let plan = self.plan()?;
        let file = StepFile { path: self.file.clone(), format: self.format, rate: self.rate };
        let arms = file.arms(self.champion.clone(), self.canary.clone())?;
        let (course, clock) = self.course(&file, &plan, &arms)?;
        let name = self.file.display().to_string();
        if let Some(path) = &self.png {
            let gates = Picture::of(&name, &course).write(path, self.force)?;
            output::note(format_args!("drew {} into {}", pluralize(gates, "gate"), path.display()));
        }
        Report { name: &name, course: &course, clock }.print(output)
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let given = self.plan.clone().given().unwrap_or_default();
        if given.drift_severity != 0.0 {
            return Err(Failure::usage(format!(
                "--drift-severity {}: the file says how steps went, and not by which inputs; leave it out, and look at \
                 the inputs with psi-field replay --drift",
                given.drift_severity
            )));
        }
        Plan::new(&PlanInput::from(given)).map_err(|error| Failure::usage(error.to_string()))
    }

    /// Goes through the file until the rollout has ended.
    fn course(&self, file: &StepFile, plan: &Plan, arms: &Arms) -> Result<(Course, Clock), Failure> {
        let mut steps = file.steps(plan, arms.clone())?;
        let mut progress = Progress::new("replaying", None, false);
        let mut course: Option<Course> = None;
        while let Some(step) = steps.next()? {
            let course = match &mut course {
                Some(course) => course,
                None => course.insert(Course::begin(setup(plan, arms)?, self.look, step.ms)?),
            };
            course.take(&step)?;
            if course.has_ended() {
                break;
            }
            progress.step();
        }
        // A table without a row is refused before.
        let mut course = course.ok_or_else(|| Failure::usage(format!("{} has no row", self.file.display())))?;
        course.end()?;
        Ok((course, steps.clock()))
    }
}

fn setup(plan: &Plan, arms: &Arms) -> Result<RolloutSetup, Failure> {
    let named = |error: psi_rollout::NameError| Failure::usage(error.to_string());
    Ok(RolloutSetup {
        id: RolloutId::new("replay").map_err(named)?,
        model: ModelName::new("replay").map_err(named)?,
        champion: arms.champion.clone(),
        canary: arms.canary.clone(),
        plan: plan.clone(),
    })
}
