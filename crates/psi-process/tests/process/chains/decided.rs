//! Chains that a majority decides, and the rules that both kinds of chains follow.

use prost::Message;
use psi_ledger::record::Actor;
use psi_process::{
    Action, Attestation, Baseline, ChainState, DecidedChain, End, Mode, STEPS_MAX, Spec, SpecStore, Subject,
    Transition, TransitionRefusal, Verdict, WorkOrder,
    engine::{check_policy, next_action},
};
use psi_replica::NodeId;

use crate::support::{
    SMALL, act, advance, evidence, in_mode, name, operator, plain, reading, scored, small_by_quorum, start, store,
    subject,
};

/// A chain to which transitions were applied in order.
fn chain(spec: &Spec, specs: &SpecStore, transitions: &[&Transition]) -> DecidedChain {
    let mut chain = DecidedChain::new(subject(spec));
    for (number, transition) in (1..).zip(transitions) {
        assert_eq!(chain.check_next(transition, specs), Ok(()));
        assert_eq!(chain.apply(number, transition, specs), Ok(()));
    }
    chain
}

fn state(chain: &DecidedChain) -> &ChainState {
    chain.state().unwrap()
}

/// A task in phase `a`, and its start.
fn begun() -> (Spec, SpecStore, Transition) {
    let spec = small_by_quorum();
    let specs = store(&[&spec]);
    let begin = start(&spec, 10);
    (spec, specs, begin)
}

/// A task in phase `b`, and how it came there.
fn in_b() -> (Spec, SpecStore, [Transition; 2]) {
    let (spec, specs, begin) = begun();
    let next = advance(&spec, "a", &begin, 20);
    (spec, specs, [begin, next])
}

/// What is said of a transition after others.
fn refusal(after: &[&Transition], transition: &Transition) -> TransitionRefusal {
    let (spec, specs, _) = begun();
    let chain = chain(&spec, &specs, after);
    let refusal = chain.check_next(transition, &specs).unwrap_err();
    assert!(!refusal.to_string().contains('\n'), "{refusal}");
    refusal
}

#[test]
fn a_wrong_predecessor_is_answered_by_the_current_one() {
    let (spec, _, [begin, next]) = in_b();
    let second = advance(&spec, "a", &begin, 30);
    let current = next.hash().ok();
    for (transition, named) in [(&second, begin.hash().ok()), (&begin, None)] {
        let refusal = refusal(&[&begin, &next], transition);
        assert_eq!(refusal, TransitionRefusal::OtherPredecessor { named, current });
        assert!(refusal.is_precondition());
        assert!(refusal.to_string().contains(&next.hash().unwrap().to_string()), "{refusal}");
    }
    let by_hand = act(&spec, Action::Rewind { from: name("b"), to: name("a") }, &begin, 30);
    assert!(refusal(&[&begin, &next], &by_hand).is_precondition(), "manual ones name a predecessor as well");
}

#[test]
fn a_chain_is_kept_without_its_history() {
    let (spec, specs, [begin, next]) = in_b();
    let mut whole = DecidedChain::new(subject(&spec));
    let baseline = Baseline { node: None, work: Some(WorkOrder::default().hash()) };
    let set = Transition { fence: Some(0), ..act(&spec, Action::BaselineSetting(baseline), &next, 30) };
    let abort = act(&spec, Action::Abort { from: Some(name("b")) }, &set, 40);
    let process = DecidedChain::new(Subject::process(spec.name().clone()));
    assert_eq!(DecidedChain::from_bytes(&process.to_bytes()), Ok(process));
    for (number, transition) in (1..).zip([&begin, &next, &set, &abort]) {
        let mut kept = DecidedChain::from_bytes(&whole.to_bytes()).unwrap();
        assert_eq!(kept, whole);
        whole.apply(number, transition, &specs).unwrap();
        kept.apply(number, transition, &specs).unwrap();
        assert_eq!(kept, whole);
    }
    let bytes = whole.to_bytes();
    assert!(bytes.len() < 200, "{}", bytes.len());
    for at in 0..bytes.len() {
        assert_ne!(DecidedChain::from_bytes(&bytes[..at]), Ok(whole.clone()), "cut at {at}");
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert_ne!(DecidedChain::from_bytes(&changed), Ok(whole.clone()), "byte {at}");
        }
    }
    assert!(DecidedChain::from_bytes(&[0; 5_000]).is_err());
    // Numbers that no chain reaches do not overflow.
    let mut message = psi_process::proto::DecidedChain::decode(&*whole.to_bytes()).unwrap();
    let inner = message.state.as_mut().unwrap();
    (message.step, inner.steps, inner.returns, inner.end) = (u64::MAX, u32::MAX, u32::MAX, 0);
    let mut huge = DecidedChain::from_bytes(&message.encode_to_vec()).unwrap();
    let abort = act(&spec, Action::Abort { from: Some(name("b")) }, &abort, 50);
    assert_eq!(huge.apply(u64::MAX, &abort, &specs), Ok(()));
}

#[test]
fn a_thousand_failures_leave_nothing_behind() {
    let (spec, specs, begin) = begun();
    let mut chain = chain(&spec, &specs, &[&begin]);
    let before = chain.to_bytes();
    for round in 0..1_000 {
        let judgements = vec![scored(Verdict::Fail, 1.0)];
        let failed = Transition { judgements, ..advance(&spec, "a", &begin, 20 + round) };
        assert!(chain.check_next(&failed, &specs).is_err());
    }
    assert_eq!(chain.to_bytes(), before);
    // Even thousands that count leave no more than their numbers, and the last can always be an abort.
    let (mut last, mut ms) = (begin, 10_000);
    while state(&chain).steps < STEPS_MAX {
        ms += 1;
        let is_a = state(&chain).phase == Some(name("a"));
        let back = Action::Rewind { from: name("b"), to: name("a") };
        last = if is_a { advance(&spec, "a", &last, ms) } else { act(&spec, back, &last, ms) };
        chain.apply(chain.step() + 1, &last, &specs).unwrap();
    }
    assert!(chain.to_bytes().len() < before.len() + 20, "{} bytes", chain.to_bytes().len());
    let at = state(&chain).phase.clone().unwrap();
    let baseline = Baseline { node: None, work: Some(WorkOrder::default().hash()) };
    let more = act(&spec, Action::BaselineSetting(baseline), &last, ms + 1);
    assert_eq!(chain.check_next(&more, &specs), Err(TransitionRefusal::StepCount));
    let abort = act(&spec, Action::Abort { from: Some(at) }, &last, ms + 1);
    assert_eq!(chain.check_next(&abort, &specs), Ok(()));
}

#[test]
fn tasks_keep_to_what_their_process_says() {
    let spec = small_by_quorum();
    let process = Subject::process(spec.name().clone());
    let specs = store(&[&spec]);
    let mut chain = DecidedChain::new(process.clone());
    let begin = plain(process.clone(), &spec, Action::SpecChange, None, 1);
    chain.apply(1, &begin, &specs).unwrap();
    let to_start = start(&spec, 2);
    let check = |chain: &DecidedChain, transition| check_policy(state(chain), transition);
    assert_eq!(check(&chain, &to_start), Ok(()));
    let watched = in_mode(Mode::Watch, &to_start);
    let (named, current) = (Mode::Watch, Mode::Enforce);
    assert_eq!(check(&chain, &watched), Err(TransitionRefusal::OtherMode { named, current }));
    let named = psi_process::SpecHash::from_bytes([9; 32]);
    let by_another = Transition { spec: named, ..to_start.clone() };
    assert_eq!(check(&chain, &by_another), Err(TransitionRefusal::OtherSpec { named, current: spec.hash() }));
    let end = plain(process, &spec, Action::Abort { from: None }, begin.hash().ok(), 3);
    chain.apply(2, &end, &specs).unwrap();
    assert!(matches!(check(&chain, &to_start), Err(TransitionRefusal::Ended { .. })));
    assert_eq!(check(&chain, &advance(&spec, "a", &to_start, 4)), Ok(()), "tasks that run go on");
}

#[test]
fn what_follows_from_verdicts_depends_on_the_mode() {
    use psi_process::HoldReason::NoData;
    let spec = small_by_quorum();
    let [a, b] = ["a", "b"].map(|phase| spec.phase(&name(phase)).unwrap());
    let on = |from: &str, to: &str| Some(Action::Advance { from: name(from), to: Some(name(to)) });
    let back = Some(Action::Return { from: name("b"), to: name("a") });
    let held = Verdict::Hold(NoData);
    for (phase, verdict, enforced, watched) in [
        (a, Verdict::Pass, on("a", "b"), on("a", "b")),
        (a, Verdict::Fail, None, on("a", "b")),
        (a, held, None, on("a", "b")),
        (b, Verdict::Pass, on("b", "c"), on("b", "c")),
        (b, Verdict::Fail, back, on("b", "c")),
        (b, held, None, on("b", "c")),
    ] {
        assert_eq!(next_action(&spec, phase, verdict, Mode::Enforce), enforced);
        assert_eq!(next_action(&spec, phase, verdict, Mode::Watch), watched);
    }
}

#[test]
fn steps_are_applied_in_order_and_one_that_does_not_fit_is_used_up() {
    let (spec, specs, [begin, next]) = in_b();
    let mut chain = DecidedChain::new(subject(&spec));
    assert_eq!(chain.apply(2, &begin, &specs), Err(TransitionRefusal::StepNumber { named: 2, next: 1 }));
    assert_eq!(chain.apply(1, &begin, &specs), Ok(()));
    assert!(chain.apply(2, &begin, &specs).unwrap_err().is_precondition());
    assert_eq!((chain.step(), state(&chain).head), (2, begin.hash().unwrap()));
    assert_eq!(chain.apply(2, &next, &specs), Err(TransitionRefusal::StepNumber { named: 2, next: 3 }));
    assert_eq!(chain.apply(3, &next, &specs), Ok(()));
    assert_eq!(state(&chain).phase, Some(name("b")));
}

#[test]
fn a_step_waits_for_its_spec() {
    let (spec, specs, begin) = begun();
    let mut chain = DecidedChain::new(subject(&spec));
    let refusal = chain.apply(1, &begin, &SpecStore::default()).unwrap_err();
    assert!(refusal.is_temporary(), "{refusal}");
    assert_eq!((chain.step(), chain.apply(1, &begin, &specs)), (0, Ok(())));
}

#[test]
fn a_task_goes_through_its_phases_back_and_to_its_end() {
    let (spec, specs, [begin, next]) = in_b();
    let to_a = Action::Return { from: name("b"), to: name("a") };
    let back = Transition { judgements: vec![scored(Verdict::Fail, 3.0)], ..act(&spec, to_a, &next, 30) };
    let again = advance(&spec, "a", &back, 40);
    let on = advance(&spec, "b", &again, 50);
    let done = advance(&spec, "c", &on, 60);
    let chain = chain(&spec, &specs, &[&begin, &next, &back, &again, &on, &done]);
    let state = state(&chain);
    assert_eq!((state.end, state.steps, state.returns), (Some(End::Done), 6, 1));
    assert_eq!(state.phase, Some(name("c")));
    let more = act(&spec, Action::Rewind { from: name("c"), to: name("a") }, &done, 70);
    let refusal = chain.check_next(&more, &specs).unwrap_err();
    assert_eq!(refusal, TransitionRefusal::Ended { end: End::Done, current: done.hash().unwrap() });
}

#[test]
fn only_pass_advances() {
    use psi_process::HoldReason::NoData;
    let (spec, specs, begin) = begun();
    let pass = advance(&spec, "a", &begin, 20);
    for verdict in [Verdict::Fail, Verdict::Hold(NoData)] {
        let judgements = vec![scored(verdict, 5.0)];
        let not = Transition { judgements: judgements.clone(), ..pass.clone() };
        assert_eq!(refusal(&[&begin], &not), TransitionRefusal::NotPassed(judgements));
        let watched = in_mode(Mode::Watch, &not);
        assert_eq!(chain(&spec, &specs, &[&begin, &watched]).state().unwrap().phase, Some(name("b")), "watch");
        let forced = Transition { is_forced: true, reason: "rollout of a fix".to_owned(), ..not.clone() };
        assert_eq!(refusal(&[&begin], &forced), TransitionRefusal::ForcedByNode);
        let forced = Transition { actor: operator(), ..forced };
        assert_eq!(chain(&spec, &specs, &[&begin, &forced]).state().unwrap().phase, Some(name("b")), "forced");
        let no_reason = Transition { reason: String::new(), ..forced };
        assert!(matches!(refusal(&[&begin], &no_reason), TransitionRefusal::Encoding(_)));
    }
    let unjudged = Transition { judgements: Vec::new(), ..pass };
    for unjudged in [in_mode(Mode::Watch, &unjudged), unjudged] {
        assert_eq!(refusal(&[&begin], &unjudged), TransitionRefusal::MissingJudgements(vec![name("score")]));
    }
}

#[test]
fn a_pass_without_the_numbers_for_it_does_not_count() {
    let (spec, _, begin) = begun();
    let pass = advance(&spec, "a", &begin, 20);
    let low = Transition { judgements: vec![scored(Verdict::Pass, 4.9)], ..pass.clone() };
    let mut other = scored(Verdict::Pass, 9.0);
    other.readings = vec![reading("scores", 9.0)];
    let unread = Transition { judgements: vec![other], ..pass.clone() };
    let unnamed = Transition { evidence: vec![evidence("reports", b"5")], ..pass.clone() };
    for (transition, words) in [(low, "score is 4.9"), (unread, "no reading of score"), (unnamed, "not name report")] {
        for transition in [in_mode(Mode::Watch, &transition), transition] {
            let refusal = refusal(&[&begin], &transition);
            assert!(matches!(refusal, TransitionRefusal::Unsupported { .. }), "{refusal}");
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
    }
    let mut stranger = scored(Verdict::Pass, 9.0);
    stranger.gate = name("other");
    let judgements = vec![stranger, scored(Verdict::Pass, 9.0)];
    assert_eq!(refusal(&[&begin], &Transition { judgements, ..pass }), TransitionRefusal::UnknownGate(name("other")));
}

#[test]
fn phases_are_left_for_the_next_and_for_where_the_spec_says() {
    let (spec, _, [begin, next]) = in_b();
    let go = |action| act(&spec, action, &next, 30);
    let (a, b, c) = (name("a"), name("b"), name("c"));
    let failed = |action| Transition { judgements: vec![scored(Verdict::Fail, 1.0)], ..go(action) };
    let destination = |named, allowed| TransitionRefusal::Destination { named, allowed };
    for (transition, want) in [
        (
            go(Action::Advance { from: a.clone(), to: Some(b.clone()) }),
            TransitionRefusal::OtherPhase { named: a.clone(), current: b.clone() },
        ),
        (go(Action::Advance { from: b.clone(), to: None }), destination(None, Some(c.clone()))),
        (failed(Action::Return { from: b.clone(), to: c.clone() }), destination(Some(c.clone()), Some(a.clone()))),
        (go(Action::Return { from: b.clone(), to: a.clone() }), TransitionRefusal::NothingFailed),
        (go(Action::Rewind { from: b.clone(), to: c.clone() }), destination(Some(c), None)),
        (go(Action::Rewind { from: b.clone(), to: b.clone() }), destination(Some(b), None)),
    ] {
        assert_eq!(refusal(&[&begin, &next], &transition), want);
    }
    for action in [Action::Switch, Action::Start { to: a }, Action::Abort { from: None }] {
        assert!(matches!(refusal(&[&begin, &next], &go(action)), TransitionRefusal::Action { .. }));
    }
}

#[test]
fn a_task_starts_in_the_first_phase_and_a_process_with_a_spec() {
    let (spec, specs, _) = begun();
    let at_b = plain(subject(&spec), &spec, Action::Start { to: name("b") }, None, 1);
    assert!(matches!(refusal(&[], &at_b), TransitionRefusal::Destination { .. }));
    let aborted = plain(subject(&spec), &spec, Action::Abort { from: Some(name("a")) }, None, 1);
    assert!(matches!(refusal(&[], &aborted), TransitionRefusal::Action { .. }));
    let process = Subject::process(spec.name().clone());
    let switch = plain(process.clone(), &spec, Action::Switch, None, 1);
    let chain = DecidedChain::new(process);
    assert!(matches!(chain.check_next(&switch, &specs), Err(TransitionRefusal::Action { .. })));
    let elsewhere = start(&spec, 1);
    assert!(matches!(chain.check_next(&elsewhere, &specs), Err(TransitionRefusal::OtherSubject { .. })));
}

#[test]
fn a_process_watches_before_it_enforces() {
    let spec = Spec::parse(&SMALL.replace("\"enforce\"", "\"watch\"").replace("\"fold\"", "\"quorum\"")).unwrap();
    let process = Subject::process(spec.name().clone());
    let specs = store(&[&spec]);
    let mut chain = DecidedChain::new(process.clone());
    let begin = plain(process.clone(), &spec, Action::SpecChange, None, 1);
    assert!(matches!(
        chain.check_next(&in_mode(Mode::Enforce, &begin), &specs),
        Err(TransitionRefusal::OtherMode { .. })
    ));
    chain.apply(1, &begin, &specs).unwrap();
    assert_eq!(state(&chain).mode, Mode::Watch);
    let switch =
        |mode, after: &Transition| in_mode(mode, &plain(process.clone(), &spec, Action::Switch, after.hash().ok(), 2));
    let same = switch(Mode::Watch, &begin);
    assert_eq!(chain.check_next(&same, &specs), Err(TransitionRefusal::SameMode(Mode::Watch)));
    let enforce = switch(Mode::Enforce, &begin);
    chain.apply(2, &enforce, &specs).unwrap();
    assert_eq!(state(&chain).mode, Mode::Enforce);
    // In an emergency it is switched back.
    chain.apply(3, &switch(Mode::Watch, &enforce), &specs).unwrap();
    assert_eq!(state(&chain).mode, Mode::Watch);
}

#[test]
fn a_spec_changes_by_a_transition_and_tasks_keep_theirs_until_they_are_moved() {
    let (old, _, [begin, next]) = in_b();
    let text = SMALL.replace("\"fold\"", "\"quorum\"");
    let new = Spec::parse(&text.replace("score >= 5", "score >= 7")).unwrap();
    let without_b = Spec::parse(&text.replace("\"b\"", "\"bb\"")).unwrap();
    let (fold, other) = (Spec::parse(SMALL).unwrap(), Spec::parse(&text.replace("small", "large")).unwrap());
    let specs = store(&[&old, &new, &without_b, &fold, &other]);
    let mut task = DecidedChain::new(subject(&old));
    task.apply(1, &begin, &specs).unwrap();
    task.apply(2, &next, &specs).unwrap();
    let by_new = Transition { spec: new.hash(), ..advance(&old, "b", &next, 30) };
    let refusal = task.check_next(&by_new, &specs).unwrap_err();
    assert_eq!(refusal, TransitionRefusal::OtherSpec { named: new.hash(), current: old.hash() });
    let moved = |spec: &Spec| Transition { spec: spec.hash(), ..act(&old, Action::SpecChange, &next, 40) };
    for (spec, words) in [(&without_b, "does not have"), (&fold, "decides by fold"), (&other, "process `large`")] {
        let refusal = task.check_next(&moved(spec), &specs).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
    let change = moved(&new);
    task.apply(3, &change, &specs).unwrap();
    assert_eq!((state(&task).spec, state(&task).phase.clone()), (new.hash(), Some(name("b"))));
    let five = advance(&new, "b", &change, 50);
    assert!(matches!(task.check_next(&five, &specs), Err(TransitionRefusal::Unsupported { .. })));
}

#[test]
fn work_needs_a_lease_and_lost_leases_are_refused() {
    let text = format!("{}\n[lease]\nseconds = 300\nrenewals_max = 10\n", SMALL.replace("\"fold\"", "\"quorum\""));
    let spec = Spec::parse(&text).unwrap();
    let specs = store(&[&spec]);
    let begin = start(&spec, 10);
    let mut task = DecidedChain::new(subject(&spec));
    task.apply(1, &begin, &specs).unwrap();
    let to_b = advance(&spec, "a", &begin, 20);
    assert_eq!(task.check_next(&to_b, &specs), Err(TransitionRefusal::MissingFence));
    let to_b = Transition { fence: Some(7), ..to_b };
    task.apply(2, &to_b, &specs).unwrap();
    let to_c = advance(&spec, "b", &to_b, 30);
    let stale = Transition { fence: Some(6), ..to_c.clone() };
    let refusal = task.check_next(&stale, &specs);
    assert_eq!(refusal, Err(TransitionRefusal::StaleFence { named: 6, current: 7 }));
    for fence in [7, 8] {
        assert_eq!(task.check_next(&Transition { fence: Some(fence), ..to_c.clone() }, &specs), Ok(()));
    }
    let abort = act(&spec, Action::Abort { from: Some(name("b")) }, &to_b, 40);
    assert_eq!(task.check_next(&abort, &specs), Ok(()), "people abort without a lease");
}

#[test]
fn drifted_work_is_blocked_from_high_severity_on() {
    let (spec, specs, begin) = begun();
    let order = WorkOrder { requirements: "as asked".to_owned(), ..WorkOrder::default() };
    let baseline = Baseline { node: None, work: Some(order.hash()) };
    let set = act(&spec, Action::BaselineSetting(baseline), &begin, 11);
    let other = WorkOrder { persona: "another".to_owned(), ..order.clone() };
    let attests = |order: &WorkOrder, transition: Transition| {
        let attestation = Some(Attestation { node: None, work: Some(order.hash()) });
        Transition { attestation, ..transition }
    };
    let to_b = attests(&other, advance(&spec, "a", &set, 20));
    let to_c = advance(&spec, "b", &to_b, 30);
    let before = [&begin, &set, &to_b];
    assert_eq!(chain(&spec, &specs, &before).state().unwrap().phase, Some(name("b")), "medium only warns");
    let drifted = attests(&other, to_c.clone());
    let shown = refusal(&before, &drifted).to_string();
    assert!(shown.contains("drift of high severity: work is") && shown.contains("force it"), "{shown}");
    let shown = refusal(&before, &to_c).to_string();
    assert!(shown.contains("was not attested"), "{shown}");
    let chain = chain(&spec, &specs, &before);
    for passes in [
        attests(&order, to_c),
        in_mode(Mode::Watch, &drifted),
        Transition { is_forced: true, reason: "known".to_owned(), actor: Actor::Anyone, ..drifted.clone() },
    ] {
        assert_eq!(chain.check_next(&passes, &specs), Ok(()));
    }
    let by_node = Actor::Node(NodeId::new("n1").unwrap());
    let forced = Transition { is_forced: true, reason: "known".to_owned(), actor: by_node, ..drifted };
    assert_eq!(chain.check_next(&forced, &specs), Err(TransitionRefusal::ForcedByNode));
}
