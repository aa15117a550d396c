use super::*;
use crate::name::NodeId;

fn origin(name: &str) -> Origin {
    Origin { node: NodeId::new(name).unwrap(), incarnation: 1 }
}

fn memory(wall_ms: u64) -> Value {
    let clock = Clock { wall_ms, counter: 0 };
    let numbers = vec![1.0, 2.0];
    Value::Memories(vec![(clock, numbers)])
}

/// An origin that writes an older memory in place of a newer one is none of ours, and all must agree on it all the same.
#[test]
fn episodic_memory_is_the_latest_of_what_is_held_whatever_was_held_before() {
    let (a, b) = (origin("a"), origin("b"));
    let put = |learned: &mut Learned, origin: &Origin, wall_ms: u64, put: bool| {
        let value = memory(wall_ms);
        learned.change(origin, 0, &value, put);
    };
    let told = || {
        let mut learned = Learned::new(1, 0, 2);
        learned.put_tally(&a, Tally { memories: 1, ..Tally::default() });
        learned
    };
    let mut learned = told();
    put(&mut learned, &b, 5, true);
    put(&mut learned, &a, 10, true);
    learned.settle(None, None);
    put(&mut learned, &a, 10, false);
    put(&mut learned, &a, 1, true);
    learned.settle(None, None);
    let mut anew = told();
    put(&mut anew, &a, 1, true);
    put(&mut anew, &b, 5, true);
    anew.settle(None, None);
    let keys = |learned: &Learned| learned.episodic.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&learned), keys(&anew));
    assert_eq!(keys(&learned).first().map(|(clock, ..)| clock.wall_ms), Some(5));
}
