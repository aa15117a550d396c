//! Each refusal names the value, the limit and the way out.

use std::collections::BTreeSet;

use psi_rollout::{
    Command, Effect, Force, HoldReason, LiveVersions, Member, ModelName, Next, PlanInput, Record, Refusal, Rollout,
    RolloutId, StartFacts, Status,
};

use crate::support::{MINUTE_MS, World, force, in_step, outcomes, pending, setup, version};

fn refused(rollout: &Rollout, command: Command, world: &World) -> String {
    rollout.propose(command, None, &world.facts()).expect_err("refused").to_string()
}

/// A rollout in its first step, after this record.
fn after(record: &Record) -> Rollout {
    let mut rollout = in_step(0);
    rollout.apply(record).expect("in progress");
    rollout
}

#[test]
fn starts_are_refused() {
    let (mut live, mut rejected) = (LiveVersions::default(), BTreeSet::new());
    let other = RolloutId::new("other").expect("an id");
    let start = |setup, force: Option<&Force>, live: &LiveVersions, rejected: &BTreeSet<_>, active| {
        Rollout::start(setup, force, &StartFacts { live, rejected, active }).map_err(|refusal| refusal.to_string())
    };
    let plain = || setup(&PlanInput::default());
    let same = psi_rollout::RolloutSetup { canary: version("v7"), ..plain() };
    let check = |found: Result<Rollout, String>, want: &str| assert_eq!(found.expect_err("refused"), want);
    check(
        start(same, None, &live, &rejected, None),
        "version v7 is the champion of fraud already: name another version",
    );
    check(
        start(plain(), None, &live, &rejected, Some(&other)),
        "rollout other of fraud is under way, and a model has one at a time; promote, roll back or cancel it",
    );
    rejected.insert(version("v8"));
    check(
        start(plain(), None, &live, &rejected, None),
        "version v8 is REJECTED; give the next version a new name, or force it with a reason",
    );
    let forced = start(plain(), Some(&force()), &live, &rejected, None).expect("forced");
    let world = World { rejected: rejected.clone(), ..World::good() };
    assert!(matches!(forced.next(&world.facts()), Next::Act { record: Record::Advance { .. }, .. }));
    rejected.clear();
    for name in ["v4", "v5", "v6", "v7"] {
        live.add(&version(name)).expect("room");
    }
    check(
        start(plain(), None, &live, &rejected, None),
        "version v8 would be live beside v4, v5, v6, v7: a model has at most 4 live versions; archive one first",
    );
    let long = psi_rollout::RolloutSetup { model: ModelName::new(&"m".repeat(63)).expect("a name"), ..plain() };
    let error = start(long, None, &LiveVersions::default(), &rejected, None).expect_err("too long");
    assert!(error.ends_with("has 66 bytes, and at most 64 are allowed: shorten it"), "{error}");
}

#[test]
fn nothing_is_frozen_that_nobody_could_be_compared_with() {
    let poor = World { champion: crate::support::outcomes(99, 2, 40.0), ..World::good() };
    let refusal = in_step(3).propose(Command::Advance, Some(&force()), &poor.facts()).expect_err("too little");
    assert_eq!(
        refusal.to_string(),
        "advance to 100 % refused: 99 steps of the champion have an outcome at this percentage, and 100 are needed to compare \
         with; wait, or promote with a reason"
    );
}

#[test]
fn each_thing_that_is_missing_is_named() {
    let (rollout, good) = (in_step(0), World::good());
    let unheard = Member { heard_ms: Some(59 * MINUTE_MS), is_evicted: false };
    let mut some = good.clone();
    some.members.insert("n2".to_owned(), unheard);
    some.members.insert("n9".to_owned(), Member::default());
    let cases = [
        (
            World { now_ms: 12 * MINUTE_MS, ..good.clone() },
            HoldReason::InsufficientData,
            "advance refused, INSUFFICIENT_DATA: 12 min of a window of 1 h are over; wait, or force with a reason",
        ),
        (
            World { canary: Default::default(), ..good.clone() },
            HoldReason::InsufficientData,
            "advance refused, INSUFFICIENT_DATA: error_rate HOLD (INSUFFICIENT_DATA): no step of the canary has an outcome yet, \
             and 100 are needed, latency HOLD (INSUFFICIENT_DATA): no step of the canary has a latency yet, and 100 are \
             needed; wait, or force with a reason",
        ),
        (
            some,
            HoldReason::Unheard,
            "advance refused, UNHEARD: n2, n9 reported nothing past the step's window; wait, forget what is gone for good (psi-field members forget NODE), or \
             force with a reason",
        ),
        (
            World { members: Default::default(), ..good.clone() },
            HoldReason::Unheard,
            "advance refused, UNHEARD: no member is registered, or all are evicted, so that the cluster reported nothing past \
             the step's window; wait, forget what is gone for good (psi-field members forget NODE), or force with a reason",
        ),
        (
            World { has_majority: false, ..good.clone() },
            HoldReason::NoMajority,
            "advance refused, NO_MAJORITY: it is decided by a majority of voters, which does not answer; bring voters back",
        ),
    ];
    for (world, want, words) in cases {
        assert_eq!(refused(&rollout, Command::Advance, &world), words);
        let Next::Hold { hold, reason, .. } = rollout.next(&world.facts()) else { panic!("{words}") };
        assert_eq!((hold, reason.as_str()), (want, words));
        let forced = rollout.propose(Command::Advance, Some(&force()), &world.facts());
        assert_eq!(forced.is_ok(), want != HoldReason::NoMajority, "{words}");
    }
    let mut evicted = good.clone();
    evicted.members.insert("n9".to_owned(), Member { heard_ms: None, is_evicted: true });
    assert!(rollout.propose(Command::Advance, None, &evicted.facts()).is_ok());

    let open = World { canary: outcomes(300, 9, 40.0), ..good };
    let Next::Hold { hold, reason, .. } = rollout.next(&open.facts()) else { panic!("it is open") };
    assert_eq!(hold, HoldReason::Inconclusive);
    assert!(reason.contains("neither surely above 2.00 %"), "{reason}");
}

#[test]
fn a_fail_is_no_step_up() {
    let world = World { canary: outcomes(6_000, 600, 40.0), ..World::good() };
    let error = refused(&in_step(0), Command::Advance, &world);
    assert!(error.starts_with("advance refused: error_rate FAIL: error rate of the canary 10.00 %"), "{error}");
    assert!(error.ends_with("; roll back, or force with a reason"), "{error}");
}

#[test]
fn statuses_say_what_may_follow() {
    let world = World::good();
    let (paused, pending) = (after(&Record::Pause), pending(&PlanInput::default()));
    let check = |rollout: &Rollout, command, want: &str| assert_eq!(refused(rollout, command, &world), want);
    check(
        &paused,
        Command::Advance,
        "advance refused: the rollout is PAUSED, and this needs PENDING, IN_PROGRESS; resume it first",
    );
    check(
        &paused,
        Command::Promote,
        "promote refused: the rollout is PAUSED, and this needs IN_PROGRESS; resume it first",
    );
    check(
        &pending,
        Command::Pause,
        "pause refused: the rollout is PENDING, and this needs IN_PROGRESS; advance it first",
    );
    check(
        &in_step(0),
        Command::Resume,
        "resume refused: the rollout is IN_PROGRESS, and this needs PAUSED; pause it first",
    );
    check(
        &in_step(1),
        Command::Promote,
        "promote refused: the rollout is at 10 %, and 100 % is its last step; advance, or force with a reason",
    );
    check(&in_step(4), Command::Advance, "advance refused: 100 % is the last of 5 percentages; promote or roll back");
    let rejected = World { rejected: [version("v8")].into(), ..World::good() };
    assert_eq!(
        refused(&in_step(4), Command::Promote, &rejected),
        "version v8 is REJECTED; give the next version a new name, or force it with a reason"
    );
    assert!(in_step(4).propose(Command::Promote, Some(&force()), &rejected.facts()).is_ok());
    let alone = World { has_majority: false, ..World::good() };
    assert_eq!(
        refused(&in_step(0), Command::Pause, &alone),
        "pause refused, NO_MAJORITY: it is decided by a majority of voters, which does not answer; bring voters back, or roll \
         back, which needs none"
    );
}

#[test]
fn ends_are_ends() {
    let world = World::good();
    for (record, status) in [
        (Record::Promote, Status::Promoted),
        (Record::Rollback, Status::RolledBack),
        (Record::Cancel, Status::Cancelled),
    ] {
        let rollout = after(&record);
        assert_eq!(rollout.status(), status);
        for command in Command::ALL.into_iter().filter(|command| *command != Command::Rollback) {
            for force in [None, Some(&force())] {
                let refusal = rollout.propose(command, force, &world.facts());
                assert_eq!(refusal, Err(Refusal::Ended { command, status }));
            }
        }
    }
    assert_eq!(
        refused(&after(&Record::Rollback), Command::Promote, &world),
        "promote refused: the rollout is ROLLED_BACK, and nothing follows that; begin another rollout"
    );
}

#[test]
fn rollbacks_after_an_end() {
    for (record, effect, status) in [
        (Record::Promote, Effect::LateRollback, Status::Promoted),
        (Record::Rollback, Effect::Repetition, Status::RolledBack),
        (Record::Cancel, Effect::Change, Status::RolledBack),
    ] {
        let mut rollout = after(&record);
        assert_eq!(rollout.apply(&Record::Rollback), Ok(effect));
        assert_eq!((rollout.status(), rollout.has_late_rollback()), (status, effect == Effect::LateRollback));
    }
}

#[test]
fn an_advance_that_was_decided_twice_counts_once() {
    let mut rollout = in_step(0);
    let again = Record::Advance { step: 0, at_ms: 9, frozen_champion: None };
    let refusal = rollout.apply(&again).expect_err("twice");
    assert_eq!(refusal.to_string(), "advance to step 0 refused: step 1 is next; read the rollout again");
    assert_eq!(rollout, in_step(0));
}

#[test]
fn a_blank_reason_forces_nothing() {
    assert_eq!(
        Force::new("  ").expect_err("blank").to_string(),
        "reason `  ` has 2 bytes: to force something, give 1 to 512 that say why"
    );
    assert!(Force::new(&"x".repeat(513)).is_err() && Force::new("the champion leaks memory").is_ok());
}
