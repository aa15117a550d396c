//! Outcomes are counted exactly.

use proptest::prelude::*;
use psi_rollout::{BUCKETS, Latency, Outcome, Outcomes, OutcomesError, Tally, outcome::STEPS_LIMIT};

fn steps() -> impl Strategy<Value = Vec<(u8, Outcome)>> {
    let latency = proptest::option::of(0.0..3_600_000.0_f64);
    let step = (0..64_u8, any::<bool>(), latency).prop_map(|(bucket, error, ms)| {
        let latency = ms.map(|ms| Latency::from_ms(ms).expect("within an hour"));
        (bucket, Outcome { error, latency })
    });
    proptest::collection::vec(step, 0..200)
}

fn counted(steps: &[(u8, Outcome)]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for (bucket, outcome) in steps {
        outcomes.add(*bucket, *outcome).expect("room");
    }
    outcomes
}

proptest! {
    #[test]
    fn the_order_and_the_node_do_not_matter(steps in steps(), cut in 0..200_usize, turn in 0..200_usize) {
        let whole = counted(&steps);
        let (left, right) = steps.split_at(cut.min(steps.len()));
        let (left, mut merged) = (counted(left), counted(right));
        merged.merge(&left).expect("room");
        prop_assert_eq!(&merged, &whole);

        let mut turned = steps.clone();
        turned.rotate_left(turn.min(steps.len()));
        prop_assert_eq!(&counted(&turned), &whole);
        // What a node wrote is what another reads.
        prop_assert_eq!(Outcomes::new(*whole.buckets()).expect("sums of steps"), whole);
    }
}

#[test]
fn latencies_are_rounded_once() {
    for (ms, us) in [(0.0, 0), (0.000_4, 0), (0.000_5, 1), (12.345_6, 12_346), (3_600_000.0, 3_600_000_000)] {
        assert_eq!(Latency::from_ms(ms).expect("a latency").us(), us, "{ms}");
    }
    for bad in [-1.0, 3_600_000.1, f64::NAN, f64::INFINITY] {
        assert!(Latency::from_ms(bad).is_err(), "{bad}");
    }
    assert_eq!(
        Latency::from_ms(-1.0).expect_err("negative").to_string(),
        "latency_ms -1 is out of range: give 0 to 3,600,000 ms, and count what takes longer as an error"
    );
}

#[test]
fn sums_of_no_steps_are_refused() {
    let good = Tally { steps: 10, errors: 2, timed_steps: 4, latency_us: 4_000, latency_us_squares: 4_100_000 };
    let check = |tally| {
        let mut buckets = [Tally::default(); BUCKETS];
        buckets[7] = tally;
        Outcomes::new(buckets)
    };
    assert_eq!(check(good).expect("sums of steps").total(), &good);
    for (bad, want) in [
        (Tally { errors: 11, ..good }, "more errors than steps"),
        (Tally { timed_steps: 11, ..good }, "more latencies than steps"),
        (Tally { timed_steps: 0, ..good }, "latencies over an hour"),
        (Tally { latency_us: u128::MAX, ..good }, "latencies over an hour"),
        (Tally { latency_us_squares: u128::MAX, ..good }, "squares of latencies over an hour"),
        (Tally { latency_us_squares: 3_999, ..good }, "squares below the latencies"),
        (Tally { latency_us_squares: 3_999_999, ..good }, "squares too small for the latencies"),
        (Tally { steps: STEPS_LIMIT, ..good }, "too many steps"),
    ] {
        assert_eq!(check(bad), Err(OutcomesError::Impossible { bucket: 7, fault: want }));
    }
}

#[test]
fn counts_have_a_limit_and_do_not_overflow() {
    let most = Tally {
        steps: STEPS_LIMIT - 1,
        errors: STEPS_LIMIT - 1,
        timed_steps: STEPS_LIMIT - 1,
        latency_us: u128::from(STEPS_LIMIT - 1) * 3_600_000_000,
        latency_us_squares: u128::from(STEPS_LIMIT - 1) * 3_600_000_000 * 3_600_000_000,
    };
    let mut buckets = [Tally::default(); BUCKETS];
    buckets[0] = most;
    let mut full = Outcomes::new(buckets).expect("below the limit");
    let before = full.clone();
    let one = Outcome { error: true, latency: Some(Latency::from_ms(1.0).expect("a latency")) };
    assert_eq!(full.add(1, one), Err(OutcomesError::StepsLimit { steps: u128::from(STEPS_LIMIT) }));
    assert!(full.merge(&before).is_err());
    assert_eq!(full, before);
    buckets[1] = most;
    assert!(matches!(Outcomes::new(buckets), Err(OutcomesError::StepsLimit { .. })));
}
