//! Sets made from the training rows of a stream, with changes that are known.

use psi_bench::SplitMix64;

use super::{protocol::Stream, sets::Set};

const ROWS: usize = 9_000;
const TRAIN: usize = 3_000;
/// From here on something is changed.
const CHANGE: usize = 6_000;
/// How many rows a slow change takes.
const RAMP: f64 = 1_000.0;
/// Streams of each kind.
const STREAMS: u64 = 8;
/// How many rows are drawn at once, and what that is called.
const BLOCKS: [(usize, &str); 2] = [(1, "independent"), (60, "blocks")];

/// What is changed: in one column, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Shift,
    Spread,
    Ramp,
    Decorrelation,
}

const CHANGES: [Option<Change>; 5] =
    [None, Some(Change::Shift), Some(Change::Spread), Some(Change::Ramp), Some(Change::Decorrelation)];

/// The sets made of a set's streams: of those with two columns and enough rows of training.
pub(super) fn of(set: &Set) -> Vec<Set> {
    let sources = set
        .streams
        .iter()
        .filter(|stream| stream.train >= TRAIN && stream.rows.len() >= stream.train && stream.rows[0].len() > 1);
    let sets = sources.flat_map(|source| {
        BLOCKS.map(|(block, what)| {
            let kinds = (0..).zip(CHANGES).flat_map(|(kind, change)| (0..STREAMS).map(move |n| (kind, n, change)));
            let streams =
                kinds.map(|(kind, n, change)| drawn(source, block, change, SplitMix64::new(STREAMS * kind + n)));
            Set { name: format!("{}, {what}", source.name), streams: streams.collect() }
        })
    });
    sets.collect()
}

/// Rows drawn from a stream's training, with a change.
fn drawn(source: &Stream, block: usize, change: Option<Change>, mut random: SplitMix64) -> Stream {
    let pool = &source.rows[..source.train];
    let draw = |random: &mut SplitMix64| {
        let mut rows = Vec::with_capacity(ROWS + block);
        while rows.len() < ROWS {
            let first = random.below(pool.len() - block + 1);
            rows.extend_from_slice(&pool[first..first + block]);
        }
        rows.truncate(ROWS);
        rows
    };
    let mut rows = draw(&mut random);
    // Where a column's numbers come from that is drawn by itself.
    let others: Vec<Vec<Vec<f64>>> = match change {
        Some(Change::Decorrelation) => (0..pool[0].len()).map(|_| draw(&mut random)).collect(),
        _ => Vec::new(),
    };
    let column = varying_column(pool, &mut random);
    let (mean, deviation) = spread(pool, column);
    for (at, row) in rows.iter_mut().enumerate().skip(CHANGE) {
        let since = (at - CHANGE) as f64;
        let number = &mut row[column];
        match change {
            None => {}
            Some(Change::Shift) => *number += 0.5 * deviation,
            Some(Change::Spread) => *number = mean + 1.5 * (*number - mean),
            Some(Change::Ramp) => *number += (since / RAMP).min(1.0) * deviation,
            Some(Change::Decorrelation) => {
                *row = others.iter().zip(0..).map(|(rows, column)| rows[at][column]).collect();
            }
        }
    }
    let windows = change.map(|_| (CHANGE, ROWS - 1)).into_iter().collect();
    Stream { name: format!("{}, {change:?}", source.name), rows, train: TRAIN, windows }
}

/// A column that holds more than one number.
fn varying_column(pool: &[Vec<f64>], random: &mut SplitMix64) -> usize {
    let varying: Vec<usize> = (0..pool[0].len()).filter(|column| spread(pool, *column).1 > 0.0).collect();
    if varying.is_empty() { 0 } else { varying[random.below(varying.len())] }
}

/// Mean and deviation of a column.
fn spread(pool: &[Vec<f64>], column: usize) -> (f64, f64) {
    let count = pool.len() as f64;
    let mean = pool.iter().map(|row| row[column]).sum::<f64>() / count;
    let squares: f64 = pool.iter().map(|row| (row[column] - mean).powi(2)).sum();
    (mean, (squares / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Stream {
        let rows = (0..4_000).map(|at| vec![f64::from(at % 97), f64::from(at % 97)]).collect();
        Stream { name: "s".to_owned(), rows, train: 4_000, windows: Vec::new() }
    }

    #[test]
    fn rows_are_drawn_in_blocks_and_changed_from_row_6000_on() {
        for (block, change) in [1, 60].into_iter().flat_map(|block| CHANGES.map(|change| (block, change))) {
            let stream = drawn(&source(), block, change, SplitMix64::new(5));
            assert_eq!(stream.rows.len(), ROWS);
            let equal = |rows: &[Vec<f64>]| rows.iter().filter(|row| row[0] == row[1]).count();
            assert_eq!(equal(&stream.rows[..CHANGE]), CHANGE, "{change:?} before the change");
            let after = equal(&stream.rows[CHANGE..]);
            assert!((change.is_none() && after == ROWS - CHANGE) || (change.is_some() && after < 200), "{change:?}");
            let follow = |pair: &&[Vec<f64>]| pair[1][0] == pair[0][0] + 1.0;
            let followed = stream.rows[..CHANGE].windows(2).filter(follow).count();
            assert!(if block == 1 { followed < 200 } else { followed > 5_000 }, "{followed}");
            assert_eq!(stream.windows.len(), usize::from(change.is_some()));
        }
    }

    #[test]
    fn a_seed_names_one_stream() {
        let [a, b, c] = [5, 5, 6].map(|seed| drawn(&source(), 1, Some(Change::Shift), SplitMix64::new(seed)).rows);
        assert!(a == b && a != c);
    }
}
