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
    let most = before.len().to_f64().expect("few").sqrt();
    let mut squares = Vec::new();
    for (dimension, component) in input.iter().enumerate().filter(|_| before.len() > 1) {
        let values: Vec<_> = before.iter().map(|vector| oracle::value(&vector[dimension], Scale::default())).collect();
        let distance = oracle::value(component, Scale::default()) - oracle::mean(&values);
        match oracle::variance(&values) {
            variance if !variance.is_zero() => squares.push(&distance * &distance / variance),
            _ if distance.is_zero() => {}
            _ => return most,
        }
    }
    let sum = squares.iter().sum::<num_rational::BigRational>();
    let mean = sum / num_rational::BigRational::from_integer(squares.len().max(1).into());
    mean.to_f64().expect("finite").sqrt().min(most)
}

/// The moments of a vector and of eight pairs of vectors beside it, so far off that each deviation is what is asked for.
fn around<const WIDTH: usize>(mean: [f64; WIDTH], deviations: [f64; WIDTH]) -> Moments {
    let mut moments = Moments::new(WIDTH);
    moments.add(&fixed(&mean)).expect("the width is right");
    for side in [1.0, -1.0].repeat(8) {
        let row: Vec<f64> = mean.iter().zip(deviations).map(|(mean, deviation)| mean + side * deviation).collect();
        moments.add(&fixed(&row)).expect("the width is right");
    }
    moments
}

fn of_own(input: &[f64], own: &Moments) -> ZScores {
    ZScores::default().with(&fixed(input), &Totals::new(input.len()), Some((own, 0))).expect("possible moments")
}

#[test]
fn it_is_the_root_mean_square_z_score_over_what_varies() {
    let before = around([1.0, 2.0, 3.0], [2.0, 0.5, 0.0]);
    for (input, want) in [
        ([1.0, 2.0, 3.0], 0.0),
        ([3.0, 2.0, 3.0], 0.5_f64.sqrt()),
        ([3.0, 1.5, 3.0], 1.0),
        // z-scores of 3 and 4; the third dimension never varied, and does not now.
        ([7.0, 4.0, 3.0], 12.5_f64.sqrt()),
        // Of seventeen vectors, nothing can be more unlike.
        ([7.0, 1e6, 3.0], 17_f64.sqrt()),
        ([1.0, 2.0, 3.1], 17_f64.sqrt()),
        ([7.0, 4.0, -1e6], 17_f64.sqrt()),
    ] {
        let got = of_own(&input, &before).root_mean_square();
        assert!((got - want).abs() <= CLOSE * want, "{input:?}: {got}, not {want}");
    }
}

/// The less a dimension varied, the more unlike the others is the same step away from them; without any variation most.
#[test]
fn what_never_varied_is_the_limit_of_what_hardly_did() {
    let of = |deviation: f64| of_own(&[0.5, 5000.0], &around([0.0, 100.0], [1.0, deviation]));
    let most = of(0.0);
    let (novelty, farthest) = (most.root_mean_square(), most.farthest());
    assert_eq!(novelty, 17_f64.sqrt());
    assert_eq!(farthest.map(|one| one.map(|one| (one.column, one.z))), [Some((1, novelty)), Some((0, 0.5)), None]);
    let mut before = novelty;
    for deviation in [1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e4, 1e5] {
        let scores = of(deviation);
        let now = scores.root_mean_square();
        assert!(now <= before, "{deviation}: {now}, above {before}");
        assert!(deviation > 1.0 || (now, scores.farthest()) == (novelty, farthest), "{deviation}: {scores:?}");
        before = now;
    }
    assert!(before < 1.0, "{before}");
}

/// Neither a high threshold nor many columns that stay as they were hide a change of what never varied.
#[test]
fn what_never_varied_reaches_any_threshold() {
    let before = around([0.0; 64], std::array::from_fn(|column| if column == 63 { 0.0 } else { 1.0 }));
    let mut input = [0.0; 64];
    assert!(!of_own(&input, &before).reaches(1.0, 1.0));
    input[63] = -1e-9;
    let scores = of_own(&input, &before);
    assert!(scores.reaches(1e6, 1e7));
    assert_eq!(
        (scores.root_mean_square(), scores.farthest()[0].map(|one| one.z)),
        (17_f64.sqrt(), Some(-17_f64.sqrt()))
    );
    // Others reach what they reach without the bound: together 10, of one column 80.
    (input[63], input[0]) = (0.0, 80.0);
    let scores = of_own(&input, &before);
    let reached = [(10.0, 1e7), (10.2, 1e7), (1e6, 79.9), (1e6, 80.1)].map(|(all, one)| scores.reaches(all, one));
    assert_eq!(reached, [true, false, true, false]);
}

#[test]
fn the_three_farthest_columns_are_known_with_their_signs() {
    let own = around([1.0, 2.0, 3.0, 1.0, 6.0], [2.0, 0.5, 0.0, 1.0, 1.0]);
    let farthest = |input: [f64; 5]| of_own(&input, &own).farthest().map(|one| one.map(|one| (one.column, one.z)));
    assert_eq!(farthest([3.0, 0.0, 3.0, 4.0, 6.0]), [Some((1, -4.0)), Some((3, 3.0)), Some((0, 1.0))]);
    assert_eq!(farthest([1.0, 2.0, 3.0, 1.0, 6.5]), [Some((4, 0.5)), None, None]);
    assert_eq!(
        farthest([3.0, 2.5, 3.0, 2.0, 7.0]).map(|one| one.map(|(column, _)| column)),
        [Some(0), Some(1), Some(3)]
    );
    // Where none can lie farther, those that truly do come first.
    let most = 17_f64.sqrt();
    assert_eq!(farthest([99.0, -99.0, 9.0, 4.0, 6.0]), [Some((2, most)), Some((1, -most)), Some((0, most))]);
    // A vector in parts: columns are counted through.
    let (first, second) = (own.dimensions(0..2), own.dimensions(2..5));
    let parts = [first, second].map(|part| {
        let mut totals = Totals::new(part.width());
        totals.add(&part).expect("the width is right");
        totals
    });
    let input = fixed(&[3.0, 0.0, 9.0, 4.0, 6.0]);
    let scores =
        ZScores::default().with(&input[..2], &parts[0], None).and_then(|it| it.with(&input[2..], &parts[1], None));
    let columns = scores.expect("possible moments").farthest().map(|one| one.map(|one| one.column));
    assert_eq!(columns, [Some(2), Some(1), Some(3)]);
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
