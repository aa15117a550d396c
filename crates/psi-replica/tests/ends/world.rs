//! Machines that crash, stop, start, lose their disks and are cut off from each other, and the frames between them.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::{ClusterName, Config, Digest, LinkError, NodeId, Now, Origin, Replica, Version};

use crate::{
    common::{
        links::{LinkedWorld, Links},
        moment,
    },
    steps::Steps,
};

/// After so long a silence a run may be ended.
pub const END_AFTER_MS: u64 = 60_000;

/// Splitmix64 (Steele et al., 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// A machine, and the process on it, if one runs.
pub struct Machine {
    pub name: NodeId,
    /// Snapshots, the latest last.
    pub disk: Vec<Vec<u8>>,
    pub keeps_disk: bool,
    /// It never starts again.
    pub is_gone: bool,
    /// Its clock minus the true one.
    pub skew_ms: i64,
    /// A later run of its name is live: it hands over and ends.
    pub is_superseded: bool,
    pub group: u64,
    pub replica: Option<Replica<Steps>>,
    pub started: u64,
}

/// What may happen in a run.
pub struct Faults {
    pub step: u64,
    pub crash: u64,
    pub stop: u64,
    pub start: u64,
    pub part: u64,
    pub heal: u64,
    pub lose_disk: u64,
    pub old_disk: u64,
    pub gone: u64,
    pub twin: u64,
}

pub struct World {
    pub dice: Dice,
    pub now: u64,
    pub machines: Vec<Machine>,
    pub links: Links,
    pub starts: u64,
    pub steps: u64,
    /// Steps whose loss is named.
    pub named: BTreeSet<u64>,
    /// What each origin's share was at each version.
    pub shares: BTreeMap<(Origin, Version), Vec<u64>>,
    /// The latest share that anybody held of a run.
    pub latest: BTreeMap<Origin, (Version, Vec<u64>)>,
    pub views: BTreeMap<[u8; 32], (Digest, Vec<u64>)>,
    pub ended: usize,
    pub checkpoints: u64,
    pub late: usize,
    pub replaced: usize,
    pub joined: usize,
    pub reminted: usize,
    /// When the processes on two machines had a link last.
    pub linked: BTreeMap<(usize, usize), u64>,
    /// Something happened that nothing is promised for: nodes without a link for longer than names are kept, a disk that
    /// was set back, two machines of one name.
    pub is_beyond_promise: bool,
    pub log: Vec<String>,
}

impl World {
    pub fn new(seed: u64, machines: usize, disks: u64) -> Self {
        let mut dice = Dice(seed);
        let machine = |index: usize, dice: &mut Dice| Machine {
            name: NodeId::new(&format!("n{index}")).unwrap(),
            disk: Vec::new(),
            keeps_disk: dice.chance(disks),
            is_gone: false,
            skew_ms: 0,
            is_superseded: false,
            group: 0,
            replica: None,
            started: 0,
        };
        let machines = (0..machines).map(|index| machine(index, &mut dice)).collect();
        let mut world = Self {
            dice,
            now: 0,
            machines,
            links: Links::default(),
            starts: 0,
            steps: 0,
            named: BTreeSet::new(),
            shares: BTreeMap::new(),
            latest: BTreeMap::new(),
            views: BTreeMap::new(),
            ended: 0,
            checkpoints: 0,
            late: 0,
            replaced: 0,
            joined: 0,
            reminted: 0,
            linked: BTreeMap::new(),
            is_beyond_promise: false,
            log: Vec::new(),
        };
        for index in 0..world.machines.len() {
            world.machines[index].skew_ms = world.dice.below(8_000).cast_signed() - 4_000;
            world.start(index);
        }
        world
    }

    pub fn say(&mut self, what: &str) {
        if std::env::var_os("TRACE").is_some() {
            self.log.push(format!("{:>8} {what}", self.now));
        }
    }

    pub fn start(&mut self, index: usize) {
        self.starts += 1;
        self.machines[index].started = self.now;
        let now = self.at(index);
        let machine = &mut self.machines[index];
        let config = Config {
            join_ms: 3_000,
            end_after_ms: END_AFTER_MS,
            // Two machines of one name may start in one millisecond.
            microsecond: (self.starts % 1000) as u16,
            ..Config::new(ClusterName::new("c").unwrap(), machine.name.clone())
        };
        let replica = match machine.disk.last() {
            Some(bytes) => Replica::restore(config, now, bytes, Steps::default()).unwrap(),
            None => Replica::new(config, now, Steps::default()),
        };
        machine.replica = Some(replica);
        let name = self.machines[index].name.clone();
        self.say(&format!("start {name}"));
    }

    pub fn start_again(&mut self, index: usize, faults: &Faults) {
        let others = self.machines.iter().filter(|machine| !machine.is_gone).count();
        if self.machines[index].is_gone || others > 2 && self.dice.chance(faults.gone) {
            self.machines[index].is_gone = true;
            return;
        }
        let disks = self.machines[index].disk.len() as u64;
        if self.dice.chance(faults.lose_disk) {
            self.machines[index].disk.clear();
        } else if disks > 0 && self.dice.chance(faults.old_disk) {
            let kept = 1 + self.dice.below(disks) as usize;
            self.is_beyond_promise |= kept < disks as usize;
            self.machines[index].disk.truncate(kept);
        }
        self.start(index);
    }

    /// A second machine of one name, with a copy of its disk.
    pub fn twin(&mut self, index: usize) {
        let machine = &self.machines[index];
        let is_alone = self.machines.iter().filter(|other| other.name == machine.name).count() == 1;
        if machine.is_gone || !is_alone {
            return;
        }
        let twin = Machine {
            name: machine.name.clone(),
            disk: machine.disk.clone(),
            keeps_disk: machine.keeps_disk,
            is_gone: false,
            skew_ms: machine.skew_ms,
            is_superseded: false,
            group: machine.group,
            replica: None,
            started: 0,
        };
        self.say(&format!("twin of {}", twin.name));
        self.is_beyond_promise = true;
        self.machines.push(twin);
        self.start(self.machines.len() - 1);
    }

    pub fn save(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        if let Some(replica) = machine.replica.as_ref().filter(|_| machine.keeps_disk) {
            machine.disk.push(replica.snapshot());
            let old = machine.disk.len().saturating_sub(6);
            machine.disk.drain(..old);
        }
    }

    pub fn end(&mut self, index: usize) {
        self.unlink_all(index);
        self.machines[index].replica = None;
    }

    /// It ends, and all that it holds is on its disk.
    pub fn end_with_disk(&mut self, index: usize) {
        self.machines[index].keeps_disk = true;
        self.save(index);
        self.end(index);
    }

    pub fn crash(&mut self, index: usize) {
        let name = self.machines[index].name.clone();
        self.say(&format!("crash {name}"));
        self.end(index);
    }

    pub fn stop(&mut self, index: usize) {
        let now = self.at(index);
        let name = self.machines[index].name.clone();
        self.say(&format!("stop {name}"));
        if let Some(replica) = &mut self.machines[index].replica {
            replica.close(now);
        }
        for _ in 0..3 {
            self.exchange();
        }
        self.save(index);
        self.end(index);
    }

    /// Links stand between running machines of one group.
    pub fn relink(&mut self) {
        for a in 0..self.machines.len() {
            for b in a + 1..self.machines.len() {
                let [left, right] = [a, b].map(|index| &self.machines[index]);
                let stands = left.replica.is_some()
                    && right.replica.is_some()
                    && left.group == right.group
                    && left.name != right.name;
                self.link((a, b), stands);
                let linked = self.linked.entry((a, b)).or_insert(self.now);
                if stands {
                    *linked = self.now;
                }
                let without = self.now - *linked;
                self.is_beyond_promise |= without >= 7 * END_AFTER_MS;
            }
        }
    }

    pub fn tick(&mut self, faults: &Faults) {
        self.now += 250;
        self.relink();
        for index in 0..self.machines.len() {
            let now = self.at(index);
            if let Some(replica) = &mut self.machines[index].replica {
                replica.tick(now);
            }
        }
        self.exchange();
        let index = self.dice.below(self.machines.len() as u64) as usize;
        if self.dice.chance(faults.step) {
            self.step(index);
        }
        let index = self.dice.below(self.machines.len() as u64) as usize;
        let is_up = self.machines[index].replica.is_some();
        if is_up && self.dice.chance(faults.crash) {
            self.crash(index);
        } else if is_up && self.dice.chance(faults.stop) {
            self.stop(index);
        } else if !is_up && self.dice.chance(faults.start) {
            self.start_again(index, faults);
        }
        if self.dice.chance(100) {
            self.save(index);
        }
        if self.dice.chance(faults.twin) {
            self.twin(index);
        }
        for index in 0..self.machines.len() {
            if std::mem::take(&mut self.machines[index].is_superseded) {
                self.stop(index);
                // Of two machines of one name, one is put away.
                self.machines[index].is_gone = true;
            }
        }
        if self.dice.chance(faults.part) {
            for index in 0..self.machines.len() {
                self.machines[index].group = self.dice.below(2);
            }
            let groups: Vec<u64> = self.machines.iter().map(|machine| machine.group).collect();
            self.say(&format!("part {groups:?}"));
        } else if self.dice.chance(faults.heal) {
            if self.machines.iter().any(|machine| machine.group != 0) {
                self.say("heal");
            }
            self.machines.iter_mut().for_each(|machine| machine.group = 0);
        }
        self.look();
    }

    pub fn step(&mut self, index: usize) {
        let now = self.at(index);
        let number = self.steps;
        let Some(replica) = &mut self.machines[index].replica else { return };
        let Ok((state, mut writer)) = replica.begin_write(now) else { return };
        let origin = writer.origin().clone();
        state.write(&mut writer, |share| share.push(number));
        let share = state.0[&origin].clone();
        let version = writer.version();
        drop(writer);
        replica.flush();
        self.shares.insert((origin.clone(), version), share.clone());
        self.latest.insert(origin, (version, share));
        self.steps += 1;
    }
}

impl LinkedWorld for World {
    type State = Steps;

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn at(&self, index: usize) -> Now {
        let machine = &self.machines[index];
        moment(self.now, self.now - machine.started, machine.skew_ms)
    }

    fn process(&mut self, index: usize) -> Option<&mut Replica<Steps>> {
        self.machines[index].replica.as_mut()
    }

    /// Some frames are lost.
    fn loses_frame(&mut self) -> bool {
        self.dice.chance(20)
    }

    fn refuse(&mut self, pair: (usize, usize), error: LinkError) {
        self.say(&format!("link {pair:?}: {error}"));
        self.unlink(pair);
    }
}
