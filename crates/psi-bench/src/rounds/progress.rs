//! A bar on standard error, where people watch.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::label::Label;

/// How far a group is.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shown nowhere.
    #[must_use]
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    /// Shown on standard error, if that is a terminal.
    #[must_use]
    pub fn shown() -> Self {
        let style = ProgressStyle::with_template("{prefix}: {msg} {wide_bar} {pos} of {len}, {eta} left");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// Another group begins.
    pub(crate) fn group(&self, name: &'static str) {
        self.bar.reset();
        self.bar.set_length(0);
        self.bar.set_prefix(name);
    }

    /// What is being done before anything is measured.
    pub(crate) fn preparing(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// This many turns are ahead.
    pub(crate) fn turns(&self, count: usize) {
        self.bar.reset_eta();
        self.bar.inc_length(count as u64);
    }

    /// A turn begins.
    pub(crate) fn turn(&self, label: &Label, round: u32, rounds: u32) {
        self.bar.set_message(format!("round {} of {rounds}, {}", round + 1, label.name));
    }

    /// A turn has ended.
    pub(crate) fn done(&self) {
        self.bar.inc(1);
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
