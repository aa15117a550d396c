//! Frames by hand: deltas taken out of one replica and brought to another, and origins that no replica runs.

use std::collections::BTreeMap;

use prost::Message;
use psi_replica::{
    Digest, Entry, Epoch, Key, Lane, LinkError, LinkId, Now, Origin, PROTOCOL, Scope, Version, decode_frame,
    proto::{self, frame::Body},
};
use psi_state::{Replica, proto as values};

use super::{WALL_MS, at, field, frame, node};

pub fn origin(name: &str, incarnation: u64) -> Origin {
    Origin { node: node(name), incarnation }
}

/// An origin whose run began at tick 0.
pub fn origin_of(name: &str) -> Origin {
    origin(name, WALL_MS * 1000)
}

pub fn version_of(origin: &Origin, version: u64) -> (Origin, u64) {
    (origin.clone(), version)
}

/// The whole of a frontier, as the first news on a link.
pub fn listing(frontier: &[(Origin, u64)]) -> proto::FrontierUpdate {
    proto::FrontierUpdate {
        number: 1,
        origins: frontier.iter().map(|(origin, _)| origin.into()).collect(),
        moved: frontier.iter().zip(0..).flat_map(|((_, version), number)| [number, *version]).collect(),
        restart: true,
        complete: true,
        moved_by_one: Vec::new(),
    }
}

pub fn open(name: &str) -> proto::Hello {
    proto::Hello {
        cluster: "test".to_owned(),
        node: name.to_owned(),
        incarnation: 1,
        protocol_min: PROTOCOL,
        protocol_max: PROTOCOL,
        wall_ms: WALL_MS,
        ready: false,
        steady_lead_ms: 0,
    }
}

/// Through the bytes, as on a wire.
pub fn carried(frame: proto::Frame) -> proto::Frame {
    decode_frame(frame.encode_to_vec().into()).unwrap()
}

pub fn hand(replica: &mut Replica, now: Now, link: LinkId, body: Body) -> Result<(), LinkError> {
    replica.handle_frame(now, link, carried(frame(body)))
}

/// A link on which `name` has introduced itself, with its clock as the replica's, and said what it holds.
pub fn link(replica: &mut Replica, now: Now, id: u64, name: &str, frontier: Vec<(Origin, u64)>) -> LinkId {
    let link = LinkId(id);
    replica.link_up(now, link);
    let open = proto::Hello { wall_ms: now.wall.0, ..open(name) };
    hand(replica, now, link, Body::Hello(open)).unwrap();
    hand(replica, now, link, Body::FrontierUpdate(listing(&frontier))).unwrap();
    link
}

pub fn poll_all(replica: &mut Replica, now: Now, link: LinkId) -> Vec<Body> {
    std::iter::from_fn(|| replica.poll_frame(now, link)).map(|frame| carried(frame).body.unwrap()).collect()
}

/// Numbers links, so that none is used twice.
#[derive(Default)]
pub struct Courier(u64);

impl Courier {
    /// The frames by which `source` would bring a peer that holds `base` of `origin` up to date.
    pub fn take(&mut self, source: &mut Replica, now: Now, origin: &Origin, base: Version) -> Vec<proto::Delta> {
        self.0 += 1;
        let held_there =
            |(held, version): (&Origin, Version)| version_of(held, if held == origin { base.0 } else { version.0 });
        let frontier = source.frontier().iter().map(held_there).collect();
        let link = link(source, now, 1_000_000 + self.0, "courier", frontier);
        let request = proto::Pull { origin: Some(origin.into()), have: base.0 };
        hand(source, now, link, Body::Pull(request)).unwrap();
        let bodies = poll_all(source, now, link);
        source.link_down(now, link);
        bodies.into_iter().filter_map(|body| if let Body::Delta(delta) = body { Some(delta) } else { None }).collect()
    }

    /// Brings frames to `target`; tells what it answered.
    pub fn bring(&mut self, target: &mut Replica, now: Now, frames: &[proto::Delta]) -> Vec<Body> {
        self.0 += 1;
        let link = link(target, now, 1_000_000 + self.0, "courier", Vec::new());
        for delta in frames {
            hand(target, now, link, Body::Delta(delta.clone())).unwrap();
        }
        let bodies = poll_all(target, now, link);
        target.link_down(now, link);
        bodies
    }

    /// Brings everything that `source` holds to `target`.
    pub fn sync(&mut self, source: &mut Replica, target: &mut Replica, now: Now) {
        source.flush();
        let origins: Vec<Origin> = source.frontier().iter().map(|(origin, _)| origin.clone()).collect();
        for origin in origins {
            let frames = self.take(source, now, &origin, target.frontier().version(&origin));
            self.bring(target, now, &frames);
        }
    }
}

/// An origin that no replica runs: what a peer of another version, or a broken one, might write.
#[derive(Clone)]
pub struct Author {
    pub origin: Origin,
    pub version: u64,
    pub entries: BTreeMap<Key, Entry>,
    pub deltas: u64,
}

impl Author {
    pub fn new(name: &str) -> Self {
        Self { origin: origin_of(name), version: 0, entries: BTreeMap::new(), deltas: 0 }
    }

    pub fn key(name: &str, epoch: u64, lane: u32, index: u64) -> Key {
        Key { scope: Scope::Epoch(field(name), Epoch(epoch)), lane: Lane(lane), index }
    }

    /// Writes one entry as a version of its own.
    pub fn write(&mut self, key: Key, value: Vec<u8>) {
        self.version += 1;
        let entry = Entry { key: key.clone(), version: Version(self.version), value: value.into() };
        self.entries.insert(key, entry);
    }

    pub fn digest(&self) -> Digest {
        self.entries.values().fold(Digest::ZERO, |sum, entry| {
            sum.plus(Digest::of_entry(&self.origin, &entry.key, entry.version, &entry.value))
        })
    }

    /// All that was written after `base`, in one frame.
    pub fn delta(&mut self, base: u64) -> proto::Delta {
        self.deltas += 1;
        let above = self.entries.values().filter(|entry| entry.version.0 > base);
        proto::Delta {
            origin: Some((&self.origin).into()),
            number: self.deltas,
            base,
            version: self.version,
            index: 0,
            last: true,
            digest: self.digest().to_bytes().to_vec().into(),
            entries: above.map(to_proto).collect(),
        }
    }

    /// The same delta, one entry a frame.
    pub fn frames(&mut self, base: u64) -> Vec<proto::Delta> {
        let whole = self.delta(base);
        let end = whole.entries.len() - 1;
        let frame = |(index, entry): (usize, &proto::Entry)| proto::Delta {
            index: u32::try_from(index).unwrap(),
            last: index == end,
            digest: if index == end { whole.digest.clone() } else { Default::default() },
            entries: vec![entry.clone()],
            ..whole.clone()
        };
        whole.entries.iter().enumerate().map(frame).collect()
    }
}

pub fn to_proto(entry: &Entry) -> proto::Entry {
    proto::Entry {
        field: entry.key.scope.field().map(ToString::to_string).unwrap_or_default(),
        epoch: entry.key.scope.epoch().map(|epoch| epoch.0),
        lane: entry.key.lane.0,
        index: entry.key.index,
        version: entry.version.0,
        value: entry.value.clone(),
    }
}

/// A spec value as a peer would write it.
pub fn spec_value(clock_ms: u64, width: u32) -> Vec<u8> {
    values::SpecValue {
        clock: Some(proto::Clock { wall_ms: clock_ms, counter: 0 }),
        engine: "synthetic".to_owned(),
        width,
        ..values::SpecValue::default()
    }
    .encode_to_vec()
}

/// The epoch of a field that takes such a spec.
pub fn epoch_of(clock_ms: u64, width: usize) -> u64 {
    super::shape(width).epoch_at(clock_ms, false).0
}

/// A recent value with the given clock.
pub fn recent_value(clock_ms: u64) -> Vec<u8> {
    values::RecentValue {
        clock: Some(proto::Clock { wall_ms: clock_ms, counter: 0 }),
        metrics: vec![0.5; 8],
        k: 1,
        ..Default::default()
    }
    .encode_to_vec()
}

/// A replica that holds something of its own and of another, all flushed.
pub fn populated(name: &str) -> Replica {
    let mut replica = super::ready(name);
    let (mut other, mut courier) = (super::ready("other"), Courier::default());
    for n in 0..5 {
        replica.step(at(n), &field("default"), &super::input(n, 16)).unwrap();
        other.step(at(n), &field("default"), &super::input(100 + n, 16)).unwrap();
    }
    other.intervene(at(6), &field("default"), psi_engine::Action::Nigredo).unwrap();
    replica.flush();
    courier.sync(&mut other, &mut replica, at(10));
    replica
}
