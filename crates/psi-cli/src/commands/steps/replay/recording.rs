//! What is replayed: a file of input vectors, read as often as needed and never held whole.

use std::path::PathBuf;

use clap::ValueEnum;
use psi_engine::{EngineKind, core::Matrix};

use super::trace::{Trace, TraceError};
use crate::{
    output::{self, Failure, pluralize},
    source::{CsvFile, CsvOptions, Header, JsonLines, Source, SourceError, check_file, extension},
};

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Numbers in columns, a vector a row; the first row may be a header
    Csv,
    /// A JSON array of numbers a line, or an object with one as `x` or `input`
    Jsonl,
    /// A numpy archive with the arrays of a trace of engine `core`
    Npz,
}

/// A file that is there, and how it is read.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    format: Format,
    csv: CsvOptions,
}

/// A file with at least one step, opened and checked up to its first step.
#[derive(Debug)]
pub(super) struct Recording {
    file: File,
    /// Numbers in an input.
    pub(super) width: usize,
    pub(super) trace: Option<Trace>,
}

/// What is not given of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Omissions {
    /// Steps that are not in a record.
    pub(super) missing: u64,
    /// Rows in which a number is missing, left out as the user wants it.
    pub(super) skipped: u64,
}

impl File {
    /// The file at `path`, read by `format` or by what its name says.
    ///
    /// # Errors
    /// If there is none that can be read twice, or it isn't known how.
    pub(super) fn new(path: PathBuf, format: Option<Format>, csv: CsvOptions) -> Result<Self, Failure> {
        let shown = path.display();
        check_file(&path)?;
        let by_name = match extension(&path).as_str() {
            "csv" | "tsv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "npz" => Some(Format::Npz),
            _ => None,
        };
        let format = format.or(by_name).ok_or_else(|| {
            let message = format!("the name of {shown} doesn't say what is in it: add --format csv, jsonl or npz");
            Failure::usage(message)
        })?;
        if format != Format::Csv {
            csv.check_unused().map_err(Failure::usage)?;
        }
        Ok(Self { path, format, csv })
    }

    /// What the file says of itself in its first line.
    ///
    /// # Errors
    /// If that is wrong.
    pub(super) fn header(&self) -> Result<Option<Header>, Failure> {
        if self.format != Format::Jsonl {
            return Ok(None);
        }
        let mut lines = JsonLines::open(&self.path)?;
        Ok(lines.header()?.cloned())
    }

    /// The engine that the format is made for.
    pub(super) fn engine(&self) -> Option<EngineKind> {
        (self.format == Format::Npz).then_some(EngineKind::Core)
    }

    /// Opens the file for a run of `engine`, and reads its first vector, or the arrays that come before it.
    ///
    /// # Errors
    /// If there is no step, or what comes before the second one is wrong.
    pub(super) fn open(self, engine: EngineKind) -> Result<Recording, Failure> {
        if self.format == Format::Npz {
            let trace = Trace::open(&self.path, engine)?;
            return Ok(Recording { file: self, width: trace.width, trace: Some(trace) });
        }
        let mut source = self.source()?;
        source.notes().iter().for_each(|note| output::note(format_args!("note: {note}")));
        let first = source.next()?;
        let width = first.ok_or_else(|| Failure::usage(format!("{} has no vector", self.path.display())))?.len();
        Ok(Recording { file: self, width, trace: None })
    }

    /// The vectors of a file that has nothing else.
    fn source(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(match self.format {
            Format::Csv => Box::new(CsvFile::open(&self.path, &self.csv)?),
            Format::Jsonl | Format::Npz => Box::new(JsonLines::open_record(&self.path)?),
        })
    }
}

impl Recording {
    /// That vectors are as wide as the file's header says.
    ///
    /// # Errors
    /// If not.
    pub(super) fn check_width(&self, want: Option<usize>) -> Result<(), Failure> {
        match want.filter(|want| *want != self.width) {
            None => Ok(()),
            Some(want) => {
                let (file, got) = (self.file.path.display(), self.width);
                Err(Failure::usage(format!("{file}: its header says width {want}, its first vector has {got}")))
            }
        }
    }

    /// What the numbers of an input are called.
    ///
    /// # Errors
    /// If the file can't be read any more.
    pub(super) fn column_names(&self) -> Result<Vec<String>, Failure> {
        if self.file.format == Format::Csv {
            return Ok(CsvFile::open(&self.file.path, &self.file.csv)?.column_names());
        }
        let names = self.file.header()?.map(|header| header.names).unwrap_or_default();
        if names.len() == self.width {
            return Ok(names);
        }
        Ok((1..=self.width).map(|place| format!("column {place}")).collect())
    }

    /// How many steps there are, where that is known before they are read.
    pub(super) fn steps(&self) -> Option<u64> {
        self.trace.as_ref().map(|trace| trace.steps)
    }

    /// Gives each step's input, and its rollout noise if the file has it, in order; returns what was not given.
    ///
    /// # Errors
    /// What `step` fails with, or what is wrong with the file.
    pub(super) fn play(
        &self,
        mut step: impl FnMut(Vec<f64>, Option<&Matrix>) -> Result<(), Failure>,
    ) -> Result<Omissions, Failure> {
        if let Some(trace) = &self.trace {
            trace.play(step)?;
            return Ok(Omissions::default());
        }
        let mut play = |source: &mut dyn Source| -> Result<u64, Failure> {
            while let Some(input) = source.next()? {
                step(input, None)?;
            }
            Ok(source.skipped())
        };
        if self.file.format == Format::Jsonl {
            let mut lines = JsonLines::open_record(&self.file.path)?;
            let skipped = play(&mut lines)?;
            return Ok(Omissions { missing: lines.missing(), skipped });
        }
        let skipped = play(self.file.source()?.as_mut())?;
        Ok(Omissions { missing: 0, skipped })
    }

    /// Says how many rows were left out because a number is missing.
    pub(super) fn note_skipped(&self, skipped: u64) {
        if skipped > 0 {
            let were = if skipped == 1 { "was" } else { "were" };
            let (file, rows) = (self.file.path.display(), pluralize(skipped, "row"));
            output::note(format_args!("note: {file}: {rows} with gaps {were} left out"));
        }
    }

    /// Says what an engine was not given.
    pub(super) fn warn(&self, omissions: Omissions) {
        let Omissions { missing, skipped } = omissions;
        self.note_skipped(skipped);
        if missing > 0 {
            let (file, steps) = (self.file.path.display(), pluralize(missing, "step"));
            output::note(format_args!(
                "warning: {steps} that its k skips are missing in {file} (before it began, by other nodes, or missed); \
                 an engine that remembers does not give what the node answered"
            ));
        }
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::usage(error.to_string())
    }
}
