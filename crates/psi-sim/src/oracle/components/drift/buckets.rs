//! Where buckets lie, and which one a number falls into, in whole numbers of any size.

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{Euclid, ToPrimitive, Zero};

/// Buckets of a column, and on each side of its center.
pub(super) const BUCKETS: usize = 80;
const SIDE: usize = BUCKETS / 2;
/// The least unit is 2 to this.
const UNIT_BITS_MIN: u64 = 4;
/// A unit is at least the center divided by 2 to this.
const CENTER_SHIFT: u64 = 20;
/// What counts of a distance for pairs, in 256ths of a unit.
const PAIR_LIMIT: i32 = 50 * 256;

/// Where the buckets of one column lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OracleColumn {
    /// In fixed point.
    pub center: i128,
    /// The unit is 2 to this.
    pub unit_bits: u32,
}

/// Where the buckets of the distance of two columns lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OraclePair {
    /// The columns, from 0.
    pub columns: (usize, usize),
    /// So many 4096ths of the second are taken from the first.
    pub factor: i64,
    /// In 256ths of a unit.
    pub place: OracleColumn,
}

/// Where buckets lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OracleAnchor {
    /// What spans and baselines call it.
    pub name: u64,
    /// Of the columns.
    pub columns: Vec<OracleColumn>,
    /// Of the pairs.
    pub pairs: Vec<OraclePair>,
}

impl OracleAnchor {
    /// The bucket of each column of an input, then of each pair.
    pub(super) fn buckets(&self, input: &[BigInt]) -> Vec<usize> {
        let singles = input.iter().zip(&self.columns).map(|(number, column)| column.bucket(number));
        let pairs = self.pairs.iter().map(|pair| {
            let (first, second) = pair.columns;
            let off = |column: usize| self.columns[column].off(&input[column]);
            let share: BigInt = (BigInt::from(pair.factor) * off(second)) >> 12u32;
            pair.place.bucket(&(off(first) - share))
        });
        singles.chain(pairs).collect()
    }
}

impl OracleColumn {
    /// The last bucket of its side that begins no farther off than the number does.
    fn bucket(&self, number: &BigInt) -> usize {
        let distance = number - BigInt::from(self.center);
        // Four to a unit.
        let quarters: BigUint = distance.magnitude() << 2u32 >> self.unit_bits;
        let place = begins().filter(|begin| BigUint::from(*begin) <= quarters).count();
        if distance.sign() == Sign::Minus { SIDE - 1 - place } else { SIDE + place }
    }

    /// How far off the center, in 256ths of a unit, rounded down; 50 units at most.
    fn off(&self, number: &BigInt) -> BigInt {
        let off: BigInt = (number - BigInt::from(self.center)) << 8u32 >> self.unit_bits;
        off.clamp(BigInt::from(-PAIR_LIMIT), BigInt::from(PAIR_LIMIT))
    }
}

/// Where each bucket of a side begins but for the first, in quarters of a unit: one after the other up to two units, then
/// four an octave.
fn begins() -> impl Iterator<Item = u32> {
    let octaves = (3..11_u32).flat_map(|octave| (0..4).map(move |fourth| (4 + fourth) << (octave - 2)));
    (1..8).chain(octaves)
}

/// Buckets around the means of some inputs, as wide as these are spread.
pub(super) fn founding_columns(inputs: impl Iterator<Item = Vec<BigInt>>) -> Vec<OracleColumn> {
    let rows: Vec<Vec<BigInt>> = inputs.collect();
    let count = BigInt::from(rows.len());
    let width = rows.first().map_or(0, Vec::len);
    let column = |column: usize| {
        let numbers = || rows.iter().map(|row| &row[column]);
        let (sum, squares): (BigInt, BigInt) = (numbers().sum(), numbers().map(|number| number * number).sum());
        let center = sum.div_euclid(&count);
        let variance = (&count * squares - &sum * &sum) / (&count * &count);
        let root_bits = variance.bits().saturating_sub(1) / 2;
        let size_bits = (center.magnitude() >> CENTER_SHIFT).bits().saturating_sub(1);
        let unit_bits = u32::try_from(root_bits.max(size_bits).max(UNIT_BITS_MIN)).unwrap_or(u32::MAX);
        OracleColumn { center: center.to_i128().unwrap_or(i128::MAX), unit_bits }
    };
    (0..width).map(column).collect()
}

/// Counts by column and bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OracleCounts {
    /// How many inputs.
    pub inputs: u64,
    /// Of each column and then of each pair; none of no inputs.
    pub columns: Vec<Vec<u64>>,
}

impl OracleCounts {
    /// The counts of some inputs.
    pub(super) fn of<'a>(anchor: &OracleAnchor, inputs: impl Iterator<Item = &'a [BigInt]>) -> Self {
        let mut counts = Self::default();
        for input in inputs {
            counts.inputs += 1;
            counts.columns.resize(anchor.columns.len() + anchor.pairs.len(), vec![0; BUCKETS]);
            for (column, bucket) in counts.columns.iter_mut().zip(anchor.buckets(input)) {
                column[bucket] += 1;
            }
        }
        counts
    }

    /// All of several together.
    pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for counts in all.filter(|counts| !counts.inputs.is_zero()) {
            sum.inputs += counts.inputs;
            sum.columns.resize(counts.columns.len(), vec![0; BUCKETS]);
            for (held, more) in sum.columns.iter_mut().flatten().zip(counts.columns.iter().flatten()) {
                *held += more;
            }
        }
        sum
    }
}
