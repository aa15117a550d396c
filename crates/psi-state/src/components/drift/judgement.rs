//! From counts and a baseline to a verdict: a function of these, of the second of the latest step and of the thresholds.

use psi_engine::Parameters;
use psi_stats::drift::{Baseline, ColumnAnchor, Histogram, Thresholds, Verdict, WindowLook};

use super::{
    held::HeldCounts,
    levels::{LEVELS, Span},
    values::{BaselineCounts, CurrentBaseline, PlacedAnchor},
    view::{DriftStatus, DriftView},
};
use crate::component::facts::EpochFacts;

/// A window of fewer inputs tells nothing.
pub(crate) const INPUTS_MIN: u64 = 100;
/// From here on a severity is critical.
const CRITICAL: f64 = 0.8;

/// The verdict on a field.
pub(crate) fn judge(held: &HeldCounts, facts: &EpochFacts<'_>) -> DriftView {
    if !facts.parameters.watches_drift() {
        return DriftView { status: DriftStatus::Off, ..DriftView::default() };
    }
    let (anchor, last_second) = (facts.drift.anchor, facts.last_second);
    let kept = anchor.zip(last_second).map(|(placed, second)| kept(held, placed, second)).unwrap_or_default();
    let view = DriftView { status: DriftStatus::NoBaseline, kept, ..DriftView::default() };
    match &facts.drift.baseline {
        CurrentBaseline::Cleared => view,
        CurrentBaseline::None if facts.parameters.baseline_after().is_none() => view,
        CurrentBaseline::None => DriftView { status: DriftStatus::Learning, ..view },
        CurrentBaseline::Set(_, value) => {
            let judged = value.counts.as_ref().zip(anchor).zip(last_second).and_then(|((counts, placed), second)| {
                let windows = counts.decoded()?;
                let first =
                    (Span::of(counts.first.level, second).number + 1).saturating_sub(LEVELS[counts.first.level].kept);
                // What was written before there was this baseline is of another drift.
                let onset = facts.drift.onset.filter(|onset| *onset >= value.clock.second());
                let thresholds = thresholds(facts.parameters);
                let look = Judgement { held, placed, windows, counts, thresholds, first, onset };
                Some(look.view(second, kept))
            });
            judged.unwrap_or(view)
        }
    }
}

/// Columns of which all inputs of a window are in one narrow bucket, and those of the baseline in several.
fn frozen(window: &Histogram, baseline: &Histogram) -> Vec<usize> {
    const SEVERAL: usize = 3;
    let seen = |columns: &Histogram, column: usize| {
        let buckets = columns.columns()[column].iter().enumerate().filter(|(_, count)| **count > 0);
        buckets.map(|(bucket, _)| bucket).collect::<Vec<_>>()
    };
    let stands = |column: usize| matches!(seen(window, column)[..], [bucket] if ColumnAnchor::is_narrow(bucket));
    let is_frozen = |column: &usize| stands(*column) && seen(baseline, *column).len() >= SEVERAL;
    let columns = 0..window.width().min(baseline.width());
    columns.filter(is_frozen).filter(|_| window.count() >= INPUTS_MIN).collect()
}

/// Inputs that are kept of each level.
fn kept(held: &HeldCounts, placed: &PlacedAnchor, last_second: u64) -> [u64; LEVELS.len()] {
    let mut kept = [0; LEVELS.len()];
    for (level, inputs) in kept.iter_mut().enumerate() {
        *inputs = spans(level, last_second).fold(0, |sum, span| sum + held.inputs(span, placed));
    }
    kept
}

/// The settled spans of a level that are kept, oldest first.
pub(crate) fn spans(level: usize, last_second: u64) -> impl DoubleEndedIterator<Item = Span> {
    let of = &LEVELS[level];
    let end = of.unsettled(last_second);
    let latest = Span::of(level, last_second).number;
    let first = (latest + 1).saturating_sub(of.kept);
    (first..end).map(move |number| Span { level, number })
}

/// The thresholds that a field has.
pub(crate) fn thresholds(parameters: &Parameters) -> Thresholds {
    let [warning, critical] = parameters.drift_excess();
    let alpha = parameters.drift_alpha();
    Thresholds { warning, critical, alpha, alpha_at_once: alpha / 10.0 }
}

/// All that a verdict is made of.
struct Judgement<'a> {
    held: &'a HeldCounts,
    placed: &'a PlacedAnchor,
    windows: Vec<(u64, Baseline)>,
    counts: &'a BaselineCounts,
    thresholds: Thresholds,
    /// The first span that all origins still keep.
    first: u64,
    /// Since when it drifts, as it was written.
    onset: Option<u64>,
}

impl Judgement<'_> {
    fn view(&self, last_second: u64, kept: [u64; LEVELS.len()]) -> DriftView {
        let level = &LEVELS[self.counts.first.level];
        let end = level.unsettled(last_second);
        let second_before = |end: u64| end.saturating_mul(level.seconds).saturating_sub(1);
        let until_second = Some(second_before(end));
        let longest = self.windows.first().map(|(spans, baseline)| (self.window(*spans, end), baseline));
        let inputs = longest.as_ref().map_or(0, |(window, _)| window.count());
        let Some(verdict) = self.verdict(end) else {
            return DriftView {
                status: DriftStatus::InsufficientData,
                until_second,
                inputs,
                kept,
                ..DriftView::default()
            };
        };
        let status = match verdict.severity() {
            severity if severity >= CRITICAL => DriftStatus::Drift,
            _ if verdict.is_drift() => DriftStatus::Warning,
            _ => DriftStatus::Stable,
        };
        let began = || self.onset.unwrap_or_else(|| second_before(self.began(end)));
        let since_second = verdict.is_drift().then(began);
        let frozen = longest.map(|(window, baseline)| frozen(&window, baseline.histogram())).unwrap_or_default();
        DriftView { status, verdict, until_second, since_second, inputs, frozen, kept }
    }

    /// The end of the first window of those that end now and have shown drift one after the other.
    fn began(&self, end: u64) -> u64 {
        let earliest = end.saturating_sub(LEVELS[self.counts.first.level].kept);
        let shows = |end: &u64| self.verdict(*end).is_some_and(|verdict| verdict.is_drift());
        (earliest..end).rev().take_while(shows).last().unwrap_or(end)
    }

    /// What the windows come to that end before a span; `None` where none holds enough.
    fn verdict(&self, end: u64) -> Option<Verdict> {
        let looks: Vec<WindowLook> =
            self.windows.iter().filter_map(|(spans, baseline)| self.look(*spans, baseline, end)).collect();
        (!looks.is_empty()).then(|| Verdict::of(&self.placed.anchor, &looks, &self.thresholds))
    }

    fn look(&self, spans: u64, baseline: &Baseline, end: u64) -> Option<WindowLook> {
        let window = self.window(spans, end);
        if window.count() < INPUTS_MIN {
            return None;
        }
        let compared = baseline.compare(&window).ok()?;
        let comparisons = u32::try_from(compared.len() * self.windows.len()).unwrap_or(u32::MAX);
        let mut have_lasted: Vec<bool> =
            compared.iter().map(|one| self.thresholds.is_improbable(one, comparisons)).collect();
        // For longer than a quarter of the window, and one look is no time.
        for before in 1..(spans / 4 + 1).max(2) {
            if !have_lasted.contains(&true) {
                break;
            }
            let earlier = self.window(spans, end.saturating_sub(before));
            let earlier = if earlier.count() < INPUTS_MIN { Vec::new() } else { baseline.compare(&earlier).ok()? };
            for (at, lasts) in have_lasted.iter_mut().enumerate() {
                *lasts &= earlier.get(at).is_some_and(|one| self.thresholds.is_improbable(one, comparisons));
            }
        }
        Some(WindowLook { rows: window.count(), compared, have_lasted })
    }

    fn window(&self, spans: u64, end: u64) -> Histogram {
        let level = self.counts.first.level;
        let spans = (end.saturating_sub(spans).max(self.first)..end).map(|number| Span { level, number });
        self.held.histogram(spans, self.placed)
    }
}
