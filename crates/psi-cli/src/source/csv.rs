//! The numbers of a CSV file, a row a vector.
//!
//! A file is read in steps, and each is decided by a sample of the first rows, with certainty or not at all: what divides
//! columns, whether there is a header, which columns are numbers. What is not certain is refused, and the error says by
//! which option to say it. Leaves out units, comments and escapes other than a doubled quote. Blank lines are skipped.

mod cell;
mod columns;
mod dialect;
mod header;
mod options;
mod rows;
mod sample;
mod text;
mod time;

use std::{
    io::{Chain, Cursor, Read},
    path::Path,
};

pub(crate) use options::CsvOptions;
pub(crate) use rows::{Row, Rows};
pub(crate) use time::seconds;

use super::{
    encoding::{self, Text},
    error::SourceError,
    meter::Meter,
    vectors::{Source, listed},
};
use cell::{Cell, NumberFormat};
use columns::{Columns, Content, Judge, not_a_number, titles};
use dialect::Interpretation;
use options::GapPolicy;
use sample::Sample;

/// A CSV file, or any text in that format.
#[derive(Debug)]
pub(crate) struct CsvFile {
    /// What errors call the input.
    path: String,
    rows: Rows<Chain<Cursor<Vec<u8>>, Text>>,
    /// Cells a row.
    width: usize,
    columns: Columns,
    has_header: bool,
    format: NumberFormat,
    missing: GapPolicy,
    /// What was decided without being told.
    notes: Vec<String>,
    skipped: u64,
    time: Option<f64>,
    meter: Option<Meter>,
}

impl CsvFile {
    /// Opens the file at `path`, and decides by its first rows how it is read.
    ///
    /// # Errors
    /// If the file can't be opened, or as [`Self::new`].
    pub(crate) fn open(path: &Path, options: &CsvOptions) -> Result<Self, SourceError> {
        let (text, meter) = encoding::open(path)?;
        let file = Self::from_text(path.display().to_string(), text, options)?;
        Ok(Self { meter: Some(meter), ..file })
    }

    /// Decides how the text is read; errors and descriptions call it `path`.
    ///
    /// # Errors
    /// If that is not certain, or the first rows have something wrong in them.
    fn from_text(path: String, mut text: Text, options: &CsvOptions) -> Result<Self, SourceError> {
        let sample = Sample::read(&mut text).map_err(|error| encoding::unreadable(&path, error))?;
        let Interpretation { delimiter, rows: sampled, fault, preamble } = dialect::reading(&path, &sample, options)?;
        let width = sampled.first().map_or(0, |row| row.cells.len());
        let has_header = has_header(&path, &sampled, options)?;
        let (header, data) = sampled.split_at(usize::from(has_header && !sampled.is_empty()));
        data.iter().try_for_each(|row| row.check_length(&path, width))?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        if data.is_empty() {
            return Err(SourceError::NoRow { path });
        }
        let titles = titles(header.first(), width);
        let judge = Judge { path: &path, rows: data, titles: &titles, has_header, options };
        let columns = judge.columns()?;
        let mut rows = Rows::new(&path, Cursor::new(sample.bytes).chain(text), delimiter);
        for _ in 0..preamble + header.len() {
            rows.next()?;
        }
        let notes = notes(&path, options, delimiter, has_header, &columns);
        let (format, missing) = (options.format(), options.missing());
        Ok(Self { path, rows, width, columns, has_header, format, missing, notes, skipped: 0, time: None, meter: None })
    }

    /// Names of the columns that make a vector.
    pub(crate) fn column_names(&self) -> Vec<String> {
        self.columns.used.iter().map(|column| column.name.clone()).collect()
    }

    /// The numbers of the columns used; `None` if one is missing and the row is to be left out.
    fn vector(&self, row: &Row) -> Result<Option<Vec<f64>>, SourceError> {
        row.check_length(&self.path, self.width)?;
        self.check_others(row)?;
        let mut vector = Vec::with_capacity(self.columns.used.len());
        for column in &self.columns.used {
            let text = row.cell(column.place);
            match (self.format.number(text), self.missing) {
                (Some(number), _) => vector.push(number),
                (None, GapPolicy::Nan) if self.format.cell(text) == Cell::Gap => vector.push(f64::NAN),
                (None, GapPolicy::SkipRow) if self.format.cell(text) == Cell::Gap => return Ok(None),
                _ => return Err(not_a_number(&self.path, row.line, &column.name, text, self.format)),
            }
        }
        Ok(Some(vector))
    }

    /// That the columns left out hold what they held in the sample: no number is left out unsaid.
    fn check_others(&self, row: &Row) -> Result<(), SourceError> {
        for (column, content) in &self.columns.left_out {
            let text = row.cell(column.place);
            let is_number = match content {
                Content::Text => self.format.number(text).is_some_and(f64::is_finite),
                Content::Nothing => self.format.cell(text) != Cell::Gap,
                Content::Time | Content::RowNumbers | Content::Anything => false,
            };
            if is_number {
                let why = format!(
                    "column `{}` is left out, as its first rows have no number, but here it has `{}`; choose the \
                     columns with --columns NAME,NAME",
                    column.name,
                    text.trim()
                );
                return Err(SourceError::Doubt { path: self.path.clone(), line: row.line, why });
            }
        }
        Ok(())
    }

    /// When the row was, by its column of times.
    fn time_of(&self, row: &Row) -> Result<Option<f64>, SourceError> {
        let Some(column) = &self.columns.time else { return Ok(None) };
        let text = row.cell(column.place);
        let seconds = self.format.number(text).filter(|number| number.is_finite()).or_else(|| time::seconds(text));
        let wrong = || SourceError::Doubt {
            path: self.path.clone(),
            line: row.line,
            why: format!(
                "column `{}`: `{}` is no time; write seconds, or times such as 2024-12-31T23:59:59Z",
                column.name,
                text.trim()
            ),
        };
        seconds.map(Some).ok_or_else(wrong)
    }
}

impl Source for CsvFile {
    fn width(&self) -> Option<usize> {
        Some(self.columns.used.len())
    }

    fn next(&mut self) -> Result<Option<Vec<f64>>, SourceError> {
        while let Some(row) = self.rows.next()? {
            if let Some(vector) = self.vector(&row)? {
                self.time = self.time_of(&row)?;
                return Ok(Some(vector));
            }
            self.skipped += 1;
        }
        Ok(None)
    }

    fn describe(&self) -> String {
        format!("{}: {}", self.path, listed(self.columns.used.iter().map(|column| column.name.as_str())))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// Those of the header.
    fn names(&self) -> Vec<String> {
        if self.has_header { self.column_names() } else { Vec::new() }
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }

    fn time(&self) -> Option<f64> {
        self.time
    }

    fn share(&self) -> Option<f64> {
        self.meter.as_ref()?.share(self.rows.bytes())
    }
}

/// Whether the first row is a header, as the user says or as the rows do.
fn has_header(path: &str, rows: &[Row], options: &CsvOptions) -> Result<bool, SourceError> {
    let Some(first) = rows.first() else { return Ok(false) };
    let mut names = options.columns.iter().chain(&options.time).peekable();
    let is_title = |name: &String| first.cells.iter().any(|title| title.trim() == name);
    if options.header || options.no_header {
        return Ok(options.header);
    }
    if names.peek().is_some() && names.all(is_title) {
        return Ok(true);
    }
    header::is_header(rows, options.format()).map_err(|why| SourceError::Doubt {
        path: path.to_owned(),
        line: first.line,
        why: format!("{why}; add --header if this line is a header, or --no-header if it is a vector"),
    })
}

/// What was decided by the sample alone.
fn notes(path: &str, options: &CsvOptions, delimiter: u8, has_header: bool, columns: &Columns) -> Vec<String> {
    let mut notes = Vec::new();
    let mut left_out = |wanted: Content, what: &str| {
        let names = columns.left_out.iter().filter(|(_, content)| *content == wanted);
        let names: Vec<&str> = names.map(|(column, _)| column.name.as_str()).collect();
        if !names.is_empty() {
            notes.push(format!("{path}: left out, {what}: {}; --columns chooses others", listed(names.into_iter())));
        }
    };
    left_out(Content::Text, "not numbers");
    if options.time.is_none() {
        left_out(Content::Time, "a time");
    }
    left_out(Content::RowNumbers, "numbers of rows");
    left_out(Content::Nothing, "empty");
    if !has_header && !options.no_header {
        notes.push(format!("{path} has no header, so its first line is a vector; if it is one, add --header"));
    }
    if delimiter != b',' && options.delimiter.is_none() {
        notes.push(format!("{path}: {} divides its columns", dialect::name(delimiter)));
    }
    notes
}

#[cfg(test)]
mod tests;
