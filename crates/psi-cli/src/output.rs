//! What commands print to standard output: JSON, or text with small aligned tables.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

pub(crate) use psi_bench::pluralize;

use crate::failure::Failure;

/// For whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

impl Output {
    /// Prints an answer: `value` as one line of JSON, or what `text` makes of it.
    ///
    /// # Errors
    /// If nobody reads.
    pub(crate) fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self {
            Self::Text => line(&text(value)),
            Self::Json => {
                let json = serde_json::to_string(value)
                    .map_err(|error| Failure::failed(format!("can't print the answer as JSON: {error}")))?;
                line(&json)
            }
        }
    }
}

/// Prints a line, or several.
///
/// # Errors
/// [`Failure::unheard`] if standard output is closed, as by `head`; otherwise the system's.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) => Err(unwritten(&error)),
    }
}

/// What a failed write to standard output ends a command with.
pub(crate) fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::unheard(),
        _ => Failure::failed(format!("can't write to standard output: {error}")),
    }
}

/// A table without rules, its columns two spaces apart. `right` are the columns of numbers.
pub(crate) fn table<const N: usize>(header: [&str; N], right: &[usize], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.to_vec());
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        let rows = vec![["a".to_owned(), "1".to_owned()], ["bcd".to_owned(), "1000".to_owned()]];
        assert_eq!(table(["name", "steps"], &[1], rows), "name  steps\na         1\nbcd    1000");
    }
}
