//! Storms that are aimed at how runs end: what befalls a cluster comes in episodes, one after the other.

use crate::plan::rng::Rng;

/// What a storm may go up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// No machine is out of touch for as long as silent runs are waited for: nothing may be lost.
    Mild,
    /// Machines are out of touch for up to three times as long, which is less than a missing node is waited for: nothing
    /// may be lost either, unless one is down for longer, or all that knew of it crash meanwhile.
    Long,
    /// Both sides of a partition give each other up: bases may grow apart.
    Beyond,
}

/// Something that befalls a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Episode {
    /// Some processes stop in good order and start again.
    Restarts,
    /// Some crash and start again.
    Crashes,
    /// A run ends while some machines lack its latest entries.
    Withheld,
    /// Who folds or votes first is cut off, or crashes, before it says so, or just after.
    Struck,
    /// All hear of each other through one machine, which is cut off as it folds a checkpoint.
    Torn,
    /// One machine hears nothing of another for long, and all others do.
    Unheard,
    /// Ways between two sides are closed, and a run of either side ends.
    Halves,
    /// One machine is cut off, and all others crash.
    CutAndRestart,
    /// A process stands still, and another starts in its place.
    LongPause,
    /// All clocks are set back, and a node joins.
    ClocksBack,
    /// A machine is down for very long.
    LongDown,
}

/// A storm that is aimed at how runs end.
#[derive(Clone, Debug)]
pub(crate) struct Storm {
    pub(crate) severity: Severity,
    /// What may happen; drawn from with equal chances.
    pub(crate) episodes: Vec<Episode>,
    pub(crate) end_after_ms: u64,
    /// Longest time between two episodes.
    pub(crate) gap_ms: u64,
    pub(crate) lasts_ms: u64,
    /// So long after their start no machine hears of another: each begins a cluster of its own, and is restarted in it.
    pub(crate) apart_ms: u64,
}

const MILD: [Episode; 7] = [
    Episode::Unheard,
    Episode::Restarts,
    Episode::Crashes,
    Episode::Withheld,
    Episode::Struck,
    Episode::CutAndRestart,
    Episode::LongPause,
];

const LONG: [Episode; 9] = [
    Episode::Torn,
    Episode::Torn,
    Episode::Unheard,
    Episode::Withheld,
    Episode::Struck,
    Episode::Struck,
    Episode::Halves,
    Episode::Crashes,
    Episode::CutAndRestart,
];

const BEYOND: [Episode; 4] = [Episode::Halves, Episode::Withheld, Episode::Restarts, Episode::Struck];

/// Many names, of which the horizon makes forgotten ones.
const NAMES: [Episode; 5] =
    [Episode::Restarts, Episode::Restarts, Episode::Restarts, Episode::ClocksBack, Episode::LongDown];

impl Storm {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let few = |rng: &mut Rng, episodes: &[Episode]| {
            let drawn: Vec<Episode> = episodes.iter().filter(|_| rng.chance(600)).copied().collect();
            if drawn.is_empty() { episodes.to_vec() } else { drawn }
        };
        let (severity, episodes, end_after_ms, gap_ms, lasts_ms) = match rng.below(10) {
            0..3 => (Severity::Mild, few(rng, &MILD), 12_000, 5_000, 90_000),
            3..7 => (Severity::Long, few(rng, &LONG), 12_000, 8_000, 120_000),
            7 => (Severity::Beyond, few(rng, &BEYOND), 6_000, 8_000, 160_000),
            _ => (Severity::Long, NAMES.to_vec(), 6_000, 1_500, 160_000),
        };
        let begin_apart = severity == Severity::Long && rng.chance(200);
        let apart_ms = if begin_apart { rng.between(20_000, 40_000) } else { 0 };
        Self { severity, episodes, end_after_ms, gap_ms, lasts_ms, apart_ms }
    }

    /// How long ways are closed.
    pub(crate) fn cut_ms(&self, rng: &mut Rng) -> u64 {
        let end_after_ms = self.end_after_ms;
        match self.severity {
            Severity::Mild => rng.between(end_after_ms / 6, end_after_ms * 7 / 12),
            Severity::Long => rng.between(end_after_ms, 3 * end_after_ms),
            Severity::Beyond => rng.between(7 * end_after_ms, 9 * end_after_ms),
        }
    }
}
