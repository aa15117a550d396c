//! Whether the first row is a header.

use super::{
    cell::{Cell, NumberFormat},
    rows::Row,
    sample::ColumnTally,
};

/// What the first row is, or why that is not certain.
pub(super) fn is_header(rows: &[Row], format: NumberFormat) -> Result<bool, String> {
    let Some((first, others)) = rows.split_first() else { return Ok(false) };
    let cells: Vec<Cell> = first.cells.iter().map(|cell| format.cell(cell)).collect();
    if others.is_empty() {
        return is_lone_header(first, &cells);
    }
    let tallies: Vec<ColumnTally> = (0..cells.len()).map(|place| ColumnTally::of(others, place, format)).collect();
    // A time above times is data; a word above them is not.
    let is_time = |(cell, tally): (&Cell, &ColumnTally)| *cell == Cell::Time && tally.time.is_some();
    if cells.iter().zip(&tallies).any(is_time) {
        return Ok(false);
    }
    let above_numbers: Vec<usize> = (0..cells.len()).filter(|place| tallies[*place].may_be_numbers()).collect();
    let first_of = |wanted: fn(&Cell) -> bool| {
        above_numbers.iter().find(|place| wanted(&cells[**place])).map(|place| first.cell(*place).trim())
    };
    let number = first_of(|cell| matches!(cell, Cell::Number(_) | Cell::Doubt(_)));
    let word = first_of(|cell| matches!(cell, Cell::Words | Cell::Time));
    let gap = first_of(|cell| *cell == Cell::Gap);
    match (number, word, gap) {
        (None, Some(_), _) => Ok(true),
        (Some(number), Some(word), _) => Err(differ(number, word)),
        (Some(number), None, Some(gap)) => Err(differ(number, gap)),
        (None, None, Some(gap)) => Err(format!("{} is neither a number nor a name", shown(gap))),
        (Some(_), None, None) => of_numbers(rows, &cells, &above_numbers, &tallies, format),
        (None, None, None) => Ok(true),
    }
}

fn differ(number: &str, other: &str) -> String {
    format!("`{number}` may be a number, but {} is none", shown(other))
}

fn shown(cell: &str) -> String {
    if cell.is_empty() { "an empty cell".to_owned() } else { format!("`{cell}`") }
}

/// A file of one row.
fn is_lone_header(first: &Row, cells: &[Cell]) -> Result<bool, String> {
    let has = |wanted: fn(&Cell) -> bool| cells.iter().position(wanted).map(|place| first.cell(place).trim());
    let number = has(|cell| matches!(cell, Cell::Number(_) | Cell::Doubt(_)));
    let other = has(|cell| matches!(cell, Cell::Words | Cell::Gap));
    match (number, other) {
        (Some(number), Some(other)) if !cells.contains(&Cell::Time) => Err(differ(number, other)),
        (number, _) => Ok(number.is_none()),
    }
}

/// A row that has numbers wherever the others have them.
fn of_numbers(
    rows: &[Row],
    cells: &[Cell],
    above_numbers: &[usize],
    tallies: &[ColumnTally],
    format: NumberFormat,
) -> Result<bool, String> {
    let (first, others) = (&rows[0], &rows[1..]);
    let shown = above_numbers.iter().take(4).map(|place| first.cell(*place).trim()).collect::<Vec<_>>().join(", ");
    let is_doubt = |place: &&usize| matches!(cells[**place], Cell::Doubt(_));
    if above_numbers.iter().filter(is_doubt).any(|place| tallies[*place].numbers == 0) {
        // As in the other rows, for which the error says what is to be done.
        return Ok(false);
    }
    if above_numbers.iter().any(|place| is_doubt(&place)) {
        return Err(format!("{shown} may be numbers or names"));
    }
    let is_name = |place: &usize| cells[*place] == Cell::Words && !is_repeated(others, *place, first.cell(*place));
    if let Some(place) = (0..cells.len()).filter(|place| !tallies[*place].may_be_numbers()).find(|p| is_name(p)) {
        return Err(format!(
            "`{}` may be the name of its column, and {shown} those of others",
            first.cell(place).trim()
        ));
    }
    let numbers =
        |row: &Row| -> Option<Vec<f64>> { above_numbers.iter().map(|place| format.number(row.cell(*place))).collect() };
    let counts = |row: &Row| numbers(row).is_some_and(|numbers| is_count(&numbers));
    if counts(first) && !others.iter().any(counts) {
        return Err(format!("{shown} count, as names of columns do"));
    }
    let is_whole = |row: &Row, place: usize| row.cell(place).trim().bytes().all(|byte| byte.is_ascii_digit());
    let is_apart = |place: &usize| {
        is_whole(first, *place) && others.iter().all(|row| row.cell(*place).contains([format.decimal, 'e', 'E']))
    };
    let is_enough = above_numbers.len() > 1 || first.cell(above_numbers[0]).trim() == "0";
    if is_enough && others.len() > 1 && above_numbers.iter().all(is_apart) {
        return Err(format!("{shown} are whole numbers and all others are not"));
    }
    Ok(false)
}

/// Whether a word comes again in its column, as a label does and the column's name does not.
fn is_repeated(others: &[Row], place: usize, word: &str) -> bool {
    others.iter().any(|row| row.cell(place).trim() == word.trim())
}

/// Three or more whole numbers that rise by the same: 0, 1, 2; or 2020, 2025, 2030.
fn is_count(numbers: &[f64]) -> bool {
    let [first, second, ..] = numbers[..] else { return false };
    let step = second - first;
    let rises = numbers.windows(2).all(|pair| pair[1] - pair[0] == step);
    let is_whole = numbers.iter().all(|number| number.fract() == 0.0);
    is_whole && step > 0.0 && rises && numbers.len() > 2
}
