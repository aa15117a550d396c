//! When a head takes the place of another: only if it was shown to go on from it.

use psi_ledger::{
    Continuation, Replacement, SignedHead,
    head::UnprovenCause,
    record::Kind,
    tree::{ProofRefusal, prove_consistency},
};

use crate::support::{TestRun, key, log, operator, range_of};

fn run(records: u64) -> TestRun {
    let mut run = TestRun::begin(log("n1", 100), key(1), None, None);
    for number in 1..records {
        run.append(Kind::FieldReset, operator(), number.to_string().into_bytes());
    }
    run
}

/// The run of a node that wrote another history from a record on.
fn rewritten(records: u64, from: u64) -> TestRun {
    let mut run = run(from);
    for number in from..records {
        run.append(Kind::FieldRemoval, operator(), number.to_string().into_bytes());
    }
    run
}

fn cause(replacement: Replacement) -> UnprovenCause {
    match replacement {
        Replacement::Unproven(cause) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_head_is_replaced_by_one_that_goes_on_from_it() {
    let run = run(40);
    for held in 1..40 {
        for shown in held + 1..=40 {
            let (old, new) = (run.head_of(held), run.head_of(shown));
            let hashes = run.hashes();
            let proof = prove_consistency(hashes.as_slice(), held as u64, shown as u64).unwrap();
            assert_eq!(old.replacement(&new, Continuation::Proof(&proof)), Replacement::Extended);
            let (before, leaves) = (range_of(&hashes[..held]), &hashes[held..shown]);
            assert_eq!(old.replacement(&new, Continuation::Leaves(&before, leaves)), Replacement::Extended);
            assert_eq!(cause(old.replacement(&new, Continuation::None)), UnprovenCause::NoProof);
        }
    }
}

#[test]
fn a_rewritten_history_never_replaces_what_is_held() {
    let run = run(20);
    for from in 1..10 {
        let other = rewritten(20, from);
        let (hashes, others) = (run.hashes(), other.hashes());
        for held in usize::try_from(from).unwrap() + 1..20 {
            let (old, new) = (run.head_of(held), other.head());
            // Its own proof, a proof of the true history, its leaves, and the true leaves.
            for source in [&others, &hashes] {
                let proof = prove_consistency(source.as_slice(), held as u64, 20).unwrap();
                let refusal = UnprovenCause::Proof(ProofRefusal::Root { size: 20 });
                assert_eq!(cause(old.replacement(&new, Continuation::Proof(&proof))), refusal);
                let (before, leaves) = (range_of(&hashes[..held]), &source[held..]);
                let refused = cause(old.replacement(&new, Continuation::Leaves(&before, leaves)));
                assert_eq!(refused, UnprovenCause::OtherLeaves);
            }
            let (before, leaves) = (range_of(&others[..held]), &others[held..]);
            let (got, want) = (held as u64, held as u64);
            let refused = cause(old.replacement(&new, Continuation::Leaves(&before, leaves)));
            assert_eq!(refused, UnprovenCause::OtherRange { got, want });
        }
    }
}

#[test]
fn heads_that_can_not_both_be_true_are_told_apart() {
    let (run, other) = (run(5), rewritten(5, 3));
    let late = |run: &TestRun, size| {
        let mut head = run.head_of(size).head().clone();
        head.clock.wall_ms += 1;
        SignedHead::sign(head, &run.key)
    };
    let mut copied = rewritten(6, 3);
    copied.key = key(2);
    let elsewhere = TestRun::begin(log("n1", 101), key(1), None, None);
    let held = run.head();
    for (shown, want) in [
        (held.clone(), Replacement::Same),
        (late(&run, 5), Replacement::Same),
        (other.head(), Replacement::Fork),
        (run.head_of(4), Replacement::Smaller),
        (other.head_of(4), Replacement::Smaller),
        (copied.head(), Replacement::OtherKey),
        (elsewhere.head(), Replacement::OtherLog),
    ] {
        assert_eq!(held.replacement(&shown, Continuation::None), want);
    }
}

#[test]
fn leaves_that_do_not_reach_from_head_to_head_prove_nothing() {
    let run = run(9);
    let hashes = run.hashes();
    let (old, new) = (run.head_of(4), run.head());
    let by = |range: usize, leaves| {
        let range = range_of(&hashes[..range]);
        cause(old.replacement(&new, Continuation::Leaves(&range, leaves)))
    };
    assert_eq!(by(4, &hashes[4..8]), UnprovenCause::LeafCount { got: 4, want: 5 });
    assert_eq!(by(5, &hashes[5..9]), UnprovenCause::OtherRange { got: 5, want: 4 });
    assert_eq!(by(0, &hashes[..9]), UnprovenCause::OtherRange { got: 0, want: 4 });
}
