//! Tests of what is folded of engine `core`.

use psi_replica::{Clock, NodeId, Origin};

use super::{
    ended::{EndedValue, Learner},
    fold::CoreFold,
    values::{CoreValue, Tally},
};
use crate::component::Direction;

fn origin(name: &str) -> Origin {
    Origin { node: NodeId::new(name).unwrap(), incarnation: 1 }
}

fn memory(wall_ms: u64) -> CoreValue {
    let clock = Clock { wall_ms, counter: 0 };
    let numbers = vec![1.0, 2.0];
    CoreValue::Memories(vec![(clock, numbers)])
}

/// An origin that writes an older memory in place of a newer one is none of ours, and all must agree on it all the same.
#[test]
fn episodic_memory_is_the_latest_of_what_is_held_whatever_was_held_before() {
    let (a, b) = (origin("a"), origin("b"));
    let put = |fold: &mut CoreFold, origin: &Origin, wall_ms: u64, direction: Direction| {
        fold.change(origin, 0, &memory(wall_ms), direction);
    };
    let empty = || {
        let mut fold = CoreFold::new(1, 0, 2);
        fold.put_tally(&a, Tally { memories: 1, ..Tally::default() });
        fold
    };
    let mut fold = empty();
    put(&mut fold, &b, 5, Direction::Put);
    put(&mut fold, &a, 10, Direction::Put);
    fold.settle(None, None);
    put(&mut fold, &a, 10, Direction::Remove);
    put(&mut fold, &a, 1, Direction::Put);
    fold.settle(None, None);
    let mut fresh = empty();
    put(&mut fresh, &a, 1, Direction::Put);
    put(&mut fresh, &b, 5, Direction::Put);
    fresh.settle(None, None);
    let keys = |fold: &CoreFold| fold.episodic_places().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&fold), keys(&fresh));
    assert_eq!(keys(&fold).first().map(|(clock, ..)| clock.wall_ms), Some(5));
}

/// An origin goes on from its own transition until another's changes. One that ends and stands in the base is none.
#[test]
fn nothing_was_learned_when_an_origin_ends() {
    let (a, base) = (origin("a"), Origin::base());
    let mut fold = CoreFold::new(1, 0, 2);
    let theta = CoreValue::Theta(vec![5; 4]);
    fold.change(&a, 0, &theta, Direction::Put);
    let before = fold.others_changes();
    let learner = Learner { author: a.clone(), updates: 1, recent: vec![(9, 1)] };
    let ended = [EndedValue::Learner(learner), EndedValue::Theta { author: a.clone(), numbers: vec![5; 4] }];
    fold.change(&a, 0, &theta, Direction::Remove);
    for value in ended.map(CoreValue::Ended) {
        fold.change(&base, 0, &value, Direction::Put);
    }
    fold.settle(Some(9), None);
    assert_eq!((fold.others_changes(), fold.transition().numbers()), (before, &[5.0 / (1_u64 << 48) as f64; 4][..]));
    fold.change(&a, 0, &theta, Direction::Put);
    assert_ne!(fold.others_changes(), before);
}

#[test]
fn of_an_origin_that_went_no_transition_is_kept() {
    let mut fold = CoreFold::new(1, 0, 2);
    for direction in [Direction::Put, Direction::Remove] {
        for value in [CoreValue::Theta(vec![5; 4]), CoreValue::Tally(Tally { updates: 3, ..Tally::default() })] {
            fold.change(&origin("gone"), 0, &value, direction);
        }
        fold.change_bucket(&origin("gone"), 9, 2, direction);
        fold.settle(Some(9), None);
        fold.transition();
    }
    let held = format!("{:?}", fold.transitions());
    assert!(!held.contains("gone"), "{held}");
}
