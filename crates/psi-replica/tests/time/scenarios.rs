//! One test for each way in which clocks were seen to be wrong.

use psi_replica::NotReady;

use crate::{
    common::links::LinkedWorld,
    world::{HOUR, SECOND, World, YEAR},
};

const MINUTE_MS: u64 = 60_000;

/// Nobody refused a step, clocks never stood still, and all hold all that was accepted in the world's life.
fn assert_went_on(world: &World) {
    assert_eq!(world.refused(), 0);
    assert!(world.stalled_ms() <= 1_000, "clocks stood still for {} ms", world.stalled_ms());
}

fn all_corrected_by(error_ms: i64, run_ms: u64) -> World {
    let mut world = World::new(&[error_ms; 3]);
    world.run(MINUTE_MS);
    world.set_all(0);
    world.run(run_ms);
    assert_went_on(&world);
    world
}

#[test]
fn all_were_minutes_ahead_and_are_corrected() {
    let mut world = all_corrected_by(150 * SECOND, 1_180_000);
    assert!(world.lead_ms(0) > 500, "at 7/8 of real speed it takes 1,200 s");
    world.run(20_000);
    assert!((0..3).all(|n| world.lead_ms(n).abs() <= 500), "{}", world.lead_ms(0));
}

#[test]
fn all_were_an_hour_ahead_and_are_corrected() {
    let mut world = all_corrected_by(HOUR, 600_000);
    // A minute of hybrid time is not much longer, or shorter, than a minute.
    let before = world.time(1).hybrid.0;
    world.run(MINUTE_MS);
    let minute_ms = world.time(1).hybrid.0 - before;
    assert!((44_000..=61_000).contains(&minute_ms), "{minute_ms}");
    world.run(8 * HOUR.cast_unsigned());
    assert!((0..3).all(|n| world.lead_ms(n).abs() <= 500), "{}", world.lead_ms(0));
    assert_went_on(&world);
}

#[test]
fn all_were_set_back_by_a_leap_second() {
    all_corrected_by(SECOND, 30_000);
}

#[test]
fn a_node_alone_is_set_back_by_an_hour() {
    let mut world = World::new(&[0]);
    world.run(4_000);
    world.machines[0].error_ms = -HOUR;
    world.run(10 * MINUTE_MS);
    assert_went_on(&world);
    let lead = world.lead_ms(0);
    assert!((-160 * SECOND..=0).contains(&lead), "at 3/4 to 7/8 of real speed: {lead}");
}

#[test]
fn two_of_four_are_corrected_an_hour_before_the_others() {
    let mut world = World::new(&[HOUR; 4]);
    world.run(MINUTE_MS);
    world.machines[0].error_ms = 0;
    world.machines[1].error_ms = 0;
    world.run(HOUR.cast_unsigned());
    assert_went_on(&world);
    world.set_all(0);
    world.run(10 * MINUTE_MS);
    assert_went_on(&world);
}

#[test]
fn one_of_three_is_three_hours_ahead_while_links_flap() {
    let mut world = World::new(&[0, 0, 0]);
    world.machines[2].error_ms = 3 * HOUR;
    for n in 0..360 {
        let (a, b) = [(0, 1), (0, 2), (1, 2)][n % 3];
        world.cut = if n.is_multiple_of(4) { [(a, b)].into() } else { [].into() };
        world.run(5_000);
        assert!((0..3).all(|n| world.lead_ms(n) <= 10_100), "contained: {:?}", [0, 1, 2].map(|n| world.lead_ms(n)));
    }
    assert_went_on(&world);
    assert!(world.time(2).is_off && !world.time(0).is_off);
}

#[test]
fn a_machine_is_paused_for_an_hour() {
    for errors in [&[0, 0, 0][..], &[0, 0]] {
        let mut world = World::new(errors);
        let last = errors.len() - 1;
        world.machines[last].is_paused = true;
        world.run(HOUR.cast_unsigned());
        world.machines[last].is_paused = false;
        world.machines[last].tally = crate::world::StepTally::default();
        world.run(10 * MINUTE_MS);
        assert_went_on(&world);
        assert!((0..=last).all(|n| world.lead_ms(n).abs() <= 1_000), "{}", world.lead_ms(last));
    }
}

#[test]
fn all_restart_one_after_the_other_without_disks_after_a_correction() {
    let mut world = World::new(&[HOUR; 3]);
    world.machines.iter_mut().for_each(|machine| machine.keeps_disk = false);
    world.run(5 * MINUTE_MS);
    world.set_all(0);
    world.run(10_000);
    for index in 0..3 {
        world.machines[index].takes_steps = false;
        world.stop(index);
        world.run(3_000);
        world.start(index);
        world.run(10_000);
        assert!(world.replica(index).origin().is_some(), "it has joined: {:?}", world.replica(index).readiness());
        world.machines[index].takes_steps = true;
    }
    world.settle();
    let accepted: u64 = world.machines.iter().map(|machine| machine.tally.accepted).sum();
    // The first seconds of the world were not counted.
    let before: u64 = world.replica(0).state().total() - accepted;
    assert!(before < 20, "{before}");
    world.assert_all_hold(accepted + before);
    assert_eq!(world.refused(), 0);
}

#[test]
fn all_are_restored_from_a_backup_of_ten_years_ahead() {
    let mut world = World::new(&[10 * YEAR; 3]);
    world.run(MINUTE_MS);
    (0..3).for_each(|n| world.stop(n));
    world.set_all(0);
    (0..3).for_each(|n| world.start(n));
    world.run(10_000);
    world.restart_tallies();
    world.run(MINUTE_MS);
    assert_went_on(&world);
    world.settle();
    let held = world.replica(0).state().total();
    world.assert_all_hold(held);
}

/// What it wrote is postponed until an operator accepts its clock; then nothing of it is lost.
#[test]
fn one_is_restored_from_a_backup_of_ten_years_ahead() {
    let mut ahead = World::new(&[10 * YEAR]);
    ahead.run(30_000);
    ahead.stop(0);
    let mut world = World::new(&[0, 0]);
    world.run(10_000);
    let newcomer = world.add(0);
    world.stop(newcomer);
    world.machines[newcomer].disk = ahead.machines[0].disk.take();
    world.start(newcomer);
    world.run(MINUTE_MS);
    assert!((0..2).all(|n| world.machines[n].tally.refused == 0 && world.lead_ms(n).abs() <= 10_100));
    let why = world.replica(newcomer).readiness().for_writing();
    assert!(matches!(why, Err(NotReady::StateAhead { .. })), "{why:?}");
    assert!(why.unwrap_err().to_string().contains("nothing is lost"));
    let ahead_ms = world.time(newcomer).hybrid.0;
    for n in 0..3 {
        world.machines[n].replica.as_mut().unwrap().accept_clock(ahead_ms);
    }
    world.restart_tallies();
    world.run(MINUTE_MS);
    assert_went_on(&world);
    world.settle();
    let held = world.replica(newcomer).state().total();
    world.assert_all_hold(held);
}

#[test]
fn a_joiner_whose_clock_is_right_joins_a_cluster_that_is_ahead() {
    for ahead in [HOUR, 10 * YEAR] {
        let mut world = World::new(&[ahead; 3]);
        world.run(30_000);
        world.set_all(0);
        world.run(10_000);
        let joiner = world.add(0);
        world.run(5_000);
        world.machines[joiner].tally = crate::world::StepTally::default();
        let minted_ms = world.replica(joiner).origin().unwrap().incarnation / 1000;
        assert!(minted_ms.abs_diff(world.time(0).hybrid.0) < 10_000, "its run is named by the cluster's time");
        world.run(30_000);
        assert_went_on(&world);
        world.settle();
        let held = world.replica(0).state().total();
        world.assert_all_hold(held);
    }
}

#[test]
fn three_clocks_each_differ_from_the_others() {
    let mut world = World::new(&[0, 15 * SECOND, -15 * SECOND]);
    world.run(10 * MINUTE_MS);
    assert_went_on(&world);
    assert_eq!([0, 1, 2].map(|n| world.time(n).is_off), [true, true, true], "each differs from two of three");
    assert_eq!([0, 1, 2].map(|n| world.time(n).offset_ms.signum()), [0, -1, 1]);
}

#[test]
fn a_partition_heals_whose_sides_had_other_clocks() {
    let mut world = World::new(&[0; 5]);
    world.cut = (0..3).flat_map(|a| [(a, 3), (a, 4)]).collect();
    world.run(MINUTE_MS);
    for n in 0..3 {
        world.machines[n].error_ms = HOUR;
    }
    world.run(10 * MINUTE_MS);
    world.cut.clear();
    world.run(2 * MINUTE_MS);
    assert_went_on(&world);
    world.set_all(0);
    world.run(10 * MINUTE_MS);
    assert_went_on(&world);
    world.settle();
    let held = world.replica(0).state().total();
    world.assert_all_hold(held);
}

#[test]
fn of_two_members_the_earlier_clock_wins() {
    let mut world = World::new(&[0, 0]);
    world.machines[1].error_ms = -HOUR;
    world.run(10 * MINUTE_MS);
    assert_went_on(&world);
    let lead = world.lead_ms(0);
    assert!((-160 * SECOND..=-60 * SECOND).contains(&lead), "it went at 3/4 to 7/8 of real speed: {lead}");
}

/// What members showed counts on though no link stands, carried on by the own monotonic clock.
#[test]
fn a_node_that_is_cut_off_still_knows_what_time_it_is() {
    let mut world = World::new(&[0; 3]);
    world.cut = [(0, 2), (1, 2)].into();
    world.run(10 * MINUTE_MS);
    assert!(!world.time(2).is_off && world.time(2).offset_ms.abs() <= 1_000, "{:?}", world.time(2));
    world.machines[2].error_ms = 3 * HOUR;
    world.run(10 * MINUTE_MS);
    assert!(world.time(2).is_off && world.lead_ms(2) <= 10_100, "contained: {}", world.lead_ms(2));
    world.cut.clear();
    world.run(MINUTE_MS);
    assert_went_on(&world);
    world.settle();
    let held = world.replica(0).state().total();
    world.assert_all_hold(held);
}

/// Those that join have no say until they share its time: else they would hold up one that is ahead.
#[test]
fn as_many_nodes_join_one_that_is_ahead_as_it_has_members_or_more() {
    for count in [1, 2] {
        let mut world = World::new(&[HOUR]);
        world.set_all(0);
        world.run(10_000);
        let joiners: Vec<usize> = (0..count).map(|_| world.add(0)).collect();
        world.run(5_000);
        joiners.iter().for_each(|joiner| world.machines[*joiner].tally = crate::world::StepTally::default());
        world.run(30_000);
        assert_went_on(&world);
        world.settle();
        let held = world.replica(0).state().total();
        world.assert_all_hold(held);
    }
}

/// Two that began alone are hours behind. They have no say in what others, which are right, take for agreed time.
#[test]
fn nodes_join_one_that_is_right_beside_more_that_are_behind() {
    let mut world = World::new(&[0]);
    // What it wrote before has to be asked for, since an earlier run wrote it.
    world.stop(0);
    world.start(0);
    let behind = [world.add(-3 * HOUR), world.add(-3 * HOUR)];
    world.cut = [(0, 1), (0, 2), (1, 2)].into();
    world.run(10_000);
    let joiners = [world.add(0), world.add(0)];
    world.cut.clear();
    world.run(2_000);
    assert!(joiners.iter().all(|joiner| world.replica(*joiner).origin().is_some()), "they have joined");
    world.restart_tallies();
    world.run(MINUTE_MS);
    assert_went_on(&world);
    assert!(behind.iter().all(|n| world.time(*n).is_off) && joiners.iter().all(|n| !world.time(*n).is_off));
    world.settle();
    let held = world.replica(0).state().total();
    world.assert_all_hold(held);
}

/// Each takes the other's time for wrong, and its own clock for a witness.
#[test]
fn two_that_began_alone_an_hour_apart_meet() {
    let mut world = World::new(&[0]);
    let behind = world.add(-HOUR);
    world.cut = [(0, behind)].into();
    world.run(10_000);
    world.cut.clear();
    world.restart_tallies();
    world.run(MINUTE_MS);
    assert_eq!(world.refused(), 0);
}

/// What is rounded at each call would stand still.
#[test]
fn clocks_that_are_ahead_go_on_at_a_thousand_calls_a_second() {
    let mut world = World::new(&[0]);
    let ahead = world.add(30 * SECOND);
    world.cut = [(0, ahead)].into();
    world.run(10_000);
    world.cut.clear();
    world.run(10_000);
    // It has taken what was written by a later clock, and is set back itself.
    world.machines[0].error_ms = -HOUR;
    let mut times = [world.time(0); 2];
    for time in &mut times {
        for _ in 0..4_000 {
            world.now += 1;
            let now = world.at(0);
            world.machines[0].replica.as_mut().unwrap().tick(now);
        }
        *time = world.time(0);
    }
    let [before, after] = times;
    assert!(before.hybrid.0 > before.steady.0 + 5_000, "{before:?}");
    let went = [after.hybrid.0 - before.hybrid.0, after.steady.0 - before.steady.0];
    assert!(went[0].abs_diff(3_000) <= 1 && went[1].abs_diff(3_500) <= 1, "{went:?}");
}

#[test]
fn a_node_alone_keeps_time() {
    let mut world = World::new(&[0]);
    world.run(10 * MINUTE_MS);
    assert_went_on(&world);
    assert!(world.lead_ms(0).abs() <= 100, "{}", world.lead_ms(0));
}
