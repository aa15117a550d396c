//! The steps of a file: which version answered, and how that went.

use std::path::PathBuf;

use psi_rollout::{Arm, Latency, Measure, Outcome, Plan, StepKey, Subject, VersionName};

use super::{
    clock::Clock,
    table::{Column, Format, Table, TableRow},
};
use crate::output::Failure;

const VERSION_WAY_OUT: &str = "it says which version answered a step";
const ERROR_WAY_OUT: &str = "add it, or turn its gate off with --error-rate 0";
const LATENCY_WAY_OUT: &str = "add it, or turn its gate off with --latency 0";
const VALUE_WAY_OUT: &str = "name another one with --metric";

/// The file that is replayed, and what is said of it.
#[derive(Clone, Debug)]
pub(super) struct StepFile {
    pub(super) path: PathBuf,
    pub(super) format: Option<Format>,
    /// Rows a minute, where the file has no times.
    pub(super) rate: Option<f64>,
}

/// Both versions.
#[derive(Clone, Debug)]
pub(super) struct Arms {
    pub(super) champion: VersionName,
    pub(super) canary: VersionName,
}

/// A step as it counts.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its row, from 0.
    pub(super) row: u64,
    pub(super) ms: u64,
    pub(super) arm: Arm,
    /// What it is counted by: its key, or its row.
    pub(super) key: String,
    pub(super) outcome: Option<Outcome>,
    /// By the places of measures in the plan.
    pub(super) units: Vec<Option<i64>>,
}

/// The steps of a file, one after the other.
pub(super) struct Steps<'a> {
    table: Table,
    columns: Columns<'a>,
    arms: Arms,
    clock: Clock,
    ms: u64,
}

struct Columns<'a> {
    version: Column,
    key: Option<Column>,
    error: Option<Column>,
    /// A gate needs each step's.
    needs_errors: bool,
    latency: Option<Column>,
    time: Option<Column>,
    values: Vec<(&'a Measure, Column)>,
}

impl StepFile {
    /// The versions that are in the file, as far as they are not named.
    ///
    /// # Errors
    /// If there are no two.
    pub(super) fn arms(&self, champion: Option<VersionName>, canary: Option<VersionName>) -> Result<Arms, Failure> {
        let mut table = Table::open(&self.path, self.format)?;
        let column = table.needed("version", VERSION_WAY_OUT)?;
        let (mut champion, mut canary) = (champion, canary);
        while champion.is_none() || canary.is_none() {
            let Some(row) = table.next()? else { break };
            let version = version(&table, &row, &column)?;
            if [&champion, &canary].into_iter().flatten().any(|known| *known == version) {
                continue;
            }
            let unknown = if champion.is_none() { &mut champion } else { &mut canary };
            *unknown = Some(version);
        }
        match (champion, canary) {
            (Some(champion), Some(canary)) if champion != canary => Ok(Arms { champion, canary }),
            (Some(champion), Some(_)) => {
                Err(Failure::usage(format!("--champion and --canary are both {champion}: name two versions")))
            }
            (one, other) => {
                let only = one.or(other).map(|version| version.to_string()).unwrap_or_default();
                let message = format!("{} have version {only} alone, and two are compared", table.described());
                Err(Failure::usage(message))
            }
        }
    }

    /// Its steps from the first one on.
    ///
    /// # Errors
    /// If it has not what the plan's gates compare.
    pub(super) fn steps<'a>(&self, plan: &'a Plan, arms: Arms) -> Result<Steps<'a>, Failure> {
        const RATE: f64 = 1_000.0;
        let table = Table::open(&self.path, self.format)?;
        let columns = Columns::of(&table, plan)?;
        if columns.time.is_some() && self.rate.is_some() {
            return Err(Failure::usage("--rate is for files without a column `time`; leave it out"));
        }
        Ok(Steps { table, columns, arms, clock: Clock::Rate(self.rate.unwrap_or(RATE)), ms: 0 })
    }
}

impl<'a> Columns<'a> {
    fn of(table: &Table, plan: &'a Plan) -> Result<Self, Failure> {
        let gated = |name: &str, is_gated: bool, way_out: &str| {
            if is_gated { table.needed(name, way_out).map(Some) } else { table.column(name) }
        };
        let value = |measure: &'a Measure| {
            let column = match measure.subject() {
                Subject::Column(name) => table.needed(name, VALUE_WAY_OUT)?,
                other => table.needed(&other.to_string(), VALUE_WAY_OUT)?,
            };
            Ok((measure, column))
        };
        Ok(Self {
            version: table.needed("version", VERSION_WAY_OUT)?,
            key: table.column("key")?,
            error: gated("error", plan.error_rate().is_some(), ERROR_WAY_OUT)?,
            needs_errors: plan.error_rate().is_some(),
            latency: gated("latency_ms", plan.latency_factor().is_some(), LATENCY_WAY_OUT)?,
            time: table.column("time")?,
            values: plan.measures().iter().map(value).collect::<Result<_, Failure>>()?,
        })
    }
}

impl Steps<'_> {
    /// How the file says when its rows were; known once a row was read.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// The next step, or `None` at the end.
    ///
    /// # Errors
    /// If something is wrong with its row.
    pub(super) fn next(&mut self) -> Result<Option<Step>, Failure> {
        let Some(row) = self.table.next()? else { return Ok(None) };
        self.ms = self.time_of(&row)?;
        let arm = self.arm(&row)?;
        let (key, outcome, units) = (self.key(&row)?, self.outcome(&row)?, self.units(&row)?);
        Ok(Some(Step { row: row.number, ms: self.ms, arm, key, outcome, units }))
    }

    fn arm(&self, row: &TableRow) -> Result<Arm, Failure> {
        let version = version(&self.table, row, &self.columns.version)?;
        let Arms { champion, canary } = &self.arms;
        if version == *champion {
            Ok(Arm::Champion)
        } else if version == *canary {
            Ok(Arm::Canary)
        } else {
            let why = format!("it is a third version beside {champion} and {canary}; leave such rows out");
            Err(self.table.refusal(row, &self.columns.version, version.as_str(), &why))
        }
    }

    fn time_of(&mut self, row: &TableRow) -> Result<u64, Failure> {
        let Some(column) = &self.columns.time else {
            let Clock::Rate(rate) = self.clock else { return Ok(self.ms) };
            let too_long = || Failure::usage(format!("--rate {rate}: row {} would be too far away", row.number));
            return Clock::ms_of_row(rate, row.number).ok_or_else(too_long);
        };
        let text = self.table.text(row, column)?.unwrap_or_default();
        if row.number == 0 {
            self.clock = Clock::of(&text);
        }
        let refused = |why: &str| self.table.refusal(row, column, &text, why);
        let ms = self.clock.ms(&text).ok_or_else(|| refused(&format!("it is no time; {}", self.clock.wanted())))?;
        if ms < self.ms {
            return Err(refused("it is before the time of the row above; sort the rows by time"));
        }
        Ok(ms)
    }

    /// The key of a step. One without counts by its row.
    fn key(&self, row: &TableRow) -> Result<String, Failure> {
        let Some(column) = &self.columns.key else { return Ok(row.number.to_string()) };
        let Some(key) = self.table.text(row, column)? else { return Ok(row.number.to_string()) };
        StepKey::new(&key).map_err(|error| self.table.refusal(row, column, &key, &error.to_string()))?;
        Ok(key.into_owned())
    }

    fn outcome(&self, row: &TableRow) -> Result<Option<Outcome>, Failure> {
        let (error, latency) = (self.error(row)?, self.latency(row)?);
        // As with a node: what is said to have taken some time went well, unless it is said to have failed.
        Ok((error.is_some() || latency.is_some()).then(|| Outcome { error: error.unwrap_or_default(), latency }))
    }

    fn error(&self, row: &TableRow) -> Result<Option<bool>, Failure> {
        let Some(column) = &self.columns.error else { return Ok(None) };
        let text = self.table.text(row, column)?.unwrap_or_default();
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            "" if !self.columns.needs_errors => Ok(None),
            _ => Err(self.table.refusal(row, column, &text, "it is no boolean; write 0, 1, true or false")),
        }
    }

    fn latency(&self, row: &TableRow) -> Result<Option<Latency>, Failure> {
        let Some(column) = &self.columns.latency else { return Ok(None) };
        let Some(ms) = self.number(row, column)? else { return Ok(None) };
        let refused =
            |error: psi_rollout::LatencyError| self.table.refusal(row, column, &ms.to_string(), &error.to_string());
        Latency::from_ms(ms).map(Some).map_err(refused)
    }

    fn units(&self, row: &TableRow) -> Result<Vec<Option<i64>>, Failure> {
        let units =
            |(measure, column): &(&Measure, Column)| Ok(self.number(row, column)?.map(|value| measure.units(value)));
        self.columns.values.iter().map(units).collect()
    }

    /// A number, or `None` where there is nothing.
    fn number(&self, row: &TableRow, column: &Column) -> Result<Option<f64>, Failure> {
        let Some(text) = self.table.text(row, column)? else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => {
                let why = "it is no number; write one such as 12.5, or nothing where a step has none";
                Err(self.table.refusal(row, column, &text, why))
            }
        }
    }
}

fn version(table: &Table, row: &TableRow, column: &Column) -> Result<VersionName, Failure> {
    let text = table.text(row, column)?.unwrap_or_default();
    VersionName::new(&text).map_err(|error| table.refusal(row, column, &text, &error.to_string()))
}
