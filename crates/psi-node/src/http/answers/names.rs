//! Names of columns, in answers that speak of columns.

use psi_state::ColumnNames;

/// All of them.
pub(super) fn all(names: Option<&ColumnNames>) -> Option<Vec<String>> {
    Some(names?.iter().map(str::to_owned).collect())
}

/// Those of some columns.
pub(super) fn of(names: Option<&ColumnNames>, columns: &[usize]) -> Option<Vec<String>> {
    let names = names?;
    Some(columns.iter().filter_map(|column| names.get(*column)).map(str::to_owned).collect())
}

/// That of one column.
pub(super) fn one(names: Option<&ColumnNames>, column: usize) -> Option<String> {
    names?.get(column).map(str::to_owned)
}
