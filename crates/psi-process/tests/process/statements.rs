//! Signed statements: how many distinct trusted keys signed, what, and about what.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{BASE64, BASE64URL};
use psi_process::{
    Facts, HoldReason, Spec, Verdict,
    judge::{EvidenceFacts, PAYLOAD_TYPE, SIGNERS, STATEMENT_TYPE, SignedStatement},
    spec::TrustedKey,
};
use psi_security::node_key::NodeKey;

use crate::{
    gates::{check, hold, judged},
    support::{reading, task},
};

pub(crate) fn key(number: u8) -> NodeKey {
    NodeKey::from_random(&[number; 32])
}

/// What DSSE signs, written down here once more.
fn signed_bytes(payload_type: &str, payload: &str) -> Vec<u8> {
    format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len()).into_bytes()
}

pub(crate) fn signature(payload_type: &str, payload: &str, signer: u8) -> String {
    BASE64.encode(key(signer).sign(&signed_bytes(payload_type, payload)).as_bytes())
}

fn envelope_of(payload_type: &str, payload: &str, signatures: &[String]) -> String {
    let signatures: Vec<_> = signatures.iter().map(|sig| format!("{{\"keyid\":\"any\",\"sig\":\"{sig}\"}}")).collect();
    let payload = BASE64.encode(payload.as_bytes());
    let signatures = signatures.join(",");
    format!("{{\"payload\":\"{payload}\",\"payloadType\":\"{payload_type}\",\"signatures\":[{signatures}]}}")
}

/// A statement in an envelope that some keys have signed.
pub(crate) fn envelope(payload: &str, signers: &[u8]) -> String {
    let signatures: Vec<_> = signers.iter().map(|signer| signature(PAYLOAD_TYPE, payload, *signer)).collect();
    envelope_of(PAYLOAD_TYPE, payload, &signatures)
}

pub(crate) fn statement(subject: &str, sha256: &str, predicate_type: &str, predicate: &str) -> String {
    format!(
        "{{\"_type\":\"{STATEMENT_TYPE}\",\
         \"subject\":[{{\"name\":\"{subject}\",\"digest\":{{\"sha256\":\"{sha256}\"}}}}],\
         \"predicateType\":\"{predicate_type}\",\"predicate\":{predicate}}}"
    )
}

/// Two of the keys 1 to 3 must approve. Key 1 is in it by two names.
fn spec(any_task: bool) -> Spec {
    let pem = |number: u8| TrustedKey::new(key(number).public()).to_pem();
    let keys: String = [("one", 1), ("again", 1), ("two", 2), ("three", 3)]
        .into_iter()
        .map(|(name, number)| format!("{name} = '''\n{}'''\n", pem(number)))
        .collect();
    let toml = format!(
        "name = \"p\"\n[keys]\n{keys}[[phases]]\nname = \"a\"\n[[phases.gates]]\nname = \"g\"\nkind = \"statement\"\n\
         document = \"review\"\npredicate_type = \"type\"\nkeys = [\"one\", \"again\", \"two\", \"three\"]\n\
         signers = 2\n\
         thresholds = [\"approved = true\"]\nany_task = {any_task}\n"
    );
    Spec::parse(&toml).unwrap()
}

fn facts(envelope: &str) -> Facts {
    let evidence = BTreeMap::from([("review".to_owned(), EvidenceFacts::of(envelope.as_bytes().to_vec()))]);
    Facts { evidence, ..Facts::none(task()) }
}

/// A statement about the phase and the task.
fn approval(spec: &Spec, approved: &str) -> String {
    let sha256 = spec.first().hash.to_string();
    statement("Task-1", &sha256, "type", &format!("{{\"approved\":{approved}}}"))
}

#[test]
fn distinct_trusted_keys_are_counted() {
    let spec = spec(false);
    let payload = approval(&spec, "true");
    let missing = hold(HoldReason::MissingSignatures);
    for (signers, verdict, words) in [
        (vec![1, 2], Verdict::Pass, "2 distinct trusted keys signed review, of 2 needed"),
        (vec![3, 9, 1], Verdict::Pass, "2 distinct trusted keys"),
        (vec![1, 2, 3], Verdict::Pass, "3 distinct trusted keys"),
        (vec![1, 1], missing, "1 distinct trusted keys have signed it, and 2 are needed"),
        (vec![1; 40], missing, "1 distinct trusted keys"),
        (vec![1, 8, 9], missing, "1 distinct trusted keys"),
        (vec![8, 9], missing, "0 distinct trusted keys"),
        (vec![], missing, "0 distinct trusted keys"),
        (vec![1; 65], hold(HoldReason::MalformedEvidence), "65 signatures, and at most 64"),
    ] {
        check(&spec, &facts(&envelope(&payload, &signers)), verdict, words);
    }
    let readings = judged(&spec, &facts(&envelope(&payload, &[1, 2]))).readings;
    assert!(readings.contains(&reading(SIGNERS, 2.0)));
}

#[test]
fn what_is_signed_is_what_is_judged() {
    let spec = spec(false);
    let payload = approval(&spec, "true");
    check(&spec, &facts(&envelope(&approval(&spec, "false"), &[1, 2])), Verdict::Fail, "approved is false");
    let missing = hold(HoldReason::MissingSignatures);
    // Signatures of another payload, of another type, and of the payload alone.
    let [one, two] = [1, 2].map(|signer| signature(PAYLOAD_TYPE, &approval(&spec, "false"), signer));
    check(&spec, &facts(&envelope_of(PAYLOAD_TYPE, &payload, &[one, two])), missing, "0 distinct");
    let [one, two] = [1, 2].map(|signer| signature("text/plain", &payload, signer));
    check(&spec, &facts(&envelope_of(PAYLOAD_TYPE, &payload, &[one.clone(), two.clone()])), missing, "0 distinct");
    let other = hold(HoldReason::MalformedEvidence);
    check(&spec, &facts(&envelope_of("text/plain", &payload, &[one, two])), other, "of type `text/plain`");
    let [one, two] = [1, 2].map(|signer| BASE64.encode(key(signer).sign(payload.as_bytes()).as_bytes()));
    check(&spec, &facts(&envelope_of(PAYLOAD_TYPE, &payload, &[one, two])), missing, "0 distinct");
}

#[test]
fn statements_are_about_the_phase_the_task_and_the_type() {
    let (bound, any) = (spec(false), spec(true));
    let other = hold(HoldReason::OtherSubject);
    let says = |spec: &Spec, subject: &str, sha256: &str, kind: &str| {
        let sha256 = if sha256.is_empty() { spec.first().hash.to_string() } else { sha256.to_owned() };
        facts(&envelope(&statement(subject, &sha256, kind, "{\"approved\":true}"), &[1, 2]))
    };
    check(&bound, &says(&bound, "Task-1", "", "type"), Verdict::Pass, "approved is true");
    check(&bound, &says(&bound, "Task-2", "", "type"), other, "is about `Task-2`");
    check(&any, &says(&any, "Task-2", "", "type"), Verdict::Pass, "approved is true");
    check(&any, &says(&bound, "Task-2", "", "type"), other, "of phase a");
    let spec_hash = any.hash().to_string();
    check(&any, &says(&any, "Task-1", &spec_hash, "type"), other, &any.first().hash.to_string());
    check(&bound, &says(&bound, "Task-1", "", "types"), other, "of type `types`, and `type` is needed");
}

#[test]
fn envelopes_that_are_none_hold() {
    let spec = spec(false);
    let whole = envelope(&approval(&spec, "true"), &[1, 2]);
    let malformed = hold(HoldReason::MalformedEvidence);
    for (text, words) in [
        ("{}".to_owned(), "no DSSE envelope"),
        ("[".repeat(100_000), "no DSSE envelope"),
        (whole.replace("payloadType", "payload"), "no DSSE envelope"),
        (whole.replace("\"payload\":\"", "\"payload\":\"!"), "base64"),
        (whole[..whole.len() - 1].to_owned(), "no DSSE envelope"),
        (envelope("{\"approved\":true}", &[1, 2]), "no in-toto statement"),
        (envelope("nothing", &[1, 2]), "no JSON"),
        (envelope(&"[".repeat(500), &[1, 2]), "no JSON"),
        (envelope("{\"_type\":7}", &[1, 2]), "its _type is not"),
        (envelope(&statement("Task-1", "", "type", "{}").replace("[{", "[[{").replace("}]", "}]]"), &[1, 2]), ""),
    ] {
        let judgement = judged(&spec, &facts(&text));
        assert!(!judgement.verdict.is_pass() && judgement.verdict != Verdict::Fail, "{judgement}");
        assert!(judgement.reason.contains(words), "{words} in: {judgement}");
    }
    check(&spec, &facts(&" ".repeat(2_000_000)), malformed, "2000000 bytes");
    let url = whole.replace(
        &BASE64.encode(approval(&spec, "true").as_bytes()),
        &BASE64URL.encode(approval(&spec, "true").as_bytes()),
    );
    check(&spec, &facts(&url), Verdict::Pass, "approved is true");
}

#[test]
fn a_changed_byte_of_an_envelope_changes_nothing_that_is_believed() {
    let spec = spec(false);
    let whole = envelope(&approval(&spec, "true"), &[1, 2]);
    let keys: BTreeSet<_> = [1, 2].map(|number| TrustedKey::new(key(number).public())).into();
    let verify = |bytes: &[u8]| SignedStatement::verify(bytes, &keys, 2);
    let honest = verify(whole.as_bytes()).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut changed = whole.clone().into_bytes();
        changed[at] ^= 2;
        // Names of keys are hints: with others, the same is said by the same keys.
        match verify(&changed) {
            Ok(read) => assert_eq!(read, honest, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > whole.len() - 20, "{refused} of {}", whole.len());
}
