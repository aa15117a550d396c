//! A run: group after group, until all are done or it is stopped.

use std::{future::Future, pin::pin, time::Instant};

use crate::{
    groups::Group,
    report::{Build, GroupReport, Report, RunSettings},
    rounds::{Plan, Progress},
};

/// Measures `groups` in their order until all are done, or `stop` resolves. What a group has started ends with it, also
/// where it is stopped.
///
/// The report is incomplete if it was stopped; a group that could not begin has a row that says why.
pub async fn run(
    build: Build,
    groups: &[Group],
    plan: Plan,
    progress: &Progress,
    stop: impl Future<Output = ()>,
) -> Report {
    let names = groups.iter().map(|group| group.name()).collect();
    let mut report = Report::new(build, RunSettings { groups: names, plan });
    let begun = Instant::now();
    report.complete = measure(groups, progress, &mut report, stop).await;
    progress.clear();
    report.duration_s = to_milliseconds(begun.elapsed().as_secs_f64());
    report
}

/// Whether all groups were measured.
async fn measure(groups: &[Group], progress: &Progress, report: &mut Report, stop: impl Future<Output = ()>) -> bool {
    let mut stop = pin!(stop);
    let plan = report.settings.plan;
    for group in groups {
        progress.group(group.name());
        let measured = tokio::select! {
            measured = group.measure(&plan, progress) => measured,
            () = &mut stop => return false,
        };
        report.add(measured.unwrap_or_else(|error| GroupReport::unmeasured(group.name(), error.to_string())));
    }
    true
}

/// Threads for the callers: half of the cores. If callers take as many threads as there are cores, and nodes do too, a
/// call mostly waits for its thread's next turn, which is milliseconds away, and not for the node.
#[must_use]
pub fn threads() -> usize {
    (std::thread::available_parallelism().map_or(1, usize::from) / 2).max(1)
}

/// Seconds, rounded to the millisecond.
fn to_milliseconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
