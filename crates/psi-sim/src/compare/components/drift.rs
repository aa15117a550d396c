//! Drift: the verdict, what it is made of, and what origins wrote of it.

mod entries;

use psi_replica::{FieldName, Now, Origin, Version};
use psi_state::{
    BaselineRequest, BaselineTitle, BaselineView, CurrentBaselineView, DriftStatus, DriftView, Label, Replica,
    WriteError,
};

use crate::{
    compare::{
        same::same,
        subject::{AcceptedWrite, ShownField, Subject, SubjectWrites},
        words::{oracle_clock, oracle_origin},
    },
    oracle::{
        Oracle,
        components::drift::{BaselineSpans, Drift, ExpectedBaseline, ExpectedDrift, ExpectedVerdict},
    },
    plan::rng::Rng,
};

/// Seconds in a span, by level.
const SECONDS: [u64; 4] = [1, 60, 3600, 86_400];

impl Subject for Drift {
    fn compare(expected: &ExpectedDrift, ShownField { view, .. }: ShownField<'_>) -> Result<(), String> {
        let ExpectedDrift { anchored, baseline, verdict, kept, missing, unwritten: _ } = expected;
        if let Some(what) = missing {
            return Err(what.clone());
        }
        let shown = view.anchored.as_ref().map(|(clock, origin)| (oracle_clock(*clock), oracle_origin(origin)));
        same("when buckets were laid", anchored.clone(), shown)?;
        same("baseline", baseline.clone(), shown_baseline(&view.baseline))?;
        same("inputs kept", *kept, view.drift.kept)?;
        compare_verdict(verdict, &view.drift)
    }

    /// Every number of a verdict is printed with as many digits as tell it from any other.
    fn hash(ShownField { view, .. }: ShownField<'_>, hasher: &mut blake3::Hasher) {
        hasher.update(format!("{:?} {:?} {:?}", view.anchored, view.baseline, view.drift).as_bytes());
    }
}

impl SubjectWrites for Drift {
    const PER_MILLE: u64 = 20;

    /// Mostly sets a baseline. What is written by then is flushed before, so that it is known what it is made of.
    fn write(
        replica: &mut Replica,
        now: Now,
        field: &FieldName,
        rng: &mut Rng,
    ) -> Result<Option<AcceptedWrite<BaselineSpans>>, WriteError> {
        replica.flush();
        let is_set = replica.view(field).is_some_and(|view| view.baseline.set().is_some());
        let clears = rng.chance(if is_set { 200 } else { 20 });
        let text = format!("v{}", rng.below(1000));
        let version = Label::new(text.as_str()).expect("one line");
        let title = BaselineTitle { version, source: Label::default(), set_by: Label::default() };
        let seconds = if rng.chance(300) { Some(rng.between(8, 40)) } else { None };
        let epoch = replica.view(field).map_or(0, |view| view.spec.epoch.0);
        let (stamp, what) = if clears {
            let done = replica.clear_baseline(now, field, title)?;
            let stamp = (oracle_origin(&done.origin), done.version.0, oracle_clock(done.clock));
            (stamp, BaselineSpans { title: text, spans: None, inputs: 0 })
        } else {
            let set = replica.set_baseline(now, field, BaselineRequest { title, seconds })?;
            ((oracle_origin(&set.origin), replica.version().0, oracle_clock(set.clock)), spans(&set))
        };
        let shown = what.spans.as_ref().map_or("none".to_owned(), |spans| format!("{spans:?}"));
        let text = format!("baseline of {field} {shown}, version {}", stamp.1);
        Ok(Some(AcceptedWrite { stamp, epoch, what, text }))
    }

    fn check_own_entries(
        oracle: &mut Oracle,
        replica: &Replica,
        origin: &Origin,
        since: Version,
    ) -> Result<(), String> {
        entries::check(oracle, replica, origin, since)
    }
}

/// A baseline as the oracle has it.
fn spans(set: &BaselineView) -> BaselineSpans {
    let BaselineView { title, first_second, last_second, span_seconds, windows, inputs, .. } = set;
    let level = SECONDS.iter().position(|seconds| seconds == span_seconds).unwrap_or(SECONDS.len());
    let spans = (level, first_second / span_seconds, last_second / span_seconds, windows.clone());
    BaselineSpans { title: title.version.as_str().to_owned(), spans: Some(spans), inputs: *inputs }
}

fn shown_baseline(shown: &CurrentBaselineView) -> ExpectedBaseline {
    match shown {
        CurrentBaselineView::None => ExpectedBaseline::None,
        CurrentBaselineView::Cleared => ExpectedBaseline::Cleared,
        CurrentBaselineView::Set(set) => {
            ExpectedBaseline::Set((oracle_clock(set.clock), oracle_origin(&set.origin)), spans(set))
        }
    }
}

fn compare_verdict(expected: &ExpectedVerdict, shown: &DriftView) -> Result<(), String> {
    let (looks, windows) = match expected {
        ExpectedVerdict::Off => return same("verdict on drift", DriftStatus::Off, shown.status),
        ExpectedVerdict::NoBaseline => return same("verdict on drift", DriftStatus::NoBaseline, shown.status),
        ExpectedVerdict::Learning => return same("verdict on drift", DriftStatus::Learning, shown.status),
        ExpectedVerdict::TooFew { until, inputs } => {
            same("verdict on drift", DriftStatus::InsufficientData, shown.status)?;
            ((Some(*until), *inputs), &Vec::new())
        }
        ExpectedVerdict::Judged { until, inputs, windows } => {
            let status = match shown.severity() {
                severity if severity >= 0.8 => DriftStatus::Drift,
                severity if severity >= 0.5 => DriftStatus::Warning,
                _ => DriftStatus::Stable,
            };
            same("verdict on drift", status, shown.status)?;
            ((Some(*until), *inputs), windows)
        }
    };
    same("until when windows last, and their inputs", looks, (shown.until_second, shown.inputs))?;
    compare_columns(windows, shown)
}

/// Each column shows one of the windows.
fn compare_columns(windows: &[(u64, Vec<f64>)], shown: &DriftView) -> Result<(), String> {
    let columns = shown.verdict.columns();
    same("columns judged", windows.first().map_or(0, |(_, columns)| columns.len()), columns.len())?;
    for (place, column) in columns.iter().enumerate() {
        let psi = column.comparison.psi;
        let is_close = |expected: f64| (expected - psi).abs() <= 1e-9 * expected.abs() + 1e-12;
        let candidates: Vec<(u64, f64)> = windows.iter().map(|(rows, columns)| (*rows, columns[place])).collect();
        if !candidates.iter().any(|(rows, expected)| *rows == column.rows && is_close(*expected)) {
            let rows = column.rows;
            return Err(format!("PSI[{place}] must be one of {candidates:?}, is {psi} of {rows} inputs"));
        }
    }
    Ok(())
}
