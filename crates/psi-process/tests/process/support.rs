//! A small process, and transitions of a task of it.

use psi_ledger::record::{Actor, Content, Evidence};
use psi_process::{
    Action, Judgement, Mode, Name, NameError, Spec, SpecStore, Subject, TaskName, Transition, TransitionHash, Verdict,
    value::{Number, Reading, Value},
};
use psi_replica::{Clock, NodeId, Origin};
use psi_security::token::{Role, TokenId, TokenLabel};

/// Three phases: `a` and `b` ask for a score of 5, `b` goes back to `a`, and `c` asks for nothing.
pub(crate) const SMALL: &str = r#"
name = "small"
decide = "fold"
mode = "enforce"

[[phases]]
name = "a"
[[phases.gates]]
name = "score"
kind = "evidence"
document = "report"
thresholds = ["score >= 5"]

[[phases]]
name = "b"
severity = "high"
on_fail = "a"
[[phases.gates]]
name = "score"
kind = "evidence"
document = "report"
thresholds = ["score >= 5"]

[[phases]]
name = "c"
"#;

pub(crate) fn name(name: &str) -> Name {
    let name: Result<Name, NameError> = name.parse();
    name.unwrap()
}

pub(crate) fn small() -> Spec {
    Spec::parse(SMALL).unwrap()
}

pub(crate) fn small_by_quorum() -> Spec {
    Spec::parse(&SMALL.replace("\"fold\"", "\"quorum\"")).unwrap()
}

pub(crate) fn store(specs: &[&Spec]) -> SpecStore {
    let mut store = SpecStore::default();
    for spec in specs {
        store.add((*spec).clone());
    }
    store
}

pub(crate) fn task() -> TaskName {
    TaskName::new("Task-1").unwrap()
}

pub(crate) fn subject(spec: &Spec) -> Subject {
    Subject::task(spec.name().clone(), task())
}

pub(crate) fn operator() -> Actor {
    let token = TokenLabel { name: "ann".to_owned(), id: TokenId::from_random([1; 8]) };
    Actor::Token { token, role: Role::Operator }
}

pub(crate) fn origin(number: u64) -> Origin {
    Origin { node: NodeId::new(&format!("n{number}")).unwrap(), incarnation: 1_000 + number }
}

pub(crate) fn reading(name: &str, number: f64) -> Reading {
    Reading { name: name.to_owned(), value: Value::Number(Number::new(number).unwrap()) }
}

/// What a gate answered, with a score.
pub(crate) fn scored(verdict: Verdict, score: f64) -> Judgement {
    let reason = format!("score is {score}");
    let readings = vec![reading("score", score)];
    Judgement { gate: name("score"), verdict, reason, readings, missing: Vec::new() }
}

pub(crate) fn evidence(name: &str, bytes: &[u8]) -> Evidence {
    Evidence::new(name, Content::of(bytes)).unwrap()
}

/// A transition that names what it follows, by the node 1, and says nothing else.
pub(crate) fn plain(
    subject: Subject,
    spec: &Spec,
    action: Action,
    after: Option<TransitionHash>,
    ms: u64,
) -> Transition {
    Transition {
        subject,
        action,
        predecessor: after,
        spec: spec.hash(),
        mode: spec.mode(),
        clock: Clock { wall_ms: ms, counter: 0 },
        origin: origin(1),
        actor: Actor::Node(NodeId::new("n1").unwrap()),
        evidence: Vec::new(),
        attestation: None,
        judgements: Vec::new(),
        fence: None,
        is_forced: false,
        reason: String::new(),
    }
}

pub(crate) fn start(spec: &Spec, ms: u64) -> Transition {
    plain(subject(spec), spec, Action::Start { to: spec.first().name.clone() }, None, ms)
}

/// To the next phase, with a score of 5 that passed.
pub(crate) fn advance(spec: &Spec, from: &str, after: &Transition, ms: u64) -> Transition {
    let to = spec.next(&name(from)).map(|phase| phase.name.clone());
    let action = Action::Advance { from: name(from), to };
    let transition = plain(subject(spec), spec, action, Some(after.hash().unwrap()), ms);
    let has_gates = !spec.phase(&name(from)).unwrap().gates.is_empty();
    let judgements = if has_gates { vec![scored(Verdict::Pass, 5.0)] } else { Vec::new() };
    Transition { judgements, evidence: vec![evidence("report", b"{\"score\":5}")], ..transition }
}

/// Another action, after a transition.
pub(crate) fn act(spec: &Spec, action: Action, after: &Transition, ms: u64) -> Transition {
    plain(subject(spec), spec, action, Some(after.hash().unwrap()), ms)
}

pub(crate) fn in_mode(mode: Mode, transition: &Transition) -> Transition {
    Transition { mode, ..transition.clone() }
}
