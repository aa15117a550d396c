//! The specs in `examples/processes`, walked through from the first phase to the end.

use std::collections::BTreeMap;

use psi_ledger::record::Evidence;
use psi_process::{
    Action, Attestation, Baseline, BaselineState, DecidedChain, Decision, End, Facts, HoldReason, Judgement, Mode,
    Name, NodeAttestation, ProvisionalChain, SettingsHash, Spec, SpecStore, Subject, TaskName, Transition,
    TransitionRefusal, Verdict, WorkOrder,
    engine::next_action,
    judge::{EvidenceFacts, ExternalJudgement, FieldFacts, ProcessFacts, judge_phase},
};
use psi_replica::{FieldName, NodeId};

use crate::{
    statements::{envelope, statement},
    support::{act, name, plain, reading, store, subject, task},
};

const NINE_PHASES: &str = include_str!("../../../../examples/processes/nine-phases.toml");
/// What `examples/python/sign_statement.py` signs; its `--check` compares.
const REVIEW: &str = include_str!("../../../../examples/processes/review.json");
const RELEASE: &str = include_str!("../../../../examples/processes/release.toml");

const GOOD: &str = "{\"tests_run\":412,\"tests_failed\":0,\"build_passed\":true,\"coverage\":81.25}";
const BAD: &str = "{\"tests_run\":412,\"tests_failed\":0,\"build_passed\":true,\"coverage\":73.5}";

fn node() -> NodeAttestation {
    let spec = Spec::parse(NINE_PHASES).unwrap();
    let settings = SettingsHash::of(b"settings");
    NodeAttestation { build: "1".to_owned(), protocol: 1, settings, spec: spec.hash() }
}

fn work() -> WorkOrder {
    WorkOrder { requirements: "faster".to_owned(), ..WorkOrder::default() }
}

fn document(bytes: &str) -> EvidenceFacts {
    EvidenceFacts::of(bytes.as_bytes().to_vec())
}

/// All that a node knows when the work is done, with this report of the tests.
fn facts(report: &str) -> Facts {
    let spec = Spec::parse(NINE_PHASES).unwrap();
    let review = spec.phase(&name("review")).unwrap().hash.to_string();
    let approval = statement("Task-1", &review, "https://psi-field.dev/review/v1", "{\"approved\":true}");
    let mut evidence: BTreeMap<_, _> =
        ["goal", "requirements", "acceptance-tests", "plan", "design", "changelog", "checksums"]
            .map(|name| (name.to_owned(), document(name)))
            .into();
    evidence.insert("test-report".to_owned(), document(report));
    evidence.insert("review".to_owned(), document(&envelope(&approval, &[2, 3])));
    evidence.insert("merge".to_owned(), document("{\"checks_passed\":true,\"conflicts\":0}"));
    let metrics = BTreeMap::from([("drift_severity".to_owned(), 0.1), ("novelty".to_owned(), 1.5)]);
    let statistics =
        |name: &str| (FieldName::new(name).unwrap(), Ok(FieldFacts { count: 1_000, metrics: metrics.clone() }));
    Facts {
        evidence,
        fields: [statistics("production"), statistics("staging")].into(),
        node_baseline: BaselineState::Set(Baseline { node: Some(node()), work: None }),
        nodes: [(NodeId::new("n1").unwrap(), Some(node()))].into(),
        work_baseline: BaselineState::Set(Baseline { node: None, work: Some(work().hash()) }),
        work: Some(work().hash()),
        ..Facts::none(task())
    }
}

/// The judgements and the evidence of a phase, as they are recorded.
fn record(spec: &Spec, phase: &Name, facts: &Facts) -> (Vec<Judgement>, Vec<Evidence>) {
    let phase = spec.phase(phase).unwrap();
    let judgements = judge_phase(spec, phase, facts).iter().map(Judgement::for_record).collect();
    let named = |(name, found): (&String, &EvidenceFacts)| Evidence::new(name, found.content).unwrap();
    (judgements, facts.evidence.iter().map(named).collect())
}

/// The transition by which a task leaves its phase, in mode `enforce`.
fn leave(spec: &Spec, from: &Name, after: &Transition, facts: &Facts) -> Transition {
    let (judgements, evidence) = record(spec, from, facts);
    let to = spec.next(from).map(|phase| phase.name.clone());
    let verdict = Verdict::of_all(&judgements);
    let advance = Action::Advance { from: from.clone(), to };
    let action = next_action(spec, spec.phase(from).unwrap(), verdict, Mode::Enforce).unwrap_or(advance);
    let attestation = Some(Attestation { node: facts.nodes.values().next().cloned().flatten(), work: facts.work });
    let transition = act(spec, action, after, after.clock.wall_ms + 1);
    Transition { judgements, evidence, attestation, mode: Mode::Enforce, fence: spec.lease().map(|_| 1), ..transition }
}

fn nine_phases() -> (Spec, SpecStore, DecidedChain, Transition) {
    let spec = Spec::parse(NINE_PHASES).unwrap();
    let specs = store(&[&spec]);
    let mut chain = DecidedChain::new(subject(&spec));
    let begin = plain(subject(&spec), &spec, Action::Start { to: spec.first().name.clone() }, None, 1);
    chain.apply(1, &begin, &specs).unwrap();
    let set = Action::BaselineSetting(Baseline { node: None, work: Some(work().hash()) });
    let set = act(&spec, set, &begin, 2);
    chain.apply(2, &set, &specs).unwrap();
    (spec, specs, chain, set)
}

fn phase(chain: &DecidedChain) -> Name {
    chain.state().unwrap().phase.clone().unwrap()
}

#[test]
fn nine_phases_are_walked_through_and_a_failed_verification_goes_back() {
    let (spec, specs, mut chain, mut last) = nine_phases();
    let mut walk = vec![phase(&chain)];
    while chain.state().unwrap().end.is_none() {
        let is_first_time = chain.state().unwrap().returns == 0;
        let facts = facts(if is_first_time { BAD } else { GOOD });
        let next = Transition::decode(&leave(&spec, &phase(&chain), &last, &facts).encode().unwrap()).unwrap();
        chain.apply(chain.step() + 1, &next, &specs).unwrap();
        walk.push(phase(&chain));
        last = next;
    }
    let first = ["strategize", "spec", "plan", "think", "implement", "verify"];
    let second = ["implement", "verify", "review", "pr", "monitor", "monitor"];
    assert_eq!(walk, first.iter().chain(&second).map(|phase| name(phase)).collect::<Vec<_>>());
    let state = chain.state().unwrap();
    assert_eq!((state.end, state.returns), (Some(End::Done), 1));
}

#[test]
fn no_phase_of_the_nine_is_left_without_what_it_asks_for() {
    let (spec, specs, mut chain, mut last) = nine_phases();
    while chain.state().unwrap().end.is_none() {
        let nothing = leave(&spec, &phase(&chain), &last, &Facts::none(task()));
        let refusal = chain.check_next(&nothing, &specs).unwrap_err();
        assert!(matches!(refusal, TransitionRefusal::NotPassed(_)), "{}: {refusal}", phase(&chain));
        let watched = Transition { mode: Mode::Watch, ..nothing };
        assert_eq!(chain.check_next(&watched, &specs), Ok(()), "{}", phase(&chain));
        last = leave(&spec, &phase(&chain), &last, &facts(GOOD));
        chain.apply(chain.step() + 1, &last, &specs).unwrap();
    }
}

#[test]
fn severities_of_the_nine_are_those_of_their_phases() {
    let spec = Spec::parse(NINE_PHASES).unwrap();
    let severities: Vec<_> = spec.phases().iter().map(|phase| format!("{} {}", phase.name, phase.severity)).collect();
    let want = [
        "strategize low",
        "spec low",
        "plan low",
        "think medium",
        "implement medium",
        "verify high",
        "review high",
        "pr medium",
        "monitor high",
    ];
    assert_eq!(severities, want);
    let lease = spec.lease().unwrap();
    assert_eq!((spec.decide(), lease.seconds, lease.renewals_max), (Decision::Quorum, 300, 10));
}

#[test]
fn a_release_waits_for_the_nine_phases_and_is_walked_through() {
    let (nine, spec) = (Spec::parse(NINE_PHASES).unwrap(), Spec::parse(RELEASE).unwrap());
    assert_eq!((spec.decide(), spec.retain_ms()), (Decision::Fold, 90 * 86_400_000));
    let specs = store(&[&spec]);
    let mut chain = ProvisionalChain::new(subject(&spec));
    let begin = plain(subject(&spec), &spec, Action::Start { to: name("build") }, None, 1);
    chain.insert(begin.clone(), &specs).unwrap();

    let build = spec.phase(&name("build")).unwrap().hash.to_string();
    let provenance = statement("Task-1", &build, "https://slsa.dev/provenance/v1", "{}");
    let mut facts = facts(GOOD);
    facts.evidence.insert("provenance".to_owned(), document(&envelope(&provenance, &[1])));
    let other = Subject::task(nine.name().clone(), task());
    let (_, _, early, _) = nine_phases();
    facts.processes.insert(other.clone(), ProcessFacts::of(early.state().unwrap(), &nine).unwrap());
    let blocked = leave(&spec, &name("build"), &begin, &facts);
    let refusal = chain.check_next(&blocked, &specs).unwrap_err().to_string();
    assert!(
        refusal.contains("merged HOLD (NOT_REACHED)") && refusal.contains("phase `monitor` is needed"),
        "{refusal}"
    );

    let reached = nine.phases().iter().map(|phase| phase.name.clone()).collect();
    facts.processes.insert(other, ProcessFacts { phase: name("monitor"), reached, end: None });
    let says = |verdict| {
        let readings = vec![reading("error_rate", 0.01)];
        Ok(ExternalJudgement { verdict, reason: "error_rate is 0.01".to_owned(), readings })
    };
    let mut last = begin;
    let mut walk = Vec::new();
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Pass, Verdict::Pass, Verdict::Pass] {
        facts.external.insert(name("errors"), says(verdict));
        let at = chain.state().unwrap().phase.clone().unwrap();
        last = leave(&spec, &at, &last, &facts);
        assert_eq!(chain.insert(last.clone(), &specs).unwrap(), []);
        walk.push(at);
    }
    assert_eq!(walk, ["build", "stage", "build", "stage", "publish"].map(name));
    let state = chain.state().unwrap();
    assert_eq!((state.end, state.returns, state.head), (Some(End::Done), 1, last.hash().unwrap()));
}

#[test]
fn a_held_gate_of_a_release_neither_advances_nor_returns() {
    let spec = Spec::parse(RELEASE).unwrap();
    let held = judge_phase(&spec, spec.phase(&name("stage")).unwrap(), &facts(GOOD));
    assert_eq!(Verdict::of_all(&held), Verdict::Hold(HoldReason::NoData));
}

#[test]
fn the_review_that_the_example_signs_passes() {
    let spec = Spec::parse(NINE_PHASES).unwrap();
    let phase = spec.phase(&name("review")).unwrap();
    let evidence = BTreeMap::from([("review".to_owned(), document(REVIEW))]);
    let facts = Facts { evidence, ..Facts::none(TaskName::new("main").unwrap()) };
    let approval =
        judge_phase(&spec, phase, &facts).into_iter().find(|judged| judged.gate == name("approval")).unwrap();
    assert_eq!(approval.verdict, Verdict::Pass, "review.json is to be about {}: {approval:?}", phase.hash);
}
