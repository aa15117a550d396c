//! Transitions as bytes: one encoding each, nothing else is read, and no byte is free to change.

use proptest::prelude::*;
use psi_ledger::record::{Content, Evidence};
use psi_process::{
    Action, Attestation, Baseline, HoldReason, Judgement, Mode, NodeAttestation, SettingsHash, SpecHash, Transition,
    TransitionError, Verdict, WorkOrder,
    spec::ARTIFACT_BYTES_MAX,
    transition::{TRANSITION_BYTES_MAX, TRANSITION_EVIDENCE_MAX},
    value::{Reading, Value},
};
use psi_replica::Origin;

use crate::support::{act, advance, evidence, name, operator, reading, scored, small, start};

fn node() -> NodeAttestation {
    let (settings, spec) = (SettingsHash::of(b"settings"), SpecHash::from_bytes([7; 32]));
    NodeAttestation { build: "1.2.3+abc".to_owned(), protocol: 3, settings, spec }
}

/// Transitions of each action, with all that they can carry.
fn samples() -> Vec<Transition> {
    let spec = small();
    let begin = start(&spec, 10);
    let work = Some(WorkOrder::default().hash());
    let full = Transition {
        actor: operator(),
        attestation: Some(Attestation { node: Some(node()), work }),
        fence: Some(0),
        is_forced: true,
        reason: "a person said so".to_owned(),
        judgements: vec![
            scored(Verdict::Fail, -0.5),
            Judgement {
                gate: name("text"),
                verdict: Verdict::Hold(HoldReason::NoData),
                reason: "unknown".to_owned(),
                readings: vec![
                    Reading { name: "flag".to_owned(), value: Value::Flag(false) },
                    reading("number", 0.0),
                    Reading { name: "text".to_owned(), value: Value::Text("x".repeat(256)) },
                ],
                missing: Vec::new(),
            },
        ],
        evidence: vec![evidence("a", b"1"), evidence("b", b"2")],
        ..advance(&spec, "a", &begin, 20)
    };
    let (a, b) = (name("a"), name("b"));
    let actions = [
        Action::Advance { from: a.clone(), to: None },
        Action::Return { from: b.clone(), to: a.clone() },
        Action::Rewind { from: b.clone(), to: a },
        Action::Abort { from: Some(b) },
        Action::Abort { from: None },
        Action::SpecChange,
        Action::Switch,
        Action::BaselineSetting(Baseline { node: Some(node()), work }),
        Action::BaselineSetting(Baseline { node: None, work }),
    ];
    let others = actions.into_iter().map(|action| act(&spec, action, &begin, 30)).collect::<Vec<_>>();
    let watched = Transition { mode: Mode::Watch, ..begin.clone() };
    [vec![begin, full, watched], others].concat()
}

#[test]
fn transitions_are_read_as_they_are_written() {
    let mut hashes = std::collections::BTreeSet::new();
    for transition in samples() {
        let bytes = transition.encode().unwrap();
        assert_eq!(Transition::decode(&bytes), Ok(transition.clone()));
        assert!(hashes.insert(transition.hash().unwrap()), "{transition:?}");
    }
}

#[test]
fn a_changed_byte_is_refused_or_is_another_transition() {
    for transition in samples() {
        let bytes = transition.encode().unwrap();
        for at in 0..bytes.len() {
            for value in [bytes[at] ^ 1, bytes[at] ^ 0x80, bytes[at].wrapping_add(1), 0, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(read) = Transition::decode(&changed) {
                    assert_eq!(read.encode().unwrap(), changed, "byte {at} to {value}");
                    assert_eq!(read == transition, changed == bytes, "byte {at} to {value}");
                }
            }
        }
        for cut in 0..bytes.len() {
            let read = Transition::decode(&bytes[..cut]);
            assert!(read.is_err() || read != Ok(transition.clone()), "cut at {cut}");
        }
    }
}

#[test]
fn another_encoding_of_the_same_is_refused() {
    let bytes = start(&small(), 10).encode().unwrap();
    let unknown_field = [bytes.clone(), vec![0xf8, 0x07, 0x01]].concat();
    let twice = [bytes.clone(), bytes.clone()].concat();
    let default = [bytes, vec![0x90, 0x01, 0x00]].concat();
    for changed in [unknown_field, twice, default] {
        assert_eq!(Transition::decode(&changed), Err(TransitionError::Malformed));
    }
    assert_eq!(
        Transition::decode(&[]).map(|_| ()),
        Err(TransitionError::Name(
            "`` (0 bytes) is no name in a process: 1 to 64 characters of a-z 0-9 . _ -, the first no dot".to_owned()
        ))
    );
    let long = vec![0; TRANSITION_BYTES_MAX + 1];
    assert_eq!(Transition::decode(&long), Err(TransitionError::Length(TRANSITION_BYTES_MAX + 1)));
}

#[test]
fn what_breaks_a_limit_has_no_encoding() {
    let begin = start(&small(), 10);
    let many = |count: usize| (0..count).map(|at| evidence(&format!("{at:064}"), b"x")).collect::<Vec<_>>();
    let whole = Transition { evidence: many(TRANSITION_EVIDENCE_MAX), ..begin.clone() };
    assert_eq!(Transition::decode(&whole.encode().unwrap()), Ok(whole), "500 pieces with the longest names fit");
    let content = Content { size: ARTIFACT_BYTES_MAX + 1, ..Content::of(b"") };
    let large = Evidence::new("large", content).unwrap();
    let judgement = scored(Verdict::Pass, 1.0);
    let of_gate = |gate: &str| Judgement { gate: name(gate), ..judgement.clone() };
    let readings = vec![reading("b", 1.0), reading("a", 1.0)];
    for (transition, words) in [
        (Transition { evidence: many(501), ..begin.clone() }, "at most 500 pieces"),
        (Transition { evidence: vec![evidence("b", b""), evidence("a", b"")], ..begin.clone() }, "sort by name"),
        (Transition { evidence: vec![evidence("a", b""), evidence("a", b"")], ..begin.clone() }, "twice"),
        (Transition { evidence: vec![large], ..begin.clone() }, "at most 1099511627776 are allowed"),
        (Transition { judgements: vec![of_gate("b"), of_gate("a")], ..begin.clone() }, "sort by name"),
        (
            Transition { judgements: (0..33).map(|at| of_gate(&format!("{at:02}"))).collect(), ..begin.clone() },
            "at most 32 judgements",
        ),
        (
            Transition { judgements: vec![Judgement { readings, ..judgement.clone() }], ..begin.clone() },
            "Judgement::for_record",
        ),
        (
            Transition {
                judgements: vec![Judgement { reason: "x".repeat(513), ..judgement.clone() }],
                ..begin.clone()
            },
            "Judgement::for_record",
        ),
        (
            Transition { judgements: vec![Judgement { missing: vec!["x".to_owned()], ..judgement }], ..begin.clone() },
            "Judgement::for_record",
        ),
        (Transition { reason: "x".repeat(513), ..begin.clone() }, "has 513 bytes"),
        (Transition { is_forced: true, ..begin.clone() }, "at least 1 if it is forced"),
        (Transition { reason: "a\nb".to_owned(), ..begin.clone() }, "control characters"),
        (Transition { origin: Origin::base(), ..begin.clone() }, "no run of a node"),
        (Transition { action: Action::BaselineSetting(Baseline::default()), ..begin.clone() }, "empty"),
        (
            Transition {
                attestation: Some(Attestation {
                    node: Some(NodeAttestation { build: "x".repeat(129), ..node() }),
                    work: None,
                }),
                ..begin
            },
            "too long",
        ),
    ] {
        let error = transition.encode().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_judgement_is_shortened_for_its_record() {
    let judgement = Judgement {
        reason: format!("\n{}", "ä".repeat(400)),
        readings: vec![reading("b", 1.0), Reading { name: "a".to_owned(), value: Value::Text("ö".repeat(200)) }],
        missing: vec!["x".to_owned()],
        ..scored(Verdict::Pass, 1.0)
    };
    let kept = judgement.for_record();
    assert_eq!((kept.reason.len(), kept.readings[0].name.as_str(), kept.missing.len()), (511, "a", 0));
    assert!(Transition { judgements: vec![kept], ..start(&small(), 10) }.encode().is_ok());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Transition::decode(&bytes);
    }

    #[test]
    fn no_mixture_of_two_transitions_panics(
        one in 0_usize..12,
        two in 0_usize..12,
        at in any::<prop::sample::Index>(),
    ) {
        let samples = samples();
        let (one, two) = (samples[one].encode().unwrap(), samples[two].encode().unwrap());
        let at = at.index(one.len());
        let mixed = [&one[..at], &two[at.min(two.len())..]].concat();
        if let Ok(read) = Transition::decode(&mixed) {
            prop_assert_eq!(read.encode().unwrap(), mixed);
        }
    }
}
