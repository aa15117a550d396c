//! Single stories that chance brings about too seldom.

use crate::{
    common::links::LinkedWorld,
    world::{END_AFTER_MS, Faults, World},
};

/// Nothing happens but steps.
const QUIET: Faults =
    Faults { step: 500, crash: 0, stop: 0, start: 0, part: 0, heal: 0, lose_disk: 0, old_disk: 0, gone: 0, twin: 0 };

impl World {
    /// Machines in the groups of a list.
    pub(crate) fn grouped(seed: u64, groups: &[u64]) -> Self {
        let mut world = Self::new(seed, groups.len(), 1000);
        world.group(groups);
        world
    }

    pub(crate) fn group(&mut self, groups: &[u64]) {
        self.machines.iter_mut().zip(groups).for_each(|(machine, group)| machine.group = *group);
    }

    pub(crate) fn run_for(&mut self, ms: u64) {
        for _ in 0..ms / 250 {
            self.tick(&QUIET);
        }
    }

    pub(crate) fn checkpoint(&self, index: usize) -> u64 {
        self.machines[index].replica.as_ref().map_or(0, |replica| replica.end_status().checkpoint)
    }

    pub(crate) fn formers(&self, index: usize) -> usize {
        let logs =
            |replica: &psi_replica::Replica<_>| replica.store().logs().filter(|(it, _)| it.is_former_base()).count();
        self.machines[index].replica.as_ref().map_or(0, logs)
    }

    pub(crate) fn status(&self, index: usize) -> psi_replica::EndStatus {
        self.machines[index].replica.as_ref().unwrap().end_status()
    }

    fn view(&self, index: usize) -> Vec<u64> {
        self.machines[index].replica.as_ref().unwrap().state().view()
    }

    /// Each of some machines is stopped and started in turn, so many times.
    fn restart_each(&mut self, machines: &[usize], times: usize) {
        for index in machines.iter().cycle().take(machines.len() * times) {
            self.stop(*index);
            self.run_for(3_000);
            self.start(*index);
            self.run_for(17_000);
        }
    }

    /// A machine is stopped and started until its group has so many checkpoints.
    pub(crate) fn restart_until(&mut self, index: usize, checkpoint: u64) {
        for _ in 0..60 {
            if self.checkpoint(index) >= checkpoint {
                return;
            }
            self.stop(index);
            self.run_for(3_000);
            self.start(index);
            self.run_for(17_000);
        }
        panic!("machine {index} has {} checkpoints", self.checkpoint(index));
    }
}

#[test]
fn a_base_that_gave_way_and_went_on_elsewhere_does_not_count_twice_when_it_comes_to_hold() {
    let mut world = World::grouped(1, &[0, 0, 0, 1, 1, 0]);
    world.run_for(10_000);
    world.restart_until(2, 1);
    let first = world.checkpoint(2);
    world.restart_until(4, first + 2);
    // One of the first three moves over to the other two, and its base gives way there.
    world.group(&[1, 0, 0, 1, 1, 0]);
    world.run_for(20_000);
    assert_eq!((world.checkpoint(0), world.formers(0)), (world.checkpoint(3), 1), "it gave way");
    world.run_for(END_AFTER_MS);
    let other = world.checkpoint(0);
    // The others go on with it, until it has more checkpoints.
    world.restart_until(2, other + 3);
    world.group(&[0; 6]);
    world.settle();
}

#[test]
fn no_horizon_is_raised_beside_a_base_that_gave_way() {
    let mut world = World::grouped(2, &[0, 0, 1, 1, 2]);
    world.end(4);
    world.run_for(10_000);
    world.restart_until(1, 1);
    for _ in 0..20 {
        let next = world.checkpoint(3) + 1;
        world.restart_until(3, next);
    }
    world.group(&[1, 1, 1, 1, 2]);
    let other = world.checkpoint(3);
    for _ in 0..80 {
        world.run_for(250);
        if world.checkpoint(0) >= other && world.formers(3) == 1 {
            break;
        }
    }
    assert_eq!(world.formers(0), 1, "it gave way");
    // One of those who had part in it leaves for good.
    world.stop(0);
    world.run_for(6 * END_AFTER_MS);
    world.machines[4].disk.clear();
    world.group(&[1; 5]);
    world.start(4);
    world.run_for(30_000);
    let status = world.machines[3].replica.as_ref().unwrap().end_status();
    assert_eq!(
        (world.formers(4), world.machines[4].replica.as_ref().unwrap().readiness()),
        (world.formers(3), psi_replica::Readiness::Ready),
        "{status:?}"
    );
    assert_eq!(status.horizon, 0, "{status:?}");
    world.settle();
    assert_ne!(world.machines[3].replica.as_ref().unwrap().end_status().horizon, 0);
}

/// Takes a step, and tells its number.
pub(crate) fn step(world: &mut World, index: usize) -> u64 {
    world.step(index);
    world.steps - 1
}

pub(crate) fn has_step(world: &World, index: usize, step: u64) -> bool {
    world.machines[index].replica.as_ref().is_some_and(|replica| replica.state().view().contains(&step))
}

#[test]
fn a_run_does_not_end_short_of_what_its_node_held_as_it_left() {
    let mut world = World::grouped(4, &[0; 3]);
    world.run_for(10_000);
    let cut_off = |world: &World| world.machines[0].replica.as_ref().and_then(|replica| replica.origin().cloned());
    let before = cut_off(&world);
    world.group(&[1, 0, 0]);
    world.run_for(250);
    let step = step(&mut world, 0);
    while cut_off(&world) == before {
        world.run_for(250);
    }
    // It goes on as another run. It is back for a moment, and its link fails before all is told.
    world.group(&[0; 3]);
    let now = world.at(0);
    world.relink();
    world.machines[0].replica.as_mut().unwrap().close(now);
    let latest = cut_off(&world).unwrap();
    let knows = |world: &World| world.machines[1].replica.as_ref().unwrap().store().log(&latest).is_some();
    while !knows(&world) {
        world.exchange_frames(1);
    }
    world.end_with_disk(0);
    assert!(!has_step(&world, 1, step), "it was told all");
    world.run_for(3 * END_AFTER_MS);
    world.start(0);
    world.run_for(10_000);
    assert!(has_step(&world, 1, step), "{:?}", world.machines[1].replica.as_ref().unwrap().end_status());
    world.settle();
    assert_eq!(world.late, 0);
}

#[test]
fn a_node_that_has_met_others_is_to_save_that_soon() {
    let mut world = World::grouped(5, &[0, 1]);
    world.machines[0].keeps_disk = true;
    world.run_for(10_000);
    let moves = |world: &World| world.machines[0].replica.as_ref().unwrap().end_moves();
    let before = moves(&world);
    world.group(&[0, 0]);
    world.run_for(2_000);
    assert!(moves(&world) > before);
    world.save(0);
    let step = step(&mut world, 0);
    world.exchange();
    world.crash(0);
    world.group(&[0, 1]);
    world.start(0);
    world.run_for(3 * END_AFTER_MS);
    world.group(&[0, 0]);
    world.run_for(10_000);
    assert!(has_step(&world, 0, step) && has_step(&world, 1, step));
    world.settle();
}

#[test]
fn runs_end_again_once_nobody_on_the_roster_is_waited_for() {
    let mut world = World::grouped(3, &[0; 4]);
    world.end(2);
    world.end(3);
    world.run_for(10_000);
    world.restart_until(1, 1);
    world.run_for(10_000);
    let before = world.checkpoint(0);
    world.start(2);
    world.start(3);
    let is_ready = |world: &World, index: usize| world.machines[index].replica.as_ref().unwrap().origin().is_some();
    while !(is_ready(&world, 2) && is_ready(&world, 3)) {
        world.run_for(250);
    }
    // Those who agreed so far are lost before they agree with the others.
    assert_eq!((world.checkpoint(2), world.checkpoint(3)), (before, before));
    for index in [0, 1] {
        world.crash(index);
        world.machines[index].is_gone = true;
    }
    world.run_for(9 * END_AFTER_MS);
    assert!(world.checkpoint(2) > before, "{:?}", world.machines[2].replica.as_ref().unwrap().end_status());
    world.settle();
}

#[test]
fn a_run_that_is_cut_off_and_ended_by_the_others_loses_only_its_first_half_minute() {
    let mut world = World::grouped(4, &[0; 3]);
    world.run_for(10_000);
    world.group(&[0, 0, 1]);
    world.run_for(35_000);
    // Somebody says, wrongly, that the node is gone.
    world.is_beyond_promise = true;
    let (now, gone) = (world.at(0), world.machines[2].name.clone());
    world.machines[0].replica.as_mut().unwrap().forget_node(now, &gone).unwrap();
    let before = world.view(2);
    world.run_for(60_000);
    let written: Vec<u64> = world.view(2).into_iter().filter(|step| !before.contains(step)).collect();
    assert_eq!(world.status(0).runs.len(), 2, "the others have ended its run: {:?}", world.status(0));
    world.group(&[0; 3]);
    world.settle();
    let view = world.view(0);
    let lost = written.iter().filter(|step| !view.contains(step)).count();
    assert_eq!((written.len() > 20, lost), (true, 0), "of {} steps", written.len());
}

#[test]
fn no_horizon_is_raised_while_a_node_is_missing_however_often_the_others_restart() {
    let mut world = World::grouped(5, &[0; 4]);
    world.run_for(10_000);
    world.group(&[0, 0, 0, 1]);
    // Nobody is up for so long that it gives up those on the other side. Names are kept for less than all this takes.
    for _ in 0..6 {
        for index in [0, 1, 3] {
            world.crash(index);
            world.run_for(3_000);
            world.start(index);
            world.run_for(17_000);
        }
        world.restart_each(&[2], 6);
        world.run_for(80_000);
    }
    let status = world.status(0);
    assert_eq!((status.horizon, status.ended > 25), (0, true), "{status:?}");
    let written = world.view(3);
    world.group(&[0; 4]);
    world.settle();
    let view = world.view(0);
    assert_eq!((world.late, written.iter().filter(|step| !view.contains(step)).count()), (0, 0));
    assert_ne!(world.status(0).horizon, 0);
}

#[test]
fn a_run_whose_name_is_forgotten_is_not_taken_again() {
    let mut world = World::grouped(6, &[0; 5]);
    world.run_for(10_000);
    world.restart_until(4, 1);
    world.group(&[0, 0, 0, 1, 1]);
    // The smaller side gives the larger up, ends its runs, and forgets their names; there they go on.
    world.run_for(8 * END_AFTER_MS);
    world.restart_each(&[3, 4], 20);
    let live = world.machines[0].replica.as_ref().unwrap().origin().unwrap().clone();
    assert!(world.machines[3].replica.as_ref().unwrap().is_below_horizon(&live), "{:?}", world.status(3));
    // It is checked at every move that nothing counts twice.
    world.group(&[0; 5]);
    world.settle();
}

#[test]
fn runs_end_and_names_are_kept_though_a_clock_is_years_off() {
    const TEN_YEARS_MS: i64 = 10 * 365 * 24 * 3_600_000;
    for skew_ms in [-TEN_YEARS_MS, TEN_YEARS_MS] {
        let mut world = World::grouped(7, &[0; 3]);
        world.run_for(10_000);
        world.machines[0].skew_ms = skew_ms;
        world.restart_each(&[1], 18);
        let status = world.status(0);
        assert_eq!((status.horizon, status.ended > 12), (0, true), "n0 is off by {skew_ms} ms: {status:?}");
        world.restart_each(&[1], 30);
        assert!(world.status(0).horizon > 0, "n0 is off by {skew_ms} ms: {:?}", world.status(0));
        world.settle();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.log.iter().for_each(|line| eprintln!("{line}"));
        }
    }
}
