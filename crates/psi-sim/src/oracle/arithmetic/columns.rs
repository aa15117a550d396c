//! Columns of numbers: their exact sums, and what is read out of these.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;

use super::rounding::{FRACTION_BITS, quantized, rounded, rounded_root};

/// Numbers in rows, summed by column in units of 2^(exponent − 56).
pub(in crate::oracle) struct Columns {
    pub(in crate::oracle) count: u64,
    exponent: i32,
    /// Σx and Σx².
    sums: Vec<(BigInt, BigInt)>,
}

impl Columns {
    pub(in crate::oracle) fn of<'a>(rows: impl Iterator<Item = &'a [f64]>, width: usize, exponent: i32) -> Self {
        let mut columns = Self { count: 0, exponent, sums: vec![(BigInt::zero(), BigInt::zero()); width] };
        for row in rows {
            columns.count += 1;
            for ((sum, squares), number) in columns.sums.iter_mut().zip(row) {
                let number = quantized(*number, exponent);
                *squares += &number * &number;
                *sum += number;
            }
        }
        columns
    }

    pub(in crate::oracle) fn mean(&self) -> Option<Vec<f64>> {
        let count = BigInt::from(self.count);
        let mean =
            |(sum, _): &(BigInt, BigInt)| rounded(&BigRational::new_raw(sum.clone(), count.clone()), self.unit());
        (self.count > 0).then(|| self.sums.iter().map(mean).collect())
    }

    pub(in crate::oracle) fn variance(&self) -> Option<Vec<f64>> {
        Some(self.variances()?.iter().map(|variance| rounded(variance, 2 * self.unit())).collect())
    }

    pub(in crate::oracle) fn standard_deviation(&self) -> Option<Vec<f64>> {
        Some(self.variances()?.iter().map(|variance| rounded_root(variance, self.unit())).collect())
    }

    /// Root mean square z-score of a row that is rounded as the others are, over the columns that vary; at most the root of
    /// their number, which is also what a column gives that never varied and does. 0 before two rows.
    pub(in crate::oracle) fn distance(&self, row: &[f64]) -> f64 {
        let Some(variances) = self.variances() else { return 0.0 };
        let count = BigInt::from(self.count);
        let most = rounded_root(&BigRational::from_integer(count.clone()), 0);
        let mut squares = Vec::new();
        for ((number, (sum, _)), variance) in row.iter().zip(&self.sums).zip(&variances) {
            let distance = quantized(*number, self.exponent) * &count - sum;
            if variance.numer().is_zero() {
                if !distance.is_zero() {
                    return most;
                }
                continue;
            }
            let (top, bottom) = (&distance * &distance * variance.denom(), &count * &count * variance.numer());
            squares.push(rounded(&BigRational::new_raw(top, bottom), 0));
        }
        let varying = u32::try_from(squares.len().max(1)).map_or(1.0, f64::from);
        (squares.iter().sum::<f64>() / varying).sqrt().min(most)
    }

    /// (n·Σx² − (Σx)²) / (n(n − 1)).
    fn variances(&self) -> Option<Vec<BigRational>> {
        let count = BigInt::from(self.count);
        let pairs: BigInt = &count * (&count - 1);
        let variance =
            |(sum, squares): &(BigInt, BigInt)| BigRational::new_raw(&count * squares - sum * sum, pairs.clone());
        (self.count > 1).then(|| self.sums.iter().map(variance).collect())
    }

    /// Power of two of which the sums are multiples.
    fn unit(&self) -> i32 {
        self.exponent - FRACTION_BITS
    }
}
