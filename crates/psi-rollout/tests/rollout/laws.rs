//! What holds of every rollout, whatever happens to it.

use proptest::prelude::*;
use psi_rollout::{
    Arm, Command, DriftComparison, Effect, Facts, Member, Next, Percent, PlanInput, Record, Rollout, Status, StepKey,
};

use crate::support::{WINDOW_MS, World, force, in_step, outcomes, pending, version};

/// A good world from which some things are missing, at any time.
fn world() -> impl Strategy<Value = World> {
    let is_off = || proptest::bool::weighted(0.15);
    let steps = || prop_oneof![8 => Just(6_000_u64), 1 => Just(0), 1 => Just(50)];
    let errors = prop_oneof![8 => Just(50_u64), 1 => Just(10), 1 => Just(3)];
    let heard = prop_oneof![8 => Just(Some(u64::MAX)), 1 => Just(None), 1 => (0..9 * WINDOW_MS).prop_map(Some)];
    let member = (heard, is_off()).prop_map(|(heard_ms, is_evicted)| Member { heard_ms, is_evicted });
    let members = proptest::collection::btree_map("n[0-9]", member, 0..4);
    let rest = (0..9 * WINDOW_MS, is_off(), is_off());
    (steps(), steps(), errors, members, rest).prop_map(|(canary, champion, every, members, rest)| World {
        drift: DriftComparison::default(),
        now_ms: rest.0,
        canary: outcomes(canary, canary / every, 40.0),
        champion: outcomes(champion, champion / 50, 40.0),
        members,
        has_majority: !rest.1,
        rejected: rest.2.then(|| version("v8")).into_iter().collect(),
    })
}

fn command() -> impl Strategy<Value = Command> {
    (0..Command::ALL.len()).prop_map(|i| Command::ALL[i])
}

/// What people and the rules do, in an order.
fn history() -> impl Strategy<Value = Vec<(World, Option<Command>, bool)>> {
    let command = prop_oneof![1 => Just(None), 2 => command().prop_map(Some)];
    let events = proptest::collection::vec((world(), command, any::<bool>()), 0..12);
    events.prop_map(|mut events| {
        events.sort_by_key(|(world, ..)| world.now_ms);
        events
    })
}

/// The record of one event, if it may happen: of a command, or of what follows by itself.
fn record(rollout: &Rollout, facts: &Facts<'_>, command: Option<Command>, is_forced: bool) -> Option<Record> {
    match (command, rollout.next(facts)) {
        (Some(command), _) => rollout.propose(command, is_forced.then(force).as_ref(), facts).ok(),
        (None, Next::Act { record, .. }) => Some(record),
        (None, _) => None,
    }
}

fn records(history: &[(World, Option<Command>, bool)]) -> Vec<Record> {
    let mut rollout = pending(&PlanInput::default());
    let mut records = Vec::new();
    for (world, command, is_forced) in history {
        if let Some(record) = record(&rollout, &world.facts(), *command, *is_forced) {
            let _ = rollout.apply(&record);
            records.push(record);
        }
    }
    records
}

/// All that stands between a rollout and an advance by itself.
fn is_complete(rollout: &Rollout, world: &World) -> bool {
    let Some(_) = rollout.step() else { return world.has_majority };
    let until = rollout.since_ms() + WINDOW_MS;
    let heard = |member: &Member| member.is_evicted || member.heard_ms.is_some_and(|heard| heard >= until);
    let champion = rollout.frozen_champion().unwrap_or(&world.champion);
    world.has_majority
        && world.now_ms >= until
        && world.members.values().any(|member| !member.is_evicted)
        && world.members.values().all(heard)
        && world.canary.total().steps >= 100
        && champion.total().steps >= 100
}

proptest! {
    #[test]
    fn percentages_only_rise_and_ends_stay(history in history()) {
        let mut rollout = pending(&PlanInput::default());
        for (world, command, is_forced) in &history {
            let (before, facts) = (rollout.clone(), world.facts());
            if before.status().is_end() {
                prop_assert!(matches!(before.next(&facts), Next::Idle { .. }), "{:?}", before.next(&facts));
            }
            let Some(record) = record(&rollout, &facts, *command, *is_forced) else { continue };
            let _ = rollout.apply(&record);
            let is_over = rollout.status().is_end();
            prop_assert!(is_over || rollout.percent() >= before.percent(), "{before:?} {record:?}");
            if rollout.status() != before.status() {
                let is_late = before.status() == Status::Cancelled && rollout.status() == Status::RolledBack;
                prop_assert!(!before.status().is_end() || is_late, "{before:?} {record:?}");
            }
        }
    }

    #[test]
    fn nothing_advances_by_itself_with_something_missing(history in history()) {
        let mut rollout = pending(&PlanInput::default());
        for (world, command, is_forced) in &history {
            let facts = world.facts();
            if let Next::Act { record, reason, .. } = rollout.next(&facts) {
                prop_assert!(!reason.is_empty());
                prop_assert!(record == Record::Rollback || is_complete(&rollout, world), "{record:?} {world:?}");
                // The rules of people are the same.
                prop_assert_eq!(rollout.propose(record.command(), None, &facts), Ok(record));
            }
            if let Some(record) = record(&rollout, &facts, *command, *is_forced) {
                let _ = rollout.apply(&record);
            }
        }
    }

    /// Rollbacks have no order. Wherever one was written, all nodes end alike.
    #[test]
    fn a_rollback_counts_wherever_it_stands(history in history(), place in 0..13_usize) {
        let decided = records(&history);
        let mut with = decided.clone();
        with.insert(place.min(decided.len()), Record::Rollback);
        let (inside, beside) = (pending(&PlanInput::default()).fold(&with, 0), pending(&PlanInput::default()).fold(&decided, 1));
        prop_assert_eq!(&inside, &beside);
        let is_promoted = decided.contains(&Record::Promote);
        prop_assert_eq!(inside.status(), if is_promoted { Status::Promoted } else { Status::RolledBack });
        prop_assert_eq!(inside.has_late_rollback(), is_promoted);
    }

    #[test]
    fn a_key_never_goes_back_to_the_champion_while_it_goes_on(history in history(), key in "[a-z]{1,9}") {
        let mut rollout = pending(&PlanInput::default());
        let key = Some(StepKey::new(&key).expect("a key"));
        for (world, command, is_forced) in &history {
            let before = rollout.arm(key);
            if let Some(record) = record(&rollout, &world.facts(), *command, *is_forced) {
                let _ = rollout.apply(&record);
            }
            let is_back = matches!(rollout.status(), Status::RolledBack | Status::Cancelled);
            prop_assert!(is_back || before == Arm::Champion || rollout.arm(key) == Arm::Canary);
        }
    }
}

#[test]
fn a_good_canary_is_promoted_step_by_step() {
    let (mut rollout, mut world) = (pending(&PlanInput::default()), World { now_ms: 0, ..World::good() });
    let mut seen = Vec::new();
    while let Next::Act { record, .. } = rollout.next(&world.facts()) {
        assert_eq!(rollout.apply(&record), Ok(Effect::Change));
        seen.push((rollout.status(), rollout.percent().hundredths()));
        assert!(matches!(rollout.next(&world.facts()), Next::Hold { .. } | Next::Idle { .. }), "a window comes first");
        world.now_ms += WINDOW_MS;
    }
    let steps = [500, 1_000, 2_500, 5_000, 10_000].map(|percent| (Status::InProgress, percent));
    assert_eq!(seen[..5], steps);
    assert_eq!(seen[5..], [(Status::Promoted, 10_000)]);
    assert_eq!(rollout.version_for(None).to_string(), "fraud@v8");
}

/// At 100 % the champion is silent: what it did in the step before is what the canary is compared with.
#[test]
fn the_last_step_is_judged_by_a_frozen_record() {
    let mut rollout = in_step(3);
    let mut world = World::good();
    let Next::Act { record, .. } = rollout.next(&world.facts()) else { panic!("all is there") };
    rollout.apply(&record).expect("in order");
    assert_eq!((rollout.percent(), rollout.frozen_champion()), (Percent::ALL, Some(&world.champion)));

    world.champion = psi_rollout::Outcomes::default();
    world.now_ms += WINDOW_MS;
    assert!(matches!(rollout.next(&world.facts()), Next::Act { record: Record::Promote, .. }));
    world.canary = outcomes(6_000, 600, 40.0);
    assert!(matches!(rollout.next(&world.facts()), Next::Act { record: Record::Rollback, .. }));
}

#[test]
fn a_sure_fail_rolls_back_without_window_members_or_majority() {
    let rollout = in_step(0);
    let world = World {
        now_ms: 60_000,
        canary: outcomes(200, 100, 40.0),
        has_majority: false,
        members: Default::default(),
        ..World::good()
    };
    let Next::Act { record, reason, .. } = rollout.next(&world.facts()) else { panic!("it fails") };
    assert_eq!(record, Record::Rollback);
    assert!(reason.starts_with("error_rate FAIL: error rate of the canary 50.00 % over 200 steps"), "{reason}");
}

#[test]
fn a_pause_freezes_the_percentage_and_not_the_measuring() {
    let mut rollout = in_step(0);
    rollout.apply(&Record::Pause).expect("in progress");
    let bad = World { canary: outcomes(6_000, 600, 40.0), ..World::good() };
    for world in [World::good(), bad] {
        let Next::Idle { status: Status::Paused, judgements } = rollout.next(&world.facts()) else { panic!("paused") };
        assert_eq!(judgements.len(), 2);
        assert_eq!(rollout.percent().hundredths(), 500);
    }
    rollout.apply(&Record::Resume).expect("paused");
    assert!(matches!(rollout.next(&World::good().facts()), Next::Act { record: Record::Advance { step: 1, .. }, .. }));
}

#[test]
fn a_version_that_is_rejected_meanwhile_is_rolled_back() {
    let world = World { rejected: [version("v8")].into(), ..World::good() };
    let Next::Act { record, reason, .. } = in_step(0).next(&world.facts()) else { panic!("rejected") };
    assert_eq!((record, reason.as_str()), (Record::Rollback, "version v8 was rejected meanwhile"));
}

#[test]
fn a_step_without_a_key_is_the_champions() {
    let (first, all) = (in_step(0), in_step(4));
    let (canary, champion) = (StepKey::new("user-2").ok(), StepKey::new("user-1").ok());
    assert_eq!(first.version_for(canary).to_string(), "fraud@v8");
    assert_eq!(first.version_for(champion).to_string(), "fraud@v7");
    assert_eq!((first.arm(None), all.arm(None)), (Arm::Champion, Arm::Champion));
    assert_eq!((pending(&PlanInput::default()).arm(canary), all.arm(champion)), (Arm::Champion, Arm::Canary));
}
