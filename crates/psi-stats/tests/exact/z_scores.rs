//! How unlike the vectors before it a vector is.

use num_traits::{ToPrimitive, Zero};
use proptest::prelude::*;
use psi_stats::{FixedPoint, Moments, Scale, Totals, ZScores, quantize};

use crate::inputs::{WIDTH, moments_of, vectors};
use crate::oracle;

/// Relative, of a sum of few terms: each is rounded six times.
const CLOSE: f64 = 4e-15;

fn totals_of(vectors: &[Vec<FixedPoint>]) -> Totals {
    let mut totals = Totals::new(WIDTH);
    totals.add(&moments_of(vectors)).expect("the width is right");
    totals
}

fn fixed(numbers: &[f64]) -> Vec<FixedPoint> {
    quantize(numbers, Scale::default()).expect("in range")
}

fn root_mean_square(input: &[FixedPoint], others: &Totals, own: Option<&Moments>) -> f64 {
    ZScores::default().with(input, others, own.map(|own| (own, 0))).expect("possible moments").root_mean_square()
}

/// By rationals, from mean and variance.
fn expected(input: &[FixedPoint], before: &[Vec<FixedPoint>]) -> f64 {
    let column = |dimension: usize| {
        before.iter().map(|vector| oracle::value(&vector[dimension], Scale::default())).collect::<Vec<_>>()
    };
    let squared = |(component, dimension)| {
        let values = column(dimension);
        let variance = if values.len() < 2 { Zero::zero() } else { oracle::variance(&values) };
        let distance = oracle::value(component, Scale::default()) - oracle::mean(&values);
        (!variance.is_zero()).then(|| &distance * &distance / variance)
    };
    let squares: Vec<_> = input.iter().zip(0..).filter_map(squared).collect();
    let sum = squares.iter().sum::<num_rational::BigRational>();
    let mean = sum / num_rational::BigRational::from_integer(squares.len().max(1).into());
    mean.to_f64().expect("finite").sqrt()
}

#[test]
fn it_is_the_root_mean_square_z_score_over_what_varies() {
    // Means 1, 2, 3; deviations 2, 0.5, 0.
    let before = [[-1.0, 1.5, 3.0], [1.0, 2.0, 3.0], [3.0, 2.5, 3.0]].map(|row| fixed(&row));
    let mut totals = Totals::new(3);
    for row in &before {
        let mut moments = Moments::new(3);
        moments.add(row).expect("the width is right");
        totals.add(&moments).expect("the width is right");
    }
    for (input, want) in [
        ([1.0, 2.0, 3.0], 0.0),
        ([3.0, 2.0, 3.0], 0.5_f64.sqrt()),
        ([3.0, 1.5, 3.0], 1.0),
        // z-scores of 3 and 4; the third dimension never varied, and is left out though it does now.
        ([7.0, 4.0, 1e6], 12.5_f64.sqrt()),
    ] {
        let got = root_mean_square(&fixed(&input), &totals, None);
        assert!((got - want).abs() <= CLOSE * want, "{input:?}: {got}, not {want}");
    }
}

#[test]
fn nothing_is_unlike_before_two_vectors() {
    let (one, input) = (fixed(&[1.0, -1.0]), fixed(&[5.0, 1e6]));
    assert_eq!(root_mean_square(&input, &Totals::new(WIDTH), None), 0.0);
    assert_eq!(root_mean_square(&input, &totals_of(std::slice::from_ref(&one)), None), 0.0);
    assert!(
        root_mean_square(
            &input,
            &totals_of(std::slice::from_ref(&one)),
            Some(&moments_of(std::slice::from_ref(&input)))
        ) > 0.0
    );
}

#[test]
fn moments_of_no_vectors_give_no_score() {
    let mut fewer_than_none = Totals::new(WIDTH);
    fewer_than_none.remove(&moments_of(&[fixed(&[1.0, 2.0])])).expect("the width is right");
    assert_eq!(ZScores::default().with(&fixed(&[1.0, 2.0]), &fewer_than_none, None), None);
    // Two vectors with the squares of one.
    let mut impossible = totals_of(&[fixed(&[1.0, 2.0])]);
    impossible.add(&moments_of(&[fixed(&[0.0, 0.0]), fixed(&[0.0, 0.0])])).expect("the width is right");
    impossible.add(&moments_of(&[fixed(&[1.0, 2.0])])).expect("the width is right");
    impossible.remove(&moments_of(&[fixed(&[-1.0, 2.0]), fixed(&[-2.0, 2.0])])).expect("the width is right");
    assert_eq!(ZScores::default().with(&fixed(&[1.0, 2.0]), &impossible, None), None);
}

proptest! {
    #[test]
    fn it_is_close_to_the_exact_one_however_the_vectors_are_split(
        before in vectors(1..12), input in vectors(1), split in 0..12usize,
    ) {
        let (others, own) = before.split_at(split.min(before.len()));
        let (input, want) = (&input[0], expected(&input[0], &before));
        let got = root_mean_square(input, &totals_of(others), Some(&moments_of(own)));
        prop_assert!((got - want).abs() <= CLOSE * want, "{}, not {}", got, want);
        let whole = root_mean_square(input, &totals_of(&before), None);
        prop_assert_eq!(got.to_bits(), whole.to_bits(), "the split shows");
    }
}
