//! A baseline made of what is kept: which spans it covers, and how these wander.

use bytes::Bytes;
use psi_engine::Parameters;
use psi_replica::VALUE_BYTES_MAX;
use psi_stats::drift::{Baseline, Histogram, Null, PARTS_MIN};

use super::{
    held::HeldCounts,
    judgement::{INPUTS_MIN, spans},
    levels::{LEVELS, Span},
    values::{BaselineCounts, PlacedAnchor},
};

/// What a baseline's counts may take, so that its wandering has room beside them.
const HISTOGRAM_BYTES_MAX: usize = VALUE_BYTES_MAX * 3 / 4;

/// Why there is no baseline yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// Spans that hold inputs, of the level that has most.
    pub(crate) spans: u64,
    /// Inputs in them.
    pub(crate) inputs: u64,
}

/// A baseline of all that a level keeps, or of the last `seconds` of it.
struct Choice {
    spans: Vec<Span>,
    /// Of those, how many hold inputs.
    held: u64,
    inputs: u64,
}

fn choice(held: &HeldCounts, placed: &PlacedAnchor, level: usize, last_second: u64, seconds: u64) -> Choice {
    let last = seconds.div_ceil(LEVELS[level].seconds);
    let mut held: Vec<(Span, u64)> = spans(level, last_second)
        .rev()
        .take(usize::try_from(last).unwrap_or(usize::MAX))
        .map(|span| (span, held.inputs(span, placed)))
        .collect();
    // It begins with the first span that holds anything.
    while held.pop_if(|(_, inputs)| *inputs == 0).is_some() {}
    held.reverse();
    Choice {
        held: held.iter().filter(|(_, inputs)| *inputs > 0).count() as u64,
        inputs: held.iter().map(|(_, inputs)| inputs).sum(),
        spans: held.into_iter().map(|(span, _)| span).collect(),
    }
}

/// The baseline that comes by itself: of the shortest spans that hold enough inputs in enough of them.
pub(crate) fn automatic(
    held: &HeldCounts,
    placed: &PlacedAnchor,
    last_second: u64,
    parameters: &Parameters,
) -> Option<BaselineCounts> {
    let after = parameters.baseline_after()?;
    (0..LEVELS.len()).find_map(|level| {
        let choice = choice(held, placed, level, last_second, u64::MAX);
        let is_enough = choice.held >= LEVELS[level].automatic_min && choice.inputs >= after.max(INPUTS_MIN);
        is_enough.then(|| counts(held, placed, &choice.spans, parameters)).flatten()
    })
}

/// The baseline that a caller asks for: of the last `seconds`, or of as much as is kept, by the shortest spans that reach
/// so far back.
pub(crate) fn asked(
    held: &HeldCounts,
    placed: &PlacedAnchor,
    last_second: u64,
    seconds: Option<u64>,
    parameters: &Parameters,
) -> Result<BaselineCounts, Shortage> {
    let wanted = seconds.unwrap_or(u64::MAX);
    let choices = (0..LEVELS.len()).map(|level| choice(held, placed, level, last_second, wanted));
    let choices: Vec<Choice> = choices.collect();
    let is_enough = |choice: &&Choice| choice.held >= PARTS_MIN as u64 && choice.inputs >= INPUTS_MIN;
    let reach = |choice: &&Choice| {
        choice.spans.len() as u64 * choice.spans.first().map_or(0, |span| LEVELS[span.level].seconds)
    };
    // Of those that reach equally far, the first has the shortest spans.
    let enough = choices.iter().filter(is_enough);
    let best = enough.reduce(|best, choice| if reach(&choice) > reach(&best) { choice } else { best });
    let most = || choices.iter().max_by_key(|choice| choice.held);
    let made = best.and_then(|choice| counts(held, placed, &choice.spans, parameters));
    let shortage = |most: &Choice| Shortage { spans: most.held, inputs: most.inputs };
    made.ok_or_else(|| most().map(shortage).unwrap_or_default())
}

/// The baseline of some spans, which lie next to each other.
fn counts(held: &HeldCounts, placed: &PlacedAnchor, spans: &[Span], parameters: &Parameters) -> Option<BaselineCounts> {
    let histograms: Vec<Histogram> = spans.iter().map(|span| held.histogram([*span], placed)).collect();
    let mut windows: Vec<(u64, Vec<Null>)> = Vec::new();
    let mut all = None;
    for parts in parameters.window_parts() {
        let length = (spans.len() as u64 / parts).max(1);
        if windows.iter().any(|(taken, _)| *taken == length) {
            continue;
        }
        let joined = histograms.chunks_exact(usize::try_from(length).ok()?).map(|chunk| sum(placed, chunk));
        let Ok(baseline) = Baseline::new(&joined.collect::<Vec<_>>()) else { continue };
        windows.push((length, baseline.nulls().collect()));
        all = Some(sum(placed, &histograms));
    }
    let (all, first, last) = (all?, *spans.first()?, *spans.last()?);
    let histogram: Bytes = all.encode().into();
    // Whatever peers say they counted: what can't be read again, or is too large to send, is no baseline.
    let is_sound = Histogram::decode(&histogram).is_ok() && histogram.len() <= HISTOGRAM_BYTES_MAX;
    is_sound.then(|| BaselineCounts { anchor: placed.id, first, last, inputs: all.count(), histogram, windows })
}

fn sum(placed: &PlacedAnchor, histograms: &[Histogram]) -> Histogram {
    let mut sum = Histogram::new(&placed.anchor);
    for histogram in histograms {
        let _ = sum.merge(histogram);
    }
    sum
}
