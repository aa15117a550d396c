//! Proofs of records, heads and consistency: every byte of each changed to three other values, every tail cut, every
//! hash dropped, doubled or swapped. None of it is accepted.

use psi_ledger::{
    RecordProof, RecordProofRefusal, UnverifiedHead, UnverifiedProof,
    head::{HeadRefusal, NOTE_BYTES_MAX},
    record::Kind,
    tree::{ProofRefusal, prove_consistency, prove_inclusion},
};

use crate::support::{Sample, TestRun, key, log, other_values};

fn proof(run: &TestRun, index: usize) -> RecordProof {
    let hashes = prove_inclusion(run.hashes().as_slice(), run.leaves.len() as u64, index as u64).unwrap();
    RecordProof::new(index as u64, run.leaves[index].clone(), hashes, run.head()).unwrap()
}

fn verified(text: &[u8], run: &TestRun) -> bool {
    let text = String::from_utf8_lossy(text);
    UnverifiedProof::parse(&text).is_ok_and(|proof| proof.verify(&run.key.public()).is_ok())
}

#[test]
fn a_proof_shows_its_record_and_is_a_tlog_proof() {
    for run in Sample::new().runs {
        for index in 0..run.leaves.len() {
            let proof = proof(&run, index);
            let text = proof.text();
            assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{text}");
            assert!(text.ends_with(&format!("\n\n{}", run.head().note())), "{text}");
            let read = UnverifiedProof::parse(&text).unwrap();
            assert_eq!(*read.log(), run.log);
            let read = read.verify(&run.key.public()).unwrap();
            assert_eq!((read.index(), read.record()), (index as u64, proof.record()));
            assert_eq!((read.head(), read.text()), (&run.head(), text));
        }
    }
}

#[test]
fn no_byte_of_a_proof_is_free_to_change() {
    for run in Sample::new().runs {
        for index in [0, run.leaves.len() / 2, run.leaves.len() - 1] {
            let text = proof(&run, index).text().into_bytes();
            for at in 0..text.len() {
                for value in other_values(text[at]) {
                    let mut changed = text.clone();
                    changed[at] = value;
                    assert!(!verified(&changed, &run), "byte {at} to {value} of {}", String::from_utf8_lossy(&text));
                }
                assert!(!verified(&text[..at], &run), "{at} bytes");
            }
            assert!(verified(&text, &run));
            assert!(!verified(&[&text[..], b"\n"].concat(), &run));
            assert!(!verified(&[&text[..], "— witness.example AAAA\n".as_bytes()].concat(), &run));
        }
    }
}

/// Numbers with a sign or zeros before them, spaces, other ends of lines: what is read is what is written, and no more.
#[test]
fn no_character_may_be_added_to_a_head_or_a_proof() {
    let run = &Sample::new().runs[1];
    let text = proof(run, 1).text();
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    for at in ends {
        for more in ["0", "+", " ", "=", "\r", "\n", "\t", "\u{0}", "\u{a0}"] {
            let longer = [&text[..at], more, &text[at..]].concat();
            assert!(!verified(longer.as_bytes(), run), "{more:?} at byte {at}");
            let head = longer.find("\n\n").map(|end| &longer[end + 2..]);
            let head = head.filter(|head| *head != run.head().note()).map(UnverifiedHead::parse);
            let head = head.and_then(|head| head.ok()?.verify(&run.key.public()).ok());
            assert_eq!(head, None, "{more:?} at byte {at}");
        }
    }
}

#[test]
fn no_line_of_a_proof_may_be_dropped_doubled_or_swapped() {
    let sample = Sample::new();
    let run = &sample.runs[0];
    let text = proof(run, 4).text();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let without = [&lines[..at], &lines[at + 1..]].concat().concat();
        let doubled = [&lines[..=at], &lines[at..]].concat().concat();
        assert!(!verified(without.as_bytes(), run), "{without}");
        assert!(!verified(doubled.as_bytes(), run), "{doubled}");
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert!(swapped == lines || !verified(swapped.concat().as_bytes(), run), "lines {at} and {other}");
        }
    }
}

#[test]
fn a_proof_is_of_its_place_alone() {
    let sample = Sample::new();
    let run = &sample.runs[0];
    let hashes = prove_inclusion(run.hashes().as_slice(), run.leaves.len() as u64, 3).unwrap();
    let refusal =
        |index: usize, of: u64| RecordProof::new(of, run.leaves[index].clone(), hashes.clone(), run.head()).err();
    let size = run.leaves.len() as u64;
    let proof = |index, refusal| Some(RecordProofRefusal::Proof { index, refusal });
    assert_eq!(refusal(3, 3), None);
    assert_eq!(refusal(4, 3), proof(3, ProofRefusal::Root { size }));
    assert_eq!(refusal(3, 2), proof(2, ProofRefusal::Root { size }));
    assert_eq!(refusal(3, size), proof(size, ProofRefusal::Index { index: size, size }));
    assert!(matches!(refusal(3, size - 1), Some(RecordProofRefusal::Proof { .. })));
}

#[test]
fn no_byte_of_a_head_is_free_to_change() {
    let mut run = TestRun::begin(log("n1", 100), key(1), None, None);
    run.append(Kind::FieldReset, crate::support::operator(), b"f".to_vec());
    let head = run.head();
    let note = head.note();
    let verified = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        UnverifiedHead::parse(&text).and_then(|head| head.verify(&key(1).public())).ok()
    };
    assert_eq!(verified(note.as_bytes()), Some(head));
    for at in 0..note.len() {
        for value in 0..=u8::MAX {
            let mut changed = note.clone().into_bytes();
            changed[at] = value;
            assert_eq!(verified(&changed).is_some(), changed == note.as_bytes(), "byte {at} to {value}");
        }
        assert_eq!(verified(&note.as_bytes()[..at]), None);
    }
    assert_eq!(verified(&[note.as_bytes(), b"\n"].concat()), None);
    let long = "x".repeat(NOTE_BYTES_MAX + 1);
    assert_eq!(UnverifiedHead::parse(&long).err(), Some(HeadRefusal::Length(NOTE_BYTES_MAX + 1)));
}

#[test]
fn a_head_is_of_its_key_alone() {
    let run = TestRun::begin(log("n1", 100), key(1), None, None);
    let refusal =
        |text: &str, of: u8| UnverifiedHead::parse(text).and_then(|head| head.verify(&key(of).public())).err();
    let note = run.head().note();
    assert_eq!(refusal(&note, 1), None);
    assert!(matches!(refusal(&note, 2), Some(HeadRefusal::OtherKey { .. })));
    // One who claims the id of another's key, which has only four bytes.
    let forged = TestRun { key: key(2), ..TestRun::begin(log("n1", 100), key(1), None, None) }.head();
    let unverified = UnverifiedHead::from(&forged);
    assert!(unverified.clone().verify(&key(2).public()).is_ok());
    assert!(matches!(unverified.verify(&key(1).public()), Err(HeadRefusal::OtherKey { .. })));
    let (head, signature) = (note.split_inclusive('\n').take(2), note.split_inclusive('\n').skip(2));
    let grown = head.chain(signature).collect::<String>().replacen("\n1\n", "\n2\n", 1);
    assert!(matches!(refusal(&grown, 1), Some(HeadRefusal::Forged { .. })), "{grown}");
}

#[test]
fn no_byte_of_a_consistency_proof_is_free_to_change() {
    let sample = Sample::new();
    let run = &sample.runs[0];
    let hashes = run.hashes();
    let newer = run.head().head().tree;
    for older in 1..run.leaves.len() {
        let proof = prove_consistency(hashes.as_slice(), older as u64, newer.size()).unwrap();
        let old = run.head_of(older).head().tree;
        assert_eq!(newer.verify_consistency(&old, &proof), Ok(()));
        for (at, hash) in proof.iter().enumerate() {
            for byte in 0..32 {
                for value in other_values(hash.as_bytes()[byte]) {
                    let mut bytes = *hash.as_bytes();
                    bytes[byte] = value;
                    let mut changed = proof.clone();
                    changed[at] = psi_ledger::TreeHash::from_bytes(bytes);
                    assert_eq!(
                        newer.verify_consistency(&old, &changed),
                        Err(ProofRefusal::Root { size: newer.size() })
                    );
                }
            }
            let mut dropped = proof.clone();
            dropped.remove(at);
            let mut doubled = proof.clone();
            doubled.insert(at, *hash);
            for wrong in [dropped, doubled] {
                let refusal = ProofRefusal::Length { got: wrong.len(), want: proof.len() };
                assert_eq!(newer.verify_consistency(&old, &wrong), Err(refusal));
            }
            for other in at + 1..proof.len() {
                let mut swapped = proof.clone();
                swapped.swap(at, other);
                assert!(newer.verify_consistency(&old, &swapped).is_err(), "{older}: {at} and {other}");
            }
        }
    }
}
