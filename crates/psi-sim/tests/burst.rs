//! What a burst on every node may take and cost, and what a peer that takes nothing may.

#![allow(clippy::unwrap_used, reason = "a panic is the report")]

use psi_engine::Action;
use psi_replica::{Backlog, ClusterName, Config, FieldName, LinkId, NodeId, Now, TickMs, WallMs};
use psi_sim::burst::{Burst, Links, Summary};
use psi_state::Replica;

/// One write of each node, at once.
fn bursts(nodes: usize, links: Links, loss: u64, warm: bool, seeds: u64) -> Summary {
    sum_up(Burst { nodes, links, loss, warm, writes: 1, seed: 1 }, seeds)
}

/// Bursts of some seeds, summed up; all must have come to agree.
fn sum_up(burst: Burst, seeds: u64) -> Summary {
    let Burst { nodes, links, loss, .. } = burst;
    let outcomes = burst.sweep(seeds, &|| ());
    for outcome in &outcomes {
        println!(
            "{nodes} nodes, {links:?}, {loss} % lost, seed {}: {:?} ms, {:?} rounds, {:.3} times the bytes",
            outcome.seed,
            outcome.agreed_ms,
            outcome.rounds(),
            outcome.factor()
        );
    }
    let summary = Summary::of(&outcomes).unwrap();
    assert_eq!(summary.not_agreed, Vec::<u64>::new(), "{summary:?}");
    summary
}

#[test]
fn with_three_links_each_128_nodes_agree_within_7_rounds_though_a_tenth_is_lost() {
    let summary = bursts(128, Links::Opened(3), 10, false, 2);
    assert!(summary.rounds_p99() <= 7, "{summary:?}");
    assert!(summary.factor_max < 1.8, "{summary:?}");
}

#[test]
fn with_three_links_each_128_nodes_agree_within_12_rounds_though_half_is_lost() {
    let summary = bursts(128, Links::Opened(3), 50, false, 2);
    assert!(summary.rounds_p99() <= 12, "{summary:?}");
}

#[test]
fn in_a_full_mesh_under_load_little_is_sent_beyond_the_entries() {
    for nodes in [2, 5, 8, 32] {
        let load = Burst { nodes, links: Links::FullMesh, loss: 0, warm: true, writes: 10, seed: 1 };
        let summary = sum_up(load, 1);
        assert!(summary.factor_max <= 1.2, "{nodes} nodes: {summary:?}");
        assert_eq!(summary.rounds_p99(), 1, "{nodes} nodes: {summary:?}");
    }
}

#[test]
fn in_a_full_mesh_a_single_write_costs_little_beyond_the_entries() {
    // What is costly about a single one are frontier updates: 32 nodes tell each other that they have it.
    for (nodes, factor_max) in [(2, 1.2), (5, 1.2), (8, 1.2), (32, 1.2)] {
        let summary = bursts(nodes, Links::FullMesh, 0, true, 2);
        assert!(summary.factor_max <= factor_max, "{nodes} nodes: {summary:?}");
    }
}

#[test]
fn an_idle_link_costs_64_bytes_a_second_at_most() {
    for (nodes, links) in [(5, Links::FullMesh), (40, Links::Opened(3))] {
        let summary = bursts(nodes, links, 0, true, 2);
        assert!(summary.idle_bytes_per_second_max <= 64.0, "{nodes} nodes: {summary:?}");
        assert!(summary.idle_bytes_per_second_max > 1.0, "links show that they are alive: {summary:?}");
    }
}

#[test]
fn a_burst_is_the_same_each_time_on_any_number_of_threads() {
    let burst = Burst { nodes: 100, links: Links::Opened(3), loss: 20, warm: false, writes: 2, seed: 3 };
    let on_all_cores = burst.run(&mut |_| ());
    assert_eq!(burst.run(&mut |_| ()), on_all_cores);
    assert_eq!(burst.sweep(1, &|| ()), [on_all_cores]);
}

/// What a peer does with the frames for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeafPeer {
    /// Its transport has no room: nothing is asked of the replica.
    TakesNothing,
    /// It takes all and answers nothing.
    AnswersNothing,
}

const SOUND: LinkId = LinkId(1);
const DEAF: LinkId = LinkId(2);

fn replica(name: &str, now: Now) -> Replica {
    let config = Config::new(ClusterName::new("deaf").unwrap(), NodeId::new(name).unwrap());
    let mut replica = Replica::new(Config { join_ms: 0, ..config }, now);
    replica.tick(now);
    replica
}

/// Lets one replica under load live with a sound peer and a deaf one; tells what the deaf one costs, and how many
/// entries are held, after each of so many minutes.
fn live_with(deaf: DeafPeer, minutes: u64) -> Vec<(Backlog, usize)> {
    const STEP_MS: u64 = 20;
    let moment = |ms| Now { tick: TickMs(ms), wall: WallMs(1_760_000_000_000 + ms) };
    let [mut loaded, mut sound, mut other] = ["loaded", "sound", "other"].map(|name| replica(name, moment(0)));
    for (peer, link) in [(&mut sound, SOUND), (&mut other, DEAF)] {
        loaded.link_up(moment(0), link);
        peer.link_up(moment(0), link);
        // Both introduce themselves before one falls silent.
        for ms in 0..300 {
            exchange(&mut loaded, peer, link, moment(ms));
        }
    }
    let field = FieldName::default_field();
    let mut costs = Vec::new();
    for ms in (300..=minutes * 60_000).step_by(usize::try_from(STEP_MS).unwrap()) {
        let now = moment(ms);
        let input = [0.001 * f64::from(u16::try_from(ms % 1_000).unwrap()); 16];
        loaded.step(now, &field, &input).unwrap();
        sound.step(now, &field, &input).unwrap();
        if ms % 700 == 0 {
            loaded.intervene(now, &field, Action::Albedo).unwrap();
        }
        exchange(&mut loaded, &mut sound, SOUND, now);
        if deaf == DeafPeer::AnswersNothing {
            while loaded.poll_frame(now, DEAF).is_some() {}
        }
        if ms % 60_000 == 0 {
            costs.push((loaded.backlog(DEAF).unwrap(), loaded.size().0));
        }
    }
    costs
}

/// Time passes for both, and what they have to say is heard.
fn exchange(one: &mut Replica, other: &mut Replica, link: LinkId, now: Now) {
    one.tick(now);
    other.tick(now);
    loop {
        let (there, back) = (one.poll_frame(now, link), other.poll_frame(now, link));
        if there.is_none() && back.is_none() {
            return;
        }
        there.into_iter().for_each(|frame| other.handle_frame(now, link, frame).unwrap());
        back.into_iter().for_each(|frame| one.handle_frame(now, link, frame).unwrap());
    }
}

#[test]
fn a_peer_that_accepts_nothing_for_10_minutes_costs_no_more_at_minute_10_than_at_minute_1() {
    for deaf in [DeafPeer::TakesNothing, DeafPeer::AnswersNothing] {
        let costs = live_with(deaf, 10);
        let ((first, _), (last, entries)) = (costs[0], costs[9]);
        println!("{deaf:?}: {costs:?}");
        assert!(first.waiting > 0 || first.frozen_entries > 0, "the peer lacks something: {costs:?}");
        assert!(last.waiting <= first.waiting, "{deaf:?}: {costs:?}");
        assert!(last.frozen_entries <= first.frozen_entries, "{deaf:?}: {costs:?}");
        assert!(last.staged_bytes <= first.staged_bytes, "{deaf:?}: {costs:?}");
        // 64 buckets, 64 interventions, moments and the latest step, of either writer. Of drift, an anchor, two baselines
        // and the latest seconds, minutes, hours and days.
        let of_drift = 1 + 2 + 32 + 40 + 24 + 16;
        assert!(entries <= 2 * (64 + 64 + 2 + of_drift), "state is bounded, whether or not a peer listens: {costs:?}");
    }
}
