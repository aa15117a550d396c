//! Tasks that share a bucket: each goes its own way, and what ended leaves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use psi_process::{
    Action, Baseline, DecidedChain, Spec, SpecStore, Subject, TaskBucket, TaskName, Transition, TransitionRefusal,
    WorkOrder, engine::BUCKET_BYTES_MAX,
};

use crate::support::{act, advance, name, plain, small_by_quorum, start, store};

/// What ended tasks of the small process are kept for.
const RETAIN_MS: u64 = 30 * 24 * 3_600_000;

fn task(number: usize) -> Subject {
    Subject::task(name("small"), TaskName::new(&format!("T-{number}")).unwrap())
}

fn of(subject: &Subject, transition: Transition) -> Transition {
    Transition { subject: subject.clone(), ..transition }
}

fn small() -> (Spec, SpecStore) {
    let spec = small_by_quorum();
    let specs = store(&[&spec]);
    (spec, specs)
}

fn begin(spec: &Spec, number: usize, ms: u64) -> Transition {
    of(&task(number), start(spec, ms))
}

fn end(spec: &Spec, after: &Transition, ms: u64) -> Transition {
    of(&after.subject, act(spec, Action::Abort { from: Some(name("a")) }, after, ms))
}

#[test]
fn a_task_has_one_bucket_and_a_process_has_none() {
    let numbers: BTreeSet<_> = (0..2_000).filter_map(|number| TaskBucket::number_of(&task(number))).collect();
    assert_eq!(numbers.len(), usize::from(TaskBucket::COUNT), "all are used, and no others");
    assert_eq!(numbers.last(), Some(&(TaskBucket::COUNT - 1)));
    assert_eq!(TaskBucket::number_of(&Subject::process(name("small"))), None);
    // Nodes of all versions must agree on it. SHA-256 of `psi-field v1 task: small/T-1` begins with b0 80, by sha256sum.
    assert_eq!(TaskBucket::number_of(&task(1)), Some(0x80b0 % TaskBucket::COUNT));
}

#[test]
fn a_bucket_is_read_as_it_was_written_and_no_other_bytes_are_one() {
    let (spec, specs) = small();
    let mut bucket = TaskBucket::default();
    assert_eq!(TaskBucket::from_bytes(&[]), Ok(TaskBucket::default()));
    for number in 0..4 {
        let begun = begin(&spec, number, 10);
        bucket = bucket.follow(&begun, &specs).unwrap();
        if number % 2 == 0 {
            bucket = bucket.follow(&end(&spec, &begun, 20), &specs).unwrap();
        }
    }
    let bytes = bucket.to_bytes();
    assert_eq!(TaskBucket::from_bytes(&bytes), Ok(bucket.clone()));
    for at in 0..bytes.len() {
        assert_ne!(TaskBucket::from_bytes(&bytes[..at]), Ok(bucket.clone()), "cut at {at}");
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert_ne!(TaskBucket::from_bytes(&changed), Ok(bucket.clone()), "byte {at}");
        }
    }
    assert!(TaskBucket::from_bytes(&[0; BUCKET_BYTES_MAX + 1]).is_err());
}

#[test]
fn an_ended_task_is_kept_for_its_time_and_then_its_name_is_free() {
    let (spec, specs) = small();
    assert_eq!(spec.retain_ms(), RETAIN_MS);
    let begun = begin(&spec, 1, 10);
    let ended = end(&spec, &begun, 20);
    let bucket = TaskBucket::default().follow(&begun, &specs).unwrap().follow(&ended, &specs).unwrap();
    let again = |ms| bucket.follow(&begin(&spec, 1, ms), &specs);
    assert!(matches!(again(20 + RETAIN_MS - 1), Err(TransitionRefusal::Ended { .. })));
    assert_eq!(bucket.chain(&task(1), 20 + RETAIN_MS - 1).step(), 2);
    assert_eq!(bucket.chain(&task(1), 20 + RETAIN_MS).step(), 0, "as if nobody had started it");
    assert_eq!(again(20 + RETAIN_MS).unwrap().chain(&task(1), 20 + RETAIN_MS).step(), 1);
    // What followed before its end does not follow now.
    let late = of(&task(1), advance(&spec, "a", &begun, 20 + RETAIN_MS));
    assert!(bucket.follow(&late, &specs).unwrap_err().is_precondition());
}

#[test]
fn tasks_that_go_on_have_places_of_their_own() {
    let (spec, specs) = small();
    let begun: Vec<_> = (0..3).map(|number| begin(&spec, number, 10)).collect();
    let bucket = begun.iter().fold(TaskBucket::default(), |bucket, begun| bucket.follow(begun, &specs).unwrap());
    let place = |bucket: &TaskBucket, number| bucket.place(&task(number));
    assert_eq!([0, 1, 2, 3].map(|number| place(&bucket, number)), [Some(0), Some(1), Some(2), None]);
    let bucket = bucket.follow(&end(&spec, &begun[1], 20), &specs).unwrap();
    let bucket = bucket.follow(&begin(&spec, 9, 30), &specs).unwrap();
    assert_eq!([0, 1, 2, 9].map(|number| place(&bucket, number)), [Some(0), None, Some(2), Some(1)]);
    let bucket = bucket.follow(&of(&task(2), advance(&spec, "a", &begun[2], 40)), &specs).unwrap();
    assert_eq!(place(&bucket, 2), Some(2), "it keeps its place");
}

#[test]
fn ten_thousand_tasks_that_ended_leave_no_more_than_a_bucket() {
    let (spec, specs) = small();
    let work = Baseline { node: None, work: Some(WorkOrder::default().hash()) };
    let live = begin(&spec, 1, 1);
    let mut bucket = TaskBucket::default().follow(&live, &specs).unwrap();
    let mut kept = 0;
    for number in 2..10_002 {
        let begun = begin(&spec, number, 10 + number as u64);
        let set =
            of(&begun.subject, act(&spec, Action::BaselineSetting(work.clone()), &begun, begun.clock.wall_ms + 1));
        for transition in [&begun, &set, &end(&spec, &set, begun.clock.wall_ms + 2)] {
            let next = bucket.follow(transition, &specs).unwrap();
            assert_eq!(next.newest_since(&bucket), transition.hash().ok());
            bucket = next;
        }
        kept = bucket.chains(0).count();
        assert!(bucket.to_bytes().len() <= BUCKET_BYTES_MAX);
        let chain = bucket.chain(&begun.subject, 0);
        assert!(chain.state().unwrap().end.is_some_and(|_| chain.state().unwrap().baseline.is_none()), "{chain:?}");
    }
    assert!((20..40).contains(&kept), "{kept} are kept: room is used");
    assert_eq!(bucket.chain(&task(1), 0).step(), 1, "what goes on stays");
}

#[test]
fn a_bucket_that_is_full_of_what_goes_on_takes_no_more_and_says_so() {
    let (spec, specs) = small();
    let mut bucket = TaskBucket::default();
    let full = (0..100).find_map(|number| match bucket.follow(&begin(&spec, number, 10), &specs) {
        Ok(next) => {
            bucket = next;
            None
        }
        Err(refusal) => Some((number, refusal)),
    });
    let (number, refusal) = full.unwrap();
    assert!(number > 20, "{number} tasks");
    assert!(matches!(refusal, TransitionRefusal::FullBucket { tasks, .. } if tasks == number + 1), "{refusal}");
    assert!(!refusal.is_temporary() && !refusal.is_precondition());
}

/// What callers do with tasks of a bucket, as numbers: which task, what, and how much later.
fn acts() -> impl Strategy<Value = Vec<(usize, u8, u64)>> {
    prop::collection::vec((0..5_usize, 0..4_u8, prop_oneof![Just(1), Just(RETAIN_MS / 3), Just(RETAIN_MS)]), 1..60)
}

/// Each task as if it had a register of its own, by the words of the rules: who knows only this task.
#[derive(Default)]
struct LoneTask {
    chain: Option<DecidedChain>,
    last: Option<Transition>,
    ended_ms: Option<u64>,
}

proptest! {
    #[test]
    fn tasks_of_a_bucket_do_not_know_of_each_other(acts in acts()) {
        let (spec, specs) = small();
        let (mut bucket, mut now_ms) = (TaskBucket::default(), 1);
        let mut lone: BTreeMap<usize, LoneTask> = BTreeMap::new();
        for (number, kind, later) in acts {
            now_ms += later;
            let own = lone.entry(number).or_default();
            if own.ended_ms.is_some_and(|ended| ended + RETAIN_MS <= now_ms) {
                *own = LoneTask::default();
            }
            let subject = task(number);
            let transition = match (&own.last, kind) {
                (Some(last), 0) => of(&subject, advance(&spec, "a", last, now_ms)),
                (Some(last), 1) => of(&subject, act(&spec, Action::Abort { from: Some(name("a")) }, last, now_ms)),
                (Some(last), 2) => {
                    let work = Baseline { node: None, work: Some(WorkOrder::default().hash()) };
                    plain(subject.clone(), &spec, Action::BaselineSetting(work), last.hash().ok(), now_ms)
                }
                _ => begin(&spec, number, now_ms),
            };
            let chain = own.chain.get_or_insert_with(|| DecidedChain::new(subject.clone()));
            let wanted = chain.check_next(&transition, &specs);
            let followed = bucket.follow(&transition, &specs);
            prop_assert_eq!(followed.as_ref().map(drop), wanted.as_ref().map(drop));
            if let Ok(next) = followed {
                chain.apply(chain.step() + 1, &transition, &specs).unwrap();
                prop_assert_eq!(next.newest_since(&bucket), transition.hash().ok());
                bucket = next;
                let has_ended = chain.state().unwrap().end.is_some();
                own.ended_ms = has_ended.then_some(now_ms);
                own.last = Some(transition);
            }
            for (other, own) in &lone {
                let is_kept = own.ended_ms.is_none_or(|ended| ended + RETAIN_MS > now_ms);
                let wanted = own.chain.as_ref().filter(|_| is_kept).map_or(0, DecidedChain::step);
                prop_assert_eq!(bucket.chain(&task(*other), now_ms).step(), wanted);
            }
            prop_assert_eq!(&TaskBucket::from_bytes(&bucket.to_bytes()).unwrap(), &bucket);
        }
    }
}
