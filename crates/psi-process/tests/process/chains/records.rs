//! A recorded PASS must follow from what is recorded with it, for each kind of gate that records numbers.

use psi_ledger::record::{Content, Evidence};
use psi_process::{
    Action, DecidedChain, Judgement, Spec, Transition, TransitionRefusal, Verdict,
    judge::{COUNT, SIGNERS},
    spec::TrustedKey,
    value::Reading,
};

use crate::{
    gates::gate,
    statements::key,
    support::{act, name, plain, reading, store, subject},
};

/// What is said of a task that leaves its only phase with a PASS, these readings and these pieces of evidence.
fn check(spec: &Spec, readings: &[Reading], evidence: &[(&str, u64)]) -> Result<(), TransitionRefusal> {
    let specs = store(&[spec]);
    let mut chain = DecidedChain::new(subject(spec));
    let begin = plain(subject(spec), spec, Action::Start { to: name("a") }, None, 1);
    chain.apply(1, &begin, &specs).unwrap();
    let readings = readings.to_vec();
    let judgement =
        Judgement { gate: name("g"), verdict: Verdict::Pass, reason: String::new(), readings, missing: Vec::new() };
    let piece = |(name, size): &(&str, u64)| Evidence::new(name, Content { size: *size, ..Content::of(b"") }).unwrap();
    let evidence = evidence.iter().map(piece).collect();
    let done = act(spec, Action::Advance { from: name("a"), to: None }, &begin, 2);
    chain.check_next(&Transition { judgements: vec![judgement], evidence, ..done }, &specs)
}

#[track_caller]
fn refused(found: Result<(), TransitionRefusal>, words: &str) {
    let refusal = found.unwrap_err().to_string();
    assert!(refusal.contains("gate `g` is said to pass") && refusal.contains(words), "{refusal}");
}

#[test]
fn a_field_that_passes_has_enough_inputs_and_its_numbers() {
    let spec = gate("kind = \"field\"\nfield = \"f\"\ncount_min = 100\nthresholds = [\"novelty < 4\"]");
    let novelty = reading("novelty", 3.0);
    assert_eq!(check(&spec, &[reading(COUNT, 100.0), novelty.clone()], &[]), Ok(()));
    refused(check(&spec, &[reading(COUNT, 99.0), novelty.clone()], &[]), "count is 99, and at least 100 is needed");
    refused(check(&spec, &[novelty], &[]), "no reading of count");
    refused(check(&spec, &[reading(COUNT, 100.0), reading("novelty", 4.0)], &[]), "novelty is 4");
    refused(check(&spec, &[reading(COUNT, 100.0)], &[]), "no reading of novelty");
}

#[test]
fn a_statement_that_passes_is_named_and_signed_by_enough() {
    let pem = |number: u8| TrustedKey::new(key(number).public()).to_pem();
    let members =
        "kind = \"statement\"\ndocument = \"d\"\npredicate_type = \"t\"\nkeys = [\"one\", \"two\"]\nsigners = 2";
    let keys = format!("[keys]\none = '''\n{}'''\ntwo = '''\n{}'''", pem(1), pem(2));
    let spec = gate(&format!("{members}\n{keys}"));
    let named = [("d", 9)];
    assert_eq!(check(&spec, &[reading(SIGNERS, 2.0)], &named), Ok(()));
    refused(check(&spec, &[reading(SIGNERS, 1.0)], &named), "dsse:signers is 1, and at least 2 is needed");
    refused(check(&spec, &[], &named), "no reading of dsse:signers");
    refused(check(&spec, &[reading(SIGNERS, 2.0)], &[("e", 9)]), "the evidence does not name d");
}

#[test]
fn artifacts_that_pass_are_named_and_small_enough() {
    let spec = gate("kind = \"artifacts\"\nartifacts = [\"x\", \"y\"]\nbytes_max = 10");
    assert_eq!(check(&spec, &[], &[("x", 10), ("y", 1), ("z", 99)]), Ok(()));
    refused(check(&spec, &[], &[("x", 10), ("y", 11)]), "y has 11 bytes, and at most 10 are allowed");
    refused(check(&spec, &[], &[("z", 1)]), "the evidence does not name x, y");
}
