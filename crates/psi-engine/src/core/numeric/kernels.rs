//! Sums of slices in one fixed order.
//!
//! A sum runs in eight lanes: number `i` goes to lane `i mod 8` and the lanes are added up at the end, in one order. So
//! a compiler may use vectors of any width up to eight without changing a bit, and which width the CPU has is never
//! asked. No product is fused with its sum.

/// Independent partial sums.
const LANES: usize = 8;

/// Keeps the cosine of a zero vector finite.
pub(crate) const NORM_GUARD: f64 = 1e-12;

/// Keeps entropies and phases finite; ε_h.
pub(crate) const SPREAD_GUARD: f64 = 1e-8;

/// The sum of `term` over all pairs; `left` and `right` have the same length, or the longer one's rest is left out.
#[inline]
fn add_up(left: &[f64], right: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    let (right_chunks, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_chunks.iter().zip(right_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(left[lane], right[lane]);
        }
    }
    for (lane, (&left, &right)) in lanes.iter_mut().zip(left_rest.iter().zip(right_rest)) {
        *lane += term(left, right);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// a·b
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    add_up(a, b, |a, b| a * b)
}

/// ‖a‖
pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// ‖a − b‖
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    add_up(a, b, |a, b| (a - b) * (a - b)).sqrt()
}

/// a·b / ((‖a‖ + 1e-12)(‖b‖ + 1e-12))
pub(crate) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    dot(a, b) / ((norm(a) + NORM_GUARD) * (norm(b) + NORM_GUARD))
}

/// Mean and population standard deviation; zeros for an empty slice.
pub(crate) fn mean_and_std(a: &[f64]) -> (f64, f64) {
    let count = a.len().max(1) as f64;
    let mean = add_up(a, a, |a, _| a) / count;
    let variance = add_up(a, a, |a, _| (a - mean) * (a - mean)) / count;
    (mean, variance.sqrt())
}

/// `a` + `factor`·`b`, number by number, into `a`.
pub(crate) fn add_scaled(a: &mut [f64], factor: f64, b: &[f64]) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a += factor * b;
    }
}

/// 1 / (1 + e^-v): 0 at −∞, 1 at +∞.
pub(crate) fn logistic(v: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-v))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lanes_are_added_in_the_documented_order() {
        // 2^53 swallows a 1 that is added to it, so the sum tells the order.
        let huge = 9_007_199_254_740_992.0;
        let a = [huge, 1.0, 1.0, 1.0, -huge, 1.0, 1.0, 1.0, 1.0];
        // Lane 0 holds `huge + 1`, which is `huge`; with lane 4 it comes to 0.
        assert_eq!(dot(&a, &[1.0; 9]), 6.0);
        assert_eq!(a.iter().sum::<f64>(), 4.0);
    }

    #[test]
    fn empty_slices_give_zeros() {
        assert_eq!((dot(&[], &[]), norm(&[]), cosine(&[], &[])), (0.0, 0.0, 0.0));
        assert_eq!(mean_and_std(&[]), (0.0, 0.0));
    }

    #[test]
    fn a_cosine_is_kept_finite_by_its_guard_alone() {
        assert_eq!(cosine(&[0.0], &[1.0]), 0.0);
        assert!((cosine(&[1e-12], &[1.0]) - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn whole_numbers_are_summed_exactly(pairs in prop::collection::vec((-1000_i32..1000, -1000_i32..1000), 0..70)) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|&(a, b)| (f64::from(a), f64::from(b))).unzip();
            let want: i64 = pairs.iter().map(|&(a, b)| i64::from(a) * i64::from(b)).sum();
            prop_assert_eq!(dot(&a, &b), want as f64);
            let squares: i64 = pairs.iter().map(|&(a, b)| i64::from(a - b) * i64::from(a - b)).sum();
            prop_assert_eq!(distance(&a, &b), (squares as f64).sqrt());
        }
    }
}
