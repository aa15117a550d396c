//! What is attested, compared with baselines: each state of a baseline has a name.

use std::collections::BTreeMap;

use psi_process::{
    Attestation, Baseline, BaselineState, Facts, HoldReason, NodeAttestation, SettingsHash, Severity, Spec, SpecHash,
    Verdict, WorkOrder, attestation::AttestationStatus,
};
use psi_replica::NodeId;

use crate::{
    gates::{check, hold},
    support::task,
};

fn node(build: &str) -> NodeAttestation {
    let (settings, spec) = (SettingsHash::of(b"settings"), SpecHash::from_bytes([7; 32]));
    NodeAttestation { build: build.to_owned(), protocol: 1, settings, spec }
}

fn order() -> WorkOrder {
    WorkOrder {
        requirements: "r".to_owned(),
        gates: vec!["g".to_owned()],
        artifacts: vec!["a".to_owned()],
        model: "m".to_owned(),
        persona: "p".to_owned(),
    }
}

#[test]
fn each_part_of_what_was_asked_changes_the_hash() {
    let changes: [fn(&mut WorkOrder); 8] = [
        |order| order.requirements.push('x'),
        |order| order.gates.push("h".to_owned()),
        |order| order.gates.clear(),
        |order| order.artifacts[0].push('x'),
        |order| order.model.clear(),
        |order| order.persona.push('x'),
        |order| std::mem::swap(&mut order.gates, &mut order.artifacts),
        |order| std::mem::swap(&mut order.model, &mut order.persona),
    ];
    let mut hashes = std::collections::BTreeSet::from([order().hash()]);
    for change in changes {
        let mut order = order();
        change(&mut order);
        assert!(hashes.insert(order.hash()), "{order:?}");
    }
    assert_eq!(order().hash(), order().hash());
}

#[test]
fn each_difference_of_a_node_is_named() {
    let baseline = Baseline { node: Some(node("1")), work: None };
    let compare = |node| baseline.compare(&Attestation { node, work: None }, Severity::Low);
    assert_eq!(compare(Some(node("1"))), AttestationStatus::Same);
    assert!(matches!(compare(None), AttestationStatus::Unattested(_)));
    for (changed, words) in [
        (node("2"), "build is 2, and was 1"),
        (NodeAttestation { protocol: 2, ..node("1") }, "protocol is 2, and was 1"),
        (NodeAttestation { settings: SettingsHash::of(b"x"), ..node("1") }, "settings is"),
        (NodeAttestation { spec: SpecHash::from_bytes([8; 32]), ..node("1") }, "spec is 0808"),
    ] {
        let AttestationStatus::Drift { severity, differences } = compare(Some(changed)) else { panic!("{words}") };
        assert_eq!((severity, differences.len()), (Severity::Low, 1));
        assert!(differences[0].contains(words), "{differences:?}");
    }
}

#[test]
fn a_missing_and_a_corrupt_baseline_are_never_no_drift() {
    let attested = Attestation { node: Some(node("1")), work: Some(order().hash()) };
    let baseline = Baseline { node: Some(node("1")), work: Some(order().hash()) };
    let bytes = baseline.to_bytes();
    let compare = |kept: Option<&[u8]>| BaselineState::read(kept).compare(&attested, Severity::High);
    assert_eq!(compare(Some(&bytes)), AttestationStatus::Same);
    assert_eq!(compare(None), AttestationStatus::MissingBaseline);
    assert!(matches!(compare(Some(b"")), AttestationStatus::CorruptBaseline(_)));
    for at in 0..bytes.len() {
        assert!(matches!(compare(Some(&bytes[..at])), AttestationStatus::CorruptBaseline(_)), "cut at {at}");
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert_ne!(compare(Some(&changed)), AttestationStatus::Same, "byte {at}");
        }
    }
    assert_eq!(Baseline::default().compare(&attested, Severity::High), AttestationStatus::MissingBaseline);
}

fn spec(members: &str, severity: &str, reaction: &str) -> Spec {
    let toml = format!(
        "name = \"p\"\nattestation = \"{reaction}\"\n[[phases]]\nname = \"a\"\nseverity = \"{severity}\"\n\
         [[phases.gates]]\nname = \"g\"\nkind = \"attestation\"\n{members}\n"
    );
    Spec::parse(&toml).unwrap()
}

#[test]
fn nodes_are_judged_by_the_baseline_of_the_process() {
    let nodes = |nodes: &[(&str, Option<NodeAttestation>)], node_baseline: BaselineState| {
        let nodes = nodes.iter().map(|(name, node)| (NodeId::new(name).unwrap(), node.clone())).collect();
        Facts { nodes, node_baseline, ..Facts::none(task()) }
    };
    let set = || BaselineState::Set(Baseline { node: Some(node("1")), work: None });
    let same = nodes(&[("n1", Some(node("1"))), ("n2", Some(node("1")))], set());
    let drift = nodes(&[("n1", Some(node("1"))), ("n2", Some(node("2")))], set());
    let [high, medium, warn] = [("high", "block"), ("medium", "block"), ("high", "warn")]
        .map(|(severity, reaction)| spec("", severity, reaction));
    let n2 = "node n2: drift of high severity: build is 2, and was 1";
    check(&high, &same, Verdict::Pass, "2 as the baseline says");
    check(&high, &drift, Verdict::Fail, n2);
    check(&warn, &drift, Verdict::Pass, &format!("warned, not blocked: {n2}"));
    check(&medium, &drift, Verdict::Pass, "drift of medium severity");
    let silent = nodes(&[("n1", Some(node("1"))), ("n2", None)], set());
    check(&high, &silent, hold(HoldReason::MissingEvidence), "node n2: the baseline says what its node runs");
    let one = [("n1", Some(node("1")))];
    check(&high, &nodes(&one, BaselineState::Missing), hold(HoldReason::MissingBaseline), "no baseline was set");
    let corrupt = BaselineState::read(Some(b"x"));
    check(
        &warn,
        &nodes(&one, corrupt),
        hold(HoldReason::CorruptBaseline),
        "can't be read: the 1 bytes are no baseline",
    );
    check(&high, &nodes(&[], set()), hold(HoldReason::NoData), "no live node is known");
    let of_work = BaselineState::Set(Baseline { node: None, work: Some(order().hash()) });
    check(&high, &nodes(&one, of_work), hold(HoldReason::MissingBaseline), "no baseline was set");
    // A drift that only warns does not hide a node that can't be compared.
    let both = nodes(&[("n1", None), ("n2", Some(node("2")))], set());
    check(&warn, &both, hold(HoldReason::MissingEvidence), "node n1");
    check(&high, &both, Verdict::Fail, n2);
}

#[test]
fn work_is_judged_by_the_baseline_of_the_task() {
    let spec = spec("nodes = false\nwork = true", "high", "block");
    let work_baseline = BaselineState::Set(Baseline { node: None, work: Some(order().hash()) });
    let facts = |work| Facts { work, work_baseline: work_baseline.clone(), ..Facts::none(task()) };
    check(&spec, &facts(Some(order().hash())), Verdict::Pass, "1 as the baseline says");
    let other = WorkOrder { model: "n".to_owned(), ..order() };
    check(&spec, &facts(Some(other.hash())), Verdict::Fail, "the work: drift of high severity: work is");
    check(&spec, &facts(None), hold(HoldReason::MissingEvidence), "what it was asked to do");
    let missing = Facts { work: Some(order().hash()), ..Facts::none(task()) };
    check(&spec, &missing, hold(HoldReason::MissingBaseline), "so drift can't be excluded");
}

#[test]
fn a_thousand_attestations_are_compared_at_once() {
    let nodes: BTreeMap<_, _> = (0..1_000)
        .map(|at| (NodeId::new(&format!("n{at}")).unwrap(), Some(node(if at == 777 { "2" } else { "1" }))))
        .collect();
    let node_baseline = BaselineState::Set(Baseline { node: Some(node("1")), work: None });
    let facts = Facts { nodes, node_baseline, ..Facts::none(task()) };
    check(&spec("", "high", "block"), &facts, Verdict::Fail, "node n777: drift");
}
