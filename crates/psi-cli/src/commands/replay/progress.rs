//! Tells people on a terminal how far a long replay is.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// What takes no longer needs no progress.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far it is; gone when dropped.
pub(super) struct Progress {
    what: &'static str,
    total: Option<u64>,
    steps: u64,
    begun: Instant,
    is_shown: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `total` steps, if that is known. Nothing is shown where nobody looks, or where the answer is written meanwhile.
    pub(super) fn new(what: &'static str, total: Option<u64>, answers_meanwhile: bool) -> Self {
        let is_shown = io::stderr().is_terminal() && !(answers_meanwhile && io::stdout().is_terminal());
        Self { what, total, steps: 0, begun: Instant::now(), is_shown, bar: None }
    }

    /// One more step is done.
    pub(super) fn step(&mut self) {
        self.steps += 1;
        if !self.is_shown || self.begun.elapsed() < PATIENCE {
            return;
        }
        let (what, total, begun) = (self.what, self.total, self.begun);
        self.bar.get_or_insert_with(|| bar(what, total).with_elapsed(begun.elapsed())).set_position(self.steps);
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> u64 {
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

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => {
            (ProgressBar::new(total), "{msg} {wide_bar} {human_pos} of {human_len} steps, {per_sec}, {eta} left")
        }
        None => (ProgressBar::new_spinner(), "{spinner} {msg}: {human_pos} steps, {per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(what)
}
