//! Rows of cells, with the lines that they are on.

use std::{io::Read, path::Path};

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord, Terminator};

use super::text::{RowFault, RowText};
use crate::source::{
    encoding::{self, Text},
    error::SourceError,
};

/// A row, and the line it starts on, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) cells: StringRecord,
}

impl Row {
    pub(crate) fn cell(&self, place: usize) -> &str {
        self.cells.get(place).unwrap_or_default()
    }

    /// That it has as many cells as others of the text.
    ///
    /// # Errors
    /// If not.
    pub(crate) fn check_length(&self, path: &str, want: usize) -> Result<(), SourceError> {
        let got = self.cells.len();
        if got == want {
            return Ok(());
        }
        Err(SourceError::RowLength { path: path.to_owned(), line: self.line, got, want })
    }
}

/// The rows of a text that are not blank.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    /// What errors call the text.
    path: String,
    reader: Reader<RowText<R>>,
    is_over: bool,
}

impl Rows<Text> {
    /// Those of the file at `path`, whose columns are divided by `delimiter`.
    ///
    /// # Errors
    /// If it can't be opened, or is not text.
    pub(crate) fn open(path: &Path, delimiter: u8) -> Result<Self, SourceError> {
        let (text, _) = encoding::open(path)?;
        Ok(Self::new(&path.display().to_string(), text, delimiter))
    }
}

impl<R: Read> Rows<R> {
    pub(super) fn new(path: &str, input: R, delimiter: u8) -> Self {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true) // rows of other lengths are refused with the right line, elsewhere
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(RowText::new(input, delimiter));
        Self { path: path.to_owned(), reader, is_over: false }
    }

    /// The next row that is not blank, or `None` at the end.
    ///
    /// # Errors
    /// If it can't be read. What is not rows ends the text; a row that is not UTF-8 does not.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, SourceError> {
        let mut cells = StringRecord::new();
        while !self.is_over {
            match self.reader.read_record(&mut cells) {
                Ok(true) if is_blank(&cells) => {}
                Ok(true) => {
                    let line = self.line_of(&cells);
                    return Ok(Some(Row { line, cells }));
                }
                Ok(false) => break,
                Err(error) => return Err(self.refused(error)),
            }
        }
        Ok(None)
    }

    /// Bytes of text up to here.
    pub(super) fn bytes(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The line on which the row just read starts. The reader's own number is that of the blank lines before.
    fn line_of(&self, cells: &StringRecord) -> u64 {
        let within: u64 = cells.as_slice().bytes().filter(|byte| *byte == b'\n').map(|_| 1).sum();
        self.reader.position().line().saturating_sub(1 + within)
    }

    fn refused(&mut self, error: csv::Error) -> SourceError {
        let path = self.path.clone();
        if matches!(error.kind(), ErrorKind::Utf8 { .. }) {
            let line = self.reader.position().line().saturating_sub(1);
            let why = "it is not UTF-8; if it is from Windows, `iconv -f WINDOWS-1252 -t UTF-8` converts it";
            return SourceError::Doubt { path, line, why: why.to_owned() };
        }
        self.is_over = true;
        match error.into_kind() {
            ErrorKind::Io(error) => match error.get_ref().and_then(|error| error.downcast_ref::<RowFault>()) {
                Some(RowFault::OpenQuote { line }) => SourceError::OpenQuote { path, line: *line },
                Some(fault) => SourceError::Doubt { path, line: fault.line(), why: fault.to_string() },
                None => SourceError::Unreadable { path, error },
            },
            other => SourceError::Unreadable { path, error: std::io::Error::other(format!("{other:?}")) },
        }
    }
}

/// A line of nothing but white space.
fn is_blank(cells: &StringRecord) -> bool {
    cells.len() <= 1 && cells.as_slice().trim().is_empty()
}
