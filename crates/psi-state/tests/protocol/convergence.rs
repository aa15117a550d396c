//! Whatever a network does to frames and clients do to replicas: what is held is what was written, equal
//! frontiers are equal states at every moment (see `common/book.rs`), and once it is quiet all hold everything.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    cases,
    cluster::{Cluster, Faults},
    field,
    history::{self, AcceptedSteps, Op, field_at},
    input,
};
use proptest::prelude::*;
use prost::Message;
use psi_replica::FieldName;
use psi_state::{Replica, lanes, proto as values};

/// Steps that tombstones say were dropped.
fn dropped(replica: &Replica, field: &FieldName) -> u64 {
    let origins = replica.frontier().iter();
    let tombstones =
        origins.flat_map(|(origin, _)| replica.entries(origin)).filter(|entry| entry.key.lane == lanes::TOMBSTONE);
    tombstones
        .filter(|entry| entry.key.scope.field() == Some(field))
        .map(|entry| values::TombstoneValue::decode(entry.value).unwrap().steps_dropped)
        .sum()
}

/// Every accepted step is counted once, or was dropped by a reset and is counted as that.
fn check_nothing_is_lost(cluster: &Cluster, accepted: &AcceptedSteps) {
    for n in 0..cluster.nodes.len() {
        for name in (0..3).map(field_at) {
            let known = cluster.count(n, &name) + dropped(&cluster.nodes[n].replica, &name);
            assert_eq!(known, accepted.of(&name), "field {name} on node {n}");
        }
    }
}

/// Nodes that have nothing to do ask to be woken for beats, and for nothing else.
fn check_idle_nodes_sleep(cluster: &mut Cluster) {
    let before = cluster.wakes;
    cluster.run(20_000);
    let beats = 10 * cluster.nodes.len() as u64 * cluster.nodes.len() as u64;
    assert!(cluster.wakes - before <= 2 * beats, "{} wakes in 20 s", cluster.wakes - before);
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn replicas_converge_after_any_history(
        seed in any::<u64>(),
        faults in history::faults(),
        ops in history::history(4, 1..120),
    ) {
        let mut cluster = Cluster::ready(seed, 4, faults);
        let accepted = history::play(&mut cluster, &ops);
        cluster.quiet(90_000);
        cluster.assert_agreed();
        check_nothing_is_lost(&cluster, &accepted);
        check_idle_nodes_sleep(&mut cluster);
    }

    #[test]
    fn a_network_that_stays_bad_only_delays(seed in any::<u64>(), ops in history::history(3, 1..60)) {
        let faults = Faults { loss: 30, twice: 20, delay_ms: 60, ordered: false };
        let mut cluster = Cluster::ready(seed, 3, faults);
        let accepted = history::play(&mut cluster, &ops);
        cluster.cut.clear();
        cluster.connect_all();
        cluster.run(600_000);
        cluster.assert_agreed();
        check_nothing_is_lost(&cluster, &accepted);
    }
}

fn trace(seed: u64) -> (blake3::Hash, u64) {
    let faults = Faults { loss: 20, twice: 20, delay_ms: 50, ordered: false };
    let mut cluster = Cluster::ready(seed, 3, faults);
    let ops: Vec<Op> = (0..60)
        .map(|n| match n % 3 {
            0 => Op::Step { node: n % 7 % 3, field: 0 },
            1 => Op::Intervene { node: n % 5 % 3, field: 0, nigredo: n % 2 == 0 },
            _ => Op::Wait { ms: n as u64 * 7 },
        })
        .collect();
    history::play(&mut cluster, &ops);
    cluster.run(5_000);
    (cluster.trace.finalize(), cluster.frames)
}

#[test]
fn one_seed_gives_one_run() {
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1).0, trace(2).0);
}

/// A chain of links: what the first writes is handed on by those between.
#[test]
fn entries_travel_through_others() {
    let mut cluster = Cluster::ready(1, 5, Faults { delay_ms: 5, ..Faults::default() });
    for a in 0..5 {
        for b in 0..a {
            cluster.set_cut(a, b, a - b > 1);
        }
    }
    for n in 0..20 {
        cluster.with(0, |replica, now| replica.step(now, &field("default"), &input(n, 16)).unwrap());
        cluster.run(10);
    }
    cluster.run(5_000);
    cluster.assert_agreed();
    assert_eq!(cluster.count(4, &field("default")), 20);
    assert!(cluster.book.met_again > 10, "equal frontiers met {} times", cluster.book.met_again);
}

/// While all live, an entry crosses each link once: the writer brings it, and nobody relays it.
#[test]
fn each_link_carries_an_entry_once() {
    let mut cluster = Cluster::ready(1, 4, Faults { delay_ms: 60, ordered: true, ..Faults::default() });
    cluster.run(3_000);
    // From here on some hear of an entry long before they get it first-hand.
    cluster.faults = Faults { delay_ms: 60, ..Faults::default() };
    for n in 0..4 {
        cluster.with(n, |replica, now| replica.step(now, &field("default"), &input(n as u64, 16)).unwrap());
    }
    cluster.run(3_000);
    cluster.assert_agreed();
    for node in &cluster.nodes {
        let own = node.replica.entries(node.replica.origin().unwrap()).count() as u64;
        for (_, status) in node.replica.links() {
            assert_eq!(status.counts.entries_sent, own);
        }
    }
}
