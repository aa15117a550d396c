//! Mean, variance and standard deviation, each rounded once.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use proptest::collection::vec;
use proptest::prelude::*;
use psi_stats::{COUNT_LIMIT, FixedPoint, Moments, Scale};

use crate::encoding::claimed;
use crate::inputs::{components, moments_of_numbers, scales};
use crate::oracle;

/// Checks the three readouts of one dimension, bit for bit, against the exact mean and variance.
fn check_against(moments: &Moments, scale: Scale, mean: &BigRational, variance: Option<&BigRational>) {
    let bits = |values: Option<Vec<f64>>| values.map(|values| values[0].to_bits());
    assert_eq!(bits(moments.mean(scale)), Some(oracle::nearest(mean).to_bits()), "mean");
    let want = variance.map(|variance| oracle::nearest(variance).to_bits());
    assert_eq!(bits(moments.variance(scale)), want, "variance");
    let want = variance.map(|variance| oracle::nearest_root(variance).to_bits());
    assert_eq!(bits(moments.standard_deviation(scale)), want, "standard deviation");
}

/// Checks the readouts of numbers as they were quantized.
fn check(numbers: &[f64], scale: Scale) {
    let quantized = |&x: &f64| {
        let raw = oracle::quantized(x, scale);
        BigRational::from_integer(raw) * oracle::power_of_two(scale.exponent() - 56)
    };
    let values: Vec<_> = numbers.iter().map(quantized).collect();
    let variance = (values.len() > 1).then(|| oracle::variance(&values));
    check_against(&moments_of_numbers(numbers, scale), scale, &oracle::mean(&values), variance.as_ref());
}

/// Checks the readouts of sums that no test has the time to add up.
fn check_claimed(count: u64, sum: i128, squares: &BigInt) {
    let moments = Moments::decode(&claimed(count, sum, squares)).expect("possible sums");
    let (n, sum) = (BigInt::from(count), BigInt::from(sum));
    let spread = &n * squares - &sum * &sum;
    let mean = BigRational::new(sum, n.clone()) * oracle::power_of_two(-56);
    let variance = (count > 1).then(|| BigRational::new(spread, &n * (&n - 1)) * oracle::power_of_two(-112));
    check_against(&moments, Scale::default(), &mean, variance.as_ref());
}

fn numbers() -> impl Strategy<Value = (Scale, Vec<f64>)> {
    scales().prop_flat_map(|scale| (Just(scale), vec(components(scale), 1..12)))
}

/// A count, Σx and Σx² that satisfy n·Σx² ≥ (Σx)², over all sizes of each.
fn possible_sums() -> impl Strategy<Value = (u64, i128, BigInt)> {
    let count = (1..COUNT_LIMIT, 0..47u32).prop_map(|(count, shift)| (count >> shift).max(1));
    (count, any::<i128>(), 0..127u32, any::<u128>(), 0..200u32).prop_map(|(count, sum, shift, extra, extra_shift)| {
        let largest = i128::from(count) * ((1 << 80) - 1);
        let sum = (sum >> shift).clamp(-largest, largest);
        let n = BigInt::from(count);
        let least: BigInt = (BigInt::from(sum) * sum + &n - 1) / &n;
        let most = &n * BigInt::from((1u128 << 80) - 1).pow(2);
        let extra: BigInt = BigInt::from(extra) << 80 >> extra_shift;
        (count, sum, (least + extra).min(most))
    })
}

proptest! {
    #[test]
    fn readouts_round_as_exact_rationals_do((scale, numbers) in numbers()) {
        check(&numbers, scale);
    }

    #[test]
    fn readouts_of_close_numbers_do_not_cancel(base in -1e7..1e7f64, steps in vec(0..9u8, 2..12)) {
        let mut ladder = vec![base];
        for _ in 0..9 {
            ladder.push(ladder[ladder.len() - 1].next_up());
        }
        let numbers: Vec<_> = steps.iter().map(|&step| ladder[usize::from(step)]).collect();
        check(&numbers, Scale::default());
    }

    #[test]
    fn readouts_of_any_possible_sums_round_as_exact_rationals_do((count, sum, squares) in possible_sums()) {
        check_claimed(count, sum, &squares);
    }

    /// The mean of a double and its successor, by twos: exactly half way between two doubles.
    #[test]
    fn half_way_means_go_to_the_even_neighbour(x in 0.125..1e7f64, negative: bool, pairs in 1..4usize) {
        let sign = if negative { -1.0 } else { 1.0 };
        let numbers = [sign * x, sign * x.next_up()].repeat(pairs);
        let mean = moments_of_numbers(&numbers, Scale::default()).mean(Scale::default()).unwrap()[0];
        prop_assert_eq!(mean.to_bits() % 2, 0);
        prop_assert!(numbers.contains(&mean));
        check(&numbers, Scale::default());
    }
}

#[test]
fn ties_of_the_variance_go_to_the_even_neighbour() {
    // d odd and of 27 bits with d² of 54: the variance of {0, d} is d²/2, half way between two doubles.
    let mut ties = 0;
    for d in (94_906_267u32..94_906_667).step_by(2).chain((134_217_327..134_217_727).step_by(2)) {
        let exact = u64::from(d) * u64::from(d);
        assert_eq!(exact.ilog2(), 53);
        ties += 1;
        let x = f64::from(d) / 16.0;
        let variance = moments_of_numbers(&[0.0, x], Scale::default()).variance(Scale::default()).unwrap()[0];
        assert_eq!(variance.to_bits() % 2, 0, "{d}");
        check(&[0.0, x], Scale::default());
    }
    assert_eq!(ties, 400);
}

/// 1/n above or below a tie of 54 bits, where n is too large for the rest to show in 128 bits.
#[test]
fn a_trace_beside_a_tie_of_the_variance_decides() {
    for odd in [(1u64 << 53) + 1, (1 << 53) + 3, (1 << 54) - 3, (1 << 54) - 1] {
        for (count, shift) in [(2, 0), (3, 70), (3, 100), (COUNT_LIMIT - 1, 60), (COUNT_LIMIT - 1, 105)] {
            let squares = (BigInt::from(odd) << shift) * (count - 1);
            for trace in [-1, 0, 1] {
                check_claimed(count, 0, &(&squares + trace));
            }
        }
    }
}

/// The same for the root: squares of ties of 54 bits, and what is just beside them.
#[test]
fn a_trace_beside_a_tie_of_the_deviation_decides() {
    for odd in [(1u64 << 53) + 1, (1 << 53) + 3, (1 << 54) - 3, (1 << 54) - 1] {
        for (count, shift) in [(2, 0), (2, 10), (2, 20), (2, 22), (2, 40), (3, 50), (COUNT_LIMIT - 1, 50)] {
            let squares = (BigInt::from(odd).pow(2) << shift) * (count - 1);
            for trace in [-2, -1, 0, 1, 2] {
                check_claimed(count, 0, &(&squares + trace));
            }
        }
    }
}

#[test]
fn the_largest_inputs_at_the_largest_count_are_read_out() {
    let largest: i128 = (1 << 80) - 1;
    let count = COUNT_LIMIT - 1;
    let squares = BigInt::from(largest).pow(2) * count;
    let sum = largest * i128::from(count);
    for sum in [sum, -sum, sum - 1, 0, 1, -1] {
        check_claimed(count, sum, &squares);
    }
    check_claimed(count, 1, &BigInt::from(1));
    check_claimed(count, 0, &BigInt::zero());
}

#[test]
fn readouts_wait_for_enough_vectors() {
    let scale = Scale::default();
    let mut moments = Moments::new(1);
    assert_eq!((moments.mean(scale), moments.variance(scale), moments.standard_deviation(scale)), (None, None, None));
    moments.add(&[FixedPoint::from_f64(2.5, scale).unwrap()]).unwrap();
    assert_eq!(moments.mean(scale), Some(vec![2.5]));
    assert_eq!((moments.variance(scale), moments.standard_deviation(scale)), (None, None));
    moments.add(&[FixedPoint::from_f64(2.5, scale).unwrap()]).unwrap();
    assert_eq!((moments.variance(scale), moments.standard_deviation(scale)), (Some(vec![0.0]), Some(vec![0.0])));
}

#[test]
fn zero_is_read_out_without_a_sign() {
    for numbers in [vec![-0.0], vec![-1.5, 1.5], vec![-0.0, -1e-30]] {
        let moments = moments_of_numbers(&numbers, Scale::default());
        assert_eq!(moments.mean(Scale::default()).unwrap()[0].to_bits(), 0, "{numbers:?}");
    }
}

#[test]
fn the_deviation_is_not_the_root_of_the_rounded_variance() {
    let differing = (1..2000u32).filter(|&k| {
        let moments = moments_of_numbers(&[0.0, f64::from(k), 1000.0], Scale::default());
        let root = moments.variance(Scale::default()).unwrap()[0].sqrt();
        moments.standard_deviation(Scale::default()).unwrap()[0].to_bits() != root.to_bits()
    });
    assert!(differing.count() > 0, "the numbers do not tell one from the other");
}

#[test]
fn an_ordinary_readout_has_the_ordinary_value() {
    let scale = Scale::new(3).unwrap();
    let moments = moments_of_numbers(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0, 5.0], scale);
    assert_eq!(moments.mean(scale), Some(vec![5.0]));
    assert_eq!(moments.variance(scale), Some(vec![4.0]));
    assert_eq!(moments.standard_deviation(scale), Some(vec![2.0]));
}
