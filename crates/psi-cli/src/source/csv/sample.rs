//! The beginning of a file, by which all is decided before the first vector.

use std::io::{self, Read};

use super::{
    cell::{Cell, NumberFormat},
    rows::{Row, Rows},
    text::ROW_BYTES_MAX,
};
use crate::source::error::SourceError;

/// Rows that are judged.
const ROWS_MAX: usize = 1_000;
/// Bytes that are judged, if rows are long: enough for several of the longest.
const BYTES_MAX: usize = 4 << 20;
/// Bytes read at once.
const BLOCK: u64 = 64 << 10;

/// First bytes of a text.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// Up to here they are lines with their ends.
    lines_end: usize,
    /// There is no more.
    is_whole: bool,
}

impl Sample {
    pub(super) fn read(input: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut lines = 0;
        // A header, and a last line that is cut.
        while lines <= ROWS_MAX + 2 && bytes.len() < BYTES_MAX {
            let before = bytes.len();
            if input.by_ref().take(BLOCK).read_to_end(&mut bytes)? == 0 {
                return Ok(Self { lines_end: bytes.len(), bytes, is_whole: true });
            }
            lines += bytes[before..].iter().filter(is_line_end).count();
        }
        let lines_end = bytes.iter().rposition(|byte| is_line_end(&byte)).map_or(0, |place| place + 1);
        // A line that is too long to be a row is judged for that.
        let lines_end = if bytes.len() - lines_end > ROW_BYTES_MAX { bytes.len() } else { lines_end };
        Ok(Self { bytes, lines_end, is_whole: false })
    }

    /// The rows in it, if its columns are divided by `delimiter`; and what ends them early.
    pub(super) fn rows(&self, path: &str, delimiter: u8) -> (Vec<Row>, Option<SourceError>) {
        let mut reader = Rows::new(path, &self.bytes[..self.lines_end], delimiter);
        let mut rows = Vec::new();
        let fault = loop {
            match reader.next() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
            if rows.len() > ROWS_MAX {
                break None;
            }
        };
        // A quote may be closed in what is not in the sample.
        let is_certain = |fault: &SourceError| self.is_whole || !matches!(fault, SourceError::OpenQuote { .. });
        (rows, fault.filter(is_certain))
    }
}

fn is_line_end(byte: &&u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// A cell that is to be named.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) text: String,
}

/// What the cells of a column hold, and where each kind comes first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ColumnTally {
    pub(super) numbers: usize,
    pub(super) gap: Option<Place>,
    pub(super) time: Option<Place>,
    pub(super) words: Option<Place>,
    pub(super) doubt: Option<Place>,
}

impl ColumnTally {
    pub(super) fn of(rows: &[Row], place: usize, format: NumberFormat) -> Self {
        let mut tally = Self::default();
        for row in rows {
            let text = row.cell(place);
            let first = match format.cell(text) {
                Cell::Number(_) => {
                    tally.numbers += 1;
                    continue;
                }
                Cell::Gap => &mut tally.gap,
                Cell::Time => &mut tally.time,
                Cell::Words => &mut tally.words,
                Cell::Doubt(_) => &mut tally.doubt,
            };
            first.get_or_insert_with(|| Place { line: row.line, text: text.trim().to_owned() });
        }
        tally
    }

    /// It has numbers, or what may be some.
    pub(super) fn may_be_numbers(&self) -> bool {
        self.numbers > 0 || self.doubt.is_some()
    }

    /// No cell says the contrary of another, and none may be a number that is not read.
    pub(super) fn is_certain(&self) -> bool {
        self.doubt.is_none() && (self.numbers == 0 || (self.words.is_none() && self.time.is_none()))
    }

    /// The first cell that holds something else than a number.
    pub(super) fn first_other(&self) -> Option<&Place> {
        let others = [&self.gap, &self.time, &self.words, &self.doubt];
        others.into_iter().flatten().min_by_key(|place| place.line)
    }
}
