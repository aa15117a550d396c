//! What gates say of numbers.

use proptest::prelude::*;
use psi_rollout::{Gate, HoldReason, Judgement, Latency, Outcome, Outcomes, Plan, PlanInput, Verdict, gate::judge};

use crate::support::outcomes;

const INSUFFICIENT: Verdict = Verdict::Hold(HoldReason::InsufficientData);
const INCONCLUSIVE: Verdict = Verdict::Hold(HoldReason::Inconclusive);

fn plan() -> Plan {
    Plan::new(&PlanInput::default()).expect("the default")
}

#[expect(clippy::needless_pass_by_value, reason = "gates are written where they are asked for")]
fn judgement(gate: Gate, canary: &Outcomes, champion: &Outcomes) -> Judgement {
    judge(&plan(), 0, canary, champion).into_iter().find(|judgement| judgement.gate == gate).expect("both gates are on")
}

#[test]
fn error_rates_are_judged() {
    let champion = outcomes(20_000, 400, 40.0);
    for (steps, errors, want) in [
        (0, 0, INSUFFICIENT),
        (99, 99, INSUFFICIENT),
        (100, 2, INCONCLUSIVE),
        (100, 100, Verdict::Fail),
        (500, 15, INCONCLUSIVE),
        (3_000, 60, Verdict::Pass),
        (3_000, 120, Verdict::Fail),
        (3_000, 100, Verdict::Fail),
        (3_000, 90, INCONCLUSIVE),
        (3_000, 75, INCONCLUSIVE),
    ] {
        let found = judgement(Gate::ErrorRate, &outcomes(steps, errors, 40.0), &champion);
        assert_eq!(found.verdict, want, "{errors} of {steps}: {found}");
    }
    // Where the champion makes none, so does a good canary; a few errors decide nothing.
    let flawless = outcomes(50_000, 0, 40.0);
    for (steps, errors, want) in
        [(1_000, 0, INCONCLUSIVE), (6_000, 0, Verdict::Pass), (200, 1, INCONCLUSIVE), (200, 20, Verdict::Fail)]
    {
        let found = judgement(Gate::ErrorRate, &outcomes(steps, errors, 40.0), &flawless);
        assert_eq!(found.verdict, want, "{errors} of {steps}: {found}");
    }
    // A champion that fails more often than the threshold allows as an excess: the threshold counts.
    let bad = outcomes(50_000, 20_000, 40.0);
    assert_eq!(judgement(Gate::ErrorRate, &outcomes(20_000, 8_000, 40.0), &bad).verdict, Verdict::Pass);
    assert_eq!(judgement(Gate::ErrorRate, &outcomes(20_000, 9_000, 40.0), &bad).verdict, Verdict::Fail);
}

#[test]
fn latencies_are_judged() {
    let champion = outcomes(20_000, 400, 40.0);
    for (steps, ms, want) in [
        (99, 400.0, INSUFFICIENT),
        (1_000, 40.0, Verdict::Pass),
        (1_000, 10.0, Verdict::Pass),
        // What is tolerated without being good enough, at 1.1 to 1.5 times as slow, is no FAIL by its steps' number.
        (1_000, 43.0, Verdict::Pass),
        (1_000, 60.0, Verdict::Fail),
        (1_000, 400.0, Verdict::Fail),
    ] {
        let found = judgement(Gate::Latency, &outcomes(steps, 0, ms), &champion);
        assert_eq!(found.verdict, want, "{ms} ms over {steps}: {found}");
    }
    // Clocks that show whole milliseconds, or nothing at all.
    let still = outcomes(1_000, 0, 0.0);
    assert_eq!(judgement(Gate::Latency, &still, &still).verdict, Verdict::Pass);
}

#[test]
fn a_silent_version_holds() {
    let (some, none) = (outcomes(20_000, 400, 40.0), Outcomes::default());
    for (canary, champion) in [(&none, &none), (&some, &none), (&none, &some)] {
        for found in judge(&plan(), 0, canary, champion) {
            assert_eq!(found.verdict, INSUFFICIENT, "{found}");
            assert!(
                found.reason.contains("no step of the ca") || found.reason.contains("no step of the ch"),
                "{found}"
            );
        }
    }
    assert_eq!(Verdict::of_all(&[]), INSUFFICIENT, "where nothing was judged");
}

#[test]
fn latencies_that_nobody_sends_hold_only_their_gate() {
    let untimed = |steps: u64| {
        let mut outcomes = Outcomes::default();
        for i in 0..steps {
            outcomes
                .add(u8::try_from(i % 64).expect("a bucket"), Outcome { error: i % 49 == 0, latency: None })
                .expect("room");
        }
        outcomes
    };
    let (canary, champion) = (untimed(6_400), untimed(64_000));
    assert_eq!(Verdict::of_all(&judge(&plan(), 0, &canary, &champion)), INSUFFICIENT);
    let input = PlanInput { latency_degradation_threshold: None, ..PlanInput::default() };
    let found = judge(&Plan::new(&input).expect("a plan"), 0, &canary, &champion);
    assert_eq!((found.len(), Verdict::of_all(&found)), (1, Verdict::Pass), "{found:?}");
}

/// A hundred errors of one key are one misfortune, and a hundred of as many keys a bad version.
#[test]
fn errors_of_few_keys_prove_little() {
    let champion = outcomes(64_000, 1_280, 40.0);
    let spread = outcomes(3_200, 160, 40.0);
    let mut few = outcomes(3_040, 0, 40.0);
    let error = Outcome { error: true, latency: Latency::from_ms(40.0).ok() };
    (0..160).for_each(|i| few.add(i % 4, error).expect("room"));
    assert_eq!((few.total().steps, few.total().errors), (spread.total().steps, spread.total().errors));
    assert_eq!(judgement(Gate::ErrorRate, &spread, &champion).verdict, Verdict::Fail);
    let found = judgement(Gate::ErrorRate, &few, &champion);
    assert_eq!(found.verdict, INCONCLUSIVE, "{found}");
}

/// A champion that was hardly used may fail more often than its few steps show.
#[test]
fn a_small_champion_proves_little() {
    let found = judgement(Gate::ErrorRate, &outcomes(100_000, 0, 40.0), &outcomes(100, 0, 40.0));
    assert_eq!(found.verdict, INCONCLUSIVE, "{found}");
}

/// A canary that fails always is not good because the champion does as well.
#[test]
fn what_always_fails_never_passes() {
    for threshold in [0.05, 1.0] {
        let input = PlanInput { error_rate_threshold: Some(threshold), ..PlanInput::default() };
        let plan = Plan::new(&input).expect("a plan");
        let errors = outcomes(6_000, 6_000, 40.0);
        for champion in [&errors, &outcomes(60_000, 58_000, 40.0)] {
            let found = &judge(&plan, 0, &errors, champion)[0];
            assert!(found.verdict != Verdict::Pass && !found.reason.contains("NaN"), "{found}");
        }
    }
}

#[test]
fn too_few_keys_are_no_data() {
    let mut few = Outcomes::default();
    for i in 0..10_000_u64 {
        few.add(u8::try_from(i % 15).expect("a bucket"), Outcome { error: false, latency: None }).expect("room");
    }
    let found = judgement(Gate::ErrorRate, &few, &outcomes(20_000, 400, 40.0));
    assert_eq!(found.verdict, INSUFFICIENT);
    assert_eq!(
        found.to_string(),
        "error_rate HOLD (INSUFFICIENT_DATA): the keys of the canary lie in 15 of 64 buckets, and 16 are needed: send more \
         different keys"
    );
}

#[test]
fn reasons_have_words_and_numbers() {
    let champion = outcomes(20_000, 400, 40.0);
    for (canary, gate, want) in [
        (
            outcomes(3_000, 120, 40.0),
            Gate::ErrorRate,
            "error_rate FAIL: error rate of the canary 4.00 % over 3000 steps, of the champion 2.00 % over 20000: surely above \
             2.00 % (± 1.17 %)",
        ),
        (
            outcomes(99, 0, 40.0),
            Gate::ErrorRate,
            "error_rate HOLD (INSUFFICIENT_DATA): 99 steps of the canary have an outcome, and 100 are needed",
        ),
        (
            outcomes(1_000, 0, 40.0),
            Gate::Latency,
            "latency PASS: mean latency of the canary 49.760 ms over 1000 steps, of the champion 49.984 ms over 20000: surely \
             below 74.976 ms (± 1.596 ms)",
        ),
    ] {
        assert_eq!(judgement(gate, &canary, &champion).to_string(), want);
    }
}

/// Later steps of a schedule ask for more, so that all looks together stay below α.
#[test]
fn each_step_spends_less() {
    let (canary, champion) = (outcomes(1_000, 40, 40.0), outcomes(20_000, 400, 40.0));
    let radius = |step| judge(&plan(), step, &canary, &champion)[0].comparison.expect("enough").tolerated_radius;
    for step in 0..15 {
        assert!(radius(step) < radius(step + 1), "step {step}");
    }
    assert!(radius(15).is_finite());
}

proptest! {
    /// Any counts get a verdict, and never PASS where one version is silent or small.
    #[test]
    fn any_outcomes_are_judged(steps in 0..400_u64, errors in 0..400_u64, ms in 0.0..1e6_f64, of_champion in 0..400_u64) {
        let canary = outcomes(steps, errors.min(steps), ms);
        let champion = outcomes(of_champion, of_champion / 50, 40.0);
        for found in judge(&plan(), 0, &canary, &champion) {
            prop_assert!(steps.min(of_champion) >= 100 || found.verdict == INSUFFICIENT, "{}", found);
            prop_assert!(!found.reason.contains("NaN") && !found.reason.contains("inf"), "{}", found);
        }
    }

    /// With more errors of the canary the verdict never gets better.
    #[test]
    fn more_errors_never_help(steps in 100..2_000_u64, a in 0..2_000_u64, b in 0..2_000_u64) {
        let champion = outcomes(6_000, 120, 40.0);
        let rank = |errors: u64| match judgement(Gate::ErrorRate, &outcomes(steps, errors, 40.0), &champion).verdict {
            Verdict::Pass => 0,
            Verdict::Hold(_) => 1,
            Verdict::Fail => 2,
        };
        let (fewer, more) = (a.min(b).min(steps), a.max(b).min(steps));
        prop_assert!(rank(fewer) <= rank(more), "{fewer} and {more} of {steps}");
    }
}

/// Steps with a value that wanders around `mean`, spread over all buckets.
fn measured(plan: &Plan, steps: u64, mean: f64) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for i in 0..steps {
        let value = mean + f64::from(u32::try_from(i * 7 % 11).expect("small")) / 10.0 - 0.5;
        let units: Vec<_> = plan.measures().iter().map(|measure| Some(measure.units(value))).collect();
        outcomes.add_measured(u8::try_from(i % 64).expect("a bucket"), &units).expect("room");
    }
    outcomes
}

fn metric_plan(margin: f64) -> Plan {
    let metric_thresholds = [("novelty".to_owned(), margin)].into();
    let input = PlanInput { error_rate_threshold: None, latency_degradation_threshold: None, ..PlanInput::default() };
    Plan::new(&PlanInput { metric_thresholds, schedule: PlanInput::default_schedule(true), ..input }).expect("a plan")
}

#[test]
fn what_steps_measure_is_judged_on_the_side_of_its_margin() {
    for (margin, mean, steps, want) in [
        (0.5, 10.0, 99, INSUFFICIENT),
        (0.5, 10.0, 2_000, Verdict::Pass),
        // Far on the good side, however far.
        (0.5, -1e8, 2_000, Verdict::Pass),
        (0.5, 10.5, 2_000, Verdict::Fail),
        (0.5, 1e8, 2_000, Verdict::Fail),
        // Beyond what is counted, nothing is said.
        (0.5, 1e9, 2_000, INSUFFICIENT),
        (0.5, -1e12, 2_000, INSUFFICIENT),
        (0.05, 10.03, 200, INCONCLUSIVE),
        (-0.5, 10.0, 2_000, Verdict::Pass),
        (-0.5, 1e8, 2_000, Verdict::Pass),
        (-0.5, 9.5, 2_000, Verdict::Fail),
    ] {
        let plan = metric_plan(margin);
        let champion = measured(&plan, 5_000, 10.0);
        let found = judge(&plan, 0, &measured(&plan, steps, mean), &champion).pop().expect("a gate");
        assert_eq!(found.verdict, want, "{margin} {mean} {steps}: {found}");
    }
    let plan = metric_plan(-0.5);
    let found = judge(&plan, 0, &measured(&plan, 2_000, 9.5), &measured(&plan, 5_000, 10.0)).pop().expect("a gate");
    let words = "novelty FAIL: mean novelty of the canary 9.500 over 2000 steps, of the champion 10.000 over 5000: surely \
                 below 9.9";
    assert!(found.to_string().starts_with(words), "{found}");
    let none = judge(&plan, 0, &Outcomes::default(), &measured(&plan, 5_000, 10.0)).pop().expect("a gate");
    assert_eq!(none.reason, "no step of the canary has a key and novelty yet, and 100 are needed");
}

/// The gates of outcomes alone are as strict as without measures, or stricter.
#[test]
fn a_measure_takes_its_share_of_alpha_from_the_others() {
    let schedule = PlanInput::default_schedule(true);
    let input = |metric_thresholds| PlanInput { metric_thresholds, schedule, ..PlanInput::default() };
    let (without, with) = (plan(), Plan::new(&input([("novelty".to_owned(), 1.0)].into())).expect("a plan"));
    let radius = |plan: &Plan| {
        let judged = judge(plan, 0, &outcomes(3_000, 60, 40.0), &outcomes(20_000, 400, 40.0));
        judged
            .into_iter()
            .filter_map(|judgement| judgement.comparison)
            .map(|numbers| numbers.tolerated_radius)
            .collect::<Vec<_>>()
    };
    let (without, with) = (radius(&without), radius(&with));
    assert!(
        without.len() == 2 && with.len() == 2 && without.iter().zip(&with).all(|(a, b)| a < b),
        "{without:?} {with:?}"
    );
}

proptest! {
    /// Units are integers: added in any order, the sums are the same.
    #[test]
    fn measures_merge_in_any_order(
        values in proptest::collection::vec((0..64_u8, -1e15..1e15_f64), 1..60), parts in 1..5_usize
    ) {
        let plan = metric_plan(0.25);
        let add = |outcomes: &mut Outcomes, (bucket, value): &(u8, f64)| {
            outcomes.add_measured(*bucket, &[Some(plan.measures()[0].units(*value))]).expect("room");
        };
        let mut whole = Outcomes::default();
        values.iter().for_each(|value| add(&mut whole, value));
        let mut dealt = vec![Outcomes::default(); parts];
        values.iter().enumerate().for_each(|(i, value)| add(&mut dealt[i % parts], value));
        let mut merged = Outcomes::default();
        dealt.iter().rev().for_each(|part| merged.merge(part).expect("room"));
        prop_assert_eq!(merged, whole);
    }
}
