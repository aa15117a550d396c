//! The weighted mean of many transitions, from which one can be taken out again.
//!
//! Sums are integers, so neither the order nor the grouping of the transitions matters, and one that changes is replaced
//! without a look at the others. Whose transitions they are and what each weighs is the caller's.

use super::Matrix;

/// Bits after the binary point of a transition's number.
const FRACTION_BITS: u32 = 48;

/// Numbers are clipped to this size; those that are learned stay near 1.
const LIMIT: f64 = 16_384.0;

/// A transition in fixed point: row by row, in multiples of 2^-48, each at most 2^14 in size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedTransition {
    dimensions: usize,
    numbers: Vec<i64>,
}

impl FixedTransition {
    /// The nearest one to a square matrix, half to even; numbers beyond ±2^14 are clipped, NaN is 0.
    #[expect(clippy::cast_possible_truncation, reason = "clipped to 2^62")]
    pub fn from_matrix(matrix: &Matrix) -> Self {
        let fixed = |number: &f64| (number.clamp(-LIMIT, LIMIT) * unit_inverse()).round_ties_even() as i64;
        Self { dimensions: matrix.shape().0, numbers: matrix.numbers().iter().map(fixed).collect() }
    }

    /// The transition with these numbers, row by row; none if they aren't `dimensions`², or one is beyond ±2^14.
    pub fn from_numbers(dimensions: usize, numbers: Vec<i64>) -> Option<Self> {
        let fits = dimensions.checked_mul(dimensions) == Some(numbers.len());
        (fits && within_limit(&numbers)).then_some(Self { dimensions, numbers })
    }

    /// All zeros.
    pub fn zeros(dimensions: usize) -> Self {
        Self { dimensions, numbers: vec![0; dimensions * dimensions] }
    }

    /// Replaces the numbers from position `first` on, row by row; whether they fit and each is within ±2^14. Nothing has
    /// changed if not.
    pub fn put(&mut self, first: usize, numbers: &[i64]) -> bool {
        let held = first.checked_add(numbers.len()).and_then(|last| self.numbers.get_mut(first..last));
        let Some(held) = held.filter(|_| within_limit(numbers)) else { return false };
        held.copy_from_slice(numbers);
        true
    }

    /// The numbers, row by row, in multiples of 2^-48.
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// The matrix, each number rounded to the nearest double.
    pub fn to_matrix(&self) -> Matrix {
        matrix(self.dimensions, self.numbers.iter().map(|&number| number as f64 / unit_inverse()))
    }
}

/// The sum of transitions of one size, each times its weight; equal whenever what was added and not removed is equal.
///
/// Arithmetic is modular, so a removal may come before its addition. Exact while the weights add up to less than 2^63.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blend {
    dimensions: usize,
    weight: u64,
    sums: Vec<i128>,
}

impl Blend {
    /// The blend of nothing, for transitions of `dimensions` × `dimensions`.
    pub fn new(dimensions: usize) -> Self {
        Self { dimensions, weight: 0, sums: vec![0; dimensions * dimensions] }
    }

    /// The sum of the weights.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Adds a transition `weight` times.
    ///
    /// # Panics
    /// If it has another size.
    pub fn add(&mut self, transition: &FixedTransition, weight: u64) {
        self.weight = self.weight.wrapping_add(weight);
        self.change(transition, i128::from(weight));
    }

    /// Takes a transition out that was added with this weight; undoes [`Self::add`].
    ///
    /// # Panics
    /// If it has another size.
    pub fn remove(&mut self, transition: &FixedTransition, weight: u64) {
        self.weight = self.weight.wrapping_sub(weight);
        self.change(transition, -i128::from(weight));
    }

    /// The sums, row by row, in multiples of 2^-48, modulo 2^128.
    pub fn sums(&self) -> &[i128] {
        &self.sums
    }

    /// Replaces the sums from position `first` on, row by row; whether they fit. Nothing has changed if not.
    pub fn put(&mut self, first: usize, sums: &[i128]) -> bool {
        let held = first.checked_add(sums.len()).and_then(|last| self.sums.get_mut(first..last));
        let Some(held) = held else { return false };
        held.copy_from_slice(sums);
        true
    }

    /// Says what the weights of sums that were [put](Self::put) add up to.
    pub fn set_weight(&mut self, weight: u64) {
        self.weight = weight;
    }

    /// Adds everything that another blend is of.
    ///
    /// # Panics
    /// If it has another size.
    pub fn merge(&mut self, other: &Self) {
        self.weight = self.weight.wrapping_add(other.weight);
        self.combine(other, i128::wrapping_add);
    }

    /// Takes everything out that another blend is of; undoes [`Self::merge`].
    ///
    /// # Panics
    /// If it has another size.
    pub fn subtract(&mut self, other: &Self) {
        self.weight = self.weight.wrapping_sub(other.weight);
        self.combine(other, i128::wrapping_sub);
    }

    /// The transition that this is the blend of, if it is one alone; none where no one gives these sums.
    pub fn only(&self) -> Option<FixedTransition> {
        let weight = i128::from(self.weight);
        let quotient = |sum: &i128| i64::try_from(sum.checked_div(weight)?).ok().filter(|_| sum % weight == 0);
        FixedTransition::from_numbers(self.dimensions, self.sums.iter().map(quotient).collect::<Option<_>>()?)
    }

    /// The weighted mean; none where nothing has weight.
    pub fn mean(&self) -> Option<Matrix> {
        let divisor = self.weight as f64 * unit_inverse();
        (self.weight > 0).then(|| matrix(self.dimensions, self.sums.iter().map(|&sum| sum as f64 / divisor)))
    }

    fn combine(&mut self, other: &Self, combine: fn(i128, i128) -> i128) {
        assert_eq!(other.dimensions, self.dimensions, "a blend's size");
        for (sum, &other) in self.sums.iter_mut().zip(&other.sums) {
            *sum = combine(*sum, other);
        }
    }

    fn change(&mut self, transition: &FixedTransition, factor: i128) {
        assert_eq!(transition.dimensions, self.dimensions, "a transition's size");
        for (sum, &number) in self.sums.iter_mut().zip(&transition.numbers) {
            *sum = sum.wrapping_add(factor.wrapping_mul(i128::from(number)));
        }
    }
}

fn within_limit(numbers: &[i64]) -> bool {
    const MAX: u64 = 1 << (14 + FRACTION_BITS);
    numbers.iter().all(|number| number.unsigned_abs() <= MAX)
}

fn matrix(dimensions: usize, numbers: impl Iterator<Item = f64>) -> Matrix {
    let mut matrix = Matrix::zeros(dimensions, dimensions);
    matrix.numbers_mut().iter_mut().zip(numbers).for_each(|(to, from)| *to = from);
    matrix
}

/// 2^48: multiplying and dividing by it rounds nothing.
const fn unit_inverse() -> f64 {
    (1_u64 << FRACTION_BITS) as f64
}

#[cfg(test)]
mod tests {
    use super::super::draw;
    use super::*;
    use proptest::prelude::*;

    fn transition(seed: u64) -> FixedTransition {
        FixedTransition::from_matrix(&draw::first_transition(seed, 3))
    }

    #[test]
    fn fixed_point_is_within_half_a_unit_and_read_back() {
        let matrix = draw::first_transition(1, 32);
        let fixed = FixedTransition::from_matrix(&matrix);
        let read = fixed.to_matrix();
        assert!(matrix.numbers().iter().zip(read.numbers()).all(|(a, b)| (a - b).abs() <= 0.5 / unit_inverse()));
        assert_eq!(FixedTransition::from_matrix(&read), fixed);
        assert_eq!(FixedTransition::from_numbers(32, fixed.numbers().to_vec()), Some(fixed));
    }

    #[test]
    fn numbers_out_of_range_are_clipped_or_refused() {
        let odd = Matrix::from(ndarray::array![[f64::NAN, f64::INFINITY], [-1e300, 0.5]]);
        let max = 1_i64 << 62;
        let fixed = FixedTransition::from_matrix(&odd);
        assert_eq!(fixed.numbers(), [0, max, -max, 1 << 47]);
        for numbers in [vec![0; 3], vec![0, 0, 0, max + 1], vec![i64::MIN, 0, 0, 0]] {
            assert_eq!(FixedTransition::from_numbers(2, numbers), None);
        }
        assert_eq!(FixedTransition::from_numbers(usize::MAX, Vec::new()), None);
        let mut part = FixedTransition::zeros(2);
        assert!(part.put(2, &[5, max]) && part.put(4, &[]));
        for (first, numbers) in [(3, &[1, 2][..]), (usize::MAX, &[1]), (0, &[max + 1])] {
            assert!(!part.put(first, numbers), "{first}");
        }
        assert_eq!(part.numbers(), [0, 0, 5, max]);
    }

    #[test]
    fn a_mean_is_weighted() {
        let mut blend = Blend::new(1);
        assert_eq!(blend.mean(), None);
        let of = |number: f64| FixedTransition::from_matrix(&Matrix::from(ndarray::array![[number]]));
        blend.add(&of(1.0), 3);
        blend.add(&of(-3.0), 1);
        assert_eq!((blend.weight(), blend.mean().unwrap().numbers()), (4, &[0.0][..]));
        blend.remove(&of(-3.0), 1);
        blend.add(&of(5.0), 1);
        assert_eq!(blend.mean().unwrap().numbers(), [2.0]);
    }

    #[test]
    fn the_mean_of_one_is_itself_whatever_its_weight() {
        for weight in [1, 3, 1_000_003, 1 << 47] {
            let mut blend = Blend::new(3);
            blend.add(&transition(5), weight);
            let pairs = blend.mean().unwrap();
            for (got, want) in pairs.numbers().iter().zip(transition(5).to_matrix().numbers()) {
                assert!((got - want).abs() <= f64::EPSILON * want.abs(), "{got} {want}");
            }
        }
    }

    #[test]
    fn a_blend_of_one_gives_it_back_and_any_other_none() {
        let mut blend = Blend::new(3);
        assert_eq!(blend.only(), None);
        blend.add(&transition(5), 1_000_003);
        assert_eq!(blend.only(), Some(transition(5)));
        blend.add(&transition(6), 1);
        assert_eq!(blend.only(), None);
        let mut huge = Blend::new(1);
        huge.set_weight(1);
        assert!(huge.put(0, &[i128::MIN]) && !huge.put(1, &[0]) && !huge.put(usize::MAX, &[0]));
        assert_eq!(huge.only(), None);
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole_and_come_out_again(weights in prop::collection::vec(1_u64..1 << 40, 1..20)) {
            let (mut whole, mut even, mut odd) = (Blend::new(3), Blend::new(3), Blend::new(3));
            for (seed, &weight) in (0..).zip(&weights) {
                whole.add(&transition(seed), weight);
                if seed % 2 == 0 { even.add(&transition(seed), weight) } else { odd.add(&transition(seed), weight) }
            }
            let mut read = Blend::new(3);
            prop_assert!(read.put(0, even.sums()));
            read.set_weight(even.weight());
            read.merge(&odd);
            prop_assert_eq!(&read, &whole);
            read.subtract(&odd);
            prop_assert_eq!(&read, &even);
        }

        #[test]
        fn neither_order_nor_what_was_taken_out_matters(
            weights in prop::collection::vec(0_u64..1 << 40, 1..20), gone in 0_usize..20,
        ) {
            let gone = gone % weights.len();
            let (mut forward, mut backward) = (Blend::new(3), Blend::new(3));
            for (seed, &weight) in weights.iter().enumerate() {
                forward.add(&transition(seed as u64), weight);
            }
            forward.remove(&transition(gone as u64), weights[gone]);
            for (seed, &weight) in weights.iter().enumerate().rev().filter(|&(seed, _)| seed != gone) {
                backward.add(&transition(seed as u64), weight);
            }
            prop_assert_eq!(&forward, &backward);
            prop_assert_eq!(forward.mean(), backward.mean());
        }
    }
}
