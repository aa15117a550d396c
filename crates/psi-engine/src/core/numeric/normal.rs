//! Standard normal numbers from uniform ones, by the inverse of the distribution function.
//!
//! M. J. Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37 (1988),
//! pages 477–484: exact to about 16 digits. One uniform number makes one normal number, so that the i-th of a stream
//! depends on the i-th word alone; and but for a logarithm in the tails, the arithmetic is IEEE 754's own. Crates that
//! draw normal numbers take exponentials from the platform if any crate of the build lets them.

/// Beyond this distance from a half, a tail begins.
const CENTRE: f64 = 0.425;
const CENTRE_SQUARED: f64 = 0.180_625;

/// The root of minus the logarithm of a tail's probability from which on the tail is far.
const FAR: f64 = 5.0;

/// Highest power first, as all below.
const CENTRE_OVER: [f64; 8] = [
    2_509.080_928_730_122_7,
    33_430.575_583_588_13,
    67_265.770_927_008_7,
    45_921.953_931_549_87,
    13_731.693_765_509_46,
    1_971.590_950_306_551_3,
    133.141_667_891_784_38,
    3.387_132_872_796_366_5,
];
const CENTRE_UNDER: [f64; 8] = [
    5_226.495_278_852_854,
    28_729.085_735_721_943,
    39_307.895_800_092_71,
    21_213.794_301_586_597,
    5_394.196_021_424_751,
    687.187_007_492_057_9,
    42.313_330_701_600_91,
    1.0,
];
const NEAR_OVER: [f64; 8] = [
    0.000_774_545_014_278_341_4,
    0.022_723_844_989_269_184,
    0.241_780_725_177_450_6,
    1.270_458_252_452_368_4,
    3.647_848_324_763_204_5,
    5.769_497_221_460_691,
    4.630_337_846_156_546,
    1.423_437_110_749_683_5,
];
const NEAR_UNDER: [f64; 8] = [
    1.050_750_071_644_416_9e-9,
    0.000_547_593_808_499_534_5,
    0.015_198_666_563_616_457,
    0.148_103_976_427_480_08,
    0.689_767_334_985_1,
    1.676_384_830_183_803_8,
    2.053_191_626_637_759,
    1.0,
];
const FAR_OVER: [f64; 8] = [
    2.010_334_399_292_288_1e-7,
    2.711_555_568_743_487_6e-5,
    0.001_242_660_947_388_078_4,
    0.026_532_189_526_576_124,
    0.296_560_571_828_504_87,
    1.784_826_539_917_291_3,
    5.463_784_911_164_114,
    6.657_904_643_501_103,
];
const FAR_UNDER: [f64; 8] = [
    2.044_263_103_389_939_7e-15,
    1.421_511_758_316_446e-7,
    1.846_318_317_510_054_8e-5,
    0.000_786_869_131_145_613_3,
    0.014_875_361_290_850_615,
    0.136_929_880_922_735_8,
    0.599_832_206_555_888,
    1.0,
];

/// The standard normal number that belongs to 64 uniform bits, of which the upper 52 count; within ±8.3.
pub(crate) fn normal(bits: u64) -> f64 {
    // (n + ½) / 2^52, which is exact, never 0 or 1, and as far from 0 as its mirror image is from 1.
    const STEPS: f64 = (1_u64 << 52) as f64;
    quantile(((bits >> 12) as f64 + 0.5) / STEPS)
}

/// The number below which a standard normal one lies with `probability`, which is neither 0 nor 1.
fn quantile(probability: f64) -> f64 {
    let offset = probability - 0.5;
    if offset.abs() <= CENTRE {
        let r = CENTRE_SQUARED - offset * offset;
        return offset * polynomial(&CENTRE_OVER, r) / polynomial(&CENTRE_UNDER, r);
    }
    let tail = if offset < 0.0 { probability } else { 1.0 - probability };
    let r = (-libm::log(tail)).sqrt();
    let size = if r <= FAR {
        polynomial(&NEAR_OVER, r - 1.6) / polynomial(&NEAR_UNDER, r - 1.6)
    } else {
        polynomial(&FAR_OVER, r - FAR) / polynomial(&FAR_UNDER, r - FAR)
    };
    size.copysign(offset)
}

fn polynomial(coefficients: &[f64; 8], r: f64) -> f64 {
    coefficients.iter().fold(0.0, |value, coefficient| value * r + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_the_known_ones() {
        // From Python's `statistics.NormalDist().inv_cdf`; the second and third are in every table.
        for (probability, want) in [
            (0.5, 0.0),
            (0.25, -0.674_489_750_196_081_7),
            (0.975, 1.959_963_984_540_054),
            (0.001, -3.090_232_306_167_813_6),
            (1e-10, -6.361_340_902_404_056),
            (1e-12, -7.034_483_825_301_131),
        ] {
            let got = quantile(probability);
            assert!((got - want).abs() < 2e-15, "{probability}: {got:?}");
        }
    }

    #[test]
    fn the_ends_are_finite_and_mirror_each_other() {
        assert_eq!(normal(0), -normal(u64::MAX));
        assert!((-8.3..-8.2).contains(&normal(0)), "{}", normal(0));
        // The pieces meet: neighbours on either side of where one takes over from the other.
        for joint in [0.075_f64, 0.925, 1.388_794_386_496_402e-11] {
            assert!((quantile(joint.next_down()) - quantile(joint.next_up())).abs() < 1e-14, "{joint}");
        }
    }

    proptest! {
        #[test]
        fn numbers_rise_with_their_bits_and_mirror(bits: u64) {
            prop_assert_eq!(normal(bits), -normal(!bits));
            prop_assert!(normal(bits) <= normal(bits.saturating_add(1 << 12)));
        }
    }
}
