//! Specs: what is read, what is refused and where, and that the hash depends on what a spec says alone.

use psi_process::{
    Decision, Mode, Severity, Spec, SpecError,
    spec::{DriftReaction, LeaseTerms, SPEC_BYTES_MAX, SpecFault},
};

use crate::support::{SMALL, name, small};

/// The refusal of a spec, which names a line.
fn refusal(toml: &str) -> String {
    Spec::parse(toml).unwrap_err().to_string()
}

#[test]
fn defaults_are_those_that_are_written_down() {
    let spec = Spec::parse("name = \"p\"\n[[phases]]\nname = \"only\"\n").unwrap();
    assert_eq!((spec.decide(), spec.mode(), spec.attestation()), (Decision::Quorum, Mode::Watch, DriftReaction::Block));
    assert_eq!((spec.retain_ms(), spec.lease()), (30 * 86_400_000, None));
    let phase = spec.first();
    assert_eq!((phase.severity, &phase.on_fail, phase.gates.len()), (Severity::Medium, &None, 0));
    assert_eq!(spec.next(&phase.name), None);
    let written = "name = \"p\"\ndecide = \"quorum\"\nmode = \"watch\"\nattestation = \"block\"\nretain_days = 30\n\
                   [[phases]]\nname = \"only\"\nseverity = \"medium\"\ngates = []\n";
    assert_eq!(Spec::parse(written).unwrap(), spec);
}

#[test]
fn the_hash_depends_on_what_a_spec_says() {
    let spec = small();
    let commented = format!("# A comment.\n\n{}", SMALL.replace("score >= 5", "score>=5.0").replace(" = ", "   =  "));
    assert_eq!(Spec::parse(&commented).unwrap().hash(), spec.hash());
    for (from, to) in [("score >= 5", "score >= 6"), ("\"enforce\"", "\"watch\""), ("\"small\"", "\"smaller\"")] {
        let other = Spec::parse(&SMALL.replace(from, to)).unwrap();
        assert_ne!(other.hash(), spec.hash());
        assert_ne!(other.first().hash, spec.first().hash);
    }
    let hashes: std::collections::BTreeSet<_> = spec.phases().iter().map(|phase| phase.hash).collect();
    assert_eq!(hashes.len(), 3);
}

#[test]
fn the_canonical_form_is_read_back_and_nothing_else() {
    let spec = small();
    assert_eq!(Spec::from_canonical(spec.canonical()), Ok(spec.clone()));
    for at in 0..spec.canonical().len() {
        for value in [spec.canonical()[at] ^ 1, b' ', b'"', 0xff] {
            let mut bytes = spec.canonical().to_vec();
            bytes[at] = value;
            if let Ok(read) = Spec::from_canonical(&bytes) {
                assert_eq!(read.canonical(), bytes);
                assert_eq!(read.hash() == spec.hash(), bytes == spec.canonical());
            }
        }
    }
    let spaced = [spec.canonical(), b" "].concat();
    assert_eq!(Spec::from_canonical(&spaced), Err(SpecError::NotCanonical));
    assert_eq!(Spec::from_canonical(b"{}"), Err(SpecError::NotCanonical));
}

#[test]
fn refusals_say_where_and_what_to_do() {
    let small = |from: &str, to: &str| {
        assert!(SMALL.contains(from), "{from}");
        SMALL.replacen(from, to, 1)
    };
    let lease = "[lease]\nseconds = 0\nrenewals_max = 1\n[[phases]]\nname = \"a\"\n";
    for (toml, words) in [
        (small("decide = \"fold\"", "decide = \"both\""), "line 3: unknown variant `both`"),
        (small("name = \"small\"", "name = \"Small\""), "line 2: `Small` (5 bytes) is no name in a process"),
        (small("mode =", "modes ="), "line 4: unknown field `modes`"),
        (small("score >= 5", "score => 5"), "line 12: `score => 5` is no threshold"),
        (small("score >= 5", "score >= nan"), "finite number"),
        (small("document = \"report\"\n", ""), "line 10: a gate of kind `evidence` needs `document`; add it"),
        (
            small("document =", "artifacts = [\"x\"]\ndocument ="),
            "line 11: a gate of kind `evidence` has no `artifacts`",
        ),
        (small("[\"score >= 5\"]", "[]"), "line 12: `thresholds` has 0 items, and 1 to 32 are allowed"),
        (small("[\"score >= 5\"]", "[\"a > 1\", \"a > 1.0\"]"), "line 12: `a > 1` is twice in `thresholds`"),
        (small("kind = \"evidence\"", "kind = \"feeling\""), "line 10: unknown variant `feeling`"),
        (small("name = \"b\"", "name = \"a\""), "line 15: phase `a` is there twice"),
        (small("on_fail = \"a\"", "on_fail = \"c\""), "line 17: phase `b` goes back to `c`, which is no earlier phase"),
        (small("on_fail = \"a\"", "on_fail = \"b\""), "earlier are a"),
        (format!("{SMALL}\n[lease]\nseconds = 1\nrenewals_max = 1\n"), "line 27: a lease needs a majority"),
        (format!("name = \"p\"\n{lease}"), "line 3: `seconds` is 0, and 1 to 86400 is allowed"),
        (format!("name = \"p\"\nretain_days = 0\n{lease}"), "line 2: `retain_days` is 0, and 1 to 3650 is allowed"),
        ("name = \"p\"\nphases = []".to_owned(), "the spec has no phases, and 1 to 64 are needed"),
        ("name = \"p\"\n".to_owned(), "missing field `phases`"),
        ("name = \"p\"\nname = \"q\"".to_owned(), "line 2: duplicate key"),
        ("name = 7".to_owned(), "line 1: invalid type: integer `7`"),
        ("=".to_owned(), "line 1"),
    ] {
        let shown = refusal(&toml);
        assert!(shown.contains(words), "{words} in: {shown}");
    }
}

/// A spec of one phase with one gate.
fn gate(members: &str) -> String {
    format!("name = \"p\"\n[[phases]]\nname = \"a\"\n[[phases.gates]]\nname = \"g\"\n{members}\n")
}

#[test]
fn gates_that_can_not_pass_are_refused() {
    let keys = "kind = \"statement\"\ndocument = \"d\"\npredicate_type = \"t\"\nkeys = [\"k\"]\n";
    for (members, words) in [
        (keys, "line 9: key `k` is not in [keys], where there are none"),
        ("kind = \"statement\"\ndocument = \"d\"\npredicate_type = \"t\"\nkeys = []", "ask for 1 to 0"),
        ("kind = \"attestation\"\nnodes = false", "line 7: the gate looks at neither nodes nor work"),
        ("kind = \"artifacts\"\nartifacts = []", "line 7: `artifacts` has 0 items, and 1 to 500"),
        ("kind = \"artifacts\"\nartifacts = [\"x\", \"x\"]", "line 7: `x` is twice in `artifacts`"),
        ("kind = \"artifacts\"\nartifacts = [\"x\"]\nbytes_max = 0", "line 8: `bytes_max` is 0"),
        ("kind = \"field\"\nfield = \"a b\"\nthresholds = [\"x > 1\"]", "line 7: `field` is `a b`, and must be"),
        ("kind = \"field\"\nfield = \"f\"\ncount_min = 0\nthresholds = [\"x > 1\"]", "line 8: `count_min` is 0"),
        ("kind = \"field\"\nfield = \"f\"", "needs `thresholds`"),
        ("kind = \"external\"\njudge = \"j\"\nparameters = { \"a b\" = 1 }", "line 8: `parameters` is `a b`"),
        ("kind = \"external\"\njudge = \"j\"\nparameters = { a = nan }", "NaN is no number that gates compare"),
        ("kind = \"external\"\njudge = \"j\"\nparameters = { a = [1] }", "a number, true, false or a text"),
        ("kind = \"process\"", "needs `process`"),
    ] {
        let shown = refusal(&gate(members));
        assert!(shown.contains(words), "{words} in: {shown}");
    }
}

#[test]
fn limits_are_those_that_refusals_name() {
    let phases = |count: usize| {
        let phases: String = (0..count).map(|at| format!("[[phases]]\nname = \"{at}\"\n")).collect();
        format!("name = \"p\"\n{phases}")
    };
    assert_eq!(Spec::parse(&phases(64)).unwrap().phases().len(), 64);
    assert!(
        refusal(&phases(65)).contains("line 2: the spec has 65 phases, and at most 64"),
        "{}",
        refusal(&phases(65))
    );
    let gates = |count: usize| {
        let one = |at| format!("[[phases.gates]]\nname = \"{at}\"\nkind = \"attestation\"\n");
        format!("name = \"p\"\n[[phases]]\nname = \"a\"\n{}", (0..count).map(one).collect::<String>())
    };
    assert_eq!(Spec::parse(&gates(32)).unwrap().first().gates.len(), 32);
    assert!(refusal(&gates(33)).contains("phase `a` has 33 gates, and at most 32"));
    let artifacts = |count: usize| {
        let list: Vec<_> = (0..count).map(|at| format!("\"{at}\"")).collect();
        gate(&format!("kind = \"artifacts\"\nartifacts = [{}]", list.join(", ")))
    };
    assert!(Spec::parse(&artifacts(500)).is_ok());
    assert!(refusal(&artifacts(501)).contains("`artifacts` has 501 items, and 1 to 500 are allowed"));
    let padded = |bytes: usize| phases(1) + &"\n".repeat(bytes - phases(1).len());
    assert!(Spec::parse(&padded(SPEC_BYTES_MAX)).is_ok());
    assert_eq!(Spec::parse(&padded(SPEC_BYTES_MAX + 1)), Err(SpecError::Length(SPEC_BYTES_MAX + 1)));
    let named = |length: usize| format!("name = \"{}\"\n[[phases]]\nname = \"a\"\n", "x".repeat(length));
    assert!(Spec::parse(&named(64)).is_ok());
    assert!(refusal(&named(65)).contains("line 1: `xxxxx"), "{}", refusal(&named(65)));
}

#[test]
fn a_key_that_is_listed_twice_counts_once() {
    let pem =
        psi_process::spec::TrustedKey::new(psi_security::node_key::NodeKey::from_random(&[1; 32]).public()).to_pem();
    let spec = |signers: u32| {
        let keys = format!("[keys]\none = '''\n{pem}'''\ntwo = '''\n{pem}'''\n");
        let gate = gate(&format!(
            "kind = \"statement\"\ndocument = \"d\"\npredicate_type = \"t\"\nkeys = [\"one\", \"two\"]\n\
             signers = {signers}"
        ));
        format!("{gate}{keys}")
    };
    assert!(Spec::parse(&spec(1)).is_ok());
    let fault = SpecFault::Signers { signers: 2, distinct: 1 };
    assert_eq!(Spec::parse(&spec(2)), Err(SpecError::Fault { line: Some(10), fault }));
    assert!(refusal(&spec(0)).contains("0 signers are asked for"));
}

#[test]
fn what_a_spec_says_is_asked_by_name() {
    let spec = Spec::parse(&SMALL.replace("\"fold\"", "\"quorum\"").replace(
        "\n[[phases]]\nname = \"a\"",
        "\n[lease]\nseconds = 300\nrenewals_max = 10\n[[phases]]\nname = \"a\"",
    ));
    let spec = spec.unwrap();
    assert_eq!(spec.lease(), Some(LeaseTerms { seconds: 300, renewals_max: 10 }));
    let (a, b, c, d) = (name("a"), name("b"), name("c"), name("d"));
    assert_eq!(spec.next(&a).map(|phase| &phase.name), Some(&b));
    assert_eq!((spec.next(&c), spec.next(&d)), (None, None));
    assert!(spec.is_before(&a, &c) && !spec.is_before(&c, &a) && !spec.is_before(&a, &a) && !spec.is_before(&a, &d));
    assert_eq!(spec.phase(&b).and_then(|phase| phase.on_fail.clone()), Some(a));
    assert!(spec.phase(&b).is_some_and(|phase| phase.gate(&name("score")).is_some()));
}
