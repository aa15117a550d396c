//! The replica with a state of twenty lines: what holds of entries, scopes and tombstones, whatever they mean.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use psi_replica::{
    Clock, ClusterName, Config, Entry, Epoch, Event, FieldName, InvalidValue, Key, Lane, LinkId, NodeId, Now, Origin,
    OriginLog, Refusal, RemoteUpdate, Replica, Scope, State, TickMs, WallMs, Writer,
    proto::{self, frame::Body},
};

const WALL_MS: u64 = 1_750_000_000_000;
const EPOCH: Lane = Lane(2);
const WORD: Lane = Lane(40);

/// Words by who wrote them and where; a word that is all `echo` demands that the reader writes `heard`.
#[derive(Debug, Default, PartialEq)]
struct Words(BTreeMap<(Origin, Key), Bytes>);

impl State for Words {
    type Demand = Key;
    type Event = Key;
    const EPOCH_LANE: Lane = EPOCH;

    fn check(_: &Key, value: &Bytes) -> Result<Clock, InvalidValue> {
        if value.is_empty() { Err(InvalidValue("an empty word".to_owned())) } else { Ok(Clock::default()) }
    }

    #[cfg(feature = "testing")]
    fn knows(_: Lane) -> bool {
        true
    }

    fn apply(&mut self, RemoteUpdate { origins, .. }: RemoteUpdate<'_>) -> Vec<Key> {
        let changes = || origins.iter().flat_map(|(origin, changes)| changes.iter().map(|change| (*origin, change)));
        for (origin, change) in changes() {
            let place = (origin.clone(), change.key.clone());
            match &change.after {
                Some(word) => self.0.insert(place, word.clone()),
                None => self.0.remove(&place),
            };
        }
        let echoes = changes().map(|(_, change)| change).filter(|change| change.after.as_deref() == Some(b"echo"));
        echoes.map(|change| change.key.clone()).collect()
    }

    fn empty(&self) -> Self {
        Self::default()
    }

    fn can_fold(_: &OriginLog) -> bool {
        false
    }

    fn fold_ended(_: Option<&OriginLog>, _: &[(&Origin, &OriginLog)]) -> BTreeMap<Key, Bytes> {
        BTreeMap::new()
    }

    fn write_demand(&mut self, writer: &mut Writer<'_, Key>, key: Key) {
        writer.put(key.clone(), Bytes::from_static(b"heard"));
        writer.emit(key);
    }

    fn is_dirty(&self) -> bool {
        false
    }

    fn flush(&mut self, _: &Origin) -> Vec<Entry> {
        Vec::new()
    }
}

fn at(tick: u64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs(WALL_MS + tick) }
}

fn field() -> FieldName {
    FieldName::new("f").unwrap()
}

fn scopes() -> [Scope; 4] {
    [Scope::Cluster, Scope::Field(field()), Scope::Epoch(field(), Epoch(1)), Scope::Epoch(field(), Epoch(9))]
}

fn key(scope: Scope, lane: Lane, index: u64) -> Key {
    Key { scope, lane, index }
}

fn replica(name: &str) -> Replica<Words> {
    let config = Config { join_ms: 0, ..Config::new(ClusterName::new("c").unwrap(), NodeId::new(name).unwrap()) };
    let mut replica = Replica::new(config, at(0), Words::default());
    replica.tick(at(0));
    replica
}

fn put(replica: &mut Replica<Words>, now: Now, key: Key, word: &'static str) {
    let (_, mut writer) = replica.begin_write(now).unwrap();
    writer.put(key, Bytes::from_static(word.as_bytes()));
}

/// Two replicas with a link between them.
struct Pair {
    ends: [Replica<Words>; 2],
    tick: u64,
}

impl Pair {
    fn new() -> Self {
        let mut ends = [replica("a"), replica("b")];
        ends.iter_mut().for_each(|end| end.link_up(at(0), LinkId(1)));
        Self { ends, tick: 0 }
    }

    /// Lets time pass until both have said what they have to say.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.tick += 60;
            let now = at(self.tick);
            self.ends.iter_mut().for_each(|end| end.tick(now));
            while self.carry(now, 0) | self.carry(now, 1) {}
        }
    }

    fn carry(&mut self, now: Now, from: usize) -> bool {
        let frame = self.ends[from].poll_frame(now, LinkId(1));
        let carried = frame.map(|frame| self.ends[1 - from].handle_frame(now, LinkId(1), frame).unwrap());
        carried.is_some()
    }
}

#[test]
fn entries_of_every_scope_travel_and_only_those_of_older_epochs_end() {
    let mut pair = Pair::new();
    for scope in scopes() {
        put(&mut pair.ends[0], at(1), key(scope, WORD, 3), "word");
    }
    pair.settle();
    let origin = pair.ends[0].origin().unwrap().clone();
    assert_eq!(pair.ends[1].state().0.len(), 4);
    let epoch = Scope::Epoch(field(), Epoch(9));
    put(&mut pair.ends[0], at(pair.tick), key(epoch.clone(), EPOCH, 0), "declared");
    put(&mut pair.ends[0], at(pair.tick), key(epoch, Lane::TOMBSTONE, 0), "ended");
    pair.settle();
    let held: Vec<Scope> = pair.ends[1].entries(&origin).map(|entry| entry.key.scope).collect();
    let [cluster, of_field, _, current] = scopes();
    assert_eq!(held, [cluster, of_field, current.clone(), current.clone(), current]);
    assert_eq!(pair.ends[0].digest(), pair.ends[1].digest());
    assert!(!pair.ends[1].state().0.keys().any(|(_, key)| key.scope.epoch() == Some(Epoch(1))), "the fold was told");
}

#[test]
fn a_tombstone_without_a_declared_epoch_is_refused() {
    let mut pair = Pair::new();
    let epoch = Scope::Epoch(field(), Epoch(9));
    pair.settle();
    let writer = Origin { node: NodeId::new("x").unwrap(), incarnation: WALL_MS * 1000 };
    let entry = proto::Entry {
        field: "f".to_owned(),
        epoch: Some(9),
        lane: Lane::TOMBSTONE.0,
        version: 1,
        value: Bytes::from_static(b"ended"),
        ..proto::Entry::default()
    };
    let tombstone = key(epoch, Lane::TOMBSTONE, 0);
    let digest = psi_replica::Digest::of_entry(&writer, &tombstone, psi_replica::Version(1), b"ended");
    let delta = proto::Delta {
        origin: Some((&writer).into()),
        number: 1,
        version: 1,
        last: true,
        digest: digest.to_bytes().to_vec().into(),
        entries: vec![entry],
        ..proto::Delta::default()
    };
    let now = at(pair.tick);
    let frame = proto::Frame { body: Some(Body::Delta(delta)) };
    pair.ends[0].handle_frame(now, LinkId(1), frame).unwrap();
    let refused = std::iter::from_fn(|| pair.ends[0].poll_event()).find_map(|event| match event {
        Event::Refused(refused) => Some(refused.refusal),
        _ => None,
    });
    assert_eq!(refused, Some(Refusal::TombstoneAlone(Box::new(tombstone))));
    assert_eq!(pair.ends[0].entries(&writer).count(), 0, "refused means unchanged");
}

#[test]
fn what_a_fold_demands_is_written_by_the_replica() {
    let mut pair = Pair::new();
    let echo = key(Scope::Cluster, WORD, 0);
    put(&mut pair.ends[0], at(1), echo.clone(), "echo");
    pair.settle();
    let origin = pair.ends[1].origin().unwrap().clone();
    assert_eq!(pair.ends[0].state().0.get(&(origin, echo.clone())).map(|word| &word[..]), Some(&b"heard"[..]));
    let events: Vec<_> = std::iter::from_fn(|| pair.ends[1].poll_event()).collect();
    assert!(events.contains(&Event::State(echo)), "{events:?}");
}

#[test]
fn a_write_that_puts_nothing_takes_no_version() {
    let mut lone = replica("a");
    drop(lone.begin_write(at(1)).unwrap());
    assert!(!lone.is_dirty());
    let before = lone.version();
    put(&mut lone, at(2), key(Scope::Cluster, WORD, 0), "word");
    assert_eq!(lone.version(), before.next());
}

#[test]
fn a_bad_value_refuses_the_delta_by_the_words_of_the_state() {
    let mut pair = Pair::new();
    put(&mut pair.ends[0], at(1), key(Scope::Cluster, WORD, 0), "");
    pair.settle();
    let reasons: Vec<String> = std::iter::from_fn(|| pair.ends[0].poll_event())
        .filter_map(|event| match event {
            Event::RefusedByPeer { reason, detail, .. } => Some(format!("{reason}: {detail}")),
            _ => None,
        })
        .collect();
    assert!(reasons.iter().any(|why| why.starts_with("bad_value") && why.contains("an empty word")), "{reasons:?}");
}

proptest! {
    #[test]
    fn replicas_agree_whatever_is_written_where(writes in prop::collection::vec((0..2_usize, 0..4_usize, 0..3_u64), 1..60)) {
        let mut pair = Pair::new();
        for (n, (end, scope, index)) in writes.into_iter().enumerate() {
            let scope = scopes()[scope].clone();
            put(&mut pair.ends[end], at(pair.tick), key(scope, WORD, index), "word");
            if n % 7 == 0 {
                pair.settle();
            }
        }
        pair.settle();
        let [a, b] = &pair.ends;
        prop_assert_eq!(a.frontier(), b.frontier());
        prop_assert_eq!(a.digest(), b.digest());
        for origin in [a.origin().unwrap(), b.origin().unwrap()] {
            prop_assert!(a.entries(origin).eq(b.entries(origin)));
        }
        // Everything survives a snapshot.
        let restored = Replica::restore(
            Config::new(ClusterName::new("c").unwrap(), NodeId::new("z").unwrap()), at(pair.tick), &a.snapshot(),
            Words::default(),
        ).unwrap();
        prop_assert_eq!(restored.digest(), a.digest());
    }
}
