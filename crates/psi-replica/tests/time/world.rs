//! Machines whose clocks are set, together and apart, and which pause, restart and are restored from backups.

use std::collections::BTreeSet;

use psi_replica::{ClusterName, Config, NodeId, Now, Replica, TimeStatus};

use crate::{
    common::{
        WALL_MS,
        links::{LinkedWorld, Links},
        moment,
    },
    counts::Counts,
};

/// How far each look at the world lies from the one before.
const LOOK_MS: u64 = 500;

pub const SECOND: i64 = 1_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const YEAR: i64 = 365 * 24 * HOUR;

/// A machine, and the process on it, if one runs.
pub struct Machine {
    name: NodeId,
    /// Its wall clock minus the true time.
    pub error_ms: i64,
    pub is_paused: bool,
    /// How long it was paused since its process started: so much its monotonic clock is behind.
    paused_ms: u64,
    pub disk: Option<Vec<u8>>,
    pub keeps_disk: bool,
    pub replica: Option<Replica<Counts>>,
    started: u64,
    pub takes_steps: bool,
    pub tally: StepTally,
}

/// What happened to a machine's steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepTally {
    pub accepted: u64,
    pub refused: u64,
    /// When the latest step was accepted whose clock was later than all before, by whole milliseconds.
    moved: u64,
    latest_ms: u64,
    /// The longest that clocks stood still while steps were accepted.
    pub stalled_ms: u64,
}

pub struct World {
    pub now: u64,
    pub machines: Vec<Machine>,
    /// Pairs of machines that can't reach each other.
    pub cut: BTreeSet<(usize, usize)>,
    links: Links,
    starts: u16,
}

impl World {
    /// A cluster of machines whose clocks have these errors, once all have joined.
    pub fn new(errors: &[i64]) -> Self {
        let mut world = Self { now: 0, machines: Vec::new(), cut: BTreeSet::new(), links: Links::default(), starts: 0 };
        for error in errors {
            world.add(*error);
        }
        world.run(5_000);
        world.restart_tallies();
        world
    }

    pub fn add(&mut self, error_ms: i64) -> usize {
        self.add_named(&format!("n{}", self.machines.len()), error_ms)
    }

    pub fn add_named(&mut self, name: &str, error_ms: i64) -> usize {
        let index = self.machines.len();
        self.machines.push(Machine {
            name: NodeId::new(name).unwrap(),
            error_ms,
            is_paused: false,
            paused_ms: 0,
            disk: None,
            keeps_disk: true,
            replica: None,
            started: 0,
            takes_steps: true,
            tally: StepTally::default(),
        });
        self.start(index);
        index
    }

    pub fn start(&mut self, index: usize) {
        self.starts += 1;
        let machine = &mut self.machines[index];
        (machine.started, machine.paused_ms) = (self.now, 0);
        let config = Config {
            join_ms: 2_000,
            microsecond: self.starts % 1000,
            ..Config::new(ClusterName::new("c").unwrap(), machine.name.clone())
        };
        let now = self.at(index);
        let machine = &mut self.machines[index];
        let replica = match &machine.disk {
            Some(bytes) => Replica::restore(config, now, bytes, Counts::default()).unwrap(),
            None => Replica::new(config, now, Counts::default()),
        };
        machine.replica = Some(replica);
    }

    /// Stops in good order: hands over, and writes a snapshot.
    pub fn stop(&mut self, index: usize) {
        let now = self.at(index);
        self.machines[index].replica.as_mut().unwrap().close(now);
        for _ in 0..5 {
            self.exchange();
        }
        self.unlink_all(index);
        let machine = &mut self.machines[index];
        let replica = machine.replica.take().unwrap();
        machine.disk = machine.keeps_disk.then(|| replica.snapshot());
    }

    pub fn replica(&self, index: usize) -> &Replica<Counts> {
        self.machines[index].replica.as_ref().unwrap()
    }

    pub fn time(&self, index: usize) -> TimeStatus {
        self.replica(index).time()
    }

    /// Hybrid time minus true time.
    pub fn lead_ms(&self, index: usize) -> i64 {
        self.time(index).hybrid.0.cast_signed() - (WALL_MS + self.now).cast_signed()
    }

    pub fn set_all(&mut self, error_ms: i64) {
        self.machines.iter_mut().for_each(|machine| machine.error_ms = error_ms);
    }

    pub fn restart_tallies(&mut self) {
        self.machines.iter_mut().for_each(|machine| machine.tally = StepTally::default());
    }

    /// Lets the world go on; each machine that runs takes a step a second.
    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms / LOOK_MS {
            self.now += LOOK_MS;
            for machine in self.machines.iter_mut().filter(|machine| machine.is_paused) {
                machine.paused_ms += LOOK_MS;
            }
            self.relink();
            for index in 0..self.machines.len() {
                let now = self.at(index);
                if let Some(replica) = self.running(index) {
                    replica.tick(now);
                }
            }
            self.exchange();
            if self.now.is_multiple_of(1_000) {
                (0..self.machines.len()).for_each(|index| self.step(index));
            }
        }
    }

    fn running(&mut self, index: usize) -> Option<&mut Replica<Counts>> {
        let machine = &mut self.machines[index];
        machine.replica.as_mut().filter(|_| !machine.is_paused)
    }

    fn step(&mut self, index: usize) {
        let (now, at) = (self.now, self.at(index));
        let takes_steps = self.machines[index].takes_steps;
        let Some(replica) = self.running(index).filter(|_| takes_steps) else { return };
        let clock = match replica.begin_write(at) {
            Ok((state, mut writer)) => Some(state.step(&mut writer)),
            Err(_) => None,
        };
        replica.flush();
        let tally = &mut self.machines[index].tally;
        let Some(clock) = clock else {
            tally.refused += 1;
            return;
        };
        tally.accepted += 1;
        if clock.wall_ms > tally.latest_ms || tally.moved == 0 {
            (tally.latest_ms, tally.moved) = (clock.wall_ms, now);
        }
        tally.stalled_ms = tally.stalled_ms.max(now - tally.moved);
    }

    /// Links stand between all that run and are not cut off from each other.
    fn relink(&mut self) {
        for b in 0..self.machines.len() {
            for a in 0..b {
                let is_up = |index: usize| self.machines[index].replica.is_some() && !self.machines[index].is_paused;
                let stands = is_up(a) && is_up(b) && !self.cut.contains(&(a, b));
                self.link((a, b), stands);
            }
        }
    }

    pub fn refused(&self) -> u64 {
        self.machines.iter().map(|machine| machine.tally.refused).sum()
    }

    pub fn stalled_ms(&self) -> u64 {
        self.machines.iter().map(|machine| machine.tally.stalled_ms).max().unwrap()
    }

    /// All that run hold the same, of so many steps.
    pub fn assert_all_hold(&self, steps: u64) {
        let running = self.machines.iter().filter_map(|machine| machine.replica.as_ref());
        let held: Vec<u64> = running.map(|replica| replica.state().total()).collect();
        assert!(held.iter().all(|total| *total == steps), "{held:?}, not {steps}");
    }

    /// Takes no more steps, and lets what is under way arrive.
    pub fn settle(&mut self) {
        self.machines.iter_mut().for_each(|machine| machine.takes_steps = false);
        self.run(10_000);
    }
}

impl LinkedWorld for World {
    type State = Counts;

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn at(&self, index: usize) -> Now {
        let machine = &self.machines[index];
        moment(self.now, self.now - machine.started - machine.paused_ms, machine.error_ms)
    }

    fn process(&mut self, index: usize) -> Option<&mut Replica<Counts>> {
        self.machines[index].replica.as_mut()
    }
}
