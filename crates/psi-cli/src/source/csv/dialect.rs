//! What divides the columns of a file. It is decided only where every other way would leave no numbers.

use super::{
    cell::NumberFormat,
    options::CsvOptions,
    rows::Row,
    sample::{ColumnTally, Sample},
};
use crate::source::error::SourceError;

/// What may divide columns. Blanks count only where nothing else does: they are in times and words too.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const BLANK: u8 = b' ';

/// A sample, divided into cells.
#[derive(Debug)]
pub(super) struct Interpretation {
    pub(super) delimiter: u8,
    /// All of one length, but for what `fault` says.
    pub(super) rows: Vec<Row>,
    /// What ends the rows early.
    pub(super) fault: Option<SourceError>,
    /// Rows before the first that only say how the file is read.
    pub(super) preamble: usize,
}

impl Interpretation {
    fn new(path: &str, sample: &Sample, delimiter: u8) -> Self {
        let (mut rows, fault) = sample.rows(path, delimiter);
        let preamble = usize::from(rows.first().is_some_and(is_preamble));
        rows.drain(..preamble);
        Self { delimiter, rows, fault, preamble }
    }

    /// Cells a row.
    pub(super) fn width(&self) -> usize {
        self.rows.first().map_or(0, |row| row.cells.len())
    }

    /// What its columns hold, but for the first row, which may be a header.
    fn tallies(&self, format: NumberFormat) -> Vec<ColumnTally> {
        let rows = if self.rows.len() > 1 { &self.rows[1..] } else { &self.rows };
        (0..self.width()).map(|place| ColumnTally::of(rows, place, format)).collect()
    }

    /// Whether the columns could be divided so: there are several, as many in every row, and there is a number.
    fn is_possible(&self, format: NumberFormat) -> bool {
        let width = self.width();
        let is_even = self.fault.is_none() && self.rows.iter().all(|row| row.cells.len() == width);
        width > 1 && is_even && self.tallies(format).iter().any(ColumnTally::may_be_numbers)
    }

    /// Whether its columns could not be divided otherwise.
    fn is_certain(&self, format: NumberFormat) -> bool {
        let divides = |letter: char| DELIMITERS.iter().any(|delimiter| char::from(*delimiter) == letter);
        self.tallies(format).iter().all(ColumnTally::is_certain)
            && self.rows.iter().all(|row| row.cells.iter().all(|cell| !cell.contains(divides)))
    }

    /// For people: how many columns there are, and a cell that would not be a number.
    fn described(&self, format: NumberFormat) -> String {
        let doubt = self.tallies(format).into_iter().find_map(|tally| tally.doubt);
        let cell = doubt.map_or_else(String::new, |place| format!(" with cells such as `{}`", place.text));
        format!("{} into {}{cell}", name(self.delimiter), psi_bench::pluralize(self.width() as u64, "column"))
    }
}

/// `sep=;`, by which spreadsheets tell each other.
fn is_preamble(row: &Row) -> bool {
    row.cell(0).trim().to_ascii_lowercase().starts_with("sep=")
}

/// What a delimiter is called.
pub(super) fn name(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tab".to_owned(),
        BLANK => "space".to_owned(),
        other => format!("`{}`", char::from(other)),
    }
}

/// Divides the sample.
///
/// # Errors
/// If it could be divided in several ways.
pub(super) fn reading(path: &str, sample: &Sample, options: &CsvOptions) -> Result<Interpretation, SourceError> {
    let of = |delimiter: u8| Interpretation::new(path, sample, delimiter);
    if let Some(delimiter) = options.delimiter.or_else(|| announced(&sample.bytes)) {
        return Ok(of(delimiter));
    }
    let format = options.format();
    // With decimal commas, commas divide nothing.
    let candidates = DELIMITERS.into_iter().filter(|delimiter| char::from(*delimiter) != format.decimal);
    let fallback = if format.decimal == ',' { b';' } else { b',' };
    let mut possible: Vec<Interpretation> = candidates.map(of).filter(|reading| reading.is_possible(format)).collect();
    if possible.iter().filter(|reading| reading.is_certain(format)).count() == 1 {
        possible.retain(|reading| reading.is_certain(format));
    }
    if possible.len() > 1 {
        let ways: Vec<String> = possible.iter().map(|reading| reading.described(format)).collect();
        let why = format!(
            "it can be divided by {}; say by which with --delimiter, and add --decimal , if decimals have commas",
            ways.join(", or by ")
        );
        let line = possible[0].rows.first().map_or(1, |row| row.line);
        return Err(SourceError::Doubt { path: path.to_owned(), line, why });
    }
    if let Some(reading) = possible.pop() {
        return Ok(reading);
    }
    let blank = of(BLANK);
    let single = of(fallback);
    let is_blank = blank.is_possible(format) && !(single.width() > 1 && single.is_possible(format));
    Ok(if is_blank { blank } else { single })
}

/// The delimiter that a first line `sep=;` names.
fn announced(bytes: &[u8]) -> Option<u8> {
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    match line {
        [s, e, p, b'=', delimiter] if [s, e, p].map(u8::to_ascii_lowercase) == *b"sep" => Some(*delimiter),
        _ => None,
    }
}
