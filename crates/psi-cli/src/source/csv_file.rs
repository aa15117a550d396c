//! The numeric columns of a CSV file, a row a vector.
//!
//! Leaves out other separators than the comma, units and missing values: an empty cell is an error, because there is no
//! number that would not change the answer. Blank lines are skipped.

use std::fs::File;
use std::io::{Chain, Read};
use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord, Terminator};

use super::{error::SourceError, vectors::Source};

/// A CSV file, or any text in that format.
///
/// A first row without any number is taken for a header; so is every first row when columns are asked for by name.
/// Which columns are numeric is decided on the first row of data: those that are not are skipped, and described as
/// skipped, unless all columns are asked for. From then on every cell of the columns used has to be a number, `nan` and
/// `inf` included.
#[derive(Debug)]
pub(crate) struct CsvFile<R> {
    /// What errors call the input.
    path: String,
    /// Cells a row.
    cells: usize,
    reader: Reader<TerminatedInput<R>>,
    used: Vec<Column>,
    /// Names of the columns left out for being text.
    skipped: Vec<String>,
    /// The first row of data, until it has been handed out.
    first: Option<Vec<f64>>,
}

/// Which columns make a vector.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Columns<'a> {
    /// Those that hold a number in the first row of data.
    Numeric,
    /// All: text in one is an error.
    All,
    /// Those with these names, in this order.
    Named(&'a [String]),
}

impl<'a> Columns<'a> {
    /// The columns named, or `otherwise` where none is.
    pub(crate) fn named_or(names: &'a [String], otherwise: Self) -> Self {
        if names.is_empty() { otherwise } else { Self::Named(names) }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Column {
    place: usize,
    name: String,
}

/// A row, and the line it starts on, from 1.
struct Row {
    line: u64,
    cells: StringRecord,
}

/// The input and a line end, so that no row is without one; an additional one is a blank line.
type TerminatedInput<R> = Chain<R, &'static [u8]>;

impl CsvFile<File> {
    /// Opens the file at `path` and reads its first row of data.
    ///
    /// # Errors
    /// If the file can't be opened, or as [`Self::new`].
    pub(crate) fn open(path: &Path, columns: Columns<'_>) -> Result<Self, SourceError> {
        let text = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(text, file, columns),
            Err(error) => Err(SourceError::Open { path: text, error }),
        }
    }
}

impl<R: Read> CsvFile<R> {
    /// Reads `input` up to its first row of data; errors and descriptions call it `path`.
    ///
    /// # Errors
    /// If there is no row of data or no number in it, if a name is not in the header, or if a column named holds text.
    pub(crate) fn new(path: impl Into<String>, input: R, columns: Columns<'_>) -> Result<Self, SourceError> {
        let path = path.into();
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true) // rows of other lengths are refused here, with the right line
            .terminator(Terminator::Any(b'\n')) // a carriage return before it is trimmed with the last cell
            .from_reader(input.chain(b"\n".as_slice()));
        let mut source = Self { path, cells: 0, reader, used: Vec::new(), skipped: Vec::new(), first: None };
        let top = source.required_row()?;
        source.cells = top.cells.len();
        let has_header = matches!(columns, Columns::Named(_)) || top.cells.iter().all(|cell| number(cell).is_none());
        let (titles, data) =
            if has_header { (titles_of(&top.cells), source.required_row()?) } else { (places_of(&top.cells), top) };
        match columns {
            Columns::Numeric => source.use_numeric_columns(titles, &data)?,
            Columns::All => source.used = numbered(titles).collect(),
            Columns::Named(names) => source.use_named_columns(&titles, names)?,
        }
        source.first = Some(source.vector(&data)?);
        Ok(source)
    }

    fn use_numeric_columns(&mut self, titles: Vec<String>, data: &Row) -> Result<(), SourceError> {
        for (column, cell) in numbered(titles).zip(&data.cells) {
            if number(cell).is_some() {
                self.used.push(column);
            } else {
                self.skipped.push(column.name);
            }
        }
        if self.used.is_empty() {
            return Err(SourceError::NoNumericColumn { path: self.path.clone(), line: data.line });
        }
        Ok(())
    }

    /// Names of the columns that make a vector.
    pub(crate) fn column_names(&self) -> Vec<String> {
        self.used.iter().map(|column| column.name.clone()).collect()
    }

    fn use_named_columns(&mut self, titles: &[String], names: &[String]) -> Result<(), SourceError> {
        for name in names {
            let Some(place) = titles.iter().position(|title| title == name) else {
                return Err(SourceError::UnknownColumn {
                    path: self.path.clone(),
                    name: name.clone(),
                    known: titles.to_vec(),
                });
            };
            self.used.push(Column { place, name: name.clone() });
        }
        Ok(())
    }

    /// The numbers of the columns used.
    fn vector(&self, row: &Row) -> Result<Vec<f64>, SourceError> {
        if row.cells.len() != self.cells {
            return Err(SourceError::RowLength {
                path: self.path.clone(),
                line: row.line,
                got: row.cells.len(),
                want: self.cells,
            });
        }
        self.used
            .iter()
            .map(|column| {
                let cell = row.cells.get(column.place).unwrap_or_default();
                number(cell).ok_or_else(|| SourceError::NotANumber {
                    path: self.path.clone(),
                    line: row.line,
                    column: column.name.clone(),
                    text: cell.trim().to_owned(),
                })
            })
            .collect()
    }

    /// The next row that is not blank, or `None` at the end.
    fn next_row(&mut self) -> Result<Option<Row>, SourceError> {
        let mut cells = StringRecord::new();
        loop {
            match self.reader.read_record(&mut cells) {
                Ok(true) if is_blank(&cells) => {}
                Ok(true) => {
                    let line = self.line_of(&cells);
                    return Ok(Some(Row { line, cells }));
                }
                Ok(false) => return Ok(None),
                Err(error) => {
                    return Err(SourceError::Csv { path: self.path.clone(), error });
                }
            }
        }
    }

    /// The line on which the row just read starts. The reader's own number is that of the blank lines before.
    fn line_of(&self, cells: &StringRecord) -> u64 {
        let within: u64 = cells.as_slice().bytes().filter(|byte| *byte == b'\n').map(|_| 1).sum();
        self.reader.position().line().saturating_sub(1 + within)
    }

    fn required_row(&mut self) -> Result<Row, SourceError> {
        self.next_row()?.ok_or_else(|| SourceError::NoRow { path: self.path.clone() })
    }
}

impl<R: Read + Send> Source for CsvFile<R> {
    fn width(&self) -> Option<usize> {
        Some(self.used.len())
    }

    fn next(&mut self) -> Result<Option<Vec<f64>>, SourceError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.next_row()? {
            Some(row) => self.vector(&row).map(Some),
            None => Ok(None),
        }
    }

    fn describe(&self) -> String {
        let used: Vec<&str> = self.used.iter().map(|column| column.name.as_str()).collect();
        let mut text = format!("{}: {}", self.path, used.join(", "));
        if !self.skipped.is_empty() {
            text += "; skipped, not numbers: ";
            text += &self.skipped.join(", ");
        }
        text
    }
}

fn numbered(titles: Vec<String>) -> impl Iterator<Item = Column> {
    titles.into_iter().enumerate().map(|(place, name)| Column { place, name })
}

fn number(cell: &str) -> Option<f64> {
    cell.trim().parse().ok()
}

/// The names in a header; columns without one are called by their place.
fn titles_of(header: &StringRecord) -> Vec<String> {
    places_of(header)
        .into_iter()
        .zip(header)
        .map(|(place, title)| match title.trim() {
            "" => place,
            title => title.to_owned(),
        })
        .collect()
}

/// `column 1`, `column 2`, and so on, for as many as there are cells.
fn places_of(row: &StringRecord) -> Vec<String> {
    (1..=row.len()).map(|place| format!("column {place}")).collect()
}

/// A line of nothing but white space.
fn is_blank(cells: &StringRecord) -> bool {
    cells.len() <= 1 && cells.as_slice().trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str, names: &[&str]) -> Result<CsvFile<std::io::Cursor<Vec<u8>>>, String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        opened_with(text, Columns::named_or(&names, Columns::Numeric))
    }

    fn opened_with(text: &str, columns: Columns<'_>) -> Result<CsvFile<std::io::Cursor<Vec<u8>>>, String> {
        let input = std::io::Cursor::new(text.as_bytes().to_vec());
        CsvFile::new("data.csv", input, columns).map_err(|error| error.to_string())
    }

    /// Every vector, or the first message.
    fn read(text: &str, names: &[&str]) -> Result<Vec<Vec<f64>>, String> {
        let mut source = opened(text, names)?;
        std::iter::from_fn(|| source.next().map_err(|error| error.to_string()).transpose()).collect()
    }

    #[test]
    fn rows_are_vectors_with_and_without_a_header() {
        for text in
            ["a,b\n1,2\n3,-4.5e1\n", "1,2\n3,-4.5e1\n", "1,2\r\n3,-4.5e1", "\u{feff}a, b\n 1, 2\n\n\"3\", -4.5e1\n"]
        {
            assert_eq!(read(text, &[]), Ok(vec![vec![1.0, 2.0], vec![3.0, -45.0]]), "{text:?}");
        }
    }

    #[test]
    fn text_columns_are_skipped_and_described() {
        let text = "when,a,,b\nmonday,1,x,2\ntuesday,3,4,5\n";
        assert_eq!(read(text, &[]), Ok(vec![vec![1.0, 2.0], vec![3.0, 5.0]]));
        let source = opened(text, &[]).unwrap();
        assert_eq!(source.describe(), "data.csv: a, b; skipped, not numbers: when, column 3");
        assert_eq!(source.width(), Some(2));
        assert_eq!(opened("x,1\n", &[]).unwrap().describe(), "data.csv: column 2; skipped, not numbers: column 1");
    }

    #[test]
    fn text_is_refused_where_all_columns_are_asked_for() {
        for (text, want) in [
            ("when,a\nmonday,1\n", "data.csv, line 2, column `when`: `monday` is not a number"),
            ("x,1\n2,3\n", "data.csv, line 1, column `column 1`: `x` is not a number"),
            ("a,b\n1\n", "data.csv, line 2 has 1 cell, those before it 2"),
        ] {
            assert_eq!(opened_with(text, Columns::All).unwrap_err(), want, "{text:?}");
        }
        assert_eq!(opened_with("a,b\nnan,-inf\n", Columns::All).unwrap().width(), Some(2));
    }

    #[test]
    fn columns_come_in_the_order_asked_for() {
        let text = "a,b,c\n1,2,x\n4,5,y\n";
        assert_eq!(read(text, &["b", "a"]), Ok(vec![vec![2.0, 1.0], vec![5.0, 4.0]]));
        // Names make the first row a header, even one that looks like data.
        assert_eq!(read("time,1\n7,8\n", &["1"]), Ok(vec![vec![8.0]]));
    }

    #[test]
    fn bad_files_are_refused_with_line_and_column() {
        for (text, names, want) in [
            ("", &[][..], "data.csv has no row of data"),
            ("a,b\n", &[], "data.csv has no row of data"),
            (
                "a,b\nx;1,y\n",
                &[],
                "data.csv has no number in its first row of data, line 2; are its columns separated by commas?",
            ),
            ("a,b\n1,2\n", &["c"], "data.csv has no column `c`; it has: a, b"),
            ("a,b\n1,x\n", &["b"], "data.csv, line 2, column `b`: `x` is not a number"),
            ("a,b\n1,2\n3,4\n5,six\n", &[], "data.csv, line 4, column `b`: `six` is not a number"),
            ("a,b\n1,2\n\n\n5,\n", &[], "data.csv, line 5, column `b`: `` is not a number"),
            ("a,b\r\n1,2\r\n \r\n\r\n5,\"6 \"x\r\n", &[], "data.csv, line 5, column `b`: `6 x` is not a number"),
            ("a,b\n1,2\n3\n", &[], "data.csv, line 3 has 1 cell, those before it 2"),
            ("a,b\n\n1,2,3", &[], "data.csv, line 3 has 3 cells, those before it 2"),
            ("a,b\n\"1\",2\n5,\"x\ny\"\n", &[], "data.csv, line 3, column `b`: `x\ny` is not a number"),
        ] {
            assert_eq!(read(text, names), Err(want.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_bad_row_does_not_end_the_file() {
        let mut source = opened("1\nx\n3\n", &[]).unwrap();
        assert_eq!(source.next().unwrap(), Some(vec![1.0]));
        assert!(source.next().is_err());
        assert_eq!(source.next().unwrap(), Some(vec![3.0]));
        assert_eq!(source.next().unwrap(), None);
        assert_eq!(source.next().unwrap(), None);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = CsvFile::open(Path::new("/no/such.csv"), Columns::Numeric).unwrap_err();
        assert!(error.to_string().starts_with("can't open /no/such.csv: "));
    }
}
