//! Folded chains: what counts is a function of the set, and each change is returned once.

use std::collections::BTreeMap;

use proptest::prelude::*;
use psi_process::{
    Action, ChainState, End, ProvisionalChain, SpecStore, Transition, TransitionHash, TransitionRefusal, VerdictChange,
    engine::TransitionStatus,
};

use crate::{
    chains::oracle::{Draft, DraftKind, WrittenDraft, counting, make, status},
    support::{act, advance, name, origin, small, start, store, subject},
};

fn draft_kind() -> impl Strategy<Value = DraftKind> {
    prop_oneof![
        1 => Just(DraftKind::Start),
        8 => any::<bool>().prop_map(DraftKind::Advance),
        8 => Just(DraftKind::Advance(true)),
        3 => any::<bool>().prop_map(DraftKind::Return),
        2 => Just(DraftKind::Rewind),
        1 => Just(DraftKind::Abort),
        1 => Just(DraftKind::Astray),
    ]
}

/// Drafts that follow earlier ones, most of them one of the last few, and an order in which they arrive.
fn story() -> impl Strategy<Value = (Vec<Draft>, Vec<usize>)> {
    let one = (draft_kind(), any::<prop::sample::Index>(), 0_u64..6, 1_u64..4, 0_u8..10);
    prop::collection::vec(one, 1..28).prop_flat_map(|rows| {
        let mut drafts: Vec<Draft> = Vec::new();
        for (kind, index, later, node, chance) in rows {
            let parent = (!drafts.is_empty() && chance > 0).then(|| {
                let from = drafts.len().saturating_sub(4);
                from + index.index(drafts.len() - from)
            });
            let ms = parent.map_or(0, |parent| drafts[parent].ms) + later;
            let kind = if parent.is_none() { DraftKind::Start } else { kind };
            drafts.push(Draft { parent, kind, ms, node });
        }
        let order = Just((0..drafts.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(drafts), order)
    })
}

/// Inserts in an order, and compares with the oracle after each arrival.
fn check(made: &[WrittenDraft], order: &[usize]) -> Option<ChainState> {
    let (spec, mut arrived) = (small(), Vec::new());
    let specs = store(&[&spec]);
    let mut chain = ProvisionalChain::new(subject(&spec));
    let mut said: BTreeMap<TransitionHash, TransitionStatus> = BTreeMap::new();
    for at in order {
        let changes = chain.insert(made[*at].transition.clone(), &specs).unwrap();
        arrived.push(*at);
        let want: Vec<_> = counting(made, &arrived).into_iter().map(|at| made[at].hash).collect();
        assert_eq!(chain.counting().map(|(hash, _)| hash).collect::<Vec<_>>(), want);
        let now: BTreeMap<_, _> = arrived.iter().map(|at| (made[*at].hash, status(made, &arrived, *at))).collect();
        for (hash, status) in &now {
            assert_eq!(chain.status(hash), Some(*status));
        }
        let changed = |(hash, before): (&TransitionHash, &TransitionStatus)| {
            let after = now[hash];
            (*before != after).then_some(VerdictChange { transition: *hash, before: *before, after })
        };
        assert_eq!(changes, said.iter().filter_map(changed).collect::<Vec<_>>());
        said = now;
        assert_eq!(chain.insert(made[*at].transition.clone(), &specs).unwrap(), [], "once");
    }
    chain.state().cloned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_counts_is_a_function_of_the_set((drafts, order) in story()) {
        let made = make(&drafts);
        let distinct: std::collections::BTreeSet<_> = made.iter().map(|made| made.hash).collect();
        prop_assume!(distinct.len() == made.len());
        let by_number: Vec<_> = (0..made.len()).collect();
        let reversed: Vec<_> = by_number.iter().rev().copied().collect();
        let states = [&order, &by_number, &reversed].map(|order| check(&made, order));
        prop_assert_eq!(&states[0], &states[1]);
        prop_assert_eq!(&states[1], &states[2]);
    }
}

fn insert(chain: &mut ProvisionalChain, transition: &Transition, specs: &SpecStore) -> Vec<VerdictChange> {
    chain.insert(transition.clone(), specs).unwrap()
}

#[test]
fn the_first_clock_counts_and_what_hangs_on_the_other_falls_once() {
    let spec = small();
    let specs = store(&[&spec]);
    let mut chain = ProvisionalChain::new(subject(&spec));
    let begin = start(&spec, 10);
    let late = advance(&spec, "a", &begin, 30);
    let on_late = advance(&spec, "b", &late, 40);
    for transition in [&begin, &late, &on_late] {
        assert_eq!(chain.check_next(transition, &specs), Ok(()));
        assert_eq!(insert(&mut chain, transition, &specs), []);
    }
    assert_eq!(chain.state().unwrap().phase, Some(name("c")));

    let early = Transition { origin: origin(2), ..advance(&spec, "a", &begin, 20) };
    let mut changes = insert(&mut chain, &early, &specs);
    changes.sort_by_key(|change| change.transition != late.hash().unwrap());
    let hashes: Vec<_> = changes.iter().map(|change| change.transition).collect();
    assert_eq!(hashes, [late.hash().unwrap(), on_late.hash().unwrap()]);
    assert!(changes.iter().all(|change| change.is_reorganisation() && change.after == TransitionStatus::Lost));
    assert_eq!(chain.state().unwrap().phase, Some(name("b")));
    assert_eq!(insert(&mut chain, &early, &specs), [], "once");
    assert_eq!(insert(&mut chain, &on_late, &specs), []);
    let refusal = chain.check_next(&on_late, &specs).unwrap_err();
    let (named, current) = (late.hash().ok(), early.hash().ok());
    assert_eq!(refusal, TransitionRefusal::OtherPredecessor { named, current });
}

#[test]
fn the_origin_decides_between_equal_clocks() {
    let spec = small();
    let specs = store(&[&spec]);
    let begin = start(&spec, 10);
    let [one, two] = [1, 2].map(|node| Transition { origin: origin(node), ..advance(&spec, "a", &begin, 20) });
    for order in [[&begin, &one, &two], [&begin, &two, &one], [&two, &one, &begin]] {
        let mut chain = ProvisionalChain::new(subject(&spec));
        for transition in order {
            insert(&mut chain, transition, &specs);
        }
        assert_eq!(chain.state().unwrap().head, one.hash().unwrap());
    }
}

#[test]
fn nothing_counts_after_the_end_whatever_its_clock() {
    let spec = small();
    let specs = store(&[&spec]);
    let mut chain = ProvisionalChain::new(subject(&spec));
    let begin = start(&spec, 10);
    let abort = act(&spec, Action::Abort { from: Some(name("a")) }, &begin, 20);
    let after = advance(&spec, "a", &abort, 30);
    for transition in [&begin, &abort] {
        insert(&mut chain, transition, &specs);
    }
    let refusal = chain.check_next(&after, &specs).unwrap_err();
    assert_eq!(refusal, TransitionRefusal::Ended { end: End::Aborted, current: abort.hash().unwrap() });
    assert!(refusal.is_precondition());
    insert(&mut chain, &after, &specs);
    let by_hand = act(&spec, Action::Rewind { from: name("a"), to: name("a") }, &abort, 31);
    insert(&mut chain, &by_hand, &specs);
    assert_eq!(chain.state().unwrap().head, abort.hash().unwrap());
    assert_eq!(chain.status(&after.hash().unwrap()), Some(TransitionStatus::Lost));
}

#[test]
fn what_waits_for_a_spec_counts_when_it_arrives() {
    let spec = small();
    let (mut specs, mut chain) = (SpecStore::default(), ProvisionalChain::new(subject(&spec)));
    let begin = start(&spec, 10);
    let next = advance(&spec, "a", &begin, 20);
    insert(&mut chain, &next, &specs);
    insert(&mut chain, &begin, &specs);
    assert_eq!((chain.state(), chain.waiting_count()), (None, 2));
    assert_eq!(chain.settle_specs(&specs), []);
    specs.add(spec);
    assert_eq!(chain.settle_specs(&specs).len(), 2);
    assert_eq!(chain.settle_specs(&specs), []);
    assert_eq!((chain.state().unwrap().head, chain.waiting_count()), (next.hash().unwrap(), 0));
}

#[test]
fn a_long_chain_in_reverse_is_folded_and_ended_tasks_expire() {
    let spec = small();
    let specs = store(&[&spec]);
    let mut chain = ProvisionalChain::new(subject(&spec));
    let mut transitions = vec![start(&spec, 1)];
    for round in 0..200 {
        let last = transitions.last().unwrap();
        let forth = advance(&spec, "a", last, 10 * round + 10);
        let back = act(&spec, Action::Rewind { from: name("b"), to: name("a") }, &forth, 10 * round + 11);
        transitions.extend([forth, back]);
    }
    for transition in transitions.iter().rev() {
        insert(&mut chain, transition, &specs);
    }
    assert_eq!(chain.state().unwrap().steps, 401);
    let last = transitions.last().unwrap();
    let abort = act(&spec, Action::Abort { from: Some(name("a")) }, last, 5_000);
    insert(&mut chain, &abort, &specs);
    let state = chain.state().unwrap();
    let day = 86_400_000;
    assert!(!state.is_expired(&spec, 4_999 + 30 * day) && state.is_expired(&spec, 5_000 + 30 * day));
}
