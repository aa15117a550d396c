//! Who may serve: a node that has caught up, whose clock agrees with the others', and whose run is the latest.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, where a panic is the report"
)]

use crate::common::{
    WALL_MS, at,
    cluster::{Cluster, FRAME_BYTES, Faults},
    config,
    craft::{self, Author, hand, open, origin, version_of},
    field, input, node, ready,
};
use proptest::prelude::*;
use psi_replica::{Config, NotReady, Now, TickMs, WallMs, proto::frame::Body};
use psi_state::{Event, Replica, WriteError, lanes};

fn joiner(name: &str) -> Config {
    Config { is_seed: false, frame_bytes: FRAME_BYTES, ..config(name) }
}

/// Three nodes that wrote, of which the last two are dead: all they wrote is on the first.
fn survivor(seed: u64, faults: Faults) -> Cluster {
    let mut cluster = Cluster::ready(seed, 3, Faults { delay_ms: 3, ..Faults::default() });
    for n in 0..30 {
        cluster.with(n % 3, |replica, now| replica.step(now, &field("default"), &input(n as u64, 16)).unwrap());
        cluster.run(400);
    }
    cluster.run(1_000);
    cluster.kill(1);
    cluster.kill(2);
    cluster.faults = faults;
    cluster
}

proptest! {
    #![proptest_config(crate::common::cases(16))]

    #[test]
    fn a_late_joiner_gets_what_the_dead_wrote_and_is_not_ready_before(seed in any::<u64>(), faults in crate::common::history::faults()) {
        let mut cluster = survivor(seed, faults);
        let target = cluster.nodes[0].replica.frontier().clone();
        let late = cluster.start(joiner("late"));
        cluster.connect(0, late);
        for _ in 0..2_000 {
            let replica = &cluster.nodes[late].replica;
            let ready = replica.readiness().is_serving();
            prop_assert!(!ready || replica.frontier().covers(&target), "ready too early");
            prop_assert_eq!(ready, replica.origin().is_some());
            if ready {
                break;
            }
            cluster.run(50);
            // A link that broke is dialled again.
            cluster.connect(0, late);
        }
        prop_assert!(cluster.nodes[late].replica.readiness().is_serving());
        prop_assert_eq!(cluster.count(late, &field("default")), 30);
        cluster.quiet(30_000);
        cluster.assert_agreed();
    }
}

/// While entries are on their way, steps are refused with the reason.
#[test]
fn a_joiner_says_why_it_takes_no_steps() {
    let mut replica = Replica::new(joiner("n"), at(0));
    let refused = |replica: &mut Replica| {
        let before = crate::common::State::of(replica);
        let error = replica.step(at(5), &field("default"), &input(1, 16)).unwrap_err();
        assert_eq!(crate::common::State::of(replica), before);
        error.to_string()
    };
    assert!(refused(&mut replica).contains("no ready member of this cluster has been reached"));
    replica.tick(at(1_000_000));
    assert!(
        refused(&mut replica).contains("no ready member of this cluster has been reached"),
        "time alone readies no joiner"
    );
    let link = craft::link(&mut replica, at(1_000_000), 1, "m", vec![version_of(&origin("m", 5), 3)]);
    assert!(
        refused(&mut replica).contains("no ready member of this cluster has been reached"),
        "a member that isn't ready sets no target"
    );
    let beat = psi_replica::proto::Heartbeat { wall_ms: WALL_MS + 1_000_000, ready: true, ..Default::default() };
    hand(&mut replica, at(1_000_000), link, Body::Heartbeat(beat)).unwrap();
    assert!(refused(&mut replica).contains("catching up with m, 1 origins behind"));
}

#[test]
fn a_seed_waits_for_members_and_then_starts_a_cluster() {
    let mut replica = Replica::new(Config { join_ms: 2_000, ..config("n") }, at(0));
    assert_eq!(replica.wake_at(), Some(TickMs(2_000)));
    replica.tick(at(1_999));
    assert!(matches!(replica.readiness().for_writing(), Err(NotReady::Joining(_))));
    replica.tick(at(2_000));
    assert_eq!(replica.readiness().for_writing(), Ok(()));
}

#[test]
fn a_node_that_turns_out_to_be_a_seed_waits_from_then_on() {
    let mut replica = Replica::new(Config { join_ms: 2_000, ..joiner("n") }, at(0));
    replica.tick(at(9_000));
    assert_eq!(replica.wake_at(), None);
    replica.become_seed(at(10_000));
    replica.become_seed(at(11_000));
    assert_eq!(replica.wake_at(), Some(TickMs(12_000)));
    replica.tick(at(12_000));
    assert_eq!(replica.readiness().for_writing(), Ok(()));
}

#[test]
fn a_seed_that_sees_a_ready_member_catches_up_with_it_instead() {
    let mut cluster = survivor(3, Faults { delay_ms: 30, ..Faults::default() });
    let late = cluster.start(Config { join_ms: 2_000, frame_bytes: FRAME_BYTES, ..config("late") });
    cluster.connect(0, late);
    cluster.run(1_500);
    let replica = &cluster.nodes[late].replica;
    assert!(replica.readiness().is_serving());
    assert_eq!(replica.frontier(), cluster.nodes[0].replica.frontier());
}

/// The member that a joiner follows dies in the middle: the joiner turns to another that is ready, not to itself.
#[test]
fn a_joiner_whose_member_dies_follows_another() {
    for is_seed in [false, true] {
        let mut cluster = Cluster::ready(4, 2, Faults { delay_ms: 2, ..Faults::default() });
        cluster.with(0, |replica, now| replica.step(now, &field("default"), &input(1, 16)).unwrap());
        cluster.run(3_000);
        // What the first writes now dies with it.
        cluster.set_cut(0, 1, true);
        for n in 0..40 {
            cluster.with(0, |replica, now| replica.step(now, &field("default"), &input(n, 16)).unwrap());
            cluster.run(1_000);
        }
        let late = cluster.start(Config { is_seed, join_ms: 2_000, ..joiner("late") });
        cluster.faults.delay_ms = 40;
        cluster.faults.ordered = true;
        cluster.connect(0, late);
        cluster.connect(1, late);
        cluster.run(100);
        let waits_for =
            |cluster: &Cluster| cluster.nodes[late].replica.readiness().for_writing().unwrap_err().to_string();
        assert!(waits_for(&cluster).contains("with n0"), "{}", waits_for(&cluster));
        cluster.kill(0);
        assert!(waits_for(&cluster).contains("with n1"), "{}", waits_for(&cluster));
        cluster.run(5_000);
        assert_eq!(cluster.nodes[late].replica.readiness().for_writing(), Ok(()), "seed: {is_seed}");
        cluster.assert_agreed();
    }
}

/// The member that a joiner follows stays, and nothing of it arrives any more, but the joiner has caught up with another.
#[test]
fn a_joiner_whose_member_falls_silent_is_content_with_another() {
    let mut cluster = Cluster::ready(4, 2, Faults { delay_ms: 2, ..Faults::default() });
    cluster.with(0, |replica, now| replica.step(now, &field("default"), &input(1, 16)).unwrap());
    cluster.run(3_000);
    // What the first writes now, nobody else has.
    cluster.set_cut(0, 1, true);
    cluster.with(0, |replica, now| replica.step(now, &field("default"), &input(2, 16)).unwrap());
    cluster.run(1_000);
    let late = cluster.start(joiner("late"));
    cluster.faults.delay_ms = 40;
    cluster.faults.ordered = true;
    cluster.connect(0, late);
    while !cluster.nodes[late].replica.readiness().for_writing().unwrap_err().to_string().contains("with n0") {
        cluster.run(1);
    }
    cluster.mute.insert((0, late));
    cluster.connect(1, late);
    cluster.run(1_500);
    let why = cluster.nodes[late].replica.readiness().for_writing().unwrap_err().to_string();
    assert!(why.contains("with n0, 1 origins behind"), "{why}");
    for n in 3..10 {
        // Others go on, which is no progress.
        cluster.with(1, |replica, now| replica.step(now, &field("default"), &input(n, 16)).unwrap());
        cluster.run(500);
    }
    assert_eq!(cluster.nodes[late].replica.readiness().for_writing(), Ok(()));
    assert_eq!(cluster.nodes[late].replica.frontier(), cluster.nodes[1].replica.frontier());
}

#[test]
fn an_incarnation_is_greater_than_any_seen_for_the_node() {
    let clock = WALL_MS * 1000;
    for seen in [1, clock - 1, clock, clock + 5, clock + 50_000_000] {
        let mut replica = Replica::new(Config { join_ms: 1_000, ..config("n") }, at(0));
        // A peer shows an earlier run in its frontier, and is gone before it could hand it over.
        let link = craft::link(&mut replica, at(0), 1, "m", vec![version_of(&origin("n", seen), 3)]);
        replica.link_down(at(1), link);
        replica.tick(at(500));
        replica.tick(at(1_000));
        assert!(replica.origin().unwrap().incarnation > seen, "{seen}");
    }
}

#[test]
fn runs_that_saw_the_same_take_other_names_though_the_clock_was_set_back() {
    let seen = (WALL_MS + 50_000) * 1000;
    let shown = vec![version_of(&origin("n", seen), 3)];
    let minted = |microsecond, tick| {
        let mut replica = Replica::new(Config { microsecond, join_ms: 1_000, ..config("n") }, at(tick));
        let link = craft::link(&mut replica, at(tick), 1, "m", shown.clone());
        replica.link_down(at(tick), link);
        replica.tick(at(tick + 1_000));
        replica.origin().unwrap().incarnation
    };
    let names: std::collections::BTreeSet<u64> =
        [(1, 0), (2, 0), (1, 1), (1, 70)].map(|(us, tick)| minted(us, tick)).into();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.iter().all(|name| (seen + 1..seen + 2_000_000).contains(name)), "{names:?}");
}

#[test]
fn a_restarted_node_takes_up_with_a_new_origin_and_its_old_entries_stay() {
    let mut cluster = Cluster::ready(9, 2, Faults { delay_ms: 3, ..Faults::default() });
    for n in 0..4 {
        cluster.with(1, |replica, now| replica.step(now, &field("default"), &input(n, 16)).unwrap());
    }
    cluster.run(500);
    let old = cluster.origin(1);
    cluster.kill(1);
    // The machine's clock fell back meanwhile, behind the earlier run's start.
    let again = cluster.start_off(joiner("n1"), -5_000);
    cluster.connect(0, again);
    cluster.run(2_000);
    let new = cluster.origin(again);
    assert!(new > old, "{new} after {old}");
    cluster.with(again, |replica, now| replica.step(now, &field("default"), &input(9, 16)).unwrap());
    cluster.run(1_000);
    cluster.assert_agreed();
    assert_eq!(cluster.count(0, &field("default")), 5);
}

/// The earlier of two live runs may be ended by the others; so it goes on as a later run, and loses nothing. Which of the
/// two processes is to end is for the node to find out.
#[test]
fn the_earlier_of_two_runs_of_one_node_goes_on_as_a_later_one() {
    let mut cluster = Cluster::ready(9, 2, Faults { delay_ms: 3, ..Faults::default() });
    cluster.with(1, |replica, now| replica.step(now, &field("default"), &input(1, 16)).unwrap());
    cluster.set_cut(0, 1, true);
    cluster.run(10);
    cluster.with(1, |replica, now| replica.step(now, &field("default"), &input(2, 16)).unwrap());
    let later = cluster.start(joiner("n1"));
    cluster.connect(0, later);
    cluster.run(2_000);
    cluster.with(later, |replica, now| replica.step(now, &field("default"), &input(3, 16)).unwrap());
    cluster.set_cut(0, 1, false);
    cluster.run(5_000);
    let superseded = |n: usize| {
        let is_superseded = |event: &Event| matches!(event, Event::Superseded { .. });
        cluster.nodes[n].events.iter().any(is_superseded)
    };
    assert!(superseded(1), "it is told");
    cluster.with(1, |replica, now| replica.step(now, &field("default"), &input(4, 16)).unwrap());
    cluster.run(5_000);
    assert_eq!(cluster.count(0, &field("default")), 4);
    cluster.run(5_000);
    let origins = cluster.nodes[0].replica.frontier().iter().filter(|(origin, _)| origin.node == node("n1")).count();
    assert!(origins <= 4, "each of the two goes on as another run once a minute at most: {origins}");
}

fn off(tick: u64, ms: i64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs((WALL_MS + tick).checked_add_signed(ms).unwrap()) }
}

/// Peers whose clocks differ from the replica's by so many milliseconds.
fn beside(replica: &mut Replica, offsets: &[i64]) {
    for (n, offset) in (0..).zip(offsets) {
        let link = psi_replica::LinkId(n);
        replica.link_up(at(1), link);
        let open = psi_replica::proto::Hello { wall_ms: off(1, *offset).wall.0, ..open(&format!("p{n}")) };
        hand(replica, at(1), link, Body::Hello(open)).unwrap();
    }
}

#[test]
fn a_node_whose_clock_differs_from_most_takes_writes_by_agreed_time_and_says_so() {
    for (offsets, is_off) in [
        (vec![], false),
        (vec![11_000], false),
        (vec![11_000, 11_500], true),
        (vec![-11_000, -90_000], true),
        (vec![11_000, 0], false),
        (vec![10_000, -10_000], false),
        (vec![11_000, 11_000, 0], false),
        (vec![11_000, 11_000, -11_000, 0], true),
    ] {
        let mut replica = ready("n");
        beside(&mut replica, &offsets);
        let step = replica.step(at(2), &field("default"), &input(1, 16)).unwrap();
        assert_eq!(replica.time().is_off, is_off, "{offsets:?}");
        assert!(step.clock.wall_ms >= WALL_MS, "time never falls: {:?}", step.clock);
    }
}

#[test]
fn a_node_whose_clock_is_off_is_minted_by_agreed_time() {
    let mut replica = Replica::new(Config { join_ms: 100, ..config("n") }, off(0, 86_400_000));
    for n in 0..2 {
        let link = psi_replica::LinkId(n);
        replica.link_up(off(1, 86_400_000), link);
        hand(&mut replica, off(1, 86_400_000), link, Body::Hello(open(&format!("p{n}")))).unwrap();
    }
    replica.tick(off(200, 86_400_000));
    // Ten seconds is what a clock may be ahead of the members' without being off.
    let minted_ms = replica.origin().unwrap().incarnation / 1000;
    assert!((WALL_MS..=WALL_MS + 10_200).contains(&minted_ms), "{minted_ms}");
    assert!(replica.time().is_off);
}

/// The monotonic clock shows a jump of the wall clock before any peer can.
#[test]
fn a_clock_that_jumps_is_noticed_before_the_next_write() {
    let mut replica = ready("n");
    beside(&mut replica, &[0, 0]);
    let mut step = |moment| {
        let step = replica.step(moment, &field("default"), &input(1, 16)).unwrap();
        (step.clock.wall_ms - WALL_MS, replica.time())
    };
    assert_eq!(step(off(2, 0)).0, 2);
    let (ahead, time) = step(off(3, 3_600_000));
    assert!(ahead <= 10_003 && time.is_off && time.offset_ms == -3_600_000, "{ahead}: {time:?}");
    let (behind, time) = step(off(4, -3_600_000));
    assert!(behind >= ahead && time.is_off && time.offset_ms == 3_600_000, "{behind}: {time:?}");
    assert!(!step(off(5, 0)).1.is_off);
}

/// A node that wrote in the future, while it was alone, takes no writes that its peers would postpone.
#[test]
fn a_node_ahead_of_its_peers_takes_no_writes_until_they_are_there() {
    let mut replica = ready("n");
    replica.step(off(0, 120_000), &field("default"), &input(1, 16)).unwrap();
    replica.step(off(1, 0), &field("default"), &input(1, 16)).expect("alone, nobody postpones anything");
    let link = psi_replica::LinkId(1);
    replica.link_up(at(1), link);
    hand(&mut replica, at(1), link, Body::Hello(psi_replica::proto::Hello { ready: true, ..open("p") })).unwrap();
    let error = replica.step(off(2, 0), &field("default"), &input(1, 16)).unwrap_err();
    assert!(matches!(error, WriteError::NotReady(NotReady::StateAhead { ahead_ms: 119_900..=120_000 })), "{error:?}");
    assert!(error.to_string().contains("nothing is lost"), "{error}");
    replica.step(off(60_010, 0), &field("default"), &input(1, 16)).expect("the members' time has come near");
}

#[test]
fn runs_that_start_in_one_millisecond_are_told_apart() {
    let incarnation = |microsecond| {
        let mut replica = Replica::new(Config { microsecond, ..config("n") }, at(0));
        replica.tick(at(0));
        replica.origin().unwrap().incarnation
    };
    assert_eq!([0, 7, 999].map(incarnation), [0, 7, 999].map(|micros| WALL_MS * 1000 + micros));
}

/// One step that nobody else has seen is not lost with its taker: any node that holds it hands it on.
#[test]
fn a_counter_outlives_its_member() {
    let (mut a, mut courier) = (ready("a"), craft::Courier::default());
    let mut author = Author::new("dead");
    author.write(Author::key("default", 0, lanes::RECENT.0, 0), craft::recent_value(WALL_MS));
    courier.bring(&mut a, at(1), &[author.delta(0)]);
    let mut b = ready("b");
    courier.sync(&mut a, &mut b, at(2));
    assert_eq!(b.entries(&author.origin).count(), 1);
}
