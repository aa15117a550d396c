//! `psi-field state`: a field as all nodes' entries make it, once or whenever it changes.

use clap::Args;
use psi_api::v1::{FieldState, GetStateRequest, WatchStateRequest};
use psi_engine::Metrics as Engine;
use tokio_stream::StreamExt;

use crate::{
    answer::{self, Metrics},
    client::{self, Nodes, options::ReadOptions},
    commands::arguments::FieldArg,
    output::{self, Failure, Output, numbers::short, pluralize, table},
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
  psi-field state --after \"$token\" --deadline-ms 500  # includes what the token covers; see `psi-field step -h`
  psi-field state --watch --interval-ms 200       # a line whenever it changed, until Ctrl-C";

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
        let (after, deadline_ms) = (self.options.token(), self.options.deadline_ms());
        let request = GetStateRequest { field: self.field.field.clone(), after, deadline_ms };
        let nodes = self.options.patient(&self.nodes);
        let reply = nodes.ask(async |channel| client::fields(channel).get_state(request.clone()).await);
        output.print(&answer::State::from(reply.await?.answer), text)
    }

    async fn follow(&self, output: Output) -> Result<(), Failure> {
        let (after, deadline_ms) = (self.options.token(), self.options.deadline_ms());
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
            // Something else that the token covers changed, such as another field.
            let without_token = FieldState { token: String::new(), ..state.clone() };
            if shown.replace(without_token.clone()) == Some(without_token) {
                continue;
            }
            if output == Output::Text && lines % HEADER_EVERY == 0 {
                output::line(&header())?;
            }
            output.print(&answer::State::from(state), watch_line)?;
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
    text += &match state.red_flag {
        Some(threat) => format!("red flag       up: {threat}\n"),
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
    let rows = shown.map(|(index, mean)| [(index + 1).to_string(), short(*mean), deviation(index)]).collect();
    let rest = state.mean.len().saturating_sub(DIMENSIONS_SHOWN);
    let more = if rest > 0 { format!("\n… and {rest} more, see --output json") } else { String::new() };
    table(["input", "mean", "std deviation"], &[0, 1, 2], rows) + &more
}

/// The columns of [`watch_line`]: wide enough for every number that is shown short.
fn header() -> String {
    let metrics: String = Engine::LETTERS.iter().map(|letter| format!(" {letter:>8}")).collect();
    format!("{:24} {:>10}{metrics} {:>8} {:>6}", "last step", "steps", "novelty", "ν")
}

fn watch_line(state: &answer::State) -> String {
    let time = state.timestamp.as_deref().unwrap_or("-");
    let metrics: String = match &state.last {
        Some(last) => last.rows().map(|(_, _, value)| format!(" {:>8}", short(value))).collect(),
        None => " ".repeat(9 * Engine::LETTERS.len()),
    };
    let novelty = state.novelty.map(short).unwrap_or_default();
    format!("{time:24} {:>10}{metrics} {novelty:>8} {:>6}", state.k, short(state.noise))
}
