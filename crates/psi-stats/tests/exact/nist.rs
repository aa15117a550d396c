//! The univariate Statistical Reference Datasets of NIST.

use num_rational::BigRational;
use psi_stats::{FixedPoint, Moments, Scale};

use crate::inputs::{Dealer, moments_of_numbers};
use crate::oracle;

/// Ways to split each set; the sums must not show which.
const SPLITS: u64 = 200;

struct Dataset {
    name: &'static str,
    values: Vec<f64>,
    mean: BigRational,
    standard_deviation: BigRational,
    /// Right digits of the standard deviation that the set's rounding to doubles leaves, to two places.
    right_digits_min: f64,
}

/// All nine sets. Right digits: what exact arithmetic on the rounded inputs gives, where those cost digits; else what the
/// 15 certified ones allow.
fn datasets() -> Vec<Dataset> {
    vec![
        certified("Lew", include_str!("data/lew.txt"), 15.0),
        certified("Lottery", include_str!("data/lottery.txt"), 15.0),
        certified("Mavro", include_str!("data/mavro.txt"), 13.12),
        certified("Michelso", include_str!("data/michelso.txt"), 13.84),
        certified("PiDigits", include_str!("data/pi_digits.txt"), 15.0),
        accuracy("NumAcc1", vec![10_000_001.0, 10_000_003.0, 10_000_002.0], ("10000002", "1"), 15.0),
        accuracy("NumAcc2", pairs(1.2, 1.1, 1.3), ("1.2", "0.1"), 15.0),
        accuracy("NumAcc3", pairs(1_000_000.2, 1_000_000.1, 1_000_000.3), ("1000000.2", "0.1"), 9.46),
        accuracy("NumAcc4", pairs(10_000_000.2, 10_000_000.1, 10_000_000.3), ("10000000.2", "0.1"), 8.25),
    ]
}

/// A set from its file: certified mean and standard deviation, then the values.
fn certified(name: &'static str, text: &str, right_digits_min: f64) -> Dataset {
    let lines = || text.lines().filter(|line| !line.starts_with('#'));
    let line = |key: &str| lines().find_map(|line| line.strip_prefix(key)).expect("the file has the line").trim();
    let numbers = lines().filter(|line| !line.starts_with(char::is_alphabetic)).flat_map(str::split_whitespace);
    Dataset {
        name,
        values: numbers.map(|number| number.parse().expect("a number")).collect(),
        mean: oracle::decimal(line("mean")),
        standard_deviation: oracle::decimal(line("standard-deviation")),
        right_digits_min,
    }
}

/// A set that is defined rather than observed.
fn accuracy(name: &'static str, values: Vec<f64>, certified: (&str, &str), right_digits_min: f64) -> Dataset {
    let (mean, standard_deviation) = (oracle::decimal(certified.0), oracle::decimal(certified.1));
    Dataset { name, values, mean, standard_deviation, right_digits_min }
}

/// One number, then 500 times the two around it.
fn pairs(first: f64, low: f64, high: f64) -> Vec<f64> {
    let mut values = vec![first];
    values.extend([low, high].repeat(500));
    values
}

/// Mean, variance and standard deviation, as bits.
fn readout(moments: &Moments) -> [u64; 3] {
    let scale = Scale::default();
    [moments.mean(scale), moments.variance(scale), moments.standard_deviation(scale)]
        .map(|values| values.expect("more than one value")[0].to_bits())
}

/// The correctly rounded readouts of these doubles.
fn expected(values: &[f64]) -> [u64; 3] {
    let values: Vec<_> = values.iter().copied().map(oracle::exactly).collect();
    let variance = oracle::variance(&values);
    [oracle::nearest(&oracle::mean(&values)), oracle::nearest(&variance), oracle::nearest_root(&variance)]
        .map(f64::to_bits)
}

/// Splits `values` into 1 to 8 parts at random and merges those in random order.
fn split_and_merged(values: &[f64], seed: u64) -> Moments {
    let mut dealer = Dealer(seed);
    let mut parts = vec![Vec::new(); 1 + dealer.below(8)];
    let mut values = values.to_vec();
    dealer.shuffle(&mut values);
    for value in values {
        let part = dealer.below(parts.len());
        parts[part].push(value);
    }
    let mut parts: Vec<_> = parts.iter().map(|part| moments_of_numbers(part, Scale::default())).collect();
    while parts.len() > 1 {
        dealer.shuffle(&mut parts);
        let last = parts.pop().expect("two parts");
        parts[0].merge(&last).expect("one width");
    }
    parts.remove(0)
}

#[test]
fn sets_have_the_published_sizes() {
    let sizes: Vec<_> = datasets().iter().map(|set| (set.name, set.values.len())).collect();
    let want = [
        ("Lew", 200),
        ("Lottery", 218),
        ("Mavro", 50),
        ("Michelso", 100),
        ("PiDigits", 5000),
        ("NumAcc1", 3),
        ("NumAcc2", 1001),
        ("NumAcc3", 1001),
        ("NumAcc4", 1001),
    ];
    assert_eq!(sizes, want);
}

#[test]
fn every_value_is_held_exactly() {
    for set in datasets() {
        for &value in &set.values {
            let fixed = FixedPoint::from_f64(value, Scale::default()).unwrap();
            assert_eq!(oracle::value(&fixed, Scale::default()), oracle::exactly(value), "{}: {value}", set.name);
        }
    }
}

#[test]
fn readouts_are_the_correctly_rounded_ones_of_the_doubles() {
    for set in datasets() {
        let moments = moments_of_numbers(&set.values, Scale::default());
        assert_eq!(readout(&moments), expected(&set.values), "{}", set.name);
    }
}

#[test]
fn no_split_or_order_changes_a_bit() {
    for set in datasets() {
        let whole = moments_of_numbers(&set.values, Scale::default());
        for seed in 0..SPLITS {
            let merged = split_and_merged(&set.values, seed);
            assert_eq!(merged.encode(), whole.encode(), "{} split with seed {seed}", set.name);
            assert_eq!(readout(&merged), readout(&whole), "{} split with seed {seed}", set.name);
        }
    }
}

#[test]
fn certified_digits_are_met() {
    for set in datasets() {
        let moments = moments_of_numbers(&set.values, Scale::default());
        let [mean, _, deviation] = readout(&moments).map(f64::from_bits);
        let mean_digits = oracle::right_digits(mean, &set.mean);
        assert!(mean_digits >= 15.0, "{}: {mean_digits} digits of the mean", set.name);
        let digits = (oracle::right_digits(deviation, &set.standard_deviation) * 100.0).round() / 100.0;
        let least = set.right_digits_min;
        assert!(digits >= least, "{}: {digits} digits of the deviation, not {least}", set.name);
    }
}
