//! The channel that keeps two ends' pictures true, on a wire that loses, repeats and reorders.

#![allow(clippy::cast_possible_truncation, reason = "small numbers of a test")]

use super::{frontier_receiver::*, frontier_sender::*, round_trip::RoundTrip, *};
use crate::entry::name::NodeId;
use crate::{Frontier, Origin, TickMs, Version, proto};

fn origin(n: u64) -> Origin {
    Origin { node: NodeId::new(&format!("n{}", n % 5)).unwrap(), incarnation: 1 + n }
}

/// Splitmix64 (Steele et al., 2014).
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// A sender, a receiver, and what the receiver makes of it.
struct Channel {
    held: Frontier,
    sender: FrontierSender,
    receiver: FrontierReceiver,
    pictured: Frontier,
    updates: Vec<proto::FrontierUpdate>,
    answers: Vec<proto::FrontierAck>,
    /// How often an origin's name crossed.
    named: usize,
}

impl Channel {
    fn new(held: Frontier) -> Self {
        let sender = FrontierSender::new(TickMs(0), &held);
        Self {
            held,
            sender,
            receiver: FrontierReceiver::default(),
            pictured: Frontier::default(),
            updates: Vec::new(),
            answers: Vec::new(),
            named: 0,
        }
    }

    fn moves(&mut self, origin: &Origin, version: u64) {
        if self.held.raise(origin, Version(version)) {
            self.sender.moved(TickMs(0), origin);
        }
    }

    fn send(&mut self, now: TickMs) {
        if let Some(updates) = self.sender.poll(now, RoundTrip::default(), &self.held) {
            self.named += updates.origins.len();
            self.updates.push(updates);
        }
    }

    fn receive(&mut self, updates: proto::FrontierUpdate) {
        let PeerMoves { moved, listed } = self.receiver.receive(updates).unwrap();
        if listed {
            self.pictured = Frontier::default();
        }
        for (origin, version) in moved {
            self.pictured.raise(&origin, version);
        }
        self.answers.extend(self.receiver.take_answer());
    }

    fn answer(&mut self, now: TickMs, heard: &proto::FrontierAck) {
        self.sender.acknowledge(now, heard, &self.held);
    }

    /// Delivers everything, in order, until both ends have nothing to say.
    fn settle(&mut self, mut now: TickMs) {
        for _ in 0..50 {
            self.send(now);
            for updates in std::mem::take(&mut self.updates) {
                self.receive(updates);
            }
            for heard in std::mem::take(&mut self.answers) {
                self.answer(now, &heard);
            }
            now = now.plus(60_000);
        }
        assert!(self.sender.is_settled());
    }
}

#[test]
fn the_picture_becomes_true_whatever_the_wire_does() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut channel = Channel::new((0..rng.below(8)).map(|n| (origin(n), Version(1 + n))).collect());
        for step in 0..200 {
            let now = TickMs(step * 300);
            match rng.below(6) {
                0 => channel.moves(&origin(rng.below(12)), step),
                1 => channel.send(now),
                2 if !channel.updates.is_empty() => {
                    let at = rng.below(channel.updates.len() as u64) as usize;
                    // Half of what arrives may arrive again.
                    let updates =
                        if rng.below(2) == 0 { channel.updates[at].clone() } else { channel.updates.remove(at) };
                    channel.receive(updates);
                }
                3 if !channel.answers.is_empty() => {
                    let at = rng.below(channel.answers.len() as u64) as usize;
                    let heard = if rng.below(2) == 0 { channel.answers[at] } else { channel.answers.remove(at) };
                    channel.answer(now, &heard);
                }
                4 if rng.below(4) == 0 => drop(channel.updates.pop()),
                5 if rng.below(30) == 0 => {
                    channel.receiver.request_restart();
                    channel.answers.extend(channel.receiver.take_answer());
                }
                _ => {}
            }
        }
        channel.settle(TickMs(1_000_000));
        assert_eq!(channel.pictured, channel.held, "seed {seed}");
    }
}

#[test]
fn an_origin_is_named_once_and_moves_by_its_number() {
    let mut channel = Channel::new([(origin(1), Version(1)), (origin(2), Version(1))].into_iter().collect());
    for round in 1..10 {
        channel.moves(&origin(1), round);
        channel.settle(TickMs(round * 10_000_000));
    }
    assert_eq!(channel.named, 2);
}

#[test]
fn a_long_listing_is_taken_in_only_when_it_is_complete() {
    let held: Frontier = (0..2 * ORIGINS_PER_FRAME as u64 + 1).map(|n| (origin(n), Version(1))).collect();
    let mut channel = Channel::new(held);
    for frame in 0..3 {
        assert!(!channel.receiver.is_complete());
        assert!(channel.pictured.is_empty());
        channel.send(TickMs(frame));
        let updates = channel.updates.pop().unwrap();
        channel.receive(updates);
        let heard = channel.answers.pop().unwrap();
        channel.answer(TickMs(frame), &heard);
    }
    assert!(channel.receiver.is_complete());
    assert_eq!(channel.pictured, channel.held);
}

#[test]
fn a_number_that_names_nothing_restarts_the_listing() {
    let mut channel = Channel::new([(origin(1), Version(4))].into_iter().collect());
    channel.settle(TickMs(0));
    let bad = proto::FrontierUpdate { number: 2, moved: vec![9, 1], ..Default::default() };
    channel.receive(bad);
    assert_eq!(channel.answers, [proto::FrontierAck { number: 2, restart: true }]);
    channel.settle(TickMs(1_000_000));
    assert_eq!(channel.pictured, channel.held);
}

#[test]
fn more_origins_than_a_link_may_have_end_it() {
    let origins = (0..=ORIGINS_MAX as u64).map(|n| (&origin(n)).into()).collect();
    let updates = proto::FrontierUpdate { number: 1, origins, restart: true, ..Default::default() };
    assert!(matches!(FrontierReceiver::default().receive(updates), Err(UpdateError::TooMany)));
}

/// A peer that asks again and again while the new beginning is on its way is not told all of it each time.
#[test]
fn asking_again_before_the_new_beginning_came_begins_once() {
    let held: Frontier = [(origin(0), Version(4))].into_iter().collect();
    let (mut sender, round_trip) = (FrontierSender::new(TickMs(0), &held), RoundTrip::default());
    let first = sender.poll(TickMs(0), round_trip, &held).unwrap();
    sender.acknowledge(TickMs(1), &proto::FrontierAck { number: first.number, restart: false }, &held);
    let again = proto::FrontierAck { number: first.number, restart: true };
    sender.acknowledge(TickMs(2), &again, &held);
    let second = sender.poll(TickMs(200), round_trip, &held).unwrap();
    assert!(second.restart);
    sender.acknowledge(TickMs(201), &again, &held);
    assert_eq!(sender.poll(TickMs(400), round_trip, &held), None, "it is on its way");
    // Who has seen it and still can't follow is told again.
    sender.acknowledge(TickMs(401), &proto::FrontierAck { number: second.number, restart: true }, &held);
    assert!(sender.poll(TickMs(600), round_trip, &held).is_some_and(|updates| updates.restart));
}
