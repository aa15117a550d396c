//! A record of a ledger that is about a model, as the demo prints it.

use std::borrow::Cow;

use psi_api::v1;
use serde::Serialize;

use crate::output::table;

/// Columns that the last two cells of a row may take; a mark that words were left out takes two more.
const WHAT: usize = 28;
const WHY: usize = 38;
/// Lines of the last cell. JSON has all of it.
const LINES_MAX: usize = 3;

/// A record about the model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct ModelRecord {
    /// Milliseconds since 1970, by the clock of the run. The order of records is that of time.
    at_ms: i64,
    pub(super) kind: String,
    by: String,
    pub(super) node: String,
    pub(super) what: String,
    why: String,
    leaf_hash: String,
}

impl From<v1::LedgerRecord> for ModelRecord {
    fn from(record: v1::LedgerRecord) -> Self {
        let time = record.time.unwrap_or_default();
        let of = |text: &str| text.rsplit(['/', '.']).next().unwrap_or_default().to_owned();
        let node = record.log.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let why = [record.action, record.outcome].into_iter().filter(|text| !text.is_empty());
        // A rollback counts as soon as it is written; later a majority decides it.
        let note = if record.kind == "rollback" { " (needs no majority)" } else { "" };
        Self {
            at_ms: time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000,
            kind: record.kind,
            by: record.actor,
            node,
            what: format!("{} {}{note}", of(&record.method), record.object),
            why: why.collect::<Vec<_>>().join(": "),
            leaf_hash: record.leaf_hash,
        }
    }
}

/// Who did what, and why, in lines that fit the screen.
pub(super) fn records_table(records: &[ModelRecord]) -> String {
    let mut rows = Vec::new();
    for record in records {
        let [what, mut why] =
            [(&record.what, WHAT), (&record.why, WHY)].map(|(text, width)| textwrap::wrap(text, width));
        if why.len() > LINES_MAX {
            why.truncate(LINES_MAX);
            why.iter_mut().skip(LINES_MAX - 1).for_each(|last| *last = format!("{last} …").into());
        }
        let by = [record.by.as_str().into()];
        for line in 0..what.len().max(why.len()) {
            let cell = |lines: &[Cow<'_, str>]| lines.get(line).map(ToString::to_string).unwrap_or_default();
            rows.push([cell(&by), cell(&what), cell(&why)]);
        }
    }
    table(["by", "what", "why"], &[], rows)
}
