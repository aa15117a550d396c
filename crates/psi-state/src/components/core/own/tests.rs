//! What an origin gives up of its memories shows nowhere: against lists that keep everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use psi_engine::core::{EPISODIC_CAPACITY, EpisodicMemory};
use psi_replica::{Clock, Key, NodeId, Origin, Scope};

use super::OwnCore;
use crate::{
    component::{Direction, moment::Place, sample::SampleRng},
    components::core::{
        fold::CoreFold,
        values::{CoreValue, EPISODIC, Tally},
    },
};

/// Entries of a log by their index.
type Entries = BTreeMap<u64, CoreValue>;

/// What one origin has written: the entries of each version, and where the memory stands that came with it, if one did.
#[derive(Default)]
struct WrittenLog {
    versions: Vec<(Entries, Option<Place>)>,
    /// The memories in its log.
    kept: BTreeMap<u64, usize>,
}

impl WrittenLog {
    fn memories(&self, version: usize) -> u64 {
        self.versions[..version].iter().filter(|(_, place)| place.is_some()).count() as u64
    }
}

struct TestReplica {
    origin: Origin,
    fold: CoreFold,
    own: OwnCore,
    /// What it holds of each origin: the version and the entries.
    held: Vec<(usize, Entries)>,
    /// Memories that each origin had taken then.
    taken: Vec<u64>,
}

impl TestReplica {
    /// Takes note of how many memories an origin has taken.
    fn count(&mut self, number: usize, origin: &Origin, memories: u64) {
        self.taken[number] = memories;
        self.fold.put_tally(origin, Tally { memories, ..Tally::default() });
        self.fold.settle(None, None);
    }

    /// Whether as many memories count as ever may.
    fn is_full(&self) -> bool {
        EpisodicMemory::<Place>::held(self.taken.iter().sum()) > EPISODIC_CAPACITY - 4
    }
}

/// The numbers of the memory at a place.
fn numbers(place: &Place) -> [f64; 2] {
    [f64::from(u32::try_from(place.0.wall_ms % 1_000_000).unwrap()), f64::from(place.0.counter)]
}

fn decoded(own: &OwnCore, fold: &CoreFold, origin: &Origin, index: u64) -> CoreValue {
    let bytes = own.value(fold, origin, (EPISODIC, index)).expect("an entry");
    CoreValue::decode(&Key { scope: Scope::Cluster, lane: EPISODIC, index }, &bytes).expect("one that peers take")
}

/// Origins that take memories, and replicas of all that they write.
struct TestCluster {
    replicas: Vec<TestReplica>,
    written: Vec<WrittenLog>,
    wall_ms: u64,
    counter: u32,
}

impl TestCluster {
    fn new(count: usize) -> Self {
        let replica = |number| TestReplica {
            origin: Origin { node: NodeId::new(&format!("n{number}")).unwrap(), incarnation: 1 },
            fold: CoreFold::new(1, 0, 2),
            own: OwnCore::default(),
            held: vec![(0, Entries::new()); count],
            taken: vec![0; count],
        };
        let written = (0..count).map(|_| WrittenLog::default()).collect();
        Self { replicas: (0..count).map(replica).collect(), written, wall_ms: 1_000_000, counter: 0 }
    }

    /// A write of an origin, with a memory or without.
    fn write(&mut self, number: usize, remembers: bool) {
        let (replica, written) = (&mut self.replicas[number], &mut self.written[number]);
        let mut touched = BTreeSet::new();
        let mut place = None;
        if remembers {
            self.counter += 1;
            let mut new = (Clock { wall_ms: self.wall_ms, counter: self.counter }, replica.origin.clone(), 0);
            let moment = (new.0, new.1.clone());
            new.2 = replica.own.remember(&mut replica.fold, &moment, &numbers(&new));
            touched.insert(new.2 / 8);
            place = Some(new);
        }
        if !remembers || replica.fold.take_turnover() {
            let given_up = replica.own.give_up_outdated(&mut replica.fold, &replica.origin);
            touched.extend(given_up.into_iter().map(|(_, index)| index));
        }
        let value = |index| (index, decoded(&replica.own, &replica.fold, &replica.origin, index));
        let entries: Entries = touched.into_iter().map(value).collect();
        for (index, value) in &entries {
            let CoreValue::Memories(memories) = value else { panic!("{value:?}") };
            written.kept.insert(*index, memories.len());
        }
        written.versions.push((entries, place));
        replica.held[number].0 = written.versions.len();
        let memories = written.memories(written.versions.len());
        replica.count(number, &replica.origin.clone(), memories);
    }

    /// Takes one replica to the latest that another origin has written.
    fn deliver(&mut self, from: usize, to: usize) {
        let (written, origin) = (&self.written[from], self.replicas[from].origin.clone());
        let TestReplica { fold, held, .. } = &mut self.replicas[to];
        let (version, log) = &mut held[from];
        let news: Entries = written.versions[*version..].iter().flat_map(|(entries, _)| entries.clone()).collect();
        for index in news.keys() {
            if let Some(before) = log.get(index) {
                fold.change(&origin, *index, before, Direction::Remove);
            }
        }
        for (index, after) in &news {
            fold.change(&origin, *index, after, Direction::Put);
        }
        log.extend(news);
        *version = written.versions.len();
        let memories = written.memories(*version);
        let replica = &mut self.replicas[to];
        replica.count(from, &origin, memories);
        if replica.fold.take_turnover() && replica.own.outdated(&replica.fold, &replica.origin) >= 8 {
            self.write(to, false);
        }
    }

    /// A replica uses the memories that it would if nothing had been given up.
    fn check(&self, number: usize) {
        let replica = &self.replicas[number];
        let of = |(written, (version, _)): (&WrittenLog, &(usize, Entries))| {
            written.versions[..*version].iter().filter_map(|(_, place)| place.clone()).collect::<Vec<_>>()
        };
        let mut want: Vec<Place> = self.written.iter().zip(&replica.held).flat_map(of).collect();
        want.sort_unstable();
        let want = &want[want.len() - EpisodicMemory::<Place>::held(want.len() as u64)..];
        let got: Vec<&Place> = replica.fold.episodic_places().collect();
        assert!(got.iter().copied().eq(want), "{number}: {} memories, not {}", got.len(), want.len());
        assert!(got.iter().all(|place| replica.fold.memory(place).as_deref() == Some(&numbers(place)[..])));
    }

    fn kept(&self) -> usize {
        self.written.iter().flat_map(|written| written.kept.values()).sum()
    }

    fn deliver_all(&mut self, rng: &mut SampleRng) {
        for _ in 0..3 {
            let count = self.replicas.len();
            let mut pairs: Vec<_> = (0..count * count).map(|pair| (rng.bits(), pair / count, pair % count)).collect();
            pairs.sort_unstable();
            pairs.iter().filter(|(_, from, to)| from != to).for_each(|(_, from, to)| self.deliver(*from, *to));
        }
    }
}

fn pick(rng: &mut SampleRng, count: usize) -> usize {
    usize::try_from(rng.below(count as u64)).unwrap()
}

/// Four origins of different pace. Each replica that is not cut off hears each other one at least every 25 s.
fn run(seed: u64, check_always: bool, cut_off: impl Fn(usize, usize) -> bool) -> TestCluster {
    const COUNT: usize = 4;
    let mut rng = SampleRng(seed);
    let mut cluster = TestCluster::new(COUNT);
    let mut heard = [[0; COUNT]; COUNT];
    let fast = pick(&mut rng, COUNT);
    for event in 0..14_000 {
        cluster.wall_ms += rng.below(200);
        let writer = if rng.chance(40) { fast } else { pick(&mut rng, COUNT) };
        cluster.write(writer, true);
        let lucky = (pick(&mut rng, COUNT), pick(&mut rng, COUNT));
        for (from, to) in (0..COUNT).flat_map(|from| (0..COUNT).map(move |to| (from, to))) {
            let is_late = cluster.wall_ms - heard[from][to] > 25_000;
            let comes = (is_late || (lucky == (from, to) && rng.chance(10))) && !cut_off(event, from.max(to));
            if from != to && comes {
                cluster.deliver(from, to);
                heard[from][to] = cluster.wall_ms;
            }
        }
        let is_due = |number: &usize| event % 2_000 == 1_999 || cluster.replicas[*number].is_full();
        (0..COUNT).filter(is_due).filter(|_| check_always).for_each(|number| cluster.check(number));
    }
    cluster.deliver_all(&mut rng);
    (0..COUNT).for_each(|number| cluster.check(number));
    cluster
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn nobody_misses_a_memory_that_was_given_up(seed: u64) {
        let kept = run(seed, true, |_, _| false).kept();
        // Those of the last 30 s, those that came since somebody looked, and entries of which part is outdated.
        let unsettled = 30_000 / 100 + 100;
        prop_assert!(kept >= EPISODIC_CAPACITY);
        prop_assert!(kept < EPISODIC_CAPACITY + unsettled + 256 + 4 * 80, "{kept} memories are kept");
    }

    /// One of four is cut off for minutes: in the end it and the others miss nothing.
    #[test]
    fn what_was_given_up_during_a_partition_is_missed_by_nobody_after_it(seed: u64) {
        let last = seed % 2 == 0;
        run(seed, false, |event, number| number == 3 && ((3_000..7_000).contains(&event) || last && event > 9_000));
    }
}
