//! What became of a transition while others were decided, as far as a register and a history can say.

use psi_process::{
    Action, DecidedChain, Spec, SpecStore, TaskBucket, Transition, TransitionHash,
    engine::{Fate, ProposedStep, hidden_steps},
};

use crate::support::{act, advance, name, small_by_quorum, start, store, subject};

fn chain(spec: &Spec, specs: &SpecStore, transitions: &[&Transition]) -> DecidedChain {
    let mut chain = DecidedChain::new(subject(spec));
    for transition in transitions {
        chain.apply(chain.step() + 1, transition, specs).unwrap();
    }
    chain
}

/// The fate of the last of `own`, where `decided` is what the register has of its task.
fn fate(own: &[&Transition], decided: &[&Transition], is_cut: bool, hidden: u64) -> Fate {
    let spec = small_by_quorum();
    let specs = store(&[&spec]);
    let (led_to, current) = (chain(&spec, &specs, own), chain(&spec, &specs, decided));
    let transition = own.last().unwrap();
    let step = ProposedStep { transition, head: transition.hash().unwrap(), led_to: &led_to };
    let count = step.history_count(&current);
    let history = decided.iter().rev().take(if is_cut { 1 } else { count });
    let history: Vec<TransitionHash> = history.map(|transition| transition.hash().unwrap()).collect();
    step.fate(&current, &history, hidden)
}

#[test]
fn the_history_says_what_was_decided_and_what_was_not() {
    let spec = small_by_quorum();
    let begin = start(&spec, 10);
    let one = advance(&spec, "a", &begin, 20);
    let two = advance(&spec, "a", &begin, 21);
    let (after_one, after_two) = (advance(&spec, "b", &one, 30), advance(&spec, "b", &two, 30));
    for (decided, is_cut, wanted) in [
        (&[&begin, &one][..], false, Fate::Decided),
        (&[&begin, &one, &after_one], false, Fate::Decided),
        (&[&begin, &two], false, Fate::Rejected),
        (&[&begin, &two, &after_two], false, Fate::Rejected),
        (&[&begin], false, Fate::Rejected),
        // What can't be fetched may be either.
        (&[&begin, &one, &after_one], true, Fate::Unknown),
        (&[&begin, &two, &after_two], true, Fate::Unknown),
    ] {
        assert_eq!(fate(&[&begin, &one], decided, is_cut, 0), wanted, "{} steps, cut: {is_cut}", decided.len());
    }
    // Whatever left the bucket was not of this task: it goes on.
    assert_eq!(fate(&[&begin, &one], &[&begin, &two], false, 9), Fate::Rejected);
    assert_eq!(fate(&[&begin, &one], &[&begin], false, 9), Fate::Rejected);
}

#[test]
fn a_task_that_may_have_ended_and_left_is_not_started_again() {
    let spec = small_by_quorum();
    let begin = start(&spec, 10);
    let end = act(&spec, Action::Abort { from: Some(name("a")) }, &begin, 20);
    let again = start(&spec, 30);
    for (own, decided, hidden, wanted) in [
        (&[&begin][..], &[][..], 0, Fate::Rejected),
        (&[&begin], &[], 1, Fate::Rejected),
        (&[&begin], &[], 2, Fate::Unknown),
        (&[&begin], &[&again], 1, Fate::Rejected),
        (&[&begin], &[&again], 2, Fate::Unknown),
        // An end needs no further step.
        (&[&begin, &end], &[], 0, Fate::Rejected),
        (&[&begin, &end], &[], 1, Fate::Unknown),
        (&[&begin, &end], &[&again], 1, Fate::Unknown),
    ] {
        let (own_count, count) = (own.len(), decided.len());
        assert_eq!(fate(own, decided, false, hidden), wanted, "{own_count} own, {count} decided, {hidden} hidden");
    }
}

#[test]
fn steps_of_what_left_a_bucket_are_hidden() {
    let spec = small_by_quorum();
    let specs = store(&[&spec]);
    let begin = start(&spec, 10);
    let end = act(&spec, Action::Abort { from: Some(name("a")) }, &begin, 20);
    let late = start(&spec, 20 + spec.retain_ms());
    let none = TaskBucket::default();
    let begun = none.follow(&begin, &specs).unwrap();
    let ended = begun.follow(&end, &specs).unwrap();
    let again = ended.follow(&late, &specs).unwrap();
    for (before, after, passed, hidden) in [
        (&none, &begun, 1, 0),
        (&none, &ended, 2, 0),
        (&begun, &ended, 1, 0),
        (&none, &again, 3, 2),
        (&ended, &again, 1, 0),
    ] {
        let (before, after): (Vec<_>, Vec<_>) = (before.chains(0).collect(), after.chains(0).collect());
        assert_eq!(hidden_steps(&before, &after, passed), hidden, "{before:?} to {after:?}");
    }
}
