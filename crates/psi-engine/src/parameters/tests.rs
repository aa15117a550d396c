use super::*;
use proptest::prelude::*;

/// The names that the HTTP service has always shown, in its order.
const SHOWN: [&str; 15] =
    ["dt", "W_r", "H", "N", "C_w", "latent_dim", "w1", "w2", "w3", "w4", "w5", "w6", "lambda_", "dt_min", "dt_max"];

fn check_refused(changes: &[(&str, f64)], want: &[&str]) {
    let errors = Parameters::default().with(changes.iter().copied()).unwrap_err();
    let got: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(got, want);
}

#[test]
fn names_start_with_those_always_shown() {
    let parameters = Parameters::default();
    let names: Vec<_> = parameters.iter().map(|(name, _)| name).collect();
    assert_eq!(names[..SHOWN.len()], SHOWN);
    assert_eq!(
        names[SHOWN.len()..],
        [
            "alpha",
            "beta",
            "epsilon",
            "g0",
            "g1",
            "g2",
            "tau_psi",
            "tau_c",
            "pe_low",
            "pe_high",
            "drift",
            "baseline_after",
            "long_window",
            "short_window",
            "drift_warning",
            "drift_critical",
            "drift_alpha",
            "novelty_threshold"
        ]
    );
}

#[test]
fn indices_name_their_parameters() {
    for (index, name) in [
        (DT, "dt"),
        (W_R, "W_r"),
        (N, "N"),
        (C_W, "C_w"),
        (LATENT_DIM, "latent_dim"),
        (LAMBDA, "lambda_"),
        (DT_MIN, "dt_min"),
        (DT_MAX, "dt_max"),
        (ALPHA, "alpha"),
        (BETA, "beta"),
        (EPSILON, "epsilon"),
        (G0, "g0"),
        (TAU_PSI, "tau_psi"),
        (TAU_C, "tau_c"),
        (DRIFT, "drift"),
        (BASELINE_AFTER, "baseline_after"),
        (LONG_WINDOW, "long_window"),
        (SHORT_WINDOW, "short_window"),
        (DRIFT_WARNING, "drift_warning"),
        (DRIFT_CRITICAL, "drift_critical"),
        (DRIFT_ALPHA, "drift_alpha"),
        (NOVELTY_THRESHOLD, "novelty_threshold"),
        (PE_LOW, "pe_low"),
        (PE_HIGH, "pe_high"),
    ] {
        assert_eq!(index_of(name), Some(index), "{name}");
    }
}

#[test]
fn each_reader_reads_its_own_parameter() {
    // Another value for each, so that no two can be swapped unnoticed.
    let changes = DEFINITIONS.iter().zip(1_u8..).map(|(definition, place)| {
        let value = definition.min + f64::from(place) * (definition.max - definition.min).min(32.0) / 32.0;
        (definition.name, if definition.whole { value.floor() } else { value })
    });
    let given = Parameters::default().with(changes.chain([("dt_max", 50.0)])).unwrap();
    let value = |name| given.value(name).unwrap();
    assert_eq!(given.weights(), ["w1", "w2", "w3", "w4", "w5", "w6"].map(value));
    assert_eq!(given.gains(), ["g0", "g1", "g2"].map(value));
    assert_eq!(given.memorable_errors(), value("pe_low")..=value("pe_high"));
    for (got, name) in [
        (given.dt(), "dt"),
        (given.lambda(), "lambda_"),
        (given.alpha(), "alpha"),
        (given.beta(), "beta"),
        (given.epsilon(), "epsilon"),
        (given.tau_psi(), "tau_psi"),
        (given.tau_c(), "tau_c"),
        (given.rollouts() as f64, "N"),
        (given.working_capacity() as f64, "C_w"),
        (given.latent_dim() as f64, "latent_dim"),
    ] {
        assert_eq!(got, value(name), "{name}");
    }
}

#[test]
fn retention_is_the_window_in_steps_rounded_half_to_even() {
    for (window, dt, want) in [(3.0, 0.2, 15), (0.5, 0.2, 2), (7.0, 2.0, 4), (0.001, 60.0, 0), (200.0, 0.2, 1000)] {
        let parameters = Parameters::default().with([("W_r", window), ("dt", dt)]).unwrap();
        assert_eq!(parameters.retention(), want, "{window} / {dt}");
    }
}

#[test]
fn a_retention_window_of_too_many_steps_is_refused() {
    assert!(Parameters::default().with([("W_r", 102.4), ("dt", 0.1)]).is_ok());
    let want = "`W_r` / `dt` = 102.5 / 0.1 is 1025 steps of retention, at most 1024 are kept";
    check_refused(&[("W_r", 102.5), ("dt", 0.1)], &[want]);
    check_refused(&[("W_r", 600.0), ("dt", 0.0)], &["parameter `dt` takes 0.001 to 60, not 0"]);
}

#[test]
fn every_default_is_a_valid_value() {
    let defaults = Parameters::default();
    assert_eq!(defaults.with(defaults.iter()), Ok(defaults));
}

#[test]
fn defaults_are_those_of_the_service_it_replaces() {
    let parameters = Parameters::default();
    for (name, want) in [
        ("dt", 0.2),
        ("W_r", 3.0),
        ("H", 2.0),
        ("N", 8.0),
        ("C_w", 32.0),
        ("latent_dim", 32.0),
        ("w1", 1.0),
        ("w2", 0.8),
        ("w3", 0.6),
        ("w4", 0.6),
        ("w5", 0.7),
        ("w6", 0.7),
        ("lambda_", 0.6),
        ("lambda", 0.6),
        ("dt_min", 0.05),
        ("dt_max", 0.5),
        ("alpha", 1.0),
        ("beta", 1.0),
        ("epsilon", 1e-6),
        ("g0", 1.0),
        ("g1", 0.5),
        ("g2", 0.2),
        ("tau_psi", 0.6),
        ("tau_c", 0.4),
        ("pe_low", 0.1),
        ("pe_high", 1.5),
    ] {
        assert_eq!(parameters.value(name), Some(want), "{name}");
    }
    assert_eq!(parameters.value("mood"), None);
}

#[test]
fn changes_are_made_and_the_rest_stays() {
    let before = Parameters::default();
    let after = before.with([("dt", 0.1), ("W_r", 2.0), ("lambda", 0.0)]).unwrap();
    for ((name, old), (_, new)) in before.iter().zip(after.iter()) {
        let want = match name {
            "dt" => 0.1,
            "W_r" => 2.0,
            "lambda_" => 0.0,
            _ => old,
        };
        assert_eq!(new, want, "{name}");
    }
}

#[test]
fn the_later_of_two_changes_counts() {
    let parameters = Parameters::default().with([("dt", 0.1), ("dt", 0.3)]).unwrap();
    assert_eq!(parameters.dt(), 0.3);
}

#[test]
fn all_bad_changes_are_reported_at_once() {
    check_refused(
        &[
            ("dtt", 1.0),
            ("mood", 1.0),
            ("dt", f64::NAN),
            ("w1", f64::INFINITY),
            ("N", 2.5),
            ("C_w", 0.0),
            ("pe_low", 2.0),
        ],
        &[
            "no parameter is called `dtt`; did you mean `dt`?",
            "no parameter is called `mood`",
            "parameter `dt` takes 0.001 to 60, not NaN",
            "parameter `w1` takes -100 to 100, not inf",
            "parameter `N` takes whole numbers, not 2.5",
            "parameter `C_w` takes 1 to 1024, not 0",
            "parameter `pe_low` = 2 would exceed `pe_high` = 1.5",
        ],
    );
}

#[test]
fn the_order_is_judged_on_the_values_after_all_changes() {
    let defaults = Parameters::default();
    assert!(defaults.with([("dt_min", 1.0), ("dt_max", 2.0)]).is_ok());
    assert!(defaults.with([("dt_min", 0.5)]).is_ok());
    check_refused(&[("dt_min", 1.0)], &["parameter `dt_min` = 1 would exceed `dt_max` = 0.5"]);
    check_refused(&[("dt_min", 1.0), ("dt_max", -1.0)], &["parameter `dt_max` takes 0.001 to 60, not -1"]);
}

#[test]
fn negative_zero_is_stored_as_zero() {
    let parameters = Parameters::default().with([("w1", -0.0)]).unwrap();
    assert_eq!(parameters.value("w1").map(f64::to_bits), Some(0));
}

/// Any name, with any value or, as often, one near the limits.
fn any_change() -> impl Strategy<Value = (&'static str, f64)> {
    let names = DEFINITIONS.map(|definition| definition.name).to_vec();
    let value = prop_oneof![prop::num::f64::ANY, -2.0..70.0, (0_u8..70).prop_map(f64::from)];
    (prop::sample::select(names), value)
}

proptest! {
    #[test]
    fn whatever_is_accepted_is_valid(changes in prop::collection::vec(any_change(), 0..4)) {
        if let Ok(parameters) = Parameters::default().with(changes) {
            for (definition, (_, value)) in DEFINITIONS.iter().zip(parameters.iter()) {
                prop_assert!((definition.min..=definition.max).contains(&value));
                prop_assert!(!definition.whole || value.fract() == 0.0);
            }
            prop_assert!(parameters.dt_min() <= parameters.dt_max());
            prop_assert!(parameters.retention() <= RETENTION_MAX);
        }
    }
}
