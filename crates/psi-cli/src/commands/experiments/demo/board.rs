//! The live table: node by node what it says of a field, and whether the nodes hold the same.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use super::stage::{Actor, Stage};
use crate::output::{self, Cell, Output, Tone, numbers::short_hash, screen, table};

/// Draws over itself on a terminal; elsewhere only what [`Board::keep`] is given appears.
pub(super) struct Board {
    bar: ProgressBar,
    /// Whether anything is shown at all.
    shown: bool,
    live: bool,
}

/// What one node says of a field.
#[derive(Clone, Debug)]
struct Row {
    node: String,
    state: &'static str,
    steps: String,
    metrics: [String; 4],
    frontier: String,
    digest: String,
}

const COLUMNS: [&str; 9] = ["node", "", "steps", "Ψ", "PE", "H", "noise", "frontier", "digest"];

impl Board {
    pub(super) fn new(output: Output) -> Self {
        let shown = output == Output::Text;
        let live = shown && std::io::stderr().is_terminal();
        let bar = if live { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_style(ProgressStyle::with_template("{msg}").expect("a valid template"));
        Self { bar, shown, live }
    }

    /// Says what comes next.
    pub(super) fn say(&self, text: &str) {
        let text = screen::fitted(text);
        if self.live {
            // An empty line must be asked for: the bar takes it for nothing.
            text.split('\n').for_each(|line| self.bar.println(if line.is_empty() { " " } else { line }));
        } else if self.shown {
            output::note(text);
        }
    }

    /// Draws the nodes as they are, under `caption`.
    pub(super) async fn draw(&self, stage: &Stage, field: &str, caption: &str) {
        if self.live {
            self.show(format!("{}\n{caption}", rows(stage, field).await));
        }
    }

    /// Whether [`Self::show`] shows anything.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Draws a text in place of the one before.
    pub(super) fn show(&self, text: String) {
        self.bar.set_message(text);
        self.bar.tick();
    }

    /// Draws the nodes as they are and leaves them standing.
    pub(super) async fn keep(&self, stage: &Stage, field: &str) {
        if self.shown {
            self.leave(&rows(stage, field).await);
        }
    }

    /// Leaves a text standing in place of what was drawn.
    pub(super) fn leave(&self, text: &str) {
        self.bar.set_message("");
        self.say(text);
    }

    /// Takes the live table away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

async fn rows(stage: &Stage, field: &str) -> String {
    let mut rows = Vec::new();
    for actor in &stage.actors {
        let row = tokio::time::timeout(Duration::from_millis(500), row(actor, field)).await;
        rows.push(row.unwrap_or_else(|_| Row::silent(actor, "silent")).cells());
    }
    table(COLUMNS, &[2, 3, 4, 5, 6], rows)
}

async fn row(actor: &Actor, field: &str) -> Row {
    if !actor.is_up() {
        return Row::silent(actor, actor.state);
    }
    let (Ok(state), Ok((frontier, digest))) = (actor.state(field).await, actor.agreement().await) else {
        return Row::silent(actor, "joining");
    };
    let last = state.last.unwrap_or_default();
    Row {
        node: actor.name.clone(),
        state: "up",
        steps: state.k.to_string(),
        metrics: [last.density, last.prediction_error, last.temporal_entropy, state.noise]
            .map(|number| format!("{number:.4}")),
        frontier: short_hash(&frontier),
        digest: short_hash(&digest),
    }
}

impl Row {
    fn silent(actor: &Actor, state: &'static str) -> Self {
        let nothing = || "-".to_owned();
        Self {
            node: actor.name.clone(),
            state,
            steps: nothing(),
            metrics: std::array::from_fn(|_| nothing()),
            frontier: nothing(),
            digest: nothing(),
        }
    }

    fn cells(self) -> [Cell; 9] {
        let [density, error, entropy, noise] = self.metrics;
        let tone = match self.state {
            "up" => Tone::Good,
            "joining" => Tone::Doubtful,
            _ => Tone::Bad,
        };
        let [node, steps, frontier, digest] = [self.node, self.steps, self.frontier, self.digest].map(Cell::from);
        let [density, error, entropy, noise] = [density, error, entropy, noise].map(Cell::from);
        [node, Cell::toned(self.state, tone), steps, density, error, entropy, noise, frontier, digest]
    }
}
