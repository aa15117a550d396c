//! What a client's token promises, and what is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where a panic is the report")]

use crate::common::{
    Rng, State, at,
    cluster::{Cluster, Faults},
    config,
    craft::{self, Courier, populated, version_of},
    field, input, ready,
};
use proptest::prelude::*;
use psi_replica::{ClusterName, Config, Frontier, NameHash, Origin, TOKEN_ORIGINS_MAX, Token, TokenError, Version};
use psi_state::Replica;

fn step(replica: &mut Replica, tick: u64) {
    replica.step(at(tick), &field("default"), &input(tick, 16)).unwrap();
}

fn reached(replica: &Replica, token: &Token) -> bool {
    replica.token_gaps(token).unwrap().is_empty()
}

/// What a client has seen that reads this replica: its frontier, and its own writes.
fn seen(replica: &Replica) -> Frontier {
    let mut clone: Vec<(Origin, Version)> = replica.frontier().iter().map(|(o, v)| (o.clone(), v)).collect();
    let token = replica.token();
    let own = replica.origin().map(|me| (me.clone(), NameHash::of_origin(me)));
    let own = own.and_then(|(me, hash)| Some((me, token.seen().iter().find(|(listed, _)| *listed == hash)?.1)));
    clone.extend(own);
    clone.into_iter().collect()
}

/// A replica that holds one step of each of the origins n0, n1, …; the later, the younger and the later to move.
fn holder_of(origins: u64, courier: &mut Courier) -> Replica {
    let mut replica = ready("holder");
    for number in 0..origins {
        bring_one(&mut replica, &format!("n{number}"), number, courier);
    }
    replica
}

fn bring_one(replica: &mut Replica, name: &str, tick: u64, courier: &mut Courier) {
    courier.sync(&mut author_of_one(name, tick), replica, at(tick));
}

fn author_of_one(name: &str, tick: u64) -> Replica {
    let mut author = Replica::new(config(name), at(tick));
    author.tick(at(tick));
    step(&mut author, tick);
    author.flush();
    author
}

#[test]
fn a_write_is_held_where_it_was_accepted_before_it_is_flushed_and_elsewhere_once_it_arrives() {
    let (mut a, mut b, mut courier) = (ready("a"), ready("b"), Courier::default());
    step(&mut a, 1);
    let token = a.token();
    assert!(a.is_dirty() && reached(&a, &token), "its own view has it");
    let lacks = b.token_gaps(&token).unwrap();
    assert_eq!((lacks.listed.len(), lacks.listed[0].wanted, lacks.listed[0].held), (1, Version(1), Version::ZERO));
    assert!(lacks.to_string().contains("an origin unknown here"), "{lacks}");
    courier.sync(&mut a, &mut b, at(2));
    assert!(reached(&b, &token));
    step(&mut a, 3);
    let later = b.token_gaps(&a.token()).unwrap();
    let me = a.origin().unwrap();
    assert_eq!(later.to_string(), format!("{me} up to version 2 (held: 1)"));
}

#[test]
fn what_was_read_of_a_third_is_asked_of_others_too() {
    let (mut a, mut b, mut c, mut courier) = (ready("a"), ready("b"), ready("c"), Courier::default());
    step(&mut c, 1);
    courier.sync(&mut c, &mut b, at(2));
    let token = b.token();
    assert!(!reached(&a, &token), "it has nothing of c");
    courier.sync(&mut c, &mut a, at(3));
    assert!(reached(&a, &token));
}

#[test]
fn an_origin_that_a_peer_has_shown_is_named() {
    let (mut a, mut b) = (ready("a"), ready("b"));
    step(&mut b, 1);
    b.flush();
    let theirs = b.origin().unwrap().clone();
    craft::link(&mut a, at(2), 7, "b", vec![version_of(&theirs, 1)]);
    let lacks = a.token_gaps(&b.token()).unwrap();
    assert_eq!(lacks.listed[0].origin, Some(theirs));
}

#[test]
fn more_of_this_node_than_it_has_written_is_from_the_future_and_more_of_another_is_waited_for() {
    let (mut a, b, mut courier) = (ready("a"), ready("b"), Courier::default());
    step(&mut a, 1);
    let held = a.token();
    // The same run, further on: what no honest node can know of.
    let mut ahead = Replica::new(config("a"), at(0));
    ahead.tick(at(0));
    (1..=5).for_each(|tick| step(&mut ahead, tick));
    let future = ahead.token();
    let before = State::of(&a);
    let error = a.token_gaps(&future).unwrap_err();
    assert!(matches!(error, TokenError::Future { claimed: Version(5), written: Version(1), .. }), "{error}");
    assert_eq!(error.reason(), "SESSION_TOKEN_FROM_THE_FUTURE");
    assert_eq!(State::of(&a), before);
    assert!(reached(&a, &held));
    assert_eq!(b.token_gaps(&future).unwrap().listed.len(), 1, "b can't know how far a has come");
    // An earlier run of a may have written what never arrived.
    let mut returned = Replica::new(config("a"), at(9));
    returned.tick(at(9));
    courier.sync(&mut a, &mut returned, at(10));
    assert_eq!(returned.token_gaps(&future).unwrap().listed[0].held, Version(1));
}

#[test]
fn a_token_of_another_cluster_is_refused_and_both_are_named() {
    let here = populated("here");
    let other = Config { cluster: ClusterName::new("strangers").unwrap(), ..config("n") };
    let mut there = Replica::new(other, at(0));
    there.tick(at(0));
    let before = State::of(&here);
    let error = here.token_gaps(&there.token()).unwrap_err();
    assert_eq!(error.reason(), "SESSION_TOKEN_OTHER_CLUSTER");
    let message = error.to_string();
    let hash = NameHash::of_cluster(&ClusterName::new("strangers").unwrap()).to_string();
    assert!(message.contains("`test`") && message.contains(&hash), "{message}");
    assert_eq!(State::of(&here), before);
}

#[test]
fn a_token_lists_those_that_moved_last_and_what_it_leaves_out_is_still_asked_for() {
    let mut courier = Courier::default();
    let mut full = holder_of(60, &mut courier);
    let token = full.token();
    assert!(!token.is_whole() && token.seen().len() == TOKEN_ORIGINS_MAX);
    assert!(reached(&full, &token), "the replica that gave it has reached it");
    // Holds all that is listed, and not all that is left out.
    let mut late = ready("late");
    for number in (20..60).chain(0..10) {
        bring_one(&mut late, &format!("n{number}"), number, &mut courier);
    }
    let lacks = late.token_gaps(&token).unwrap();
    assert!(lacks.listed.is_empty() && lacks.left_out, "{lacks}");
    courier.sync(&mut full, &mut late, at(100));
    assert!(reached(&late, &token), "in whatever order they came");
}

#[test]
fn a_token_that_leaves_origins_out_is_reached_though_the_listed_move_on_and_new_ones_come() {
    let mut courier = Courier::default();
    let mut giver = holder_of(60, &mut courier);
    step(&mut giver, 70);
    let token = giver.token();
    let mut other = ready("other");
    courier.sync(&mut giver, &mut other, at(80));
    // Those listed write on, new runs begin, and this one takes steps too.
    step(&mut giver, 81);
    courier.sync(&mut giver, &mut other, at(82));
    (0..30).for_each(|number| bring_one(&mut other, &format!("new{number}"), 90 + number, &mut courier));
    step(&mut other, 200);
    other.flush();
    assert!(reached(&other, &token));
    // A joiner learns them in no particular order.
    let mut joiner = ready("joiner");
    courier.sync(&mut other, &mut joiner, at(210));
    assert!(reached(&joiner, &token));
}

#[test]
fn a_token_is_not_reached_where_it_can_not_be_told() {
    let mut courier = Courier::default();
    let mut giver = holder_of(60, &mut courier);
    let mut other = ready("other");
    courier.sync(&mut giver, &mut other, at(70));
    let token = giver.token();
    // n0 is left out of the token, and has since written more.
    let mut n0 = Replica::new(config("n0"), at(0));
    n0.tick(at(0));
    (0..2).for_each(|tick| step(&mut n0, tick));
    courier.sync(&mut n0, &mut other, at(80));
    let lacks = other.token_gaps(&token).unwrap();
    assert!(lacks.listed.is_empty() && lacks.left_out);
    assert!(lacks.to_string().contains("beyond the 40"), "{lacks}");
    assert!(reached(&other, &other.token()), "a fresh one is");
}

#[test]
fn holders_are_those_that_have_acknowledged() {
    let mut cluster = Cluster::ready(1, 3, Faults::default());
    cluster.run(50);
    cluster.set_cut(0, 2, true);
    cluster.set_cut(1, 2, true);
    let version = cluster.with(0, |replica, now| {
        let step = replica.step(now, &field("default"), &input(1, 16)).unwrap();
        replica.flush();
        step.version
    });
    assert!(cluster.nodes[0].replica.holders(version).is_empty());
    cluster.run(20);
    let names = |cluster: &Cluster| cluster.nodes[0].replica.holders(version).iter().map(ToString::to_string).collect();
    let held: Vec<String> = names(&cluster);
    assert_eq!(held, ["n1"]);
    cluster.quiet(3_000);
    let held: Vec<String> = names(&cluster);
    assert_eq!(held, ["n1", "n2"]);
}

proptest! {
    #![proptest_config(crate::common::cases(24))]

    /// Whatever the network does: a replica that says that it has reached a token holds all that the client has seen;
    /// and after quiet, all have reached every token.
    #[test]
    fn a_token_that_is_reached_is_kept(seed: u64, nodes in 2_usize..5, restarts in 0_u64..50) {
        let faults = Faults { loss: 20, twice: 20, delay_ms: 200, ordered: false };
        let mut cluster = Cluster::ready(seed, nodes, faults);
        let mut rng = Rng(seed ^ 0x70CE);
        // Runs that are long over, more than a token lists in half of the cases.
        let mut courier = Courier::default();
        for run in 0..restarts {
            let n = usize::try_from(rng.below(nodes as u64)).unwrap();
            let mut gone = author_of_one(&format!("gone{run}"), run);
            cluster.book.check(1_000 + usize::try_from(run).unwrap(), &gone);
            cluster.with(n, |replica, now| courier.sync(&mut gone, replica, now));
        }
        let mut tokens: Vec<(Token, Frontier)> = Vec::new();
        for _ in 0..60 {
            cluster.run(rng.below(60));
            let n = usize::try_from(rng.below(nodes as u64)).unwrap();
            if rng.chance(60) {
                cluster.with(n, |replica, now| replica.step(now, &field("default"), &input(1, 16))).unwrap();
            }
            let replica = &cluster.nodes[n].replica;
            for (token, frontier) in &tokens {
                let lacks = replica.token_gaps(token).unwrap();
                prop_assert!(!lacks.is_empty() || seen(replica).covers(frontier));
            }
            tokens.push((replica.token().to_string().parse().unwrap(), seen(replica)));
        }
        cluster.quiet(20_000);
        cluster.assert_agreed();
        for node in cluster.living() {
            for (token, _) in tokens.iter().filter(|(token, _)| token.is_whole()) {
                prop_assert!(node.replica.token_gaps(token).unwrap().is_empty());
            }
            let last = node.replica.token();
            prop_assert!(cluster.living().all(|other| other.replica.token_gaps(&last).unwrap().is_empty()));
        }
    }
}
