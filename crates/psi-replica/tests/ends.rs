//! Runs that end, on real replicas of a tiny state: each step adds its number to its run's share, so that a view shows
//! exactly which steps are missing and which were counted twice. Machines crash, stop, start, lose their disks and are
//! cut off from each other for longer than any time-out.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use psi_replica::{
    Clock, ClusterName, Config, Digest, Entry, Event, InvalidValue, Key, Lane, LinkId, NodeId, Now, Origin, OriginLog,
    RemoteUpdate, Replica, Scope, State, TickMs, Version, WallMs, Writer, proto::Frame,
};

const WALL_MS: u64 = 1_750_000_000_000;
const STEPS: Lane = Lane(40);
/// After so long a silence a run may be ended.
const END_AFTER_MS: u64 = 60_000;

fn steps_key() -> Key {
    Key { scope: Scope::Cluster, lane: STEPS, index: 0 }
}

/// Numbers of steps, by who counted them.
#[derive(Debug, Default)]
struct Steps(BTreeMap<Origin, Vec<u64>>);

impl Steps {
    fn view(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.0.values().flatten().copied().collect();
        all.sort_unstable();
        all
    }
}

fn decoded(value: &[u8]) -> Vec<u64> {
    value.chunks(8).map(|step| u64::from_le_bytes(step.try_into().unwrap())).collect()
}

fn encoded(steps: &[u64]) -> Bytes {
    steps.iter().flat_map(|step| step.to_le_bytes()).collect()
}

impl State for Steps {
    type Demand = ();
    type Event = ();
    const EPOCH_LANE: Lane = Lane(2);

    fn check(_: &Key, _: &Bytes) -> Result<Clock, InvalidValue> {
        Ok(Clock::default())
    }

    #[cfg(feature = "testing")]
    fn knows(lane: Lane) -> bool {
        lane == STEPS
    }

    fn apply(&mut self, RemoteUpdate { origins, .. }: RemoteUpdate<'_>) -> Vec<()> {
        for (origin, changes) in origins {
            for change in changes.iter().filter(|change| change.key.lane == STEPS) {
                match &change.after {
                    Some(value) => self.0.insert((*origin).clone(), decoded(value)),
                    None => self.0.remove(origin),
                };
            }
        }
        Vec::new()
    }

    fn empty(&self) -> Self {
        Self::default()
    }

    fn can_fold(_: &OriginLog) -> bool {
        true
    }

    fn fold_ended(base: Option<&OriginLog>, ended: &[(&Origin, &OriginLog)]) -> BTreeMap<Key, Bytes> {
        let logs = base.into_iter().chain(ended.iter().map(|(_, log)| *log));
        let values = logs.filter_map(|log| log.value(&steps_key()));
        let mut all: Vec<u64> = values.flat_map(|value| decoded(value)).collect();
        all.sort_unstable();
        BTreeMap::from([(steps_key(), encoded(&all))])
    }

    fn write_demand(&mut self, _: &mut Writer<'_, ()>, (): ()) {}

    fn is_dirty(&self) -> bool {
        false
    }

    fn flush(&mut self, _: &Origin) -> Vec<Entry> {
        Vec::new()
    }
}

/// Splitmix64 (Steele et al., 2014).
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// A machine, and the process on it, if one runs.
struct Machine {
    name: NodeId,
    /// Snapshots, the latest last.
    disk: Vec<Vec<u8>>,
    keeps_disk: bool,
    /// It never starts again.
    is_gone: bool,
    /// Its clock minus the true one.
    skew_ms: i64,
    /// A later run of its name is live: it hands over and ends.
    is_superseded: bool,
    group: u64,
    replica: Option<Replica<Steps>>,
    started: u64,
}

/// What may happen in a run.
struct Faults {
    step: u64,
    crash: u64,
    stop: u64,
    start: u64,
    part: u64,
    heal: u64,
    lose_disk: u64,
    old_disk: u64,
    gone: u64,
    twin: u64,
}

struct World {
    dice: Dice,
    now: u64,
    machines: Vec<Machine>,
    /// Links between machines that stand: (least, greatest) and their number.
    links: BTreeMap<(usize, usize), u64>,
    links_made: u64,
    steps: u64,
    /// Steps whose loss is named.
    named: BTreeSet<u64>,
    /// What each origin's share was at each version.
    shares: BTreeMap<(Origin, Version), Vec<u64>>,
    /// The latest share that anybody held of a run.
    latest: BTreeMap<Origin, (Version, Vec<u64>)>,
    views: BTreeMap<[u8; 32], (Digest, Vec<u64>)>,
    ended: usize,
    checkpoints: u64,
    late: usize,
    replaced: usize,
    reminted: usize,
    log: Vec<String>,
}

impl World {
    fn new(seed: u64, machines: usize, disks: u64) -> Self {
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
            links: BTreeMap::new(),
            links_made: 0,
            steps: 0,
            named: BTreeSet::new(),
            shares: BTreeMap::new(),
            latest: BTreeMap::new(),
            views: BTreeMap::new(),
            ended: 0,
            checkpoints: 0,
            late: 0,
            replaced: 0,
            reminted: 0,
            log: Vec::new(),
        };
        for index in 0..world.machines.len() {
            world.machines[index].skew_ms = world.dice.below(8_000).cast_signed() - 4_000;
            world.start(index);
        }
        world
    }

    fn say(&mut self, what: &str) {
        if std::env::var_os("TRACE").is_some() {
            self.log.push(format!("{:>8} {what}", self.now));
        }
    }

    fn at(&self, index: usize) -> Now {
        let machine = &self.machines[index];
        let wall = (WALL_MS + self.now).saturating_add_signed(machine.skew_ms);
        Now { tick: TickMs(self.now - machine.started), wall: WallMs(wall) }
    }

    fn start(&mut self, index: usize) {
        self.machines[index].started = self.now;
        let now = self.at(index);
        let machine = &mut self.machines[index];
        let config = Config {
            join_ms: 3_000,
            end_after_ms: END_AFTER_MS,
            microsecond: (self.now % 1000) as u16,
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

    fn start_again(&mut self, index: usize, faults: &Faults) {
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
            self.machines[index].disk.truncate(kept);
        }
        self.start(index);
    }

    /// A second machine of one name, with a copy of its disk.
    fn twin(&mut self, index: usize) {
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
        self.machines.push(twin);
        self.start(self.machines.len() - 1);
    }

    fn save(&mut self, index: usize) {
        let machine = &mut self.machines[index];
        if let Some(replica) = machine.replica.as_ref().filter(|_| machine.keeps_disk) {
            machine.disk.push(replica.snapshot());
            let old = machine.disk.len().saturating_sub(6);
            machine.disk.drain(..old);
        }
    }

    fn end(&mut self, index: usize) {
        for pair in self.links.keys().copied().filter(|pair| pair.0 == index || pair.1 == index).collect::<Vec<_>>() {
            self.unlink(pair);
        }
        self.machines[index].replica = None;
    }

    fn crash(&mut self, index: usize) {
        let name = self.machines[index].name.clone();
        self.say(&format!("crash {name}"));
        self.end(index);
    }

    fn stop(&mut self, index: usize) {
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

    fn unlink(&mut self, (a, b): (usize, usize)) {
        let Some(link) = self.links.remove(&(a, b)) else { return };
        for index in [a, b] {
            let now = self.at(index);
            if let Some(replica) = &mut self.machines[index].replica {
                replica.link_down(now, LinkId(link));
            }
        }
    }

    /// Links stand between running machines of one group.
    fn relink(&mut self) {
        for a in 0..self.machines.len() {
            for b in a + 1..self.machines.len() {
                let [left, right] = [a, b].map(|index| &self.machines[index]);
                let stands = left.replica.is_some()
                    && right.replica.is_some()
                    && left.group == right.group
                    && left.name != right.name;
                match (stands, self.links.contains_key(&(a, b))) {
                    (true, false) => {
                        self.links_made += 1;
                        self.links.insert((a, b), self.links_made);
                        for index in [a, b] {
                            let (now, link) = (self.at(index), LinkId(self.links_made));
                            self.machines[index].replica.as_mut().unwrap().link_up(now, link);
                        }
                    }
                    (false, true) => self.unlink((a, b)),
                    _ => {}
                }
            }
        }
    }

    /// Some frames cross each link, some are lost.
    fn exchange(&mut self) {
        for ((a, b), link) in self.links.clone() {
            for (from, to) in [(a, b), (b, a)] {
                let (at_from, at_to) = (self.at(from), self.at(to));
                for _ in 0..8 {
                    let Some(frame): Option<Frame> =
                        self.machines[from].replica.as_mut().and_then(|it| it.poll_frame(at_from, LinkId(link)))
                    else {
                        break;
                    };
                    if self.dice.chance(20) {
                        continue;
                    }
                    let Some(replica) = &mut self.machines[to].replica else { break };
                    if let Err(error) = replica.handle_frame(at_to, LinkId(link), frame) {
                        self.say(&format!("link {a}-{b}: {error}"));
                        self.unlink((a, b));
                        break;
                    }
                }
            }
        }
    }

    fn tick(&mut self, faults: &Faults) {
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

    fn step(&mut self, index: usize) {
        let now = self.at(index);
        let number = self.steps;
        let Some(replica) = &mut self.machines[index].replica else { return };
        let Ok((state, mut writer)) = replica.begin_write(now) else { return };
        let origin = writer.origin().clone();
        let share = state.0.entry(origin.clone()).or_default();
        share.push(number);
        let share = share.clone();
        writer.put(steps_key(), encoded(&share));
        let version = writer.version();
        drop(writer);
        replica.flush();
        self.shares.insert((origin.clone(), version), share.clone());
        self.latest.insert(origin, (version, share));
        self.steps += 1;
    }

    /// Looks at every replica, and at what it emitted.
    fn look(&mut self) {
        for index in 0..self.machines.len() {
            let Some(replica) = &mut self.machines[index].replica else { continue };
            let mut events = Vec::new();
            while let Some(event) = replica.poll_event() {
                events.push(event);
            }
            let (hash, digest, view) = (replica.frontier().hash().to_bytes(), replica.digest(), replica.state().view());
            let name = self.machines[index].name.clone();
            for event in events {
                if matches!(event, Event::Superseded { .. }) {
                    self.machines[index].is_superseded = true;
                }
                self.note(&name, event);
            }
            let mut unique = view.clone();
            unique.dedup();
            assert_eq!(unique, view, "{name}: counted twice");
            let first = self.views.entry(hash).or_insert_with(|| (digest, view.clone()));
            assert_eq!(first, &(digest, view), "{name}: equal frontiers, other views");
        }
    }

    fn note(&mut self, name: &NodeId, event: Event<()>) {
        match event {
            Event::Ended { checkpoint, runs, .. } => {
                self.checkpoints = self.checkpoints.max(checkpoint);
                self.ended += runs.len();
                self.say(&format!("{name} ends {runs:?} by {checkpoint}"));
            }
            Event::Late { origin, held, ended } => {
                self.late += 1;
                self.name_loss(&origin, ended);
                self.say(&format!("{name} late {origin} held {held} ended {ended:?}"));
            }
            Event::BaseReplaced { checkpoint, by } => {
                self.replaced += 1;
                self.say(&format!("{name} base {checkpoint} replaced by {by}"));
            }
            Event::Reminted { before } => {
                self.reminted += 1;
                self.say(&format!("{name} remints {before}"));
            }
            Event::Diverged { peer } => panic!("{name} and {peer} diverge"),
            other => {
                if let Event::Ready { origin } = &other {
                    self.say(&format!("ready {origin}"));
                }
            }
        }
    }

    /// What a run wrote beyond its end may be missing.
    fn name_loss(&mut self, origin: &Origin, ended: Option<Version>) {
        let Some((_, latest)) = self.latest.get(origin) else { return };
        let share = |version: Version| {
            let upto = (origin.clone(), Version(0))..=(origin.clone(), version);
            self.shares.range(upto).next_back().map(|(_, share)| share.clone()).unwrap_or_default()
        };
        let kept: BTreeSet<u64> = ended.map(share).unwrap_or_default().into_iter().collect();
        self.named.extend(latest.iter().filter(|step| !kept.contains(step)));
    }

    /// Faults end; in the end all agree, and nothing is missing that was held by anybody at the end.
    fn settle(&mut self) {
        let quiet = Faults {
            step: 0,
            crash: 0,
            stop: 0,
            start: 1000,
            part: 0,
            heal: 1000,
            lose_disk: 0,
            old_disk: 0,
            gone: 0,
            twin: 0,
        };
        let held: BTreeSet<u64> = self
            .machines
            .iter()
            .filter_map(|machine| machine.replica.as_ref())
            .flat_map(|replica| replica.state().view())
            .collect();
        for _ in 0..4 * 10 * END_AFTER_MS / 1000 {
            self.tick(&quiet);
        }
        for _ in 0..400 {
            let mut hashes =
                self.machines.iter().filter_map(|machine| Some(machine.replica.as_ref()?.frontier().hash()));
            let first = hashes.next();
            if hashes.all(|hash| Some(hash) == first) {
                break;
            }
            self.tick(&quiet);
        }
        let up: Vec<&Replica<Steps>> = self.machines.iter().filter_map(|machine| machine.replica.as_ref()).collect();
        let first = up[0].frontier().hash();
        for machine in &self.machines {
            let Some(replica) = &machine.replica else { continue };
            #[cfg(feature = "testing")]
            if std::env::var_os("TRACE").is_some() {
                eprintln!("{} {:?} {}", machine.name, replica.frontier(), replica.describe_votes());
            }
            assert_eq!(replica.frontier().hash(), first, "{} does not agree", machine.name);
            let view: BTreeSet<u64> = replica.state().view().into_iter().collect();
            let lost: Vec<_> = held.difference(&view).filter(|step| !self.named.contains(step)).collect();
            assert!(lost.is_empty(), "{} lost {} steps: {:?}", machine.name, lost.len(), &lost[..lost.len().min(8)]);
            let own: BTreeSet<&Origin> = up.iter().filter_map(|replica| replica.origin()).collect();
            let runs = replica.store().logs().map(|(origin, _)| origin).filter(|origin| !origin.is_base());
            let kept: Vec<&Origin> = runs.filter(|run| !own.contains(run)).collect();
            assert!(kept.is_empty(), "{}: did not end: {kept:?}", machine.name);
        }
    }
}

fn run(seed: u64) -> World {
    let mut dice = Dice(seed ^ 0xABCD);
    let machines = 2 + dice.below(4) as usize;
    let faults = Faults {
        step: 500,
        crash: dice.below(3) * 2,
        stop: dice.below(3) * 3,
        start: 30 + dice.below(200),
        part: dice.below(3) * 2,
        heal: 2 + dice.below(20),
        lose_disk: dice.below(2) * 100,
        old_disk: dice.below(2) * 200,
        gone: dice.below(2) * 50,
        twin: dice.below(4) / 3,
    };
    let disks = [0, 500, 1000][dice.below(3) as usize];
    let mut world = World::new(seed, machines, disks);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..4 * 900 {
            world.tick(&faults);
        }
        world.settle();
    }));
    if let Err(panic) = outcome {
        eprintln!("seed {seed}: {machines} machines");
        world.log.iter().for_each(|line| eprintln!("{line}"));
        std::panic::resume_unwind(panic);
    }
    world
}

#[test]
fn whatever_happens_no_step_is_lost_or_counted_twice() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, seeds) = (number("FIRST_SEED", 0), number("SEEDS", 40));
    let mut sums = [0; 7];
    let mut failed = Vec::new();
    for seed in first..first + seeds {
        let Ok(world) = std::panic::catch_unwind(|| run(seed)) else {
            failed.push(seed);
            continue;
        };
        let counts = [
            world.steps as usize,
            world.ended,
            world.late,
            world.replaced,
            world.reminted,
            world.named.len(),
            world.checkpoints as usize,
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    eprintln!("steps, ended, late, replaced, reminted, lost by name, checkpoints: {sums:?}");
    assert!(failed.is_empty(), "{} seeds failed: {failed:?}", failed.len());
}
