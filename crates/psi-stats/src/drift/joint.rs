//! Joint columns: sums and differences of columns, which a change of correlation alone spreads or narrows.
//!
//! They are the Walsh–Hadamard transform of the columns' distances from their centers: each joint column adds half of the
//! columns and subtracts the others, and no two do so alike. Integers throughout.

/// Columns that take part.
pub(super) const JOINT_MAX: usize = 64;
/// Distances are in 256ths of a unit.
pub(super) const Z_BITS: u32 = 8;
/// The greatest distance that counts: 50 units. So a sum of 64 fits 32 bits.
pub(super) const Z_LIMIT: i32 = 50 << Z_BITS;

/// Transforms in place; the length is a power of two.
pub(super) fn transform(values: &mut [i32]) {
    let mut half = 1;
    while half < values.len() {
        for block in values.chunks_exact_mut(2 * half) {
            let (left, right) = block.split_at_mut(half);
            for (a, b) in left.iter_mut().zip(right) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_adds_and_subtracts_by_the_bits_that_both_places_have() {
        for length in [1usize, 2, 4, 16, 64] {
            let values: Vec<i32> = (0..).map(|at| (at * 7_919) % 25_601 - 12_800).take(length).collect();
            let mut got = values.clone();
            transform(&mut got);
            for (row, got) in got.iter().enumerate() {
                let sign = |column: usize| if (row & column).count_ones().is_multiple_of(2) { 1 } else { -1 };
                let want: i32 = values.iter().enumerate().map(|(column, value)| sign(column) * value).sum();
                assert_eq!(*got, want, "{length}, {row}");
            }
        }
    }

    #[test]
    fn the_greatest_sum_fits() {
        let mut values = [Z_LIMIT; JOINT_MAX];
        transform(&mut values);
        assert_eq!(values[0], 64 * Z_LIMIT);
    }
}
