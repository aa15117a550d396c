//! What is replayed: a file of input vectors, read as often as needed and never held whole.

use std::{fs, path::PathBuf};

use clap::ValueEnum;
use psi_engine::{EngineKind, core::Matrix};

use super::trace::{Trace, TraceError};
use crate::{
    output::{Failure, pluralize},
    source::{Columns, CsvFile, Header, JsonLines, Source, SourceError},
};

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Numbers divided by commas, a vector a row; the first row may be a header
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
    /// Of a CSV file; all if there are none.
    columns: Vec<String>,
}

/// A file with at least one step, opened and checked up to its first step.
#[derive(Debug)]
pub(super) struct Recording {
    file: File,
    /// Numbers in an input.
    pub(super) width: usize,
    pub(super) trace: Option<Trace>,
}

impl File {
    /// The file at `path`, read by `format` or by what its name says.
    ///
    /// # Errors
    /// If there is none that can be read twice, or it isn't known how.
    pub(super) fn new(path: PathBuf, format: Option<Format>, columns: Vec<String>) -> Result<Self, Failure> {
        let shown = path.display();
        let is_file = fs::metadata(&path).map(|metadata| metadata.is_file());
        if !is_file.map_err(|error| Failure::usage(format!("can't open {shown}: {error}")))? {
            let message = format!("{shown} is not a file; what is replayed is read twice, so write it to a file first");
            return Err(Failure::usage(message));
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let by_name = match extension.as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            "npz" => Some(Format::Npz),
            _ => None,
        };
        let format = format.or(by_name).ok_or_else(|| {
            let message = format!("the name of {shown} doesn't say what is in it: add --format csv, jsonl or npz");
            Failure::usage(message)
        })?;
        if format != Format::Csv && !columns.is_empty() {
            return Err(Failure::usage("--columns chooses columns of a CSV file; leave it out"));
        }
        Ok(Self { path, format, columns })
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
        let first = self.source().and_then(|mut source| source.next())?;
        let width = first.ok_or_else(|| Failure::usage(format!("{} has no vector", self.path.display())))?.len();
        Ok(Recording { file: self, width, trace: None })
    }

    /// The vectors of a file that has nothing else.
    fn source(&self) -> Result<Box<dyn Source>, SourceError> {
        Ok(match self.format {
            Format::Csv => Box::new(CsvFile::open(&self.path, Columns::named_or(&self.columns, Columns::All))?),
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
            let columns = Columns::named_or(&self.file.columns, Columns::All);
            return Ok(CsvFile::open(&self.file.path, columns)?.column_names());
        }
        Ok((1..=self.width).map(|place| format!("column {place}")).collect())
    }

    /// How many steps there are, where that is known before they are read.
    pub(super) fn steps(&self) -> Option<u64> {
        self.trace.as_ref().map(|trace| trace.steps)
    }

    /// Gives each step's input, and its rollout noise if the file has it, in order; returns how many steps are missing in a
    /// record.
    ///
    /// # Errors
    /// What `step` fails with, or what is wrong with the file.
    pub(super) fn play(
        &self,
        mut step: impl FnMut(Vec<f64>, Option<&Matrix>) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        if let Some(trace) = &self.trace {
            trace.play(step)?;
            return Ok(0);
        }
        let mut play = |source: &mut dyn Source| -> Result<(), Failure> {
            while let Some(input) = source.next()? {
                step(input, None)?;
            }
            Ok(())
        };
        if self.file.format == Format::Jsonl {
            let mut lines = JsonLines::open_record(&self.file.path)?;
            play(&mut lines)?;
            return Ok(lines.missing());
        }
        play(self.file.source()?.as_mut())?;
        Ok(0)
    }

    /// Says that `missing` steps are not in the file.
    pub(super) fn warn(&self, missing: u64) {
        if missing > 0 {
            let (file, steps) = (self.file.path.display(), pluralize(missing, "step"));
            eprintln!(
                "warning: {steps} that its k skips are missing in {file} (before it began, by other nodes, or missed); \
                 an engine that remembers does not give what the node answered"
            );
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
        let is_text = matches!(error, SourceError::NotANumber { .. });
        let failure = Self::usage(error.to_string());
        if is_text { failure.with_hint("choose the columns of numbers with --columns NAME,NAME") } else { failure }
    }
}
