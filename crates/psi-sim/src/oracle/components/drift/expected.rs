//! What is shown.

use std::{collections::BTreeMap, ops::Range};

use super::{
    baselines::{CurrentBaseline, have_raced},
    buckets::BUCKETS,
    records::{BaselineSpans, DriftRecord, OracleBaseline, first_anchor},
    spans::{LEVELS, SlotBook, missing, unwritten},
};
use crate::{
    oracle::{
        component::{OwnRecords, Sights},
        known::Knowledge,
        records::Record,
        words::{OracleMoment, OracleOrigin},
    },
    report::markers::Marker,
};

/// Two origins laid buckets, neither knowing of the other's.
const ANCHORS_RACED: Marker = Marker::new("two anchors raced");
/// What a caller set is the baseline.
const BASELINE_SET: Marker = Marker::new("baseline set by a caller");
/// What a caller set has come after others had.
const BASELINES_RACED: Marker = Marker::new("two baselines raced");
/// A caller took the baseline away.
const BASELINE_CLEARED: Marker = Marker::new("baseline cleared");
/// One that came by itself is the baseline.
const BASELINE_AUTOMATIC: Marker = Marker::new("baseline came by itself");
/// The latest windows were held against a baseline.
const JUDGED: Marker = Marker::new("windows judged for drift");
/// They held too little.
const TOO_FEW: Marker = Marker::new("too few inputs to judge");
/// Minutes were shown.
const MINUTES: Marker = Marker::new("minutes counted");
/// Hours or days were shown.
const HOURS: Marker = Marker::new("hours counted");

/// All of these.
pub(super) const SIGHTS: &[Marker] = &[
    ANCHORS_RACED,
    BASELINE_SET,
    BASELINES_RACED,
    BASELINE_CLEARED,
    BASELINE_AUTOMATIC,
    JUDGED,
    TOO_FEW,
    MINUTES,
    HOURS,
];

/// A window of fewer inputs tells nothing.
const INPUTS_MIN: u64 = 100;
/// A group of buckets holds at least one in so many inputs of the baseline.
const GROUPS: u64 = 10;

/// All that is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedDrift {
    /// When the buckets were laid that count, and by whom.
    pub anchored: Option<OracleMoment>,
    /// What later inputs are compared with.
    pub baseline: ExpectedBaseline,
    /// What the latest windows come to.
    pub verdict: ExpectedVerdict,
    /// Inputs that are kept by seconds, minutes, hours and days.
    pub kept: [u64; 4],
    /// What some origin ought to have written by now.
    pub missing: Option<String>,
    /// Of origins that have a second to write, the latest.
    pub unwritten: BTreeMap<OracleOrigin, u64>,
}

/// What later inputs are compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedBaseline {
    /// Nothing.
    None,
    /// A caller took it away.
    Cleared,
    /// This, set then.
    Set(OracleMoment, BaselineSpans),
}

/// What the latest windows come to, as far as it can be counted.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedVerdict {
    /// The field is not watched.
    Off,
    /// There is no baseline, and none will come by itself.
    NoBaseline,
    /// One will.
    Learning,
    /// There is one; no window holds enough.
    TooFew {
        /// The second after which it does not look.
        until: u64,
        /// Inputs in the longest window.
        inputs: u64,
    },
    /// There is one.
    Judged {
        /// The second after which it does not look.
        until: u64,
        /// Inputs in the longest window.
        inputs: u64,
        /// Of each window that holds enough: its inputs, and the stability index of each column, pairs last.
        windows: Vec<(u64, Vec<f64>)>,
    },
}

impl ExpectedDrift {
    pub(super) fn of(known: &Knowledge<'_>, own: &OwnRecords<'_, DriftRecord>, sights: &mut Sights) -> Self {
        let records: Vec<&Record<DriftRecord>> = own.iter().collect();
        let written = SlotBook::of(own.iter());
        let first = first_anchor(own.iter());
        let current = CurrentBaseline::of(own, first.map(|(_, anchor)| anchor.name));
        let look = first.zip(known.last_step()).map(|((_, anchor), last)| Look {
            written: &written,
            anchor: anchor.name,
            second: last.second(),
        });
        let is_watched = known.spec.is_some_and(|spec| spec.parameter("drift") > 0.0);
        let comes_by_itself = known.spec.is_some_and(|spec| spec.parameter("baseline_after") > 0.0);
        let verdict = match (&current, &look) {
            _ if !is_watched => ExpectedVerdict::Off,
            (CurrentBaseline::Set { baseline, .. }, Some(look)) => look.verdict(baseline),
            (CurrentBaseline::None, _) if comes_by_itself => ExpectedVerdict::Learning,
            _ => ExpectedVerdict::NoBaseline,
        };
        let kept = look.filter(|_| is_watched).map(|look| look.kept()).unwrap_or_default();
        see(own, &current, &verdict, kept, sights);
        Self {
            anchored: first.map(|(record, _)| record.moment()),
            baseline: match current {
                CurrentBaseline::None => ExpectedBaseline::None,
                CurrentBaseline::Cleared => ExpectedBaseline::Cleared,
                CurrentBaseline::Set { record, baseline, .. } => {
                    ExpectedBaseline::Set(record.moment(), BaselineSpans::of(baseline))
                }
            },
            verdict,
            kept,
            missing: missing(&records, &written),
            unwritten: unwritten(&records, &written),
        }
    }
}

/// What there is to see.
fn see(
    own: &OwnRecords<'_, DriftRecord>,
    current: &CurrentBaseline<'_>,
    verdict: &ExpectedVerdict,
    kept: [u64; 4],
    sights: &mut Sights,
) {
    let anchors = own.iter().filter(|record| matches!(record.what, DriftRecord::Anchor(_))).count();
    let seen = [
        (ANCHORS_RACED, anchors > 1),
        (BASELINE_SET, matches!(current, CurrentBaseline::Set { is_automatic: false, .. })),
        (BASELINES_RACED, have_raced(own)),
        (BASELINE_CLEARED, matches!(current, CurrentBaseline::Cleared)),
        (BASELINE_AUTOMATIC, matches!(current, CurrentBaseline::Set { is_automatic: true, .. })),
        (JUDGED, matches!(verdict, ExpectedVerdict::Judged { .. })),
        (TOO_FEW, matches!(verdict, ExpectedVerdict::TooFew { .. })),
        (MINUTES, kept[1] > 0),
        (HOURS, kept[2] > 0 || kept[3] > 0),
    ];
    sights.extend(seen.into_iter().filter(|(_, is_seen)| *is_seen).map(|(marker, _)| marker));
}

/// What windows are made of.
struct Look<'a> {
    written: &'a SlotBook<'a>,
    anchor: u64,
    /// Of the latest step.
    second: u64,
}

impl Look<'_> {
    fn kept(&self) -> [u64; 4] {
        let kept = |level: usize| {
            let shown = LEVELS[level].shown(self.second);
            self.written.counts(self.anchor, level, shown).inputs
        };
        [0, 1, 2, 3].map(kept)
    }

    fn verdict(&self, baseline: &OracleBaseline) -> ExpectedVerdict {
        let level = &LEVELS[baseline.level];
        let end = level.end(self.second);
        let until = (end * level.seconds).saturating_sub(1);
        let counts = |spans: &u64| self.written.counts(self.anchor, baseline.level, end.saturating_sub(*spans)..end);
        let windows = baseline.windows.iter().map(counts).collect::<Vec<_>>();
        let inputs = windows.first().map_or(0, |window| window.inputs);
        let enough = windows.iter().filter(|window| window.inputs >= INPUTS_MIN);
        let compared = enough.map(|window| {
            let columns = window.columns.iter().zip(&baseline.counts.columns);
            (window.inputs, columns.map(|(window, baseline)| stability(window, baseline)).collect())
        });
        let windows: Vec<(u64, Vec<f64>)> = compared.collect();
        if windows.is_empty() {
            return ExpectedVerdict::TooFew { until, inputs };
        }
        ExpectedVerdict::Judged { until, inputs, windows }
    }
}

/// The population stability index of a column: Σ(p − q)·ln(p/q) over groups of buckets, half an input added to each.
fn stability(window: &[u64], baseline: &[u64]) -> f64 {
    let groups = groups(baseline);
    let number = |count: u64| u32::try_from(count).map_or(f64::MAX, f64::from);
    let halves = groups.iter().fold(0.0, |halves, _| halves + 0.5);
    let share = |counts: &[u64], group: &Range<usize>| {
        let (held, all) = (counts[group.clone()].iter().sum(), counts.iter().sum());
        (number(held) + 0.5) / (number(all) + halves)
    };
    let terms = groups.iter().map(|group| {
        let (p, q) = (share(window, group), share(baseline, group));
        (p - q) * (p / q).ln()
    });
    terms.sum()
}

/// What lies below all that a baseline has seen, then groups of at least a tenth of it, then what lies above.
fn groups(baseline: &[u64]) -> Vec<Range<usize>> {
    let seen = || (0..BUCKETS).filter(|bucket| baseline[*bucket] > 0);
    let (least, most) = (seen().next().unwrap_or(0), seen().next_back().unwrap_or(0));
    let is_tenth =
        |buckets: Range<usize>| baseline[buckets].iter().sum::<u64>() * GROUPS >= baseline.iter().sum::<u64>();
    let (mut begins, mut begin) = (vec![0, least], least);
    for end in least + 1..=most {
        if is_tenth(begin..end) && is_tenth(end..BUCKETS) {
            begins.push(end);
            begin = end;
        }
    }
    begins.push(most + 1);
    let ends = begins.iter().skip(1).copied().chain([BUCKETS]);
    begins.iter().copied().zip(ends).map(|(begin, end)| begin..end).collect()
}
