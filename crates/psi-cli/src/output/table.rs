//! Small aligned tables that fit the screen.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use console::{measure_text_width, truncate_str};

use super::{screen, tone::Tone};

/// Spaces between two columns.
const GAP: usize = 2;
/// A column of words is not cut to less.
const CUT_MIN: usize = 8;

/// What a table has in one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone: Some(tone) }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

/// Where a table is shown.
#[derive(Clone, Copy, Debug)]
struct Screen {
    width: usize,
    /// Cuts words that are too long.
    cuts: bool,
}

/// A table without rules, its columns two spaces apart. `right` are the columns of numbers.
///
/// Where the screen is too narrow, the columns that don't fit follow in a table below, each with the first column again.
pub(crate) fn table<const N: usize, C: Into<Cell>>(header: [&str; N], right: &[usize], rows: Vec<[C; N]>) -> String {
    let screen = Screen { width: screen::width(), cuts: screen::is_watched() };
    let rows: Vec<[Cell; N]> = rows.into_iter().map(|row| row.map(Into::into)).collect();
    screen.table(header, right, &rows)
}

impl Screen {
    fn table<const N: usize>(self, header: [&str; N], right: &[usize], rows: &[[Cell; N]]) -> String {
        let widest = |column: usize| {
            let cells = rows.iter().map(|row| measure_text_width(&row[column].text));
            cells.fold(measure_text_width(header[column]), usize::max)
        };
        let mut widths: [usize; N] = std::array::from_fn(widest);
        if self.cuts && N > 1 {
            widths[0] = widths[0].min(self.width / 2);
        }
        let blocks = self.blocks(&widths).into_iter().map(|columns| {
            let limits = self.limits(&columns, &widths, right);
            block(header, right, rows, &limits)
        });
        blocks.collect::<Vec<_>>().join("\n\n")
    }

    /// Which columns stand side by side.
    fn blocks(self, widths: &[usize]) -> Vec<Vec<usize>> {
        let mut blocks = vec![vec![0]];
        let mut taken = widths[0];
        for (column, width) in widths.iter().enumerate().skip(1) {
            let is_full = taken + GAP + width > self.width;
            if is_full && blocks.last().is_some_and(|block| block.len() > 1) {
                blocks.push(vec![0]);
                taken = widths[0];
            }
            taken += GAP + width;
            if let Some(block) = blocks.last_mut() {
                block.push(column);
            }
        }
        blocks
    }

    /// How much of each column is shown. Numbers are whole, and so is everything in a file.
    fn limits(self, columns: &[usize], widths: &[usize], right: &[usize]) -> Vec<(usize, usize)> {
        let mut limits: Vec<(usize, usize)> = columns.iter().map(|&column| (column, widths[column])).collect();
        let taken = limits.iter().map(|(_, width)| width + GAP).sum::<usize>() - GAP;
        let over = taken.saturating_sub(self.width);
        let words = limits.iter_mut().filter(|(column, _)| !right.contains(column));
        if let Some((_, width)) = words.max_by_key(|(_, width)| *width).filter(|_| self.cuts && over > 0) {
            *width = width.saturating_sub(over).max(CUT_MIN.min(*width));
        }
        limits
    }
}

/// Some columns side by side, each cut to its width.
fn block<const N: usize>(header: [&str; N], right: &[usize], rows: &[[Cell; N]], limits: &[(usize, usize)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if console::colors_enabled() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(limits.iter().map(|(column, _)| header[*column]));
    for row in rows {
        table.add_row(limits.iter().map(|&(column, width)| {
            let Cell { text, tone } = &row[column];
            let cell = comfy_table::Cell::new(truncate_str(text, width, "…"));
            tone.map_or_else(|| cell.clone(), |tone| cell.clone().fg(tone.color()))
        }));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, u16::try_from(GAP).unwrap_or_default()));
        if right.contains(&limits[index].0) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<const N: usize>(rows: &[[&str; N]]) -> Vec<[Cell; N]> {
        rows.iter().map(|row| row.map(|text| text.to_owned().into())).collect()
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_spaces() {
        let screen = Screen { width: 80, cuts: true };
        let table = screen.table(["name", "steps"], &[1], &rows(&[["a", "1"], ["bcd", "1000"]]));
        assert_eq!(table, "name  steps\na         1\nbcd    1000");
    }

    #[test]
    fn columns_that_do_not_fit_follow_below() {
        let rows = rows(&[["a", "1", "words, several", "22"], ["b", "2", "words", "4"]]);
        let shown = |width, cuts| Screen { width, cuts }.table(["n", "x", "said", "y"], &[1, 3], &rows);
        assert_eq!(shown(25, false), "n  x  said             y\na  1  words, several  22\nb  2  words            4");
        let below = "n  x  said\na  1  words, several\nb  2  words\n\nn   y\na  22\nb   4";
        assert_eq!(shown(23, true), below);
        assert_eq!(shown(20, false), below);
        // Words are cut on a screen where nothing else helps.
        assert!(shown(12, true).contains("\na  words, s…\n"), "{}", shown(12, true));
        assert!(shown(12, false).contains("\na  words, several\n"));
    }
}
