//! The oracle against cases worked out by hand.

use num_bigint::BigInt;
use num_rational::BigRational;

use super::{
    arithmetic::{percentile, quantized, rounded, rounded_root},
    components::episodic::memories_of,
    *,
};

fn origin(name: &str) -> OracleOrigin {
    (name.to_owned(), 1)
}

/// Field, epoch and what was written.
type FieldChange = (&'static str, u64, FieldWrite);

fn step(epoch: u64, input: f64) -> FieldChange {
    scored(epoch, input, [input; ORACLE_METRICS])
}

fn scored(epoch: u64, input: f64, metrics: [f64; ORACLE_METRICS]) -> FieldChange {
    let answer = OracleAnswer { metrics, k: 1, novelty: 0.0, attention_gain: 0.0 };
    ("default", epoch, FieldWrite::Step(StepWrite { input: vec![input; 16], answer, intervened: None }))
}

fn intervention(action: OracleAction) -> FieldChange {
    ("default", 0, FieldWrite::Interventions(action))
}

/// By an origin that knows of nobody else.
fn record(oracle: &mut Oracle, name: &str, version: u64, clock: OracleClock, written: FieldChange) {
    let (field, epoch, write) = written;
    oracle
        .record((origin(name), version, clock), &OracleFrontier::new(), (field, epoch), write)
        .expect("what had to be");
}

fn spec(epoch: u64, clock: OracleClock) -> OracleSpec {
    OracleSpec { epoch, clock, ..Oracle::default().implicit }
}

fn reset(epoch: u64, clock: OracleClock) -> FieldChange {
    ("default", epoch, FieldWrite::Specs(spec(epoch, clock)))
}

fn default_of(oracle: &Oracle, frontier: &[(&str, u64)]) -> ExpectedField {
    let frontier = frontier.iter().map(|(name, version)| (origin(name), *version)).collect();
    oracle.expect(&frontier).fields.remove("default").expect("default always exists")
}

fn ratio(top: i64, bottom: i64) -> BigRational {
    BigRational::new_raw(BigInt::from(top), BigInt::from(bottom))
}

#[test]
fn inputs_are_rounded_half_to_even() {
    let unit = 2f64.powi(-56);
    for (number, exponent, want) in [
        (1.0, 0, 1i64 << 56),
        (unit / 2.0, 0, 0),
        (unit * 1.5, 0, 2),
        (unit * 2.5, 0, 2),
        (unit * -2.5, 0, -2),
        (unit * 2.500_000_000_000_001, 0, 3),
        (-0.0, 0, 0),
        (f64::MIN_POSITIVE / 4.0, 0, 0),
        (3.0, 1, 3 << 55),
        (unit, -1, 2),
    ] {
        assert_eq!(quantized(number, exponent), BigInt::from(want), "{number:e} at scale 2^{exponent}");
    }
}

#[test]
fn fractions_and_their_roots_are_rounded_once() {
    for (fraction, want) in [
        (ratio(1, 3), 1.0 / 3.0),
        (ratio(-1, 3), -1.0 / 3.0),
        (ratio(0, 7), 0.0),
        (ratio((1 << 53) + 1, 1), 9_007_199_254_740_992.0),
        (ratio((1 << 53) + 3, 1), 9_007_199_254_740_996.0),
        (ratio(i64::MAX, 1), 9_223_372_036_854_775_808.0),
    ] {
        assert_eq!(rounded(&fraction, 0).to_bits(), f64::to_bits(want), "{fraction}");
    }
    for square in [1i64, 2, 3, 4, 9, 10, 1_000_003, i64::MAX] {
        // The root instruction rounds correctly where its argument is exact.
        let want = f64::sqrt(rounded(&ratio(square, 1), 0));
        if square < 1 << 53 {
            assert_eq!(rounded_root(&ratio(square, 1), 0).to_bits(), want.to_bits(), "root of {square}");
        }
    }
    assert_eq!(rounded_root(&ratio(1, 4), 3), 4.0);
    assert_eq!(rounded(&ratio(3, 1), -1075), f64::from_bits(2), "1.5 of the least double is a tie");
    assert_eq!(rounded(&ratio(1, 1), -1075), 0.0);
    assert_eq!(rounded(&ratio(1, 1), -1030), 2f64.powi(-1030));
    assert_eq!(rounded(&ratio(1, 1), 1023), 2f64.powi(1023));
}

#[test]
fn only_what_the_frontier_covers_counts() {
    let mut oracle = Oracle::default();
    record(&mut oracle, "a", 1, (1_000, 0), step(0, 1.0));
    record(&mut oracle, "a", 2, (2_000, 0), step(0, 3.0));
    record(&mut oracle, "b", 1, (3_000, 0), step(0, 8.0));
    for (frontier, count, mean, variance) in [
        (&[][..], 0, None, None),
        (&[("a", 1)], 1, Some(1.0), None),
        (&[("a", 2)], 2, Some(2.0), Some(2.0)),
        (&[("a", 9), ("b", 1)], 3, Some(4.0), Some(13.0)),
        (&[("b", 1)], 1, Some(8.0), None),
    ] {
        let field = default_of(&oracle, frontier);
        assert_eq!(field.moments.count, count, "{frontier:?}");
        assert_eq!(field.moments.mean.map(|mean| mean[15]), mean, "{frontier:?}");
        assert_eq!(field.moments.variance.map(|variance| variance[0]), variance, "{frontier:?}");
    }
    let all = default_of(&oracle, &[("a", 2), ("b", 1)]);
    assert_eq!(all.moments.standard_deviation.map(|deviation| deviation[3]), Some(13f64.sqrt()));
    assert_eq!(all.recent.map(|last| last.origin), Some(origin("b")));
}

#[test]
fn the_window_ends_with_the_latest_step_and_is_a_minute_long() {
    let mut oracle = Oracle::default();
    for (version, second, metric) in [(1, 100, 1.0), (2, 101, 2.0), (3, 159, 4.0), (4, 160, 6.0)] {
        record(&mut oracle, "a", version, (second * 1000 + 999, 0), step(0, metric));
    }
    for (version, count, mean) in [(3, 3, 7.0 / 3.0), (4, 3, 4.0)] {
        let field = default_of(&oracle, &[("a", version)]);
        assert_eq!((field.windows.count, field.windows.mean.map(|mean| mean[0])), (count, Some(mean)), "{version}");
    }
}

#[test]
fn interventions_fold_by_clock_and_then_by_origin() {
    use OracleAction::{Albedo, Nigredo};
    let mut oracle = Oracle::default();
    record(&mut oracle, "b", 1, (20, 0), intervention(Albedo));
    record(&mut oracle, "a", 1, (10, 0), intervention(Nigredo));
    record(&mut oracle, "b", 2, (30, 0), intervention(Nigredo));
    record(&mut oracle, "a", 2, (30, 0), intervention(Albedo));
    for (frontier, noise, count) in [
        (&[("b", 1)][..], 0.0, 1),
        (&[("a", 1), ("b", 1)], 0.8, 2),
        (&[("a", 2), ("b", 1)], 0.8 - 0.7, 3),
        (&[("a", 2), ("b", 2)], 1.5, 4),
    ] {
        let field = default_of(&oracle, frontier);
        assert_eq!((field.interventions.noise, field.interventions.count), (noise, count), "{frontier:?}");
    }
}

#[test]
fn a_reset_drops_the_steps_of_those_who_took_note_of_it() {
    let mut oracle = Oracle::default();
    record(&mut oracle, "a", 1, (10, 0), step(0, 1.0));
    record(&mut oracle, "b", 1, (10, 0), step(0, 1.0));
    record(&mut oracle, "b", 2, (20, 0), step(0, 1.0));
    record(&mut oracle, "a", 2, (30, 0), reset(7, (30, 0)));
    record(&mut oracle, "a", 3, (40, 0), step(7, 5.0));
    oracle.record_repeated(origin("b"), 3, "default", spec(7, (30, 0))).expect("a was asked for it");
    for (frontier, epoch, count, dropped) in [
        (&[("a", 1), ("b", 2)][..], 0, 3, 0),
        (&[("a", 2), ("b", 2)], 7, 0, 1),
        (&[("a", 3), ("b", 2)], 7, 1, 1),
        (&[("a", 3), ("b", 3)], 7, 1, 3),
        (&[("b", 3)], 7, 0, 2),
    ] {
        let field = default_of(&oracle, frontier);
        assert_eq!(
            (field.specs.spec.epoch, field.moments.count, field.tombstones),
            (epoch, count, dropped),
            "{frontier:?}"
        );
    }
}

#[test]
fn of_two_resets_the_greater_epoch_holds_whichever_came_last() {
    let mut oracle = Oracle::default();
    record(&mut oracle, "a", 1, (50, 0), reset(9, (50, 0)));
    record(&mut oracle, "b", 1, (60, 0), reset(8, (60, 0)));
    assert_eq!(default_of(&oracle, &[("a", 1), ("b", 1)]).specs.spec.epoch, 9);
    assert_eq!(default_of(&oracle, &[("b", 1)]).specs.spec.epoch, 8);
}

#[test]
fn a_spec_that_nobody_asked_for_is_refused() {
    let mut oracle = Oracle::default();
    let refused = oracle.record_repeated(origin("b"), 3, "default", spec(7, (30, 0)));
    assert!(refused.is_err_and(|why| why.contains("nobody asked for")));
    record(&mut oracle, "a", 1, (30, 0), reset(7, (30, 0)));
    assert!(oracle.record_repeated(origin("b"), 3, "default", spec(7, (31, 0))).is_err(), "another clock");
    assert!(oracle.record_repeated(origin("b"), 3, "default", spec(7, (30, 0))).is_ok());
    assert!(oracle.record_repeated(origin("a"), 1, "default", spec(7, (30, 0))).is_ok(), "kept already");
}

#[test]
fn a_dropped_field_is_not_shown() {
    let mut oracle = Oracle::default();
    let dropped = OracleSpec { dropped: true, ..spec(4, (6, 0)) };
    record(&mut oracle, "a", 1, (5, 0), ("extra", 3, FieldWrite::Specs(spec(3, (5, 0)))));
    record(&mut oracle, "a", 2, (6, 0), ("extra", 4, FieldWrite::Specs(dropped)));
    let names =
        |version| oracle.expect(&BTreeMap::from([(origin("a"), version)])).fields.into_keys().collect::<Vec<_>>();
    assert_eq!(names(0), ["default"]);
    assert_eq!(names(1), ["default", "extra"]);
    assert_eq!(names(2), ["default"]);
}

/// A step of so great a prediction error that it is a threat.
fn threat(k: u64, intervened: Option<OracleThreat>) -> FieldChange {
    let answer = OracleAnswer { metrics: [9.0; ORACLE_METRICS], k, novelty: 0.0, attention_gain: 0.0 };
    ("default", 7, FieldWrite::Step(StepWrite { input: vec![0.0; 16], answer, intervened }))
}

/// Origin, version, wall milliseconds, what it had seen, and what it wrote.
type Write<'a> = (&'a str, u64, u64, &'a [(&'a str, u64)], FieldChange);

/// In a field whose guardian intervenes: what each write is refused for, if it is.
fn guarded(writes: &[Write<'_>]) -> (Oracle, Vec<Option<String>>) {
    let mut oracle = Oracle::default();
    let spec = OracleSpec { intervenes: true, ..spec(7, (1, 0)) };
    record(&mut oracle, "a", 1, (1, 0), ("default", 7, FieldWrite::Specs(spec)));
    let refused = writes.iter().map(|(name, version, wall_ms, seen, written)| {
        let seen = seen.iter().map(|(name, version)| (origin(name), *version)).collect();
        let (field, epoch, write) = written.clone();
        oracle.record((origin(name), *version, (*wall_ms, 0)), &seen, (field, epoch), write).err()
    });
    let refused = refused.collect();
    (oracle, refused)
}

#[test]
fn of_those_that_follow_the_same_the_first_counts_and_stands_for_the_others() {
    let high = Some(OracleThreat::HighPredictionError);
    let (oracle, refused) = guarded(&[
        ("a", 2, 100, &[], threat(1, high)),
        ("b", 1, 90, &[("a", 1)], threat(1, high)),
        ("a", 3, 150, &[], threat(100, None)),
        ("a", 4, 500, &[], threat(101, high)),
        ("b", 2, 490, &[("a", 2)], threat(101, high)),
    ]);
    assert_eq!(refused, [const { None }; 5]);
    for (frontier, interventions, automatic, superseded, last_step, flag) in [
        (&[("a", 2)][..], 1, 1, 0, Some(1), None),
        (&[("a", 4)], 2, 2, 0, Some(101), None),
        // A's threat came after b's intervention, the one that counts.
        (&[("a", 2), ("b", 1)], 1, 1, 1, Some(1), high),
        (&[("a", 4), ("b", 2)], 2, 2, 2, Some(101), high),
    ] {
        let field = default_of(&oracle, frontier);
        let got =
            (field.interventions.count, field.guardian.automatic, field.guardian.superseded, field.guardian.last_step);
        assert_eq!(got, (interventions, automatic, superseded, last_step), "{frontier:?}");
        assert_eq!((field.interventions.noise, field.guardian.flag), (1.5, flag), "{frontier:?}");
    }
    let sights = default_of(&oracle, &[("a", 4), ("b", 2)]).sights.into_iter().map(Marker::name).collect::<Vec<_>>();
    assert_eq!(sights, ["superseded one followed", "two followed the same"]);
}

#[test]
fn a_guardian_that_does_otherwise_is_noticed() {
    let high = Some(OracleThreat::HighPredictionError);
    let (oracle, refused) = guarded(&[
        ("a", 2, 100, &[], threat(1, None)),
        ("a", 3, 200, &[], threat(2, high)),
        ("a", 4, 300, &[], threat(50, high)),
        ("a", 5, 400, &[], threat(60, None)),
    ]);
    let is_refused: Vec<bool> = refused.iter().map(Option::is_some).collect();
    assert_eq!(is_refused, [true, false, true, false], "{refused:?}");
    assert_eq!(default_of(&oracle, &[("a", 5)]).guardian.flag, high, "too soon after the last to be put down");
}

#[test]
fn sixteen_steps_of_an_origin_are_looked_at_in_twenty_milliseconds() {
    let mut oracle = Oracle::default();
    for n in 0..40 {
        record(&mut oracle, "a", n + 1, (19 + u64::from(n > 20), u32::try_from(n).unwrap_or(0)), step(0, 0.0));
    }
    record(&mut oracle, "b", 1, (19, 0), step(0, 0.0));
    assert_eq!(default_of(&oracle, &[("a", 40)]).guardian.history.len(), 32);
    assert_eq!(default_of(&oracle, &[("a", 40), ("b", 1)]).guardian.history.len(), 33);
}

#[test]
fn percentiles_and_memories_are_those_of_the_reference() {
    let numbers: Vec<f64> = (1..=200).rev().map(f64::from).collect();
    for (hundredths, want) in [(95, 190.05), (5, 10.95)] {
        assert!((percentile(numbers.clone(), hundredths) - want).abs() < 1e-12);
    }
    assert_eq!(percentile(vec![3.0], 95), 3.0);
    for (added, held) in [(0, 0), (4096, 4096), (4097, 3688), (4505, 4096), (4506, 3688)] {
        assert_eq!(memories_of(added), held, "{added}");
    }
}
