//! What was measured: one JSON document for programs, from which tables and pictures are made.

pub(crate) mod machine;
pub(crate) mod question;
pub(crate) mod row;
pub(crate) mod spread;

use jiff::Timestamp;
use serde::Serialize;

use crate::rounds::{Case, Plan, Progress, interleaved};

pub use crate::rounds::Label;
pub use machine::Machine;
pub use question::Target;
pub use row::{Answer, Row};
pub use spread::Spread;

use question::RowHeader;

/// The first note of a build that should not be measured.
const UNOPTIMIZED: &str =
    "this program was built without optimization: figures and ratios mean nothing; build with --release";

/// What a group found.
#[derive(Debug, Default)]
pub(crate) struct GroupReport {
    pub(crate) rows: Vec<Row>,
    /// What must be known to read the rows.
    pub(crate) notes: Vec<String>,
}

impl GroupReport {
    /// Measures all cases of a group in every round, and answers its questions.
    pub(crate) async fn measure<C: Case>(
        group: &'static str,
        headers: Vec<RowHeader>,
        mut cases: Vec<C>,
        plan: &Plan,
        progress: &Progress,
    ) -> Self {
        progress.turns(cases.len() * plan.rounds as usize);
        let turns = interleaved(&mut cases, plan, progress).await;
        Self { rows: row::rows(group, headers, &turns), notes: Vec::new() }
    }

    /// The same with notes.
    pub(crate) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    /// Of a group that could not begin.
    pub(crate) fn unmeasured(group: &'static str, why: String) -> Self {
        Self { rows: vec![row::unmeasured(group, why)], notes: Vec::new() }
    }
}

/// Which program is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Build {
    /// Of the release.
    pub version: &'static str,
    /// That it is built from.
    pub commit: &'static str,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Which program was measured.
    #[serde(flatten)]
    pub build: Build,
    /// What it was measured on.
    pub machine: Machine,
    /// RFC 3339.
    pub started: String,
    /// To the millisecond.
    pub duration_s: f64,
    /// What was asked for.
    pub settings: RunSettings,
    /// Whether all groups that were asked for are here.
    pub complete: bool,
    /// In the order of groups.
    pub rows: Vec<Row>,
    /// What must be known to read the rows.
    pub notes: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub struct RunSettings {
    /// Their names, in order.
    pub groups: Vec<&'static str>,
    /// How often and for how long.
    #[serde(flatten)]
    pub plan: Plan,
}

impl Report {
    /// With nothing in it yet.
    pub(crate) fn new(build: Build, settings: RunSettings) -> Self {
        Self {
            build,
            machine: Machine::this(),
            started: format!("{:.3}", Timestamp::now()),
            duration_s: 0.0,
            settings,
            complete: false,
            rows: Vec::new(),
            notes: if cfg!(debug_assertions) { vec![UNOPTIMIZED.to_owned()] } else { Vec::new() },
        }
    }

    pub(crate) fn add(&mut self, group: GroupReport) {
        self.rows.extend(group.rows);
        self.notes.extend(group.notes);
    }

    /// Whether no group was finished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows that were not measured, or not in every round.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.rows.iter().filter(|row| row.failure.is_some()).count()
    }
}
