//! Rows of words and numbers: CSV with a header, or an object a line. Columns go by their names.

use std::{borrow::Cow, path::Path};

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::{
    output::{Failure, pluralize},
    source::{self, JsonFile, JsonLines, Row, Rows, SourceError, Text, check_file},
};

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns divided by commas, or by tabs in a .tsv; the first row names them
    Csv,
    /// An object a line
    Jsonl,
}

/// A file of rows, read from its first one on.
pub(super) struct Table {
    /// What errors call it.
    path: String,
    lines: Lines,
    /// Columns by their places; of JSON lines the members of the first.
    names: Vec<String>,
    /// The row that the names were read from, until it is handed out.
    first: Option<TableRow>,
    rows: u64,
}

enum Lines {
    Csv(Rows<Text>),
    Json(JsonFile),
}

/// A row, and where it stands.
pub(super) struct TableRow {
    /// From 0.
    pub(super) number: u64,
    line: u64,
    cells: Cells,
}

enum Cells {
    Csv(Row),
    Json(Map<String, Value>),
}

/// A column that there is.
#[derive(Clone, Debug)]
pub(super) struct Column {
    name: String,
    place: usize,
}

impl Table {
    /// Opens the file, read by `format` or by what its name says.
    ///
    /// # Errors
    /// If that is not possible, or it has no row.
    pub(super) fn open(path: &Path, format: Option<Format>) -> Result<Self, Failure> {
        check_file(path)?;
        let (extension, shown) = (source::extension(path), path.display().to_string());
        let by_name = match extension.as_str() {
            "csv" | "tsv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            _ => None,
        };
        let unknown =
            || Failure::usage(format!("the name of {shown} doesn't say what is in it: add --format csv or jsonl"));
        let lines = match format.or(by_name).ok_or_else(unknown)? {
            Format::Csv => Lines::Csv(Rows::open(path, if extension == "tsv" { b'\t' } else { b',' })?),
            Format::Jsonl => Lines::Json(JsonLines::open(path)?),
        };
        let mut table = Self { path: shown, lines, names: Vec::new(), first: None, rows: 0 };
        table.read_names()?;
        Ok(table)
    }

    fn read_names(&mut self) -> Result<(), Failure> {
        if let Lines::Csv(rows) = &mut self.lines {
            let header = rows.next()?;
            let cells = header.iter().flat_map(|header| &header.cells);
            self.names = cells.map(|name| name.trim().to_owned()).collect();
        }
        self.first = self.read()?;
        let Some(first) = &self.first else {
            return Err(SourceError::NoRow { path: self.path.clone() }.into());
        };
        if let Cells::Json(members) = &first.cells {
            self.names = members.keys().cloned().collect();
        }
        Ok(())
    }

    /// The column of this name, if there is one.
    ///
    /// # Errors
    /// If there are several.
    pub(super) fn column(&self, name: &str) -> Result<Option<Column>, Failure> {
        let mut places = (0..self.names.len()).filter(|place| self.names[*place] == name);
        let place = places.next();
        if place.is_some() && places.next().is_some() {
            let message = format!("{} has several columns `{name}`; leave one, or rename the others", self.path);
            return Err(Failure::usage(message));
        }
        Ok(place.map(|place| Column { name: name.to_owned(), place }))
    }

    /// The column of this name.
    ///
    /// # Errors
    /// If there is none, or are several; `way_out` says what else to do then.
    pub(super) fn needed(&self, name: &str, way_out: &str) -> Result<Column, Failure> {
        self.column(name)?.ok_or_else(|| {
            let (path, known) = (&self.path, self.names.join(", "));
            Failure::usage(format!("{path} has no column `{name}`: {way_out}; it has: {known}"))
        })
    }

    /// The next row, or `None` at the end.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn next(&mut self) -> Result<Option<TableRow>, Failure> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<TableRow>, Failure> {
        let (line, cells) = match &mut self.lines {
            Lines::Csv(rows) => {
                let Some(row) = rows.next()? else { return Ok(None) };
                row.check_length(&self.path, self.names.len())?;
                (row.line, Cells::Csv(row))
            }
            Lines::Json(lines) => {
                let Some(members) = lines.next_object()? else { return Ok(None) };
                (lines.line(), Cells::Json(members))
            }
        };
        self.rows += 1;
        Ok(Some(TableRow { number: self.rows - 1, line, cells }))
    }

    /// What a row has in a column, as text; `None` where there is nothing.
    ///
    /// # Errors
    /// If that is a list or an object.
    pub(super) fn text<'a>(&self, row: &'a TableRow, column: &Column) -> Result<Option<Cow<'a, str>>, Failure> {
        let text: Cow<'a, str> = match &row.cells {
            Cells::Csv(cells) => cells.cell(column.place).trim().into(),
            Cells::Json(members) => match members.get(&column.name) {
                None | Some(Value::Null) => "".into(),
                Some(Value::String(text)) => text.trim().into(),
                Some(Value::Bool(value)) => value.to_string().into(),
                Some(Value::Number(number)) => number.to_string().into(),
                Some(other) => return Err(self.refusal(row, column, &other.to_string(), "write text or a number")),
            },
        };
        Ok((!text.is_empty()).then_some(text))
    }

    /// Says what is wrong with a value, and where it stands.
    pub(super) fn refusal(&self, row: &TableRow, column: &Column, value: &str, why: &str) -> Failure {
        const SHOWN: usize = 60;
        let (path, TableRow { number, line, .. }, name) = (&self.path, row, &column.name);
        let value: String = value.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        Failure::usage(format!("{path}, row {number} (line {line}), column `{name}`: `{value}`; {why}"))
    }

    /// `steps.csv, 12 rows`, of those read so far.
    pub(super) fn described(&self) -> String {
        format!("{} of {}", pluralize(self.rows, "row"), self.path)
    }
}
