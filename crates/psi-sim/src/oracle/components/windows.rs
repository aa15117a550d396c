//! The metrics of the latest minute.

use crate::oracle::{
    arithmetic::Columns,
    component::{Component, NoWrite, OwnRecords, Scope, Sights},
    known::Knowledge,
    words::ORACLE_METRICS,
};

/// Seconds that a window is read over.
const WINDOW_SECONDS: u64 = 60;

/// See the file.
#[derive(Clone, Copy, Debug)]
pub struct Windows;

/// Of the metrics of the 60 s that end with the latest step's second.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedWindow {
    /// Steps in it.
    pub count: u64,
    /// One number a metric; `None` of no step.
    pub mean: Option<Vec<f64>>,
    /// `None` of fewer than two steps.
    pub variance: Option<Vec<f64>>,
}

impl Component for Windows {
    const SCOPE: Scope = Scope::Epoch;
    type Write = NoWrite;
    type Record = NoWrite;
    type Expectation = ExpectedWindow;

    fn expect(known: &Knowledge<'_>, _: &OwnRecords<'_, NoWrite>, _: &mut Sights) -> ExpectedWindow {
        let since = first_second(known);
        let recent = known.steps().filter(|step| step.second() >= since);
        let window = Columns::of(recent.map(|step| &step.what.answer.metrics[..]), ORACLE_METRICS, 0);
        ExpectedWindow { count: window.count, mean: window.mean(), variance: window.variance() }
    }
}

/// The second that the window begins with.
pub(in crate::oracle) fn first_second(known: &Knowledge<'_>) -> u64 {
    known.last_step().map_or(0, |last| last.second().saturating_sub(WINDOW_SECONDS - 1))
}
