use super::*;
use crate::{Action, fold_noise};
use proptest::prelude::*;

/// What the feeder sent during the incident.
const INCIDENT: [f64; 16] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.0, -0.1, 0.2, 0.9, -0.4, 0.1, 0.0, 0.2, -0.2, 0.3, 0.1];

/// The noise on the pod with two interventions, 0.8.
fn noise_of_pod_one() -> Noise {
    fold_noise([Action::Nigredo, Action::Albedo])
}

fn scored(input: &[f64], noise: Noise) -> Metrics {
    score(ArrayView1::from(input), noise, &Parameters::default())
}

fn check_close(input: &[f64], noise: Noise, want: [f64; 8], tolerance: f64) {
    let got = scored(input, noise).to_array();
    for ((name, got), want) in Metrics::NAMES.iter().zip(got).zip(want) {
        assert!((got - want).abs() <= tolerance, "{name}: {got}, not {want}");
    }
}

fn check_in_range(metrics: Metrics, parameters: &Parameters) {
    let ranges = [
        (0.0, 1.0),
        (0.0, 1.0),
        (0.0, 1.0),
        (0.0, PI.next_down()),
        (0.0, 5.0),
        (0.0, 5.0),
        (0.0, 10.0),
        (parameters.dt_min(), parameters.dt_max()),
    ];
    for ((name, number), (low, high)) in Metrics::NAMES.iter().zip(metrics.to_array()).zip(ranges) {
        assert!((low..=high).contains(&number), "{name}: {number}");
        assert!(number.is_sign_positive(), "{name}: {number}");
    }
}

#[test]
fn the_incident_is_reproduced_to_every_digit_reported() {
    let names = ["Psi", "Phi", "C", "U", "H", "PE"];
    for (pod, noise, want) in [
        (2, Noise::ZERO, ["0.5259", "0.1611", "0.7757", "0.5405", "0.0803", "0.0625"]),
        (1, noise_of_pod_one(), ["0.5259", "0.1535", "0.7757", "0.6370", "0.6332", "0.8625"]),
    ] {
        let metrics = scored(&INCIDENT, noise);
        let got = names.map(|symbol| {
            let place = Metrics::SYMBOLS.iter().position(|known| *known == symbol);
            format!("{:.4}", metrics.to_array()[place.unwrap()])
        });
        assert_eq!(got, want, "pod {pod}");
    }
}

#[test]
fn the_service_it_replaces_gave_these_answers() {
    check_close(
        &INCIDENT,
        Noise::ZERO,
        [
            0.525_920_490_844_39,
            0.775_719_461_040_876_3,
            0.540_535_839_273_789_3,
            0.161_091_904_537_580_52,
            0.080_283_063_401_168_77,
            0.0625,
            0.082_915_619_758_885,
            0.214_456_291_882_775_48,
        ],
        1e-12,
    );
    check_close(
        &INCIDENT,
        noise_of_pod_one(),
        [
            0.525_920_490_844_39,
            0.775_719_461_040_876_3,
            0.637_030_794_480_383_1,
            0.153_543_782_539_556_08,
            0.633_181_521_267_508_3,
            0.862_5,
            0.082_915_619_758_885,
            0.214_456_291_882_775_48,
        ],
        1e-12,
    );
}

/// Small cases worked by hand.
#[test]
fn formulas_hold_on_inputs_worked_by_hand() {
    let logistic_of = |v: f64| 1.0 / (1.0 + libm::exp(-v));
    check_close(
        &[3.0],
        Noise::ZERO,
        [logistic_of(3.0 + 3.0 / 5.0), 1.0, logistic_of(3.0), f64::atan2(3.0, 1.0), 0.0, 0.0, 3.0, 0.2],
        1e-15,
    );
    // Mean 0, deviation 1, norm √2, weights 2 and 1.
    check_close(
        &[-1.0, 1.0],
        Noise::CEILING,
        [
            logistic_of(f64::sqrt(2.0) / 2.0 - 0.05),
            0.5,
            logistic_of(0.75),
            0.0,
            f64::ln(3.5),
            2.5,
            f64::sqrt(2.0) / 2.0,
            0.25,
        ],
        1e-15,
    );
}

#[test]
fn an_empty_input_is_scored_as_one_zero() {
    for noise in [Noise::ZERO, Noise::CEILING] {
        assert_eq!(scored(&[], noise), scored(&[0.0], noise));
    }
    check_close(&[], Noise::ZERO, [0.5, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.2], 0.0);
}

#[test]
fn numbers_that_are_not_finite_count_as_these() {
    assert_eq!(
        scored(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0], Noise::ZERO),
        scored(&[0.0, 5.0, -5.0, 1.0], Noise::ZERO)
    );
}

#[test]
fn a_phase_just_below_zero_stays_below_pi() {
    for tiny in [-f64::MIN_POSITIVE, -1e-300, -1e-17] {
        let phase = scored(&[tiny], Noise::ZERO).phase_coherence;
        assert_eq!(phase, PI.next_down(), "{tiny}");
    }
    assert_eq!(scored(&[-0.0], Noise::ZERO).phase_coherence.to_bits(), 0.0_f64.to_bits());
}

#[test]
fn parameters_limit_the_effective_step() {
    let parameters = Parameters::default().with([("dt", 0.1), ("dt_min", 0.15), ("dt_max", 0.3)]).unwrap();
    for (input, want) in [([0.0, 0.0], 0.15), ([-2.0, 2.0], 0.2), ([-90.0, 90.0], 0.3)] {
        let got = score(ArrayView1::from(&input), Noise::ZERO, &parameters).time_dilation;
        assert_eq!(got, want);
    }
}

#[test]
fn huge_inputs_saturate() {
    // A power of two, so that means of equal numbers are exact.
    let top = power_of_two(1023);
    for (input, want) in [
        (vec![top; 16], [1.0, 1.0, 1.0, PI / 2.0, 0.0, 0.0, 10.0, 0.2]),
        (vec![-top; 100], [0.0, 1.0, 0.0, PI / 2.0, 0.0, 0.0, 10.0, 0.2]),
        (vec![-top, top], [1.0, 0.0, 0.5, 0.0, 5.0, 5.0, 10.0, 0.5]),
    ] {
        check_close(&input, Noise::ZERO, want, 1e-15);
    }
}

#[test]
fn shrinking_huge_inputs_changes_no_bit() {
    let edge = Shape::HUGE;
    let below = Shape::of(&ArrayView1::from(&[edge, -edge / 3.0, edge / 7.0]));
    let above = Shape::of(&ArrayView1::from(&[edge * 4.0, -edge * 4.0 / 3.0, edge * 4.0 / 7.0]));
    assert_eq!((below.enlargement, above.enlargement), (1.0, Shape::ENLARGE));
    for (small, large) in [
        (below.sum, above.sum),
        (below.mean, above.mean),
        (below.last, above.last),
        (below.norm_per_number, above.norm_per_number),
        (below.early_weight, above.early_weight),
    ] {
        assert_eq!(small * 4.0, above.enlarge(large));
    }
    assert_eq!(below.std * 4.0, above.std);
}

/// The bits themselves, so that a change of libm, compiler or processor that moves one of them is seen. Replicas whose
/// bits differ disagree for good.
#[test]
fn bits_are_the_same_everywhere() {
    for (input, noise, want) in PINNED {
        let got = scored(input, noise.iter().copied().fold(Noise::ZERO, Noise::after));
        let got = got.to_array().map(f64::to_bits);
        assert_eq!(got, *want, "{input:?}: {got:#x?}");
    }
}

type PinnedCase = (&'static [f64], &'static [Action], [u64; 8]);

const PINNED: &[PinnedCase] = &[
    (
        &INCIDENT,
        &[],
        [
            0x3fe0_d457_358f_222e,
            0x3fe8_d2b1_9e81_5269,
            0x3fe1_4c11_d0ff_e618,
            0x3fc4_9ea8_d6d1_d359,
            0x3fb4_8d6e_4bbb_1011,
            0x3fb0_0000_0000_0000,
            0x3fb5_39f5_4331_25c4,
            0x3fcb_734d_c407_6af0,
        ],
    ),
    (
        &INCIDENT,
        &[Action::Nigredo, Action::Albedo],
        [
            0x3fe0_d457_358f_222e,
            0x3fe8_d2b1_9e81_5269,
            0x3fe4_628e_679a_d211,
            0x3fc3_a752_9a41_79ca,
            0x3fe4_4305_e4c8_d0b3,
            0x3feb_9999_9999_999a,
            0x3fb5_39f5_4331_25c4,
            0x3fcb_734d_c407_6af0,
        ],
    ),
    (
        &[1e-9, -3.75, 2.5e3],
        &[Action::Nigredo],
        [
            0x3ff0_0000_0000_0000,
            0x3f4b_c29a_9434_c400,
            0x3ff0_0000_0000_0000,
            0x3ff9_1a99_0f1a_ecf4,
            0x4014_0000_0000_0000,
            0x4014_0000_0000_0000,
            0x4024_0000_0000_0000,
            0x3fe0_0000_0000_0000,
        ],
    ),
    (
        &[-0.3, -0.7, 0.2, -1.1, 0.05, -0.9, -2.25],
        &[Action::Nigredo, Action::Albedo, Action::Albedo],
        [
            0x3fe2_b3bd_7998_d04f,
            0x3fe2_1850_6161_9196,
            0x3fd5_beea_4f37_0d9c,
            0x4004_396b_346a_4ee3,
            0x3fe0_cd0c_828d_3bb0,
            0x3ffa_2be2_be2b_e2be,
            0x3fd9_60ee_3512_f6e0,
            0x3fce_849f_78e1_aa08,
        ],
    ),
    (
        &[1e308, -3e307, 7e306],
        &[],
        [
            0x3ff0_0000_0000_0000,
            0x0000_0000_0000_0000,
            0x3ff0_0000_0000_0000,
            0x3ff9_21fb_5444_2d18,
            0x4014_0000_0000_0000,
            0x4014_0000_0000_0000,
            0x4024_0000_0000_0000,
            0x3fe0_0000_0000_0000,
        ],
    ),
];

/// Numbers of every size, the non-finite ones included.
fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![-3.0..3.0, -1e3..1e3, prop::num::f64::ANY, Just(f64::MAX), Just(f64::MIN)]
}

fn any_noise() -> impl Strategy<Value = Noise> {
    prop::collection::vec(prop::sample::select(Action::ALL.to_vec()), 0..6).prop_map(fold_noise)
}

proptest! {
    #[test]
    fn every_input_is_scored_within_range(
        input in prop::collection::vec(any_number(), 0..40),
        noise in any_noise(),
    ) {
        check_in_range(scored(&input, noise), &Parameters::default());
    }

    #[test]
    fn scoring_twice_gives_the_same_bits(
        input in prop::collection::vec(any_number(), 0..40),
        noise in any_noise(),
    ) {
        let once = scored(&input, noise).to_array().map(f64::to_bits);
        prop_assert_eq!(once, scored(&input, noise).to_array().map(f64::to_bits));
    }

    #[test]
    fn noise_moves_only_what_it_enters(input in prop::collection::vec(-3.0..3.0, 1..40)) {
        let quiet = scored(&input, Noise::ZERO);
        let noisy = scored(&input, Noise::CEILING);
        prop_assert_eq!(
            (quiet.density, quiet.continuity, quiet.memory, quiet.time_dilation),
            (noisy.density, noisy.continuity, noisy.memory, noisy.time_dilation)
        );
        prop_assert!(quiet.futurity < noisy.futurity);
        prop_assert!(quiet.temporal_entropy < noisy.temporal_entropy);
    }
}
