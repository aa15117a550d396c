//! Shows on a terminal how far a command is with a long file.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes no longer needs no progress.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far it is; gone when dropped.
pub(crate) struct Progress {
    steps: u64,
    begun: Instant,
    /// Only on a terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `total` steps, if that is known. Nothing is shown without a terminal, or where the answer is written meanwhile.
    pub(crate) fn new(what: &'static str, total: Option<u64>, answers_meanwhile: bool) -> Self {
        let is_shown = io::stderr().is_terminal() && !(answers_meanwhile && io::stdout().is_terminal());
        Self { steps: 0, begun: Instant::now(), bar: is_shown.then(|| bar(what, total)) }
    }

    /// One more step is done.
    pub(crate) fn step(&mut self) {
        self.steps += 1;
        let Some(bar) = &self.bar else { return };
        // Counted from the start, so that the pace is known by the time the bar is shown.
        bar.set_position(self.steps);
        if bar.is_hidden() && self.begun.elapsed() >= PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Steps so far.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Hidden at first.
fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} {wide_bar} {human_pos} of {human_len} steps, {eta} left",
        None => "{spinner} {msg}: {human_pos} steps in {elapsed}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(what)
}
