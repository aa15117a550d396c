//! TOML and JSON that are meant to break something: they are refused, and nothing panics.

use std::collections::BTreeMap;

use proptest::prelude::*;
use psi_process::{
    Facts, Spec, Verdict,
    judge::{DOCUMENT_BYTES_MAX, Document, EvidenceFacts, SignedStatement, judge_phase},
    spec::{SPEC_BYTES_MAX, TrustedKey},
};

use crate::{
    statements::{envelope, key, statement},
    support::{SMALL, small, task},
};

#[test]
fn toml_that_is_deep_long_or_strange_is_refused() {
    let nested =
        |open: &str, close: &str, depth: usize| format!("name = {}{}", open.repeat(depth), close.repeat(depth));
    let dotted = format!("{} = 1", vec!["a"; 20_000].join("."));
    let sections: String = (0..5_000).map(|at| format!("[a{at}]\n")).collect();
    for toml in [
        nested("[", "]", 30_000),
        nested("{a=", "}", 10_000),
        nested("[", "", 60_000),
        dotted,
        sections,
        format!("{SMALL}\n[[phases]]\nname = \"\\u0000\""),
        format!("{SMALL}\n[[phases]]\nname = nan"),
        format!("{SMALL}\n[[phases.gates]]\nname = 1979-05-27"),
        format!("\u{feff}{SMALL}x"),
        "name = \"p\"\n[[phases]]\nname.name = \"a\"".to_owned(),
        "\0".repeat(1_000),
        "[[phases]]\n".repeat(5_000),
        "a".repeat(SPEC_BYTES_MAX + 1),
        "retain_days = 99999999999999999999999999".to_owned(),
        "retain_days = -1".to_owned(),
    ] {
        let error = Spec::parse(&toml).unwrap_err().to_string();
        assert!(error.len() < 2_000, "{} bytes: {error}", error.len());
        assert!(!error.contains('\0') && !error.contains('\n'), "{error}");
    }
}

#[test]
fn json_that_is_deep_long_or_strange_is_refused() {
    for json in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        format!("{{\"a\":{}1{}}}", "[".repeat(126), "]".repeat(126)),
        "{\"a\":1,\"a\":1}".to_owned(),
        "{\"a\":{\"b\":1,\"b\":1}}".to_owned(),
        "{\"a\":NaN}".to_owned(),
        "{\"a\":Infinity}".to_owned(),
        "{\"a\":1e999}".to_owned(),
        "{\"a\":-9007199254740992}".to_owned(),
        "{\"a\":18446744073709551616}".to_owned(),
        "{\"a\":1}x".to_owned(),
        "{\"_type\":\"https://in-toto.io/Statement/v1\"}".to_owned(),
        "\u{feff}{}".to_owned(),
        "null".to_owned(),
        " ".repeat(DOCUMENT_BYTES_MAX + 1),
    ] {
        let error = Document::parse(json.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 1_000 && !error.contains('\n'), "{error}");
    }
    assert!(Document::parse(b"\xff\xfe").is_err());
    let many: Vec<_> = (0..20_000).map(|at| format!("\"v{at}\":{at}")).collect();
    assert_eq!(Document::parse(format!("{{{}}}", many.join(",")).as_bytes()).unwrap().values.len(), 20_000);
}

#[test]
fn deep_predicates_end_at_the_longest_name() {
    let predicate = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    let document = Document::parse(statement("x", "", "t", &predicate).as_bytes()).unwrap();
    assert_eq!(document.values.len(), 0, "a name of 199 bytes is none that thresholds have");
}

proptest! {
    #[test]
    fn no_text_panics_as_a_spec(text in "\\PC{0,200}") {
        let _ = Spec::parse(&text);
        let _ = Spec::from_canonical(text.as_bytes());
    }

    #[test]
    fn no_changed_spec_panics(
        at in any::<prop::sample::Index>(),
        text in "[\\[\\]{}\"'=.,#a-z0-9\n -]{0,12}",
        cut in 0_usize..30,
    ) {
        let at = at.index(SMALL.len());
        let after = (at + cut).min(SMALL.len());
        let changed = format!("{}{text}{}", &SMALL[..at], &SMALL[after..]);
        if let Ok(spec) = Spec::parse(&changed) {
            prop_assert_eq!(Spec::from_canonical(spec.canonical()), Ok(spec));
        }
    }

    #[test]
    fn no_bytes_pass_as_a_document(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(&bytes);
        let keys = [TrustedKey::new(key(1).public())].into();
        prop_assert!(SignedStatement::verify(&bytes, &keys, 1).is_err());
        let evidence = BTreeMap::from([("report".to_owned(), EvidenceFacts::of(bytes))]);
        let facts = Facts { evidence, ..Facts::none(task()) };
        let spec = small();
        prop_assert_ne!(Verdict::of_all(&judge_phase(&spec, spec.first(), &facts)), Verdict::Pass);
    }

    #[test]
    fn no_changed_payload_is_verified(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let keys = [TrustedKey::new(key(1).public())].into();
        let payload = statement("x", "00", "t", "{\"ok\":true}");
        let whole = envelope(&payload, &[1]);
        prop_assert!(SignedStatement::verify(whole.as_bytes(), &keys, 1).is_ok());
        let start = "{\"payload\":\"".len();
        let mut changed = whole.clone().into_bytes();
        let at = start + at.index(payload.len());
        changed[at] = value;
        prop_assume!(changed != whole.as_bytes());
        prop_assert!(SignedStatement::verify(&changed, &keys, 1).is_err());
    }
}
