//! Every kind of gate: what passes, what fails, what holds and why.

use std::collections::BTreeMap;

use psi_ledger::record::Content;
use psi_process::{
    End, Facts, HoldReason, Judgement, Name, Spec, Subject, TaskName, Verdict,
    judge::{EvidenceFacts, ExternalJudgement, FieldFacts, ProcessFacts, judge_phase, missing_evidence},
};
use psi_replica::FieldName;

use crate::support::{name, reading, task};

/// A spec of one phase with one gate.
pub(crate) fn gate(members: &str) -> Spec {
    let toml = format!("name = \"p\"\n[[phases]]\nname = \"a\"\n[[phases.gates]]\nname = \"g\"\n{members}\n");
    Spec::parse(&toml).unwrap()
}

pub(crate) fn judged(spec: &Spec, facts: &Facts) -> Judgement {
    judge_phase(spec, spec.first(), facts).remove(0)
}

/// Judges, and compares the verdict and what the reason says.
#[track_caller]
pub(crate) fn check(spec: &Spec, facts: &Facts, verdict: Verdict, words: &str) {
    let judgement = judged(spec, facts);
    assert_eq!(judgement.verdict, verdict, "{judgement}");
    assert!(judgement.reason.contains(words), "{words} in: {judgement}");
}

pub(crate) fn hold(reason: HoldReason) -> Verdict {
    Verdict::Hold(reason)
}

fn document(bytes: &str) -> Facts {
    let evidence = BTreeMap::from([("report".to_owned(), EvidenceFacts::of(bytes.as_bytes().to_vec()))]);
    Facts { evidence, ..Facts::none(task()) }
}

#[test]
fn documents_are_judged_by_thresholds() {
    let spec = gate(
        "kind = \"evidence\"\ndocument = \"report\"\nthresholds = \
         [\"tests_failed = 0\", \"tests_run > 0\", \"build_passed = true\", \"coverage >= 80\"]",
    );
    let report = |failed: &str, run: &str, passed: &str, coverage: &str| {
        document(&format!(
            "{{\"tests_failed\":{failed},\"tests_run\":{run},\"build_passed\":{passed},\"coverage\":{coverage}}}"
        ))
    };
    let malformed = hold(HoldReason::MalformedEvidence);
    for (facts, verdict, words) in [
        (report("0", "412", "true", "80"), Verdict::Pass, "coverage is 80"),
        (report("0", "412", "true", "73.5"), Verdict::Fail, "coverage is 73.5, and at least 80 is needed"),
        (report("2", "412", "true", "90"), Verdict::Fail, "tests_failed is 2, and exactly 0 is needed"),
        (report("0", "0", "true", "90"), Verdict::Fail, "tests_run is 0, and more than 0 is needed"),
        (report("0", "9", "false", "90"), Verdict::Fail, "build_passed is false, and exactly true is needed"),
        (report("0", "9", "\"yes\"", "90"), malformed, "build_passed is \"yes\", and true or false is compared"),
        (report("0", "9", "true", "NaN"), malformed, "no JSON that can be judged"),
        (report("0", "9", "true", "1e400"), malformed, "no JSON that can be judged"),
        (report("0", "9007199254740993", "true", "90"), malformed, "less than 2^53"),
        (report("0", "9", "true", "null"), malformed, "member `coverage` is none of these"),
        (
            document("{\"tests_failed\":0}"),
            hold(HoldReason::MissingEvidence),
            "no value of tests_run, build_passed, coverage",
        ),
        (
            document("{\"tests_failed\":1}"),
            Verdict::Fail,
            "tests_failed is 1, and exactly 0 is needed; there is no value of",
        ),
        (document("{\"tests_failed\":0,\"tests_failed\":0}"), malformed, "`tests_failed` is there twice"),
        (document("[1]"), malformed, "it is no object"),
        (document(""), malformed, "no JSON"),
        (Facts::none(task()), hold(HoldReason::MissingEvidence), "evidence report is missing"),
    ] {
        check(&spec, &facts, verdict, words);
    }
}

#[test]
fn evidence_must_be_what_its_hash_says() {
    let spec = gate("kind = \"evidence\"\ndocument = \"report\"\nthresholds = [\"x = 1\"]");
    let named = |content: Content, bytes: Option<&str>| {
        let bytes = bytes.map(|bytes| bytes.as_bytes().to_vec());
        let evidence = BTreeMap::from([("report".to_owned(), EvidenceFacts { content, bytes })]);
        Facts { evidence, ..Facts::none(task()) }
    };
    let content = Content::of(b"{\"x\":1}");
    check(&spec, &named(content, Some("{\"x\":1}")), Verdict::Pass, "x is 1");
    let malformed = hold(HoldReason::MalformedEvidence);
    check(&spec, &named(content, Some("{\"x\":1} ")), malformed, "report has 8 bytes of hash");
    check(&spec, &named(Content { size: 8, ..content }, Some("{\"x\":1}")), malformed, "8 bytes of hash");
    check(&spec, &named(content, Some("{\"x\":2}")), malformed, "report has 7 bytes of hash");
    let missing = hold(HoldReason::MissingEvidence);
    check(&spec, &named(content, None), missing, "the bytes of report are not on this node");
}

#[test]
fn an_in_toto_statement_is_a_document_as_well() {
    let spec = gate("kind = \"evidence\"\ndocument = \"report\"\nthresholds = [\"tests.failed = 0\"]");
    let statement = |kind: &str, predicate: &str| {
        document(&format!(
            "{{\"_type\":\"https://in-toto.io/Statement/{kind}\",\"subject\":[{{\"name\":\"x\",\"digest\":{{}}}}],\
             \"predicateType\":\"t\",\"predicate\":{predicate}}}"
        ))
    };
    check(&spec, &statement("v1", "{\"tests\":{\"failed\":0}}"), Verdict::Pass, "tests.failed is 0");
    check(&spec, &statement("v1", "{\"tests\":{\"failed\":3}}"), Verdict::Fail, "tests.failed is 3");
    check(&spec, &statement("v1", "[]"), hold(HoldReason::MissingEvidence), "no value of tests.failed");
    let malformed = hold(HoldReason::MalformedEvidence);
    check(&spec, &statement("v0.1", "{}"), malformed, "its _type is not that of a statement");
    let twice = "{\"tests.failed\":0,\"tests\":{\"failed\":1}}";
    check(&spec, &statement("v1", twice), malformed, "two members are both called tests.failed");
}

#[test]
fn five_hundred_missing_artifacts_are_named_in_one_answer() {
    let names: Vec<_> = (0..500).map(|at| format!("artifact-{at:03}")).collect();
    let list: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let spec = gate(&format!("kind = \"artifacts\"\nartifacts = [{}]\nbytes_max = 10", list.join(",")));
    let judgement = judged(&spec, &Facts::none(task()));
    assert_eq!(judgement.verdict, hold(HoldReason::MissingEvidence));
    assert_eq!(judgement.missing, names);
    assert!(names.iter().all(|name| judgement.reason.contains(name)));
    assert!(judgement.reason.starts_with("500 of 500 artifacts are missing"));
    let missing = missing_evidence(spec.first(), &Facts::none(task()));
    assert_eq!(missing.iter().map(ToString::to_string).collect::<Vec<_>>(), names);
    let found = |size: u64| {
        let content = Content { size, ..Content::of(b"x") };
        let evidence = names.iter().map(|name| (name.clone(), EvidenceFacts::named(content))).collect();
        Facts { evidence, ..Facts::none(task()) }
    };
    check(&spec, &found(10), Verdict::Pass, "all 500 artifacts are there");
    check(&spec, &found(11), Verdict::Fail, "artifact-000 has 11 bytes, artifact-001 has 11 bytes");
    let mut one = found(10);
    one.evidence.remove("artifact-123");
    check(&spec, &one, hold(HoldReason::MissingEvidence), "1 of 500 artifacts are missing: artifact-123");
}

#[test]
fn all_that_gates_of_a_phase_miss_is_listed_together() {
    let toml = "name = \"p\"\n[[phases]]\nname = \"a\"\n\
                [[phases.gates]]\nname = \"z\"\nkind = \"artifacts\"\nartifacts = [\"plan\", \"report\"]\n\
                [[phases.gates]]\nname = \"y\"\nkind = \"evidence\"\ndocument = \"report\"\nthresholds = [\"x = 1\"]\n\
                [[phases.gates]]\nname = \"x\"\nkind = \"evidence\"\ndocument = \"build\"\nthresholds = [\"x = 1\"]\n";
    let spec = Spec::parse(toml).unwrap();
    let facts = Facts::none(task());
    let missing = missing_evidence(spec.first(), &facts);
    assert_eq!(missing, [&name("build"), &name("plan"), &name("report")]);
    let judgements = judge_phase(&spec, spec.first(), &facts);
    let gates: Vec<_> = judgements.iter().map(|judgement| judgement.gate.as_str()).collect();
    assert_eq!(gates, ["x", "y", "z"], "in the order in which records have them");
    assert_eq!(Verdict::of_all(&judgements), hold(HoldReason::MissingEvidence));
}

#[test]
fn fields_are_judged_when_there_is_enough_of_them() {
    let spec = gate(
        "kind = \"field\"\nfield = \"f\"\ncount_min = 100\nthresholds = [\"drift_severity < 0.8\", \"novelty < 4\"]",
    );
    let statistics = |count: u64, severity: f64, novelty: f64| {
        let metrics = BTreeMap::from([("drift_severity".to_owned(), severity), ("novelty".to_owned(), novelty)]);
        Ok(FieldFacts { count, metrics })
    };
    let of = |statistics: Result<FieldFacts, String>| {
        let fields = BTreeMap::from([(FieldName::new("f").unwrap(), statistics)]);
        Facts { fields, ..Facts::none(task()) }
    };
    let broken = hold(HoldReason::BrokenEvaluator);
    for (facts, verdict, words) in [
        (of(statistics(100, 0.79, 3.0)), Verdict::Pass, "of 100 inputs to field f: drift_severity is 0.79"),
        (of(statistics(100, 0.8, 3.0)), Verdict::Fail, "drift_severity is 0.8, and less than 0.8 is needed"),
        (
            of(statistics(99, 0.9, 9.0)),
            hold(HoldReason::InsufficientData),
            "has 99 inputs, and at least 100 are needed",
        ),
        (of(statistics(100, f64::NAN, 9.0)), broken, "drift_severity can't be judged: NaN is no number"),
        (of(statistics(100, 0.1, f64::INFINITY)), broken, "novelty can't be judged"),
        (of(statistics(u64::MAX, 0.1, 1.0)), broken, "the count can't be judged"),
        (of(Err("the lock is poisoned".to_owned())), broken, "could not be had: the lock is poisoned"),
        (
            of(Ok(FieldFacts { count: 100, metrics: BTreeMap::new() })),
            hold(HoldReason::NoData),
            "no value of drift_severity",
        ),
        (Facts::none(task()), hold(HoldReason::NoData), "there are no statistics of field f"),
    ] {
        check(&spec, &facts, verdict, words);
    }
    let by_count = gate("kind = \"field\"\nfield = \"f\"\nthresholds = [\"count >= 5\"]");
    check(&by_count, &of(statistics(5, 0.0, 0.0)), Verdict::Pass, "count is 5");
    check(&by_count, &of(statistics(4, 0.0, 0.0)), Verdict::Fail, "count is 4, and at least 5 is needed");
}

#[test]
fn another_process_must_be_far_enough() {
    let other = |name: &str| Subject::task(name.parse::<Name>().unwrap(), task());
    let at = |phase: &str, end: Option<End>| {
        let reached = ["a", "b"].iter().take(if phase == "a" { 1 } else { 2 }).map(|phase| name(phase)).collect();
        let progress = ProcessFacts { phase: name(phase), reached, end };
        Facts { processes: BTreeMap::from([(other("q"), progress)]), ..Facts::none(task()) }
    };
    let to_b = gate("kind = \"process\"\nprocess = \"q\"\nphase = \"b\"");
    let to_end = gate("kind = \"process\"\nprocess = \"q\"");
    let held = hold(HoldReason::NotReached);
    for (spec, facts, verdict, words) in [
        (&to_b, at("b", None), Verdict::Pass, "is in phase `b`, and phase `b` is needed"),
        (&to_b, at("a", None), held, "is in phase `a`, and phase `b` is needed"),
        (&to_b, at("b", Some(End::Done)), Verdict::Pass, "is done"),
        (&to_b, at("b", Some(End::Aborted)), Verdict::Fail, "was aborted in phase `b`"),
        (&to_end, at("b", None), held, "its end is needed"),
        (&to_end, at("b", Some(End::Done)), Verdict::Pass, "is done"),
        (&to_end, Facts::none(task()), hold(HoldReason::NoData), "nothing is known of task `Task-1` of process `q`"),
    ] {
        check(spec, &facts, verdict, words);
    }
    let of_another = gate("kind = \"process\"\nprocess = \"q\"\ntask = \"Other\"");
    let done = at("b", Some(End::Done));
    check(&of_another, &done, hold(HoldReason::NoData), "task `Other`");
    let done =
        done.processes.into_values().map(|facts| (Subject::task(name("q"), TaskName::new("Other").unwrap()), facts));
    let done = Facts { processes: done.collect(), ..Facts::none(task()) };
    check(&of_another, &done, Verdict::Pass, "is done");
}

#[test]
fn what_other_code_judges_is_taken_over_and_holds_if_it_says_nothing() {
    let spec = gate("kind = \"external\"\njudge = \"sequential\"\nparameters = { margin = 0.05 }");
    let says = |judgement| Facts { external: BTreeMap::from([(name("g"), judgement)]), ..Facts::none(task()) };
    let answer = |verdict| {
        Ok(ExternalJudgement { verdict, reason: "rate 0.02 ± 0.01".to_owned(), readings: vec![reading("rate", 0.02)] })
    };
    for verdict in [Verdict::Pass, Verdict::Fail, hold(HoldReason::Inconclusive), hold(HoldReason::Unheard)] {
        check(&spec, &says(answer(verdict)), verdict, "rate 0.02");
        assert_eq!(judged(&spec, &says(answer(verdict))).readings, [reading("rate", 0.02)]);
    }
    let broken = hold(HoldReason::BrokenEvaluator);
    check(&spec, &says(Err("v is negative".to_owned())), broken, "judge sequential could not judge: v is negative");
    check(&spec, &Facts::none(task()), hold(HoldReason::NoData), "judge sequential has said nothing");
}

#[test]
fn one_failure_fails_and_one_hold_holds() {
    let judgement = |verdict| Judgement { gate: name("g"), verdict, ..crate::support::scored(verdict, 1.0) };
    let all = |verdicts: &[Verdict]| Verdict::of_all(&verdicts.iter().copied().map(judgement).collect::<Vec<_>>());
    let held = hold(HoldReason::NoData);
    assert_eq!(all(&[]), Verdict::Pass);
    assert_eq!(all(&[Verdict::Pass, Verdict::Pass]), Verdict::Pass);
    assert_eq!(all(&[Verdict::Pass, held, Verdict::Pass]), held);
    assert_eq!(all(&[held, Verdict::Fail, Verdict::Pass]), Verdict::Fail);
    assert_eq!(all(&[Verdict::Fail, held]), Verdict::Fail);
    for reason in HoldReason::ALL {
        assert!(!hold(*reason).is_pass(), "{reason}");
    }
}
