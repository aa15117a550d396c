//! The one rounding on the way in.

use num_bigint::BigInt;
use proptest::prelude::*;
use psi_stats::{FixedError, FixedPoint, QuantizeError, Scale, quantize};

use crate::inputs::{components, scales};
use crate::oracle;

fn check(x: f64, scale: Scale) {
    let fixed = FixedPoint::from_f64(x, scale).expect("in range");
    assert_eq!(BigInt::from(fixed.raw()), oracle::quantized(x, scale), "{x:e} at {scale:?}");
    let back = fixed.to_f64(scale);
    assert_eq!(back.to_bits(), oracle::nearest(&oracle::value(&fixed, scale)).to_bits(), "{x:e} at {scale:?}");
}

fn any_scale() -> impl Strategy<Value = (Scale, f64)> {
    scales().prop_flat_map(|scale| (Just(scale), components(scale)))
}

proptest! {
    #[test]
    fn inputs_round_as_exact_rationals_do((scale, x) in any_scale()) {
        check(x, scale);
    }

    #[test]
    fn any_bits_round_as_exact_rationals_do_or_are_refused(bits: u64, scale in scales()) {
        let x = f64::from_bits(bits);
        match FixedPoint::from_f64(x, scale) {
            Ok(_) => check(x, scale),
            Err(FixedError::NotFinite { .. }) => prop_assert!(!x.is_finite()),
            Err(_) => prop_assert!(x.abs() >= scale.limit()),
        }
    }

    /// (k + 1/2) · 2^-56, and its neighbours: the ties, and what only looks like one.
    #[test]
    fn half_way_inputs_go_to_the_even_neighbour(k in -(1i64 << 51)..(1 << 51), scale in scales()) {
        let x = (2 * k + 1) as f64 * 2f64.powi(-57) * scale.factor();
        let even = FixedPoint::from_f64(x, scale).unwrap().raw();
        prop_assert_eq!(even % 2, 0);
        prop_assert!((2 * even - i128::from(2 * k + 1)).abs() == 1);
        for x in [x, x.next_up(), x.next_down()] {
            check(x, scale);
        }
    }

    #[test]
    fn inputs_of_a_sixteenth_scale_and_more_are_held_exactly((scale, x) in any_scale()) {
        prop_assume!(x.abs() >= scale.factor() / 16.0);
        let fixed = FixedPoint::from_f64(x, scale).unwrap();
        prop_assert_eq!(oracle::value(&fixed, scale), oracle::exactly(x));
        prop_assert_eq!(fixed.to_f64(scale).to_bits(), x.to_bits());
    }

    #[test]
    fn rounding_keeps_order((scale, x, y) in scales().prop_flat_map(|s| (Just(s), components(s), components(s)))) {
        if x <= y {
            prop_assert!(FixedPoint::from_f64(x, scale).unwrap() <= FixedPoint::from_f64(y, scale).unwrap());
        }
    }
}

#[test]
fn ties_and_their_neighbours_round_half_to_even() {
    let unit = 2f64.powi(-56);
    for (x, want) in [
        (0.0, 0),
        (-0.0, 0),
        (f64::from_bits(1), 0),
        (f64::MIN_POSITIVE, 0),
        (0.5 * unit, 0),
        ((0.5 * unit).next_up(), 1),
        ((1.5 * unit).next_down(), 1),
        (1.5 * unit, 2),
        (2.5 * unit, 2),
        (-0.5 * unit, 0),
        (-1.5 * unit, -2),
        (-2.5 * unit, -2),
        (-3.5 * unit, -4),
        (1.0, 1 << 56),
        (-1.0, -1 << 56),
    ] {
        assert_eq!(FixedPoint::from_f64(x, Scale::default()).unwrap().raw(), want, "{x:e}");
    }
}

#[test]
fn inputs_stop_right_below_the_limit() {
    for exponent in Scale::MIN_EXPONENT..=Scale::MAX_EXPONENT {
        let scale = Scale::new(exponent).unwrap();
        let limit = scale.limit();
        let largest = FixedPoint::from_f64(limit.next_down(), scale).unwrap();
        assert_eq!(largest.raw(), (1 << 80) - (1 << 27));
        assert_eq!(FixedPoint::from_f64(-limit.next_down(), scale).unwrap().raw(), -largest.raw());
        for value in [limit, -limit, f64::MAX] {
            assert_eq!(FixedPoint::from_f64(value, scale), Err(FixedError::OutOfRange { value, limit }));
        }
    }
}

#[test]
fn what_is_not_finite_is_refused_as_such() {
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let refused = FixedPoint::from_f64(value, Scale::default());
        assert!(matches!(refused, Err(FixedError::NotFinite { .. })), "{value}");
    }
}

#[test]
fn a_vector_is_refused_by_the_index_of_its_first_bad_component() {
    let limit = Scale::default().limit();
    let source = FixedError::OutOfRange { value: 2e7, limit };
    assert_eq!(quantize(&[1.0, 2e7, 3e7], Scale::default()), Err(QuantizeError { index: 1, source }));
    assert_eq!(quantize(&[], Scale::default()), Ok(vec![]));
}

#[test]
fn no_negative_zero_comes_back() {
    for x in [-0.0, -f64::MIN_POSITIVE, -1e-20] {
        let back = FixedPoint::from_f64(x, Scale::default()).unwrap().to_f64(Scale::default());
        assert_eq!(back.to_bits(), 0, "{x:e}");
    }
}
