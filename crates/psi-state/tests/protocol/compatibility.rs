//! Versions of this program side by side: what a later one writes travels whole through an earlier one, which looks
//! past what it does not know.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    Views, WALL_MS, at,
    craft::{Author, Courier, epoch_of, recent_value, spec_value},
    field, input, ready, shape,
};
use prost::Message;
use psi_engine::Parameters;
use psi_replica::{Config, Epoch, Extension, Lane};
use psi_state::{Replica, WriteError, lanes, proto as values};

/// Field 900, four bytes: what a later version put into a message that this one knows.
const UNKNOWN_FIELD: [u8; 7] = [0xa2, 0x38, 0x04, 1, 2, 3, 4];

/// An origin of the next version: a lane of its own, and more in the lanes that are known.
fn later(name: &str) -> Author {
    let mut author = Author::new(name);
    let extended = |mut value: Vec<u8>| {
        value.extend(UNKNOWN_FIELD);
        value
    };
    author.write(Author::key("default", 0, 99, 7), b"not protobuf \xff".to_vec());
    author.write(Author::key("default", 0, lanes::RECENT.0, 0), extended(recent_value(WALL_MS + 5)));
    let epoch = epoch_of(WALL_MS + 3, 4);
    author.write(Author::key("later", epoch, lanes::SPEC.0, 0), extended(spec_value(WALL_MS + 3, 4)));
    author.write(Author::key("later", epoch, 99, u64::MAX), vec![0; 65_536]);
    author
}

#[test]
fn unknown_lanes_and_fields_travel_whole_and_digests_agree() {
    let (mut author, mut courier) = (later("later"), Courier::default());
    let [mut a, mut b, mut c] = ["a", "b", "c"].map(ready);
    for replica in [&mut a, &mut b, &mut c] {
        replica.step(at(1), &field("default"), &input(1, 16)).unwrap();
        replica.flush();
    }
    let unaware = a.view(&field("default")).unwrap();
    courier.bring(&mut a, at(10), &author.frames(0));
    courier.sync(&mut a, &mut b, at(11));
    courier.sync(&mut b, &mut c, at(12));
    let want: Vec<_> = author.entries.values().cloned().collect();
    for replica in [&a, &b, &c] {
        assert_eq!(replica.entries(&author.origin).collect::<Vec<_>>(), want, "byte for byte");
        assert_eq!(replica.frontier().version(&author.origin).0, author.version);
        assert_eq!(replica.view(&field("later")).unwrap().spec.spec.setup.shape.width, 4);
    }
    let aware = a.view(&field("default")).unwrap();
    assert_eq!(&aware.moments, &unaware.moments, "lane 99 counts for nothing");
    assert_eq!(aware.last.unwrap().clock.wall_ms, WALL_MS + 5, "the known part of a known lane is read");
    // The origin goes on, and what is sent is only what is new.
    author.write(Author::key("default", 0, 99, 7), vec![]);
    courier.bring(&mut c, at(13), &[author.delta(4)]);
    assert_eq!(c.entries(&author.origin).find(|entry| entry.key.lane == Lane(99)).unwrap().value.len(), 0);
}

/// A node of the next protocol version among those of this one: whatever it writes, all hold it byte for byte.
#[test]
fn a_node_of_the_next_version_joins_and_all_agree() {
    use crate::common::cluster::{Cluster, Faults};
    let mut cluster = Cluster::ready(8, 2, Faults { delay_ms: 3, ..Faults::default() });
    let extension = Extension { protocol_max: psi_replica::PROTOCOL + 1, value_fields: UNKNOWN_FIELD.to_vec().into() };
    let later = cluster.start(Config { extension: Some(extension), ..crate::common::config("later") });
    cluster.connect_all();
    cluster.run(1_000);
    let (name, value) = (field("default"), b"\xffnot protobuf".to_vec());
    for n in 0..3 {
        cluster.with(n, |replica, now| replica.step(now, &name, &input(n as u64, 16)).unwrap());
    }
    cluster.with(later, |replica, now| replica.write_unknown(now, &name, Lane(99), 7, value.clone().into()).unwrap());
    cluster.run(1_000);
    cluster.assert_agreed();
    let (origin, replica) = (cluster.origin(later), &cluster.nodes[0].replica);
    assert_eq!(replica.view(&name).unwrap().moments.count, 3);
    let held: Vec<_> = replica.entries(&origin).map(|entry| (entry.key.lane, entry.value.to_vec())).collect();
    assert!(held.contains(&(Lane(99), value)));
    assert!(held.iter().all(|(lane, value)| *lane == Lane(99) || value.ends_with(&UNKNOWN_FIELD)), "{held:?}");
    let spoken: Vec<u32> = replica.links().filter_map(|(_, status)| Some(status.peer?.protocol)).collect();
    assert_eq!(spoken, [psi_replica::PROTOCOL; 2], "the greatest that both speak");
}

/// What an unknown lane holds is covered by its origin's tombstone like everything else.
#[test]
fn a_tombstone_covers_unknown_lanes() {
    let (mut author, mut courier, mut replica) = (later("later"), Courier::default(), ready("n"));
    courier.bring(&mut replica, at(10), &author.frames(0));
    let epoch = epoch_of(WALL_MS + 4, 2);
    author.entries.retain(|key, _| key.scope.field() != Some(&field("later")));
    let version = author.version;
    author.write(Author::key("later", epoch, lanes::SPEC.0, 0), spec_value(WALL_MS + 4, 2));
    author.write(Author::key("later", epoch, lanes::TOMBSTONE.0, 0), Vec::new());
    courier.bring(&mut replica, at(11), &[author.delta(version)]);
    assert_eq!(
        replica.entries(&author.origin).collect::<Vec<_>>(),
        author.entries.values().cloned().collect::<Vec<_>>()
    );
    assert_eq!(replica.view(&field("later")).unwrap().spec.epoch, Epoch(epoch));
}

/// A field whose engine another version brought is kept and shown, takes no steps here, and can be reset.
#[test]
fn a_field_of_an_unknown_engine_is_shown_but_not_scored() {
    let (mut author, mut courier, mut replica) = (Author::new("later"), Courier::default(), ready("n"));
    let spec = values::SpecValue {
        clock: Some(psi_replica::proto::Clock { wall_ms: WALL_MS, counter: 0 }),
        engine: "quantum".to_owned(),
        width: 3,
        ..Default::default()
    };
    let quantum = psi_state::Shape { engine: spec.engine.clone(), ..shape(3) };
    author.write(Author::key("q", quantum.epoch_at(WALL_MS, false).0, lanes::SPEC.0, 0), spec.encode_to_vec());
    courier.bring(&mut replica, at(1), &author.frames(0));
    let q = field("q");
    assert_eq!(replica.view(&q).unwrap().spec.spec.setup.shape.engine, "quantum");
    let before = Views::of(&replica);
    let error = replica.step(at(2), &q, &input(1, 3)).unwrap_err();
    assert!(matches!(&error, WriteError::EngineHere { engine, .. } if engine == "quantum"), "{error}");
    assert_eq!(Views::of(&replica), before);
    replica.reset_field(at(3), &q, (shape(3), Parameters::default())).unwrap();
    replica.step(at(4), &q, &input(1, 3)).unwrap();
}

/// Two origins that claim more than can be counted, or drop more than can be summed: shown alike by all, and no panic.
#[test]
fn absurd_figures_are_shown_alike_by_every_reader() {
    let mut courier = Courier::default();
    let mut replicas: Vec<Replica> = ["a", "b"].map(ready).into();
    for replica in &mut replicas {
        replica.step(at(1), &field("default"), &input(1, 16)).unwrap();
    }
    // A count just below the limit, of vectors of zeros; two of those are over it.
    let most = (1_u64 << 47) - 1;
    let mut moments = Vec::new();
    prost::encoding::encode_varint(most, &mut moments);
    moments.push(16);
    moments.extend([0; 32]);
    let mut metrics = Vec::new();
    prost::encoding::encode_varint(most, &mut metrics);
    metrics.push(8);
    metrics.extend([0; 16]);
    let second = WALL_MS / 1000;
    for name in ["x", "y"] {
        let mut author = Author::new(name);
        author.write(
            Author::key("default", 0, lanes::MOMENTS.0, 0),
            values::MomentsValue { sums: moments.clone().into() }.encode_to_vec(),
        );
        let window = values::WindowValue { second, sums: metrics.clone().into() };
        author.write(Author::key("default", 0, lanes::WINDOWS.0, second % 64), window.encode_to_vec());
        let epoch = epoch_of(WALL_MS + 1, 3);
        author.write(Author::key("gone", epoch, lanes::SPEC.0, 0), spec_value(WALL_MS + 1, 3));
        let mark = values::TombstoneValue { steps_dropped: u64::MAX };
        author.write(Author::key("gone", epoch, lanes::TOMBSTONE.0, 0), mark.encode_to_vec());
        for replica in &mut replicas {
            courier.bring(replica, at(2), &author.frames(0));
        }
        let [a, b] = replicas.get_disjoint_mut([0, 1]).unwrap();
        courier.sync(a, b, at(3));
        courier.sync(b, a, at(3));
        assert_eq!(a.frontier(), b.frontier());
        assert_eq!(Views::of(a), Views::of(b));
        assert_eq!(a.view(&field("default")), a.view_from_entries(&field("default")));
    }
    assert_eq!(replicas[0].view(&field("gone")).unwrap().steps_dropped, u64::MAX);
    let full = replicas[0].step(at(4), &field("default"), &input(1, 16)).unwrap_err();
    assert!(matches!(full, WriteError::Full { .. }), "{full}");
}
