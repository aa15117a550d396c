//! Which columns make a vector, and what the others are.

use super::{
    cell::{Cell, NumberFormat},
    options::{CsvOptions, GapPolicy},
    rows::Row,
    sample::{ColumnTally, Place},
};
use crate::source::error::SourceError;

/// Titles of columns that are times, if their numbers only rise: without signs, in small letters.
const TIMES: [&str; 14] = [
    "time",
    "times",
    "timestamp",
    "timestamps",
    "datetime",
    "date",
    "epoch",
    "unixtime",
    "ts",
    "timems",
    "timeus",
    "timens",
    "elapsed",
    "seconds",
];

/// A column of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) place: usize,
    pub(super) name: String,
}

/// What a column that makes no part of a vector holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Text,
    Time,
    /// The numbers of rows, as pandas writes them.
    RowNumbers,
    Nothing,
    /// Not asked for.
    Anything,
}

/// The columns of a file, each in one list; `time` may be in neither.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Columns {
    pub(super) used: Vec<Column>,
    pub(super) left_out: Vec<(Column, Content)>,
    pub(super) time: Option<Column>,
}

/// Names of columns by the header, if there is one; those without a name are called by their place.
pub(super) fn titles(header: Option<&Row>, width: usize) -> Vec<String> {
    let title = |place: usize| header.map_or("", |row| row.cell(place).trim());
    (0..width)
        .map(|place| (place, title(place)))
        .map(|(place, title)| if title.is_empty() { format!("column {}", place + 1) } else { title.to_owned() })
        .collect()
}

/// Sorts the columns by what `rows` hold.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) path: &'a str,
    pub(super) rows: &'a [Row],
    pub(super) titles: &'a [String],
    pub(super) has_header: bool,
    pub(super) options: &'a CsvOptions,
}

impl Judge<'_> {
    /// # Errors
    /// If a column is neither of numbers nor of words throughout, unless others are asked for by name; or if one that is
    /// asked for is not there, or not of numbers.
    pub(super) fn columns(&self) -> Result<Columns, SourceError> {
        let time = self.options.time.as_deref().map(|name| self.named(name)).transpose()?;
        let mut columns = Columns { time, ..Columns::default() };
        if self.options.columns.is_empty() {
            self.sort(&mut columns)?;
        } else {
            for name in &self.options.columns {
                let column = self.named(name)?;
                self.check(&column, &self.tally(&column))?;
                columns.used.push(column);
            }
            let is_used = |place: &usize| columns.used.iter().any(|column| column.place == *place);
            let others = (0..self.titles.len()).filter(|place| !is_used(place));
            columns.left_out = others.map(|place| (self.column(place), Content::Anything)).collect();
        }
        if columns.used.is_empty() {
            let line = self.rows.first().map_or(1, |row| row.line);
            return Err(SourceError::NoNumericColumn { path: self.path.to_owned(), line });
        }
        Ok(columns)
    }

    fn sort(&self, columns: &mut Columns) -> Result<(), SourceError> {
        for place in 0..self.titles.len() {
            let column = self.column(place);
            if columns.time.as_ref() == Some(&column) {
                columns.left_out.push((column, Content::Time));
                continue;
            }
            let tally = self.tally(&column);
            match self.content(&column, &tally)? {
                Some(content) => columns.left_out.push((column, content)),
                None => columns.used.push(column),
            }
        }
        // Where there is nothing else, a time is a number like others.
        if columns.used.is_empty() {
            let is_number = |(column, content): &(Column, Content)| {
                matches!(content, Content::Time | Content::RowNumbers) && self.tally(column).numbers > 0
            };
            let (numbers, others) = columns.left_out.drain(..).partition(is_number);
            columns.left_out = others;
            let numbers: Vec<(Column, Content)> = numbers;
            columns.used = numbers.into_iter().map(|(column, _)| column).collect();
        }
        Ok(())
    }

    /// What a column holds beside numbers; `None` if it is of numbers.
    fn content(&self, column: &Column, tally: &ColumnTally) -> Result<Option<Content>, SourceError> {
        if tally.may_be_numbers() {
            self.check(column, tally)?;
            return Ok(self.passed_over(column));
        }
        Ok(Some(match (&tally.words, &tally.time, &tally.gap) {
            (Some(_), ..) => Content::Text,
            (None, Some(_), _) => Content::Time,
            (None, None, gap) => {
                let has_name = self.has_header && column.name != place_name(column.place);
                if let Some(gap) = gap.as_ref().filter(|_| has_name) {
                    return Err(self.not_a_number(column, gap));
                }
                Content::Nothing
            }
        }))
    }

    /// Whether a column of numbers says only when, or which row it is.
    fn passed_over(&self, column: &Column) -> Option<Content> {
        let format = self.options.format();
        let numbers: Vec<f64> = self.rows.iter().filter_map(|row| format.number(row.cell(column.place))).collect();
        let has_all = numbers.len() == self.rows.len() && numbers.len() > 1;
        let rises =
            has_all && numbers.windows(2).all(|pair| pair[0] <= pair[1]) && numbers[0] < numbers[numbers.len() - 1];
        let title: String = column.name.chars().filter(|letter| letter.is_alphanumeric()).collect();
        let title = title.to_lowercase();
        // `time (s)`, `Timestamp[ms]`
        let of_unit = ["s", "ms", "us", "ns", "sec", "utc"];
        let is_titled = TIMES.contains(&title.as_str())
            || of_unit.iter().filter_map(|unit| title.strip_suffix(unit)).any(|title| TIMES.contains(&title));
        if rises && self.has_header && is_titled {
            return Some(Content::Time);
        }
        let is_unnamed = column.name == place_name(column.place) && self.has_header;
        let first = numbers.first().copied().unwrap_or_default();
        let counts = has_all && numbers.iter().zip(0..).all(|(number, row)| *number == first + f64::from(row));
        (counts && is_unnamed && (first == 0.0 || first == 1.0)).then_some(Content::RowNumbers)
    }

    /// That a column is of numbers, but for gaps if they may be.
    fn check(&self, column: &Column, tally: &ColumnTally) -> Result<(), SourceError> {
        let may_have_gaps = self.options.missing() != GapPolicy::Error && tally.numbers > 0;
        let is_only_gaps = tally.words.is_none() && tally.time.is_none() && tally.doubt.is_none();
        match tally.first_other() {
            Some(_) if may_have_gaps && is_only_gaps => Ok(()),
            Some(place) => Err(self.not_a_number(column, place)),
            None => Ok(()),
        }
    }

    fn not_a_number(&self, column: &Column, place: &Place) -> SourceError {
        not_a_number(self.path, place.line, &column.name, &place.text, self.options.format())
    }

    /// The column with this name, or at the place that it names.
    fn named(&self, name: &str) -> Result<Column, SourceError> {
        let mut places = (0..self.titles.len()).filter(|place| self.titles[*place] == name);
        let by_place = || (0..self.titles.len()).find(|place| place_name(*place) == name);
        let unknown = || SourceError::UnknownColumn {
            path: self.path.to_owned(),
            name: name.to_owned(),
            known: self.titles.to_vec(),
        };
        let place = places.next().or_else(by_place).ok_or_else(unknown)?;
        if let Some(second) = places.next() {
            let (first, second) = (place_name(place), place_name(second));
            let why =
                format!("several columns are called `{name}`; name its place instead, as `{first}` or `{second}`");
            return Err(SourceError::Doubt { path: self.path.to_owned(), line: 1, why });
        }
        Ok(self.column(place))
    }

    fn column(&self, place: usize) -> Column {
        Column { place, name: self.titles[place].clone() }
    }

    fn tally(&self, column: &Column) -> ColumnTally {
        ColumnTally::of(self.rows, column.place, self.options.format())
    }
}

fn place_name(place: usize) -> String {
    format!("column {}", place + 1)
}

/// What is said of a cell where a number should be.
pub(super) fn not_a_number(path: &str, line: u64, column: &str, text: &str, format: NumberFormat) -> SourceError {
    let way_out = match format.cell(text) {
        Cell::Gap => "--missing skip-row leaves such rows out, and --columns such columns",
        Cell::Doubt(way_out) => way_out,
        _ => "choose the columns of numbers with --columns NAME,NAME",
    };
    SourceError::NotANumber {
        path: path.to_owned(),
        line,
        column: column.to_owned(),
        text: text.trim().to_owned(),
        way_out,
    }
}
