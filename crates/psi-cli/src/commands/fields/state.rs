//! `psi-field state`: a field as all nodes' entries make it, once or whenever it changes.

use clap::Args;
use psi_api::v1::{FieldState, GetStateRequest, WatchStateRequest};
use tokio_stream::StreamExt;

use crate::{
    answer::{self, Metrics},
    client::{self, Nodes, options::ReadOptions},
    commands::arguments::FieldArg,
    output::{self, Failure, Output, Tone, numbers::short, pluralize, screen, table},
    process::signals,
};

/// Dimensions shown in text; JSON has all.
const DIMENSIONS_SHOWN: usize = 16;

/// Lines after which `--watch` repeats its header.
const HEADER_EVERY: usize = 20;

const AFTER_HELP: &str = "\
Examples:
  psi-field state
  psi-field state --field sensors --output json
  # includes what the session token covers; see `psi-field step -h`
  psi-field state --after \"$session\" --deadline-ms 500
  # a line whenever it changed, until Ctrl-C
  psi-field state --watch --interval-ms 200";

/// Show a field: last metrics, window, mean and deviation of the inputs
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct State {
    #[command(flatten)]
    field: FieldArg,

    /// Print again whenever the field changed, until Ctrl-C
    #[arg(long)]
    watch: bool,

    /// With --watch: least time between two lines, milliseconds, at least 20
    #[arg(
        long,
        value_name = "MS",
        requires = "watch",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(20..=3_600_000)
    )]
    interval_ms: u32,

    #[command(flatten)]
    options: ReadOptions,

    #[command(flatten)]
    nodes: Nodes,
}

impl State {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        if self.watch {
            return tokio::select! {
                ended = self.follow(output) => ended,
                () = signals::stop() => Ok(()),
            };
        }
        let (after, deadline_ms) = (self.options.session_token(), self.options.deadline_ms());
        let request = GetStateRequest { field: self.field.field.clone(), after, deadline_ms };
        let nodes = self.options.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).get_state(request.clone()).await);
        output.print(&answer::State::from(reply.await?.answer), text)
    }

    async fn follow(&self, output: Output) -> Result<(), Failure> {
        let (after, deadline_ms) = (self.options.session_token(), self.options.deadline_ms());
        let (field, interval_ms) = (self.field.field.clone(), self.interval_ms);
        let request = WatchStateRequest { field, interval_ms, after, deadline_ms };
        let nodes = self.options.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).watch_state(request.clone()).await);
        let answered = reply.await?;
        let mut states = answered.answer;
        let mut lines = 0;
        let mut shown = None;
        while let Some(state) = states.next().await {
            let state: FieldState = state.map_err(|status| Failure::refused(&answered.address, &status))?;
            // Something else that the session token covers changed, such as another field.
            let without_session = FieldState { token: String::new(), ..state.clone() };
            if shown.replace(without_session.clone()) == Some(without_session) {
                continue;
            }
            let width = screen::width();
            if output == Output::Text && lines % HEADER_EVERY == 0 {
                output::line(&header(width))?;
            }
            output.print(&answer::State::from(state), |state| watch_line(state, width))?;
            lines += 1;
        }
        Err(Failure::unreachable(format!("{} stopped answering: the node has stopped", answered.address)))
    }
}

fn text(state: &answer::State) -> String {
    let answer::State { k, noise, interventions, steps_dropped, node, window_steps, .. } = state;
    let name = state.field.as_ref().map(|field| {
        let guardian = field.guardian.unwrap_or("unknown");
        format!("{} (engine {}, guardian {guardian})", field.name, field.engine)
    });
    let mut text = format!("field {}, as node {node} holds it\n\n", name.unwrap_or_default());
    if let Some(label) = state.field.as_ref().and_then(|field| field.label.as_ref()) {
        text += &format!("label          {label}\n");
    }
    text += &format!("steps          {k}\n");
    if let (Some(time), Some(by)) = (&state.timestamp, &state.last_node) {
        text += &format!("last step      {time} by node {by}\n");
    }
    if let (Some(novelty), Some(gain)) = (state.novelty, state.attention_gain) {
        text += &format!("novelty        {} (attention gain {})\n", short(novelty), short(gain));
    }
    if let Some(time) = state.time {
        text += &format!("field time t   {} s\n", short(time));
    }
    if let Some(learned) = &state.learned {
        text += &learned_text(learned);
    }
    text += &format!("noise ν        {} after {}\n", short(*noise), pluralize(*interventions, "intervention"));
    if let Some(drift) = &state.drift {
        text += &format!("drift          {}\n", drift.painted());
    }
    text += &match state.red_flag {
        Some(threat) => format!("red flag       {}\n", Tone::Bad.paint(&format!("up: {threat}"))),
        None => "red flag       down\n".to_owned(),
    };
    if *steps_dropped > 0 {
        text += &format!("dropped steps  {steps_dropped} by resets\n");
    }
    if let (Some(last), Some(mean)) = (&state.last, &state.window_mean) {
        text += &format!("\n{}", metrics_table(last, mean, *window_steps));
    }
    if !state.mean.is_empty() {
        text += &format!("\n\n{}", inputs_table(state));
    }
    text.trim_end().to_owned()
}

fn learned_text(learned: &answer::LearnerState) -> String {
    let answer::LearnerState { updates, latents, working_memories, episodic_memories } = learned;
    let latents = pluralize(u64::from(*latents), "latent");
    format!(
        "learned        {} of the transition; holds {latents}, {working_memories} working and {episodic_memories} \
         episodic memories\n",
        pluralize(*updates, "update")
    )
}

fn metrics_table(last: &Metrics, mean: &Metrics, steps: u64) -> String {
    let rows = last
        .rows()
        .zip(mean.rows())
        .map(|((symbol, name, last), (_, _, mean))| [symbol.to_owned(), name.to_owned(), short(last), short(mean)]);
    let window = format!("mean of 60 s ({})", pluralize(steps, "step"));
    table(["", "metric", "last step", &window], &[2, 3], rows.collect())
}

fn inputs_table(state: &answer::State) -> String {
    let deviation = |index| state.variance.get(index).map_or_else(|| "-".to_owned(), |v: &f64| short(v.sqrt()));
    let shown = state.mean.iter().enumerate().take(DIMENSIONS_SHOWN);
    let names = state.field.as_ref().and_then(|field| field.names.as_ref());
    let name = |index: usize| names.and_then(|names| names.get(index)).cloned();
    let title = |index| name(index).unwrap_or_else(|| (index + 1).to_string());
    let rows = shown.map(|(index, mean)| [title(index), short(*mean), deviation(index)]).collect();
    let rest = state.mean.len().saturating_sub(DIMENSIONS_SHOWN);
    let more = if rest > 0 { format!("\n… and {rest} more, see --output json") } else { String::new() };
    let numbers: &[usize] = if names.is_some() { &[1, 2] } else { &[0, 1, 2] };
    table(["input", "mean", "std deviation"], numbers, rows) + &more
}

/// A column of `--watch`.
struct WatchColumn {
    name: &'static str,
    width: usize,
    /// Of a narrow screen, those of the lowest rank are shown.
    rank: u8,
    show: fn(&answer::State) -> String,
}

/// A number in eight letters, in which each that is shown short fits.
const fn number(name: &'static str, rank: u8, show: fn(&answer::State) -> String) -> WatchColumn {
    WatchColumn { name, width: 8, rank, show }
}

fn metric(state: &answer::State, of: fn(&Metrics) -> f64) -> String {
    state.last.as_ref().map(|last| short(of(last))).unwrap_or_default()
}

static WATCH_COLUMNS: [WatchColumn; 13] = [
    WatchColumn { name: "date", width: 10, rank: 9, show: |state| date_and_time(state).0.to_owned() },
    WatchColumn { name: "time UTC", width: 12, rank: 0, show: |state| date_and_time(state).1.to_owned() },
    WatchColumn { name: "steps", width: 10, rank: 0, show: |state| state.k.to_string() },
    number("Ψ", 1, |state| metric(state, |last| last.density)),
    number("C", 5, |state| metric(state, |last| last.continuity)),
    number("U", 6, |state| metric(state, |last| last.futurity)),
    number("Φ", 4, |state| metric(state, |last| last.phase_coherence)),
    number("H", 2, |state| metric(state, |last| last.temporal_entropy)),
    number("PE", 1, |state| metric(state, |last| last.prediction_error)),
    number("M", 8, |state| metric(state, |last| last.memory)),
    number("dt_eff", 8, |state| metric(state, |last| last.time_dilation)),
    number("novelty", 1, |state| state.novelty.map(short).unwrap_or_default()),
    WatchColumn { name: "ν", width: 6, rank: 3, show: |state| short(state.noise) },
];

/// What is shown on a screen of this width, in the order of the columns.
fn watched(width: usize) -> Vec<&'static WatchColumn> {
    let mut by_rank: Vec<usize> = (0..WATCH_COLUMNS.len()).collect();
    by_rank.sort_by_key(|column| WATCH_COLUMNS[*column].rank);
    let mut rest = width + 1;
    let mut shown: Vec<usize> = by_rank
        .into_iter()
        .take_while(|column| match rest.checked_sub(WATCH_COLUMNS[*column].width + 1) {
            Some(left) => {
                rest = left;
                true
            }
            None => false,
        })
        .collect();
    shown.sort_unstable();
    shown.into_iter().map(|column| &WATCH_COLUMNS[column]).collect()
}

/// Date and time of the last step; without one, dashes.
fn date_and_time(state: &answer::State) -> (&str, &str) {
    let time = state.timestamp.as_deref().and_then(|time| time.trim_end_matches('Z').split_once('T'));
    time.unwrap_or(("-", "-"))
}

fn header(width: usize) -> String {
    let cells = watched(width).into_iter().map(|column| format!("{:>1$}", column.name, column.width));
    cells.collect::<Vec<_>>().join(" ")
}

fn watch_line(state: &answer::State, width: usize) -> String {
    let cells = watched(width).into_iter().map(|column| format!("{:>1$}", (column.show)(state), column.width));
    cells.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watch_shows_as_much_as_the_screen_is_wide() {
        for (width, want) in [
            (40, "time UTC      steps        Ψ"),
            (80, "time UTC      steps        Ψ        Φ        H       PE  novelty      ν"),
        ] {
            assert_eq!(header(width).trim_start(), want);
        }
        for width in 40..200 {
            assert!(header(width).chars().count() <= width, "{width}");
        }
        assert_eq!(watched(200).len(), WATCH_COLUMNS.len());
    }
}
