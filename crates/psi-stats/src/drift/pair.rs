//! Pairs of columns that go together: how far apart they are, which a lost relation widens though neither column moves.
//!
//! Each column is paired with the one that it goes with most, by the inputs that anchor a stream. The columns are brought
//! to one spread, and one is taken from the other, or added where they go against each other. What is left is narrow as
//! long as the relation holds. Integers throughout.

use ethnum::U256;

use super::column::ColumnAnchor;

/// Columns that are looked at for pairs.
pub(super) const PAIRED_MAX: usize = 64;
/// Factors are in 4096ths.
const FACTOR_BITS: u32 = 12;
/// The greatest size of a factor: of the widest spread over the narrowest.
const FACTOR_MAX: u64 = 1 << 40;

/// Two columns, and where the buckets of their distance lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairAnchor {
    /// The columns, from 0, the lower one first.
    pub columns: (usize, usize),
    /// So many 4096ths of the second are taken from the first.
    pub factor: i64,
    /// Where the buckets lie, by distances in 256ths of a unit.
    pub anchor: ColumnAnchor,
}

impl PairAnchor {
    /// Whether some inputs of `width` columns could have this pair.
    pub(super) fn is_possible(&self, width: usize) -> bool {
        let (first, second) = self.columns;
        first < second && second < width && self.factor.unsigned_abs() <= FACTOR_MAX && self.anchor.is_possible()
    }

    /// The bucket of an input whose columns lie `z` off their centers, in 256ths of their units.
    #[inline]
    #[must_use]
    pub fn bucket(&self, z: &[i32]) -> usize {
        self.anchor.bucket_of_small(apart(z, self.columns, self.factor))
    }
}

/// How far apart two columns are.
#[inline]
fn apart(z: &[i32], (first, second): (usize, usize), factor: i64) -> i64 {
    let of = |column: usize| z.get(column).copied().map_or(0, i64::from);
    of(first) - ((factor * of(second)) >> FACTOR_BITS)
}

/// The pairs that go together most among some inputs, each given by its distances. At most one for each column.
pub(super) fn pairs(inputs: &[Vec<i32>]) -> Vec<PairAnchor> {
    let width = inputs.first().map_or(0, |z| z.len().min(PAIRED_MAX));
    let spreads = Spreads::of(inputs, width);
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for column in 0..width {
        let Some(partner) = spreads.partner(column) else { continue };
        let pair = (column.min(partner), column.max(partner));
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs.into_iter().map(|columns| spreads.anchor(columns, inputs)).collect()
}

/// How columns are spread, each and together: n² times the variances and covariances.
#[derive(Debug)]
struct Spreads {
    rows: Vec<Vec<i64>>,
}

impl Spreads {
    fn of(inputs: &[Vec<i32>], width: usize) -> Self {
        let count = i64::try_from(inputs.len()).unwrap_or(i64::MAX);
        let sum = |value: &dyn Fn(&[i32]) -> i64| inputs.iter().map(|z| value(z)).sum::<i64>();
        let sums: Vec<i64> = (0..width).map(|a| sum(&|z| z[a].into())).collect();
        let row = |a: usize| {
            let together = |b: usize| count * sum(&|z| i64::from(z[a]) * i64::from(z[b])) - sums[a] * sums[b];
            (0..width).map(together).collect()
        };
        Self { rows: (0..width).map(row).collect() }
    }

    fn spread(&self, column: usize) -> u128 {
        u128::from(self.rows[column][column].unsigned_abs())
    }

    /// The column that goes with this one most, the first of equal ones; `None` if it, or every other, never varies.
    fn partner(&self, column: usize) -> Option<usize> {
        let others = (0..self.rows.len()).filter(|other| *other != column && self.spread(*other) > 0);
        // By the square of the correlation, of which this column's spread is no part: as fractions.
        let fraction = |other: usize| {
            let together = u128::from(self.rows[column][other].unsigned_abs());
            (together * together, self.spread(other))
        };
        let best = others.reduce(|best, other| {
            let ((best_over, best_under), (over, under)) = (fraction(best), fraction(other));
            if U256::from(over) * U256::from(best_under) > U256::from(best_over) * U256::from(under) {
                other
            } else {
                best
            }
        });
        best.filter(|_| self.spread(column) > 0)
    }

    /// Where the buckets of a pair lie.
    fn anchor(&self, columns: (usize, usize), inputs: &[Vec<i32>]) -> PairAnchor {
        let (first, second) = columns;
        let ratio = ((self.spread(first) << (2 * FACTOR_BITS)) / self.spread(second)).isqrt();
        // Spreads are below 2^44, so this is below 2^35.
        let size = i64::try_from(ratio).unwrap_or_default();
        let factor = if self.rows[first][second] < 0 { -size } else { size };
        let count = i64::try_from(inputs.len()).unwrap_or(i64::MAX).max(1);
        let apart = || inputs.iter().map(|z| apart(z, columns, factor));
        let center = apart().sum::<i64>().div_euclid(count);
        let squares = apart().map(|it| u128::from((it - center).unsigned_abs()).pow(2)).sum::<u128>();
        let deviation = (squares / u128::from(count.unsigned_abs())).isqrt();
        let anchor = ColumnAnchor::around(center.into(), deviation);
        PairAnchor { columns, factor, anchor }
    }
}
