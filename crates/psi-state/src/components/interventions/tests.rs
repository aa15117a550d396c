use psi_engine::{Action, guardian::Threat};
use psi_replica::{Clock, NodeId, Origin};

use super::events::*;
use crate::component::facts::InterventionSummary;
use crate::component::moment::Moment;

fn origin(name: &str) -> Origin {
    Origin { node: NodeId::new(name).unwrap(), incarnation: 1 }
}

fn moment(wall_ms: u64, name: &str) -> Moment {
    (Clock { wall_ms, counter: 0 }, origin(name))
}

fn by_hand(action: Action) -> Event {
    Event { action, k: 1, automatic: None }
}

fn automatic(follows: Option<Moment>) -> Event {
    let threat = Threat::HighPredictionError;
    Event { action: threat.action(), k: 1, automatic: Some(AutomaticCause { threat, follows }) }
}

fn folded(events: &[(Moment, Event)]) -> InterventionSummary {
    let mut interventions = EventFold::default();
    for ((clock, origin), event) in events {
        interventions.put((*clock, origin.clone()), 0, event.clone());
    }
    interventions.fold();
    interventions.summary().clone()
}

#[test]
fn of_several_that_follow_the_same_only_the_first_counts() {
    let (a, b, c) = (moment(10, "a"), moment(9, "b"), moment(9, "c"));
    let events = [(a, automatic(None)), (b.clone(), automatic(None)), (c, automatic(None))];
    let folded = folded(&events);
    assert_eq!((folded.counted, folded.automatic, folded.superseded), (1, 1, 2));
    assert_eq!(folded.last.unwrap().moment, b, "ties are broken by the origin");
    assert_eq!(folded.dissolved, Some(b));
}

#[test]
fn one_that_does_not_count_stands_for_the_one_that_does() {
    // Both of the second round follow the first round: one names the event that counts, one that which doesn't.
    let (first, late) = (moment(9, "b"), moment(10, "a"));
    let (named_late, named_first) = (moment(500, "a"), moment(501, "b"));
    let events = [
        (late.clone(), automatic(None)),
        (first.clone(), automatic(None)),
        (named_late.clone(), automatic(Some(late))),
        (named_first, automatic(Some(first))),
    ];
    let folded = folded(&events);
    assert_eq!((folded.counted, folded.superseded), (2, 2));
    assert_eq!(folded.last.unwrap().moment, named_late);
}

#[test]
fn those_by_hand_always_count() {
    let hand = moment(5, "a");
    let events = [
        (hand.clone(), by_hand(Action::Albedo)),
        (moment(5, "b"), by_hand(Action::Albedo)),
        (moment(6, "b"), automatic(Some(hand.clone()))),
        (moment(7, "b"), by_hand(Action::Albedo)),
        (moment(8, "a"), automatic(Some(hand))),
    ];
    let folded = folded(&events);
    assert_eq!((folded.counted, folded.automatic, folded.superseded), (4, 1, 1));
    assert_eq!(folded.noise.value(), 0.8, "two at the floor, up by 1.5, down by 0.7");
}

#[test]
fn those_no_longer_kept_are_counted_and_still_dissolve() {
    let mut interventions = EventFold::default();
    let mut retired = None;
    for n in 0..=INTERVENTIONS_KEPT + 1 {
        let event = match n {
            0 => by_hand(Action::Nigredo),
            _ => by_hand(Action::Albedo),
        };
        retired = interventions.write(moment(n, "a"), event.index(n), event).or(retired);
    }
    assert_eq!(retired, Some(Retirement { counted: 2, nigredo: Some(Clock::default()), author: None }));
    let folded = interventions.summary();
    assert_eq!((folded.counted, &folded.dissolved), (INTERVENTIONS_KEPT + 2, &Some(moment(0, "a"))));
    // Another replica that holds the same says the same.
    let mut other = interventions.kept_only();
    other.put_retired(&origin("a"), retired);
    other.fold();
    assert_eq!(other.summary(), interventions.summary());
}

#[test]
fn one_that_did_not_count_is_not_counted_when_it_is_retired() {
    let mut interventions = EventFold::default();
    interventions.put(moment(0, "b"), 0, automatic(None));
    let loser = automatic(None);
    let mut retired = interventions.write(moment(1, "a"), loser.index(0), loser);
    for n in 1..=INTERVENTIONS_KEPT {
        let event = automatic(Some(moment(n, "a")));
        retired = interventions.write(moment(1 + n, "a"), event.index(n), event).or(retired);
    }
    assert_eq!(retired, None);
    assert_eq!(interventions.summary().counted, 1 + INTERVENTIONS_KEPT);
}

/// Two nodes answer one threat; the one whose intervention counts is then flooded by hand. Its own is kept all the same, so
/// that the other's still doesn't count.
#[test]
fn a_flood_by_hand_brings_nothing_back() {
    let mut interventions = EventFold::default();
    let (first, late) = (automatic(None), automatic(None));
    interventions.write(moment(9, "b"), first.index(0), first);
    interventions.put(moment(1_000, "a"), late.index(0), late);
    for n in 0..2 * INTERVENTIONS_KEPT {
        let event = by_hand(Action::Albedo);
        interventions.write(moment(10 + n, "b"), event.index(n), event);
    }
    let folded = interventions.summary();
    assert_eq!((folded.superseded, folded.counted, folded.noise.value()), (1, 1 + 2 * INTERVENTIONS_KEPT, 0.0));
}

/// Nodes a and b react to each threat at once; a's come first and count. When a no longer keeps one of them, b's must not
/// count in its stead and beside it.
#[test]
fn one_threat_counts_once_though_what_met_it_is_no_longer_kept() {
    let mut interventions = EventFold::default();
    let mut last = None;
    let rounds = INTERVENTIONS_KEPT + 10;
    for n in 0..rounds {
        let (first, late) = (moment(10 * n, "a"), moment(10 * n + 1, "b"));
        if n < 5 {
            let event = automatic(last.clone());
            interventions.put(late, event.index(n), event);
        }
        let event = automatic(last);
        interventions.write(first.clone(), event.index(n), event);
        last = Some(first);
    }
    assert_eq!(interventions.summary().counted, rounds);
}

/// Of very many events the oldest are not folded one by one: they count, the last nigredo among them dissolves, and
/// whatever they follow nothing comes in their place.
#[test]
fn the_oldest_of_very_many_count_one_each() {
    let late = EVENTS_FOLDED as u64 + 10;
    let mut events = vec![(moment(1, "a"), automatic(None)), (moment(2, "a"), automatic(None))];
    events.push((moment(3, "a"), by_hand(Action::Nigredo)));
    events.extend((10..late).map(|n| (moment(n, "b"), by_hand(Action::Albedo))));
    let few = folded(&events[..EVENTS_FOLDED]);
    assert_eq!((few.counted, few.superseded), (EVENTS_FOLDED as u64 - 1, 1));
    let many = folded(&events);
    assert_eq!((many.counted, many.superseded, many.automatic), (EVENTS_FOLDED as u64 + 3, 0, 0));
    assert_eq!(many.dissolved, Some(moment(3, "a")));
}

/// The own origin's oldest event goes while it is one of the oldest of all: what counted stays the same.
#[test]
fn one_of_the_oldest_counts_when_it_is_retired_too() {
    let mut interventions = EventFold::default();
    let first = by_hand(Action::Nigredo);
    interventions.write(moment(0, "a"), first.index(0), first);
    for n in 0..EVENTS_FOLDED as u64 + 5 {
        interventions.put(moment(1 + n, "b"), n, by_hand(Action::Albedo));
    }
    let last = by_hand(Action::Albedo);
    let retired = interventions.write(moment(1_000_000, "a"), last.index(INTERVENTIONS_KEPT), last);
    assert_eq!(retired, Some(Retirement { counted: 1, nigredo: Some(Clock::default()), author: None }));
    let folded = interventions.summary();
    assert_eq!((folded.counted, &folded.dissolved), (EVENTS_FOLDED as u64 + 7, &Some(moment(0, "a"))));
}
