//! `psi-field drift`: whether the inputs of fields still come from where they came from, and baselines.

use clap::{Args, Subcommand};
use psi_api::v1::{ClearBaselineRequest, GetDriftRequest, ListDriftRequest, SetBaselineRequest};
use serde::Serialize;

use crate::{
    answer::drift::{Baseline, ColumnDrift, Drift as Verdict, Report, title, titles},
    client::{self, Nodes, options::ReadOptions},
    commands::arguments::parse_field,
    output::{Failure, Output, numbers::short, pluralize, table},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field drift list
  psi-field drift show sensors
  psi-field drift baseline set sensors --version v3 --days 14
  psi-field drift baseline clear sensors

Every node gives the same answer. A severity of 0.5 is a warning, 0.8 is critical.";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field drift list
  psi-field drift list --output json | jq '.fields[] | select(.severity >= 0.5)'";

const SHOW_EXAMPLES: &str = "\
Examples:
  psi-field drift show
  psi-field drift show sensors --output json

Excess is what of the PSI is beyond what the baseline does by itself; P is how probable so great a PSI is though \
nothing has changed. A pair of inputs shows how far apart the two are.";

const BASELINE_EXAMPLES: &str = "\
Examples:
  psi-field drift baseline show sensors
  psi-field drift baseline set sensors --version v3 --days 14
  psi-field drift baseline clear sensors

Without one that is set, the first inputs become the baseline by themselves: as many as the parameter \
`baseline_after` says.";

const SET_EXAMPLES: &str = "\
Examples:
  psi-field drift baseline set sensors
  psi-field drift baseline set sensors --version v3 --source \"new pump\" \\
      --set-by ann
  psi-field drift baseline set sensors --minutes 30
  psi-field drift baseline set sensors --days 14

What counts as usual from now on: the inputs of the last minutes or days, or of all that is kept. Kept are 32 \
seconds, 40 minutes, 24 hours and 16 days; of these, those that reach farthest with inputs in 8 spans at least. So \
for 2 to 7 days, the last 24 hours are taken. The answer says what is covered.";

const BASELINE_SHOW_EXAMPLES: &str = "\
Examples:
  psi-field drift baseline show sensors
  psi-field drift baseline show sensors --output json | jq .baseline";

const CLEAR_EXAMPLES: &str = "\
Examples:
  psi-field drift baseline clear sensors

There is no verdict then, and no baseline comes by itself, until one is set.";

/// Show whether inputs still come from where they came from, and set what they are compared with
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Drift {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// The verdicts on all fields
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// The verdict on a field, input by input, and what it is of
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Target),
    /// Show, set or take away what a field's inputs are compared with
    #[command(after_help = BASELINE_EXAMPLES)]
    Baseline {
        #[command(subcommand)]
        action: BaselineAction,
    },
}

#[derive(Clone, Debug, Subcommand)]
enum BaselineAction {
    /// Make what is kept of a field's inputs its baseline
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
    /// What the baseline is, who set it, and when
    #[command(after_help = BASELINE_SHOW_EXAMPLES)]
    Show(Target),
    /// Take the baseline away
    #[command(after_help = CLEAR_EXAMPLES)]
    Clear(Removal),
}

#[derive(Clone, Debug, Args)]
struct List {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Target {
    /// The field
    #[arg(default_value = psi_replica::DEFAULT_FIELD, value_parser = parse_field)]
    field: String,
    #[command(flatten)]
    options: ReadOptions,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Set {
    /// The field
    #[arg(value_parser = parse_field)]
    field: String,
    /// What the baseline is called
    #[arg(long, default_value = "")]
    version: String,
    /// Where it comes from
    #[arg(long, default_value = "")]
    source: String,
    /// Who sets it
    #[arg(long, default_value = "", value_name = "NAME")]
    set_by: String,
    /// It covers the last so many days; as much as is kept, if not given
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=36_500), conflicts_with = "minutes")]
    days: Option<u64>,
    /// It covers the last so many minutes
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    minutes: Option<u64>,
    #[command(flatten)]
    options: ReadOptions,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Removal {
    /// The field
    #[arg(value_parser = parse_field)]
    field: String,
    /// Who takes it away
    #[arg(long, default_value = "", value_name = "NAME")]
    set_by: String,
    #[command(flatten)]
    options: ReadOptions,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Serialize)]
struct Reports {
    fields: Vec<Report>,
}

impl Drift {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::List(list) => list.run(output).await,
            Action::Show(target) => target.show(output, text).await,
            Action::Baseline { action: BaselineAction::Show(target) } => target.show(output, baseline_text).await,
            Action::Baseline { action: BaselineAction::Set(set) } => set.run(output).await,
            Action::Baseline { action: BaselineAction::Clear(clear) } => clear.run(output).await,
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let reply = self.nodes.ask(async |channel| client::drift(channel).list_drift(ListDriftRequest {}).await);
        let fields = reply.await?.answer.reports.into_iter().map(Into::into).collect();
        output.print(&Reports { fields }, |reports| list_text(&reports.fields))
    }
}

impl Target {
    async fn show(self, output: Output, text: fn(&Report) -> String) -> Result<(), Failure> {
        let (after, deadline_ms) = (self.options.session_token(), self.options.deadline_ms());
        let request = GetDriftRequest { field: self.field, after, deadline_ms };
        let nodes = self.options.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::drift(channel).get_drift(request.clone()).await);
        output.print(&reply.await?.answer.into(), text)
    }
}

impl Set {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { field, version, source, set_by, days, minutes, options, nodes } = self;
        let (after, deadline_ms) = (options.session_token(), options.deadline_ms());
        let window_seconds = days.map_or(0, |days| days * 86_400) + minutes.map_or(0, |minutes| minutes * 60);
        let request = SetBaselineRequest { field, version, source, set_by, window_seconds, after, deadline_ms };
        let nodes = options.patient(&nodes);
        let reply = nodes.ask(async |channel| client::drift(channel).set_baseline(request.clone()).await);
        output.print(&reply.await?.answer.into(), baseline_text)
    }
}

impl Removal {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { field, set_by, options, nodes } = self;
        let (after, deadline_ms) = (options.session_token(), options.deadline_ms());
        let request = ClearBaselineRequest { field, set_by, after, deadline_ms };
        let nodes = options.patient(&nodes);
        let reply = nodes.ask(async |channel| client::drift(channel).clear_baseline(request.clone()).await);
        output.print(&reply.await?.answer.into(), baseline_text)
    }
}

fn list_text(reports: &[Report]) -> String {
    let row = |report: &Report| {
        let verdict = report.drift.as_ref().map(Verdict::cell).unwrap_or_default();
        let since = report.since.clone().unwrap_or_else(|| "-".to_owned());
        let version = report.baseline.as_ref().and_then(|baseline| baseline.version.clone());
        [report.field.clone().into(), verdict, since.into(), version.unwrap_or_else(|| "-".to_owned()).into()]
    };
    table(["field", "drift", "since", "baseline"], &[], reports.iter().map(row).collect())
}

fn text(report: &Report) -> String {
    let verdict = report.drift.as_ref().map(Verdict::painted).unwrap_or_default();
    let mut text =
        format!("drift of field {}, as node {} holds it\n\nverdict        {verdict}\n", report.field, report.node);
    if let Some(since) = &report.since {
        text += &format!("since          {since}\n");
    }
    if let Some(until) = &report.until {
        text += &format!("window         {}, up to {until}\n", pluralize(report.inputs, "input"));
    }
    if !report.frozen.is_empty() {
        let frozen = titles(&report.frozen, report.frozen_names.as_deref());
        text += &format!("frozen         input {}\n", frozen.join(", "));
    }
    text += &baseline_lines(report);
    if !report.analysis.is_empty() {
        text += &format!("\n{}", columns_table(&report.analysis));
    }
    text.trim_end().to_owned()
}

fn baseline_text(report: &Report) -> String {
    format!("baseline of field {}, as node {} holds it\n\n{}", report.field, report.node, baseline_lines(report))
        .trim_end()
        .to_owned()
}

fn baseline_lines(report: &Report) -> String {
    let Some(baseline) = &report.baseline else {
        let why = if report.cleared { "was taken away" } else { "none yet" };
        let kept: Vec<String> = report.kept.iter().map(ToString::to_string).collect();
        let kept = if kept.is_empty() {
            String::new()
        } else {
            format!("kept           {} inputs by s, min, h, d\n", kept.join(", "))
        };
        return format!("baseline       {why}\n{kept}");
    };
    let Baseline { version, source, set_by, set_at, node, first, last, inputs, replaced_severity, .. } = baseline;
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut text = format!("baseline       {}", pluralize(*inputs, "input"));
    if let Some(version) = version {
        text += &format!(", version {version}");
    }
    if let Some(source) = source {
        text += &format!(", from {source}");
    }
    text += &format!("\ncovers         {} to\n               {}\n", or_dash(first), or_dash(last));
    let by = set_by.as_ref().map(|name| format!("{name}, ")).unwrap_or_default();
    text += &format!("set            {by}{} on node {node}\n", or_dash(set_at));
    if *replaced_severity > 0.0 {
        text += &format!("replaced       a severity of {}\n", short(*replaced_severity));
    }
    text
}

fn columns_table(columns: &[ColumnDrift]) -> String {
    const ROWS_SHOWN: usize = 24;
    let mut sorted: Vec<&ColumnDrift> = columns.iter().collect();
    sorted.sort_by(|a, b| b.severity.total_cmp(&a.severity));
    let row = |one: &&ColumnDrift| {
        let ColumnDrift { column, name, paired_with, paired_with_name, severity, psi, excess, probability, inputs } =
            *one;
        let name = match paired_with {
            Some(other) => {
                format!("{} with {}", title(*column, name.as_deref()), title(*other, paired_with_name.as_deref()))
            }
            None => title(*column, name.as_deref()),
        };
        [name, short(*severity), short(*psi), short(*excess), short(*probability), inputs.to_string()]
    };
    let rows = sorted.iter().take(ROWS_SHOWN).map(row).collect();
    let more = match sorted.len().saturating_sub(ROWS_SHOWN) {
        0 => String::new(),
        rest => format!("\n… and {rest} more, see --output json"),
    };
    table(["input", "severity", "PSI", "excess", "P", "inputs"], &[1, 2, 3, 4, 5], rows) + &more
}
