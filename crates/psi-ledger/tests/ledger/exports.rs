//! What a file shows, and what its reader must bring.

use psi_ledger::{
    Head, SignedHead,
    body::KeyChange,
    export::{ExportEncoder, FINDINGS_MAX, Fault, Finding, KeySource, Subject, TrustBasis, verify},
    proto::part::Part,
    record::Kind,
};
use psi_security::{certificate::TrustAnchors, node_key::Voucher};

use crate::{
    file::{file, parts},
    support::{Sample, TestRun, anchors, authority, checkpoint, export_of, export_run, key, log, operator, voucher_of},
};

fn refused(bytes: &[u8], basis: &TrustBasis<'_>) -> Vec<(Fault, Subject)> {
    let findings = verify(bytes, basis).unwrap_err();
    findings.iter().map(|finding| (finding.fault, finding.subject)).collect()
}

fn run(records: u64) -> TestRun {
    let mut run = TestRun::begin(log("n1", 100), key(1), None, None);
    for number in 1..records {
        run.append(Kind::FieldReset, operator(), number.to_string().into_bytes());
    }
    run
}

#[test]
fn a_report_says_what_the_file_has() {
    let sample = Sample::new();
    let bytes = sample.export();
    let report = verify(&bytes, &TrustBasis { anchors: Some(anchors()), heads: &[] }).unwrap();
    assert_eq!((report.cluster.as_str(), report.bytes, report.outside), ("prod", bytes.len() as u64, 0));
    let keys: Vec<_> = report.runs.iter().map(|run| run.key).collect();
    assert_eq!(keys, [KeySource::First, KeySource::Changed, KeySource::First]);
    for (found, run) in report.runs.iter().zip(&sample.runs) {
        assert_eq!((&found.log, &found.head, found.first), (&run.log, &run.head(), 0));
        assert_eq!((found.records(), found.public_key()), (run.leaves.len() as u64, run.key.public()));
        assert_eq!(found.vouched_by, Some(authority(1).hash()));
        assert!(!found.shows_rewind);
    }
    let report = verify(&bytes, &TrustBasis::default()).unwrap();
    assert!(report.runs.iter().all(|run| run.vouched_by.is_none()), "nobody was asked");
}

#[test]
fn a_key_must_be_vouched_for_where_the_authority_is_known() {
    let sample = Sample::new();
    let bytes = sample.export();
    let other = TrustAnchors::from_certificates(&[authority(2).certificate_der().clone()]).unwrap();
    let found = refused(&bytes, &TrustBasis { anchors: Some(&other), heads: &[] });
    assert!(found.contains(&(Fault::Forged, Subject::Voucher)) && found.contains(&(Fault::Unvouched, Subject::Run)));
    // A file without vouchers, by anyone at all.
    let bytes = export_of(&[&run(3)]);
    assert!(verify(&bytes, &TrustBasis::default()).is_ok());
    let basis = TrustBasis { anchors: Some(anchors()), heads: &[] };
    assert_eq!(refused(&bytes, &basis), [(Fault::Unvouched, Subject::Run)]);
}

#[test]
fn vouchers_of_others_and_in_another_order_are_refused() {
    let sample = Sample::new();
    let whole = parts(&sample.export());
    let with = |voucher: Vec<u8>| {
        let mut parts = whole.clone();
        parts.insert(1, Part::Voucher(voucher));
        refused(&file(&parts), &TrustBasis { anchors: Some(anchors()), heads: &[] })
    };
    let of_nobody = Voucher::issue(&authority(1), "n9", key(9).public(), 5).to_bytes();
    assert!(with(of_nobody).contains(&(Fault::Added, Subject::Voucher)));
    assert!(with(voucher_of(&sample.runs[0])).contains(&(Fault::Reordered, Subject::Voucher)));
    assert!(with(b"nothing".to_vec()).contains(&(Fault::Malformed, Subject::Voucher)));
    let forged = Voucher::issue(&authority(2), "n1", key(1).public(), 5).to_bytes();
    assert!(with(forged).contains(&(Fault::Forged, Subject::Voucher)));
}

/// The node, which has the key, writes another history. Only who has an earlier head can tell.
#[test]
fn a_head_from_before_finds_a_history_that_was_rewritten_or_cut() {
    let before = run(6);
    let mut rewritten = run(3);
    (3..8).for_each(|_| {
        rewritten.append(Kind::FieldRemoval, operator(), Vec::new());
    });
    let held = [before.head(), before.head_of(2)];
    let basis = TrustBasis { anchors: None, heads: &held };
    assert!(verify(&export_of(&[&run(9)]), &basis).is_ok());
    assert!(verify(&export_of(&[&run(6)]), &basis).is_ok());
    assert!(verify(&export_of(&[&rewritten]), &TrustBasis::default()).is_ok());
    assert_eq!(refused(&export_of(&[&rewritten]), &basis), [(Fault::Contradicted, Subject::Run)]);
    assert_eq!(refused(&export_of(&[&run(5)]), &basis), [(Fault::TailCut, Subject::Record)]);
    let copied = TestRun { key: key(2), ..run(9) };
    assert_eq!(refused(&export_of(&[&copied]), &basis), [(Fault::Contradicted, Subject::Run); 2]);
    let other = TestRun::begin(log("n2", 100), key(1), None, None);
    assert_eq!(refused(&export_of(&[&other]), &basis), [(Fault::Dropped, Subject::Run); 2]);
}

#[test]
fn a_run_whose_older_records_were_not_kept_is_verified_from_there() {
    let run = run(11);
    for first in 0..11 {
        let mut bytes = Vec::new();
        let mut encoder = ExportEncoder::begin(&run.log.cluster, &mut bytes);
        export_run(&mut encoder, &run, first, &mut bytes);
        encoder.finish(&mut bytes);
        let report = verify(&bytes, &TrustBasis::default()).unwrap();
        assert_eq!((report.runs[0].first, report.runs[0].records()), (first as u64, 11 - first as u64));
        for held in 1..=11 {
            let heads = [run.head_of(held)];
            let verdict = verify(&bytes, &TrustBasis { anchors: None, heads: &heads });
            assert_eq!(verdict.is_ok(), held >= first, "{first} {held}");
        }
        for at in 0..32 * first.count_ones() as usize {
            let mut parts = parts(&bytes);
            let Part::Run(preface) = &mut parts[1] else { unreachable!() };
            preface.before[at] ^= 1;
            assert_eq!(refused(&file(&parts), &TrustBasis::default()), [(Fault::Changed, Subject::Record)]);
        }
    }
}

#[test]
fn what_runs_say_of_each_other_must_be_true_of_the_file() {
    let sample = Sample::new();
    let [first, second, other] = &sample.runs[..] else { unreachable!() };
    // The first run, cut by one who has an earlier head of it, and its node rewriting it.
    let mut short = TestRun::new(first.log.clone(), key(1));
    short.leaves = first.leaves[..10].to_vec();
    short.long_bodies = vec![None; 10];
    let mut rewritten = TestRun::new(first.log.clone(), key(1));
    rewritten.leaves = first.leaves.clone();
    rewritten.long_bodies = first.long_bodies.clone();
    rewritten.leaves[8] = first.leaves[7].clone();
    rewritten.leaves[7] = first.leaves[8].clone();
    for (run, fault) in [(&short, Fault::TailCut), (&rewritten, Fault::Contradicted)] {
        assert!(verify(&export_of(&[run]), &TrustBasis::default()).is_ok(), "alone nothing is wrong with it");
        // By the start of the next run, and by checkpoints in two.
        for runs in [vec![run, second], vec![run, second, other]] {
            let found = verify(&export_of(&runs), &TrustBasis::default()).unwrap_err();
            assert!(found.iter().any(|finding| finding.fault == fault), "{found:#?}");
        }
    }
    let report = verify(&export_of(&[second]), &TrustBasis::default()).unwrap();
    assert_eq!(report.outside, 2 + 2 + 1, "heads in the start, heads and the predecessor in the checkpoint");
}

#[test]
fn checkpoints_in_a_file_follow_those_that_they_name() {
    let base = run(4);
    let mut writer = TestRun::begin(log("n2", 100), key(2), None, None);
    let earlier = checkpoint(&[&base], &[base.head_of(3)], &[]);
    let at = writer.append(Kind::ClusterCheckpoint, operator(), earlier.encode());
    let check = |change: &dyn Fn(&mut TestRun)| {
        let mut writer =
            TestRun { key: key(2), leaves: writer.leaves.clone(), ..TestRun::new(writer.log.clone(), key(2)) };
        writer.long_bodies = vec![None; writer.leaves.len()];
        change(&mut writer);
        verify(&export_of(&[&base, &writer]), &TrustBasis::default()).err()
    };
    let name = writer.named(at);
    let follow = |name, heads: &[SignedHead]| checkpoint(&[&base], heads, &[(name, &earlier)]).encode();
    let append = |body: Vec<u8>| {
        check(&move |writer| {
            writer.append(Kind::ClusterCheckpoint, operator(), body.clone());
        })
    };
    assert_eq!(append(follow(name.clone(), &[base.head()])), None);
    let found = |findings: Option<Vec<Finding>>| findings.unwrap().iter().map(|found| found.fault).collect::<Vec<_>>();
    // A predecessor of another hash, one that is no checkpoint, one beyond the end, one that it does not go on from.
    let mut renamed = name.clone();
    renamed.leaf_hash = writer.named(0).leaf_hash;
    assert_eq!(found(append(follow(renamed, &[base.head()]))), [Fault::Contradicted]);
    assert_eq!(found(append(follow(writer.named(0), &[base.head()]))), [Fault::Contradicted]);
    let mut beyond = name.clone();
    beyond.index = 7;
    assert_eq!(found(append(follow(beyond, &[base.head()]))), [Fault::TailCut]);
    let alone = checkpoint(&[&base], &[], &[]);
    let unfollowed = checkpoint(&[&base], &[base.head()], &[(name.clone(), &alone)]).encode();
    assert_eq!(found(append(unfollowed)), [Fault::Contradicted]);
    // A head of its own ledger that would cover it, and one that its node did not sign.
    let future = SignedHead::sign(Head { log: writer.log.clone(), ..base.head().head().clone() }, &key(2));
    assert!(found(append(follow(name.clone(), &[base.head(), future]))).contains(&Fault::Contradicted));
    let forged = SignedHead::sign(base.head().head().clone(), &key(9));
    assert_eq!(found(append(follow(name, &[forged]))), [Fault::Forged]);
}

#[test]
fn a_run_starts_with_its_start_and_has_one() {
    let start = run(1);
    let mut late = run(3);
    late.leaves.push(start.leaves[0].clone());
    late.long_bodies.push(None);
    let headless = {
        let mut run = TestRun::new(log("n1", 100), key(1));
        run.append(Kind::FieldReset, operator(), Vec::new());
        run
    };
    let stolen = TestRun { log: log("n1", 300), ..run(3) };
    for (run, fault) in [(late, Fault::Malformed), (headless, Fault::Malformed), (stolen, Fault::Contradicted)] {
        assert_eq!(refused(&export_of(&[&run]), &TrustBasis::default()), [(fault, Subject::Record)]);
    }
}

#[test]
fn a_change_to_a_key_that_does_not_sign_the_run_is_refused() {
    let mut run = run(3);
    let change = KeyChange::sign(&run.log, &key(8), key(9).public());
    run.append(Kind::KeyChange, operator(), change.encode(&run.log));
    assert_eq!(refused(&export_of(&[&run]), &TrustBasis::default()), [(Fault::Contradicted, Subject::Record)]);
}

#[test]
fn a_key_that_nobody_explains_is_told() {
    let (first, last) = (run(3), run(3).head());
    let second = |own| TestRun::begin(log("n1", 200), key(2), own, Some(&last));
    let report = verify(&export_of(&[&first, &second(Some(&last))]), &TrustBasis::default()).unwrap();
    assert_eq!((report.runs[1].key, report.runs[1].shows_rewind), (KeySource::Unexplained, false));
    let report = verify(&export_of(&[&first, &second(Some(&first.head_of(2)))]), &TrustBasis::default()).unwrap();
    assert!(report.runs[1].shows_rewind);
}

#[test]
fn findings_are_told_in_words_and_are_bounded() {
    let mut whole = parts(&export_of(&[&run(5)]));
    whole.remove(4);
    let findings = verify(&file(&whole), &TrustBasis::default()).unwrap_err();
    let says = findings[0].to_string();
    let offset = findings[0].offset;
    assert_eq!(
        says,
        format!(
            "byte {offset}: record 2 of psi-field/ledger/prod/n1/100 dropped: it is listed, and is not in the file"
        )
    );
    let many: Vec<_> = (0..2_000).map(|_| Part::Record(b"nothing".to_vec())).collect();
    whole.splice(2..2, many);
    let findings = verify(&file(&whole), &TrustBasis::default()).unwrap_err();
    assert_eq!(findings.len(), FINDINGS_MAX + 1);
    assert!(findings[FINDINGS_MAX].detail.contains("more findings"), "{}", findings[FINDINGS_MAX]);
}
