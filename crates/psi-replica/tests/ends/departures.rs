//! Nodes that leave, or are killed, before all is told of what they alone hold.

use crate::{
    common::links::LinkedWorld,
    scenes::{has_step, step},
    world::{END_AFTER_MS, World},
};

fn is_closed(world: &World, index: usize, run: &psi_replica::Origin) -> bool {
    let runs = world.status(index).runs;
    runs.iter().any(|it| it.run == *run && it.stage == psi_replica::RunStage::Closed)
}

fn own(world: &World, index: usize) -> psi_replica::Origin {
    world.machines[index].replica.as_ref().unwrap().origin().unwrap().clone()
}

/// The machine that left holds more of a third machine's run, which crashed and kept no disk.
#[test]
fn a_run_does_not_end_short_of_what_another_node_held_as_it_left() {
    let mut world = World::grouped(7, &[0; 4]);
    world.run_for(10_000);
    world.machines[1].keeps_disk = false;
    world.machines[1].disk.clear();
    world.group(&[1, 1, 0, 0]);
    world.run_for(250);
    let step = step(&mut world, 1);
    for _ in 0..3 {
        world.exchange();
    }
    assert!(has_step(&world, 0, step) && !has_step(&world, 2, step));
    world.crash(1);
    world.group(&[0; 4]);
    world.relink();
    let (now, left) = (world.at(0), own(&world, 0));
    world.machines[0].replica.as_mut().unwrap().close(now);
    while !is_closed(&world, 2, &left) {
        world.exchange_frames(1);
    }
    assert!(!has_step(&world, 2, step) && !has_step(&world, 3, step), "it was told all");
    world.end_with_disk(0);
    world.start(1);
    world.run_for(3 * END_AFTER_MS);
    world.start(0);
    world.run_for(10_000);
    assert!(has_step(&world, 2, step), "{:?}", world.status(2));
    world.settle();
    assert_eq!(world.late, 0);
}

/// A run that becomes known after the first checkpoint does not always lead to a vote, and so to a snapshot.
#[test]
fn a_node_whose_peer_came_back_is_to_save_that_soon() {
    let mut world = World::grouped(8, &[0; 3]);
    world.run_for(10_000);
    world.restart_until(2, 1);
    world.run_for(20_000);
    let moves = |world: &World| world.machines[0].replica.as_ref().unwrap().end_moves();
    let is_ready = |world: &World, index: usize| world.machines[index].replica.as_ref().unwrap().origin().is_some();
    world.crash(2);
    world.start(2);
    while !is_ready(&world, 2) {
        world.run_for(250);
    }
    world.run_for(1_000);
    world.crash(2);
    world.run_for(20_000);
    world.machines[0].keeps_disk = true;
    world.stop(1);
    world.run_for(1_000);
    world.machines[0].disk.clear();
    world.save(0);
    world.machines[0].keeps_disk = false;
    let before = moves(&world);
    world.start(1);
    while !is_ready(&world, 1) {
        world.run_for(250);
    }
    world.run_for(5_000);
    if moves(&world) > before {
        world.machines[0].keeps_disk = true;
        world.save(0);
        world.machines[0].keeps_disk = false;
    }
    let step = step(&mut world, 0);
    world.exchange();
    assert!(has_step(&world, 1, step));
    world.crash(0);
    world.group(&[0, 1, 0]);
    world.start(0);
    world.start(2);
    world.run_for(3 * END_AFTER_MS);
    world.group(&[0; 3]);
    world.run_for(10_000);
    assert!(has_step(&world, 0, step) && has_step(&world, 1, step), "lost");
    world.settle();
}

/// A node has had part in two chains of checkpoints, and leaves while both sides hear it for a moment.
#[test]
fn a_run_does_not_end_in_two_bases_though_its_node_had_part_in_both() {
    let mut world = World::grouped(9, &[0, 0, 1, 1]);
    world.run_for(10_000);
    world.restart_until(0, 1);
    world.restart_until(3, 1);
    let other = world.checkpoint(2);
    // It moves over, with nothing.
    world.stop(0);
    world.machines[0].keeps_disk = false;
    world.machines[0].disk.clear();
    world.group(&[1, 0, 1, 1]);
    world.start(0);
    world.run_for(30_000);
    assert!(world.checkpoint(0) > other);
    world.group(&[1; 4]);
    world.relink();
    let (now, left) = (world.at(0), own(&world, 0));
    world.machines[0].replica.as_mut().unwrap().close(now);
    while !(1..4).all(|index| is_closed(&world, index, &left)) {
        world.exchange_frames(1);
    }
    world.end(0);
    world.machines[0].is_gone = true;
    world.group(&[0, 0, 1, 1]);
    world.run_for(3 * END_AFTER_MS);
    world.group(&[1; 4]);
    world.run_for(20_000);
    world.settle();
    assert_eq!(world.replaced, 0);
}

/// What a run named as it closed is forgotten once it ends itself.
#[test]
fn a_closed_run_does_not_end_while_it_names_more_than_is_held() {
    let mut world = World::grouped(4, &[0; 3]);
    world.run_for(10_000);
    world.restart_until(2, 1);
    world.run_for(20_000);
    let before = own(&world, 0);
    world.group(&[1, 0, 0]);
    world.run_for(250);
    let step = step(&mut world, 0);
    while world.machines[0].replica.as_ref().unwrap().origin() == Some(&before) {
        world.run_for(250);
    }
    world.run_for(5 * END_AFTER_MS + 70_000);
    // It is back for a moment, and reaches the second alone.
    world.group(&[0; 3]);
    world.relink();
    world.unlink((0, 2));
    let now = world.at(0);
    world.machines[0].replica.as_mut().unwrap().close(now);
    let latest = own(&world, 0);
    while !is_closed(&world, 1, &latest) {
        world.exchange_frames(1);
    }
    world.end_with_disk(0);
    assert!(!has_step(&world, 1, step), "it was told all");
    world.run_for(20_000);
    world.stop(1);
    world.run_for(40_000);
    world.start(0);
    world.start(1);
    world.run_for(20_000);
    assert!(has_step(&world, 2, step), "late {} beyond {}", world.late, world.is_beyond_promise);
    world.settle();
}
