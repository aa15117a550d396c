//! Small aligned tables.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

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
