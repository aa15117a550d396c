//! Reports progress on standard error, and the result at the end.

use std::{
    io::{self, IsTerminal},
    sync::PoisonError,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{sync::oneshot, task::JoinHandle, time::MissedTickBehavior};

use super::tally::{SharedTally, Summary};
use crate::output::{
    self, Output,
    numbers::{duration, short},
    pluralize, table,
};

/// On a terminal, the line is rewritten.
const REDRAW: Duration = Duration::from_millis(200);
/// Elsewhere, as in a log, a line is added.
const LINE: Duration = Duration::from_secs(10);
/// For a service, whose log is read long after.
const LINE_OF_SERVICE: Duration = Duration::from_secs(300);

/// A task that reports now and then.
pub(super) struct Reporter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Reporter {
    pub(super) fn start(output: Output, tally: SharedTally, is_service: bool) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            if io::stderr().is_terminal() {
                on_terminal(tally, stopped).await;
            } else {
                let line = if is_service { LINE_OF_SERVICE } else { LINE };
                in_log(output, line, tally, stopped).await;
            }
        });
        Self { stop, task }
    }

    /// Ends the report, and clears its line.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn on_terminal(tally: SharedTally, mut stopped: oneshot::Receiver<()>) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let ended = tokio::select! {
            _ = redraw.tick() => false,
            _ = &mut stopped => true,
        };
        let (news, summary) = look(&tally);
        for news in news {
            bar.println(news);
        }
        bar.set_message(line(&summary));
        bar.tick();
        if ended {
            break;
        }
    }
    bar.finish_and_clear();
}

async fn in_log(output: Output, every: Duration, tally: SharedTally, mut stopped: oneshot::Receiver<()>) {
    let mut due = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    let mut look_for_news = tokio::time::interval(REDRAW);
    loop {
        let (is_due, ended) = tokio::select! {
            _ = due.tick() => (true, false),
            _ = look_for_news.tick() => (false, false),
            _ = &mut stopped => (false, true),
        };
        let (news, summary) = look(&tally);
        for news in news {
            match output {
                Output::Text => output::note(news),
                Output::Json => output::note(serde_json::json!({ "warning": news })),
            }
        }
        if is_due {
            match output {
                Output::Text => output::note(line(&summary)),
                Output::Json => output::note(serde_json::json!({ "progress": summary })),
            }
        }
        if ended {
            return;
        }
    }
}

fn look(tally: &SharedTally) -> (Vec<String>, Summary) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    (tally.take_news(), tally.summary(false))
}

fn line(summary: &Summary) -> String {
    let Summary { accepted, rate_per_s, latency_us, .. } = summary;
    let mut line = format!("{}, {}/s", pluralize(*accepted, "step"), tenths(*rate_per_s));
    if let Some(share) = summary.share {
        line += &format!(", {:.0} %", (share * 100.0).floor());
        line += &seconds_left(summary).map_or_else(String::new, |left| format!(", {} left", of_seconds(left)));
    }
    if *accepted > 0 {
        line += &format!(", p50 {}, p99 {}", duration(latency_us.p50), duration(latency_us.p99));
    }
    if let Some(metrics) = summary.last.as_ref().and_then(|last| last.metrics.as_ref()) {
        line += &format!(", Ψ {}, PE {}", short(metrics.density), short(metrics.prediction_error));
    }
    for (count, what) in
        [(summary.refused, "refused"), (summary.unreadable, "unreadable"), (summary.retried, "retried")]
    {
        if count > 0 {
            line += &format!(", {count} {what}");
        }
    }
    line
}

/// How long the rest takes at the pace so far.
fn seconds_left(summary: &Summary) -> Option<f64> {
    /// Before, the pace is that of the first moments.
    const KNOWN_AFTER_S: f64 = 1.0;
    let share = summary.share.filter(|share| (0.0..1.0).contains(share) && *share > 0.0)?;
    (summary.seconds >= KNOWN_AFTER_S).then(|| summary.seconds * (1.0 - share) / share)
}

/// As people say it.
fn of_seconds(seconds: f64) -> String {
    indicatif::HumanDuration(Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX)).to_string()
}

/// Tenths are enough for times and rates.
fn tenths(number: f64) -> String {
    short((number * 10.0).round() / 10.0)
}

/// The summary at the end.
pub(super) fn text(summary: &Summary) -> String {
    let Summary { field, source, seconds, accepted, rate_per_s, latency_us, .. } = summary;
    let end = if summary.interrupted { ", interrupted" } else { "" };
    let mut text = format!("fed field {field} for {} s{end}\nsource: {source}\n\n", tenths(*seconds));
    text += &format!("accepted    {accepted}, {}/s\n", tenths(*rate_per_s));
    text += &format!("refused     {}\n", with_reasons(summary));
    if summary.unreadable > 0 {
        text += &format!("unreadable  {}\n", summary.unreadable);
    }
    if summary.skipped > 0 {
        text += &format!("skipped     {} with gaps\n", pluralize(summary.skipped, "row"));
    }
    text += &format!("retried     {}\n", summary.retried);
    if *accepted > 0 {
        let [p50, p90, p99, max] = [latency_us.p50, latency_us.p90, latency_us.p99, latency_us.max].map(duration);
        text += &format!("latency     p50 {p50}, p90 {p90}, p99 {p99}, max {max}\n");
    }
    if let Some(last) = &summary.last
        && let Some(metrics) = &last.metrics
    {
        let (density, error) = (short(metrics.density), short(metrics.prediction_error));
        text += &format!("last        step {}: Ψ {density}, PE {error}\n", last.k);
    }
    if let Some(drift) = summary.last.as_ref().and_then(|last| last.drift.as_ref()) {
        text += &format!("drift       {}; at most {} on the way\n", drift.painted(), short(summary.greatest_severity));
    }
    if *accepted > 0 {
        let threats: Vec<String> = summary.threats.iter().map(|(threat, count)| format!("{count} {threat}")).collect();
        let threats = if threats.is_empty() { "none".to_owned() } else { threats.join(", ") };
        text += &format!("unusual     {}; threats: {threats}\n", pluralize(summary.unusual, "step"));
    }
    if !summary.accepted_by_node.is_empty() {
        let rows = summary.accepted_by_node.iter().map(|(node, count)| [node.clone(), count.to_string()]);
        text += &format!("\n{}", table(["node", "accepted"], &[1], rows.collect()));
    }
    text.trim_end().to_owned()
}

fn with_reasons(summary: &Summary) -> String {
    let reasons = summary.refused_by_reason.iter().map(|(reason, count)| format!("{count} {reason}"));
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() { "0".to_owned() } else { format!("{}: {}", summary.refused, reasons.join(", ")) }
}
