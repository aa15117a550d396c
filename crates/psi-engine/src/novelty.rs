//! Novelty: how far an input is from all that came before it.
//!
//! Leaves out what came before: the caller holds exact moments and reads mean and deviation from them.

/// The root mean square z-score of `input`, over the dimensions that vary (those whose deviation is above 0).
///
/// `mean` and `deviation` are those of the steps before this one; there is no deviation for fewer than two steps, and
/// novelty is 0 then, as it is where no dimension varies. An input like the others comes to about 1, whatever their
/// units. Numbers beyond the shortest of the three slices are left out.
pub fn novelty(input: &[f64], mean: Option<&[f64]>, deviation: Option<&[f64]>) -> f64 {
    let (Some(mean), Some(deviation)) = (mean, deviation) else { return 0.0 };
    let known = input.iter().zip(mean).zip(deviation);
    let scores = known.filter(|&(_, &deviation)| deviation > 0.0).map(|((x, mean), deviation)| (x - mean) / deviation);
    let (sum, count) = scores.fold((0.0, 0_u32), |(sum, count), score| (sum + score * score, count + 1));
    (sum / f64::from(count.max(1))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn novelty_is_the_root_mean_square_z_score_over_what_varies() {
        let (mean, deviation) = ([1.0, 2.0, 3.0], [2.0, 0.5, 0.0]);
        for (input, want) in [
            ([1.0, 2.0, 3.0], 0.0),
            ([3.0, 2.0, 3.0], 0.5_f64.sqrt()),
            ([3.0, 1.5, 3.0], 1.0),
            // z-scores of 3 and 4; the third dimension never varied, and is left out though it does now.
            ([7.0, 4.0, 1e6], 12.5_f64.sqrt()),
        ] {
            assert_eq!(novelty(&input, Some(&mean), Some(&deviation)), want, "{input:?}");
        }
    }

    #[test]
    fn nothing_is_novel_before_two_steps_or_where_nothing_varies() {
        assert_eq!(novelty(&[5.0], None, None), 0.0);
        assert_eq!(novelty(&[5.0], Some(&[1.0]), None), 0.0);
        assert_eq!(novelty(&[5.0], Some(&[1.0]), Some(&[0.0])), 0.0);
        assert_eq!(novelty(&[], Some(&[]), Some(&[])), 0.0);
    }

    proptest! {
        #[test]
        fn units_do_not_matter(
            rows in prop::collection::vec((-5.0..5.0, -5.0..5.0, 0.1..5.0), 1..20), exponent in -20_i32..20,
        ) {
            let unit = 2_f64.powi(exponent);
            let columns = |unit: f64| {
                type Row = (f64, f64, f64);
                let column = |of: fn(&Row) -> f64| rows.iter().map(|row| unit * of(row)).collect::<Vec<_>>();
                let (input, mean, deviation) = (column(|row| row.0), column(|row| row.1), column(|row| row.2));
                novelty(&input, Some(&mean), Some(&deviation))
            };
            prop_assert_eq!(columns(unit), columns(1.0));
            prop_assert!(columns(1.0) >= 0.0);
        }
    }
}
