//! Runs that learn of a later one of their name.

use psi_replica::{LinkId, Origin, PROTOCOL, proto};

use crate::{
    common::links::LinkedWorld,
    world::{SECOND, StepTally, World, YEAR},
};

fn runs_of(world: &World, index: usize, node: &str) -> Vec<Origin> {
    let runs = world.replica(index).store().logs().map(|(origin, _)| origin);
    runs.filter(|origin| origin.node.as_str() == node).cloned().collect()
}

/// The later one ran where all clocks were ahead, and is gone.
#[test]
fn a_run_goes_on_as_a_later_one_than_that_which_overtook_it() {
    let mut world = World::new(&[0; 3]);
    world.machines[2].keeps_disk = false;
    world.cut = [(0, 1), (0, 2)].into();
    world.machines[1].error_ms = 50 * SECOND;
    world.machines[2].error_ms = 50 * SECOND;
    world.stop(2);
    world.start(2);
    world.run(5_000);
    let later = world.replica(2).origin().unwrap().clone();
    world.set_all(0);
    world.stop(2);
    world.cut = [(0, 1), (1, 2)].into();
    world.start(2);
    world.run(5_000);
    let earlier = world.replica(2).origin().unwrap().clone();
    assert!(earlier < later, "where it is now nobody knows of it: {earlier} {later}");
    world.cut.clear();
    world.run(5_000);
    assert!(*world.replica(2).origin().unwrap() > later, "{:?} {later}", world.replica(2).origin());
    world.restart_tallies();
    world.run(30_000);
    assert_eq!(world.refused(), 0);
    world.settle();
    let held = world.replica(0).state().total();
    world.assert_all_hold(held);
}

/// Nobody ends either. They must not leave more runs than others can end.
#[test]
fn two_live_runs_of_one_name_outrun_each_other_once_a_minute_at_most() {
    let mut world = World::new(&[0; 2]);
    let twin = world.add_named("n1", 0);
    world.cut = [(1, twin)].into();
    world.run(130_000);
    let runs = runs_of(&world, 0, "n1");
    assert!((3..=7).contains(&runs.len()), "{runs:?}");
    world.machines.iter_mut().for_each(|machine| machine.tally = StepTally::default());
    world.run(30_000);
    assert_eq!(world.refused(), 0);
}

/// Nobody would take what a run of so late a name writes.
#[test]
fn a_run_does_not_outdo_a_name_that_is_years_ahead() {
    let mut world = World::new(&[0; 2]);
    world.stop(1);
    world.start(1);
    let (now, link) = (world.at(1), LinkId(u64::MAX));
    let claimed = (now.wall.0 + YEAR.cast_unsigned()) * 1_000;
    let hello = proto::Hello {
        cluster: "c".to_owned(),
        node: "n1".to_owned(),
        incarnation: claimed,
        protocol_min: PROTOCOL,
        protocol_max: PROTOCOL,
        ..proto::Hello::default()
    };
    let replica = world.process(1).unwrap();
    replica.link_up(now, link);
    let frame = proto::Frame { body: Some(proto::frame::Body::Hello(hello)) };
    replica.handle_frame(now, link, frame).expect_err("a node has no link to itself");
    replica.link_down(now, link);
    world.run(5_000);
    assert!(world.replica(1).origin().unwrap().incarnation < claimed, "{:?}", world.replica(1).origin());
    world.restart_tallies();
    world.run(30_000);
    assert_eq!(world.refused(), 0);
    world.settle();
    let held = world.replica(1).state().total();
    world.assert_all_hold(held);
}
