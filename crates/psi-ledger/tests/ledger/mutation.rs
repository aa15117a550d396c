//! A small ledger with a record of every kind, changed in every way, one at a time: every byte to three other values;
//! each record dropped, swapped, doubled, added; every tail cut. Each is found, and named for what it is and where.
//!
//! A fault of a disk leaves the trailer behind, so one hash finds it. So all is done again by an adversary who writes a
//! trailer that fits, and again by one who mends the list of hashes too. Then only what the nodes signed tells.

use psi_ledger::{
    LogName, TreeHash,
    export::{Fault, Finding, Subject, TrustBasis, verify},
    proto::part::Part,
    record::Kind,
};

use crate::{
    file::{Span, file, parts, spans, with_trailer},
    support::{Sample, anchors, other_values},
};

fn check(bytes: &[u8]) -> Vec<Finding> {
    verify(bytes, &TrustBasis { anchors: Some(anchors()), heads: &[] }).err().unwrap_or_default()
}

/// Which record of which run a part is.
fn records(sample: &Sample, parts: &[Part]) -> Vec<Option<(LogName, u64)>> {
    let mut records = Vec::new();
    let (mut run, mut next) = (0, 0);
    for part in parts {
        if matches!(part, Part::Run(_)) {
            (run, next) = (run + 1, 0);
        }
        let is_record = matches!(part, Part::Record(_));
        records.push(is_record.then(|| (sample.runs[run - 1].log.clone(), next)));
        next += u64::from(is_record);
    }
    records
}

fn says(findings: &[Finding], fault: Fault, subject: Subject, run: &LogName, index: u64) -> bool {
    findings.iter().any(|finding| {
        (finding.fault, finding.subject) == (fault, subject)
            && finding.run.as_ref() == Some(run)
            && finding.index == Some(index)
    })
}

#[test]
fn the_sample_has_all_kinds_and_holds() {
    let sample = Sample::new();
    let bytes = sample.export();
    let report = verify(&bytes, &TrustBasis { anchors: Some(anchors()), heads: &[] }).unwrap();
    for kind in Kind::ALL.iter().chain(&[Kind::Later(9_999)]) {
        assert!(report.runs.iter().any(|run| run.kinds.contains_key(kind)), "{kind}");
    }
    assert!(verify(&bytes, &TrustBasis::default()).is_ok());
    assert_eq!(file(&parts(&bytes)), bytes, "what tests take apart, they put together again");
    assert_eq!(spans(&bytes).last().unwrap().end, bytes.len());
}

#[test]
fn every_byte_that_a_disk_changes_is_found_at_its_part() {
    let sample = Sample::new();
    let bytes = sample.export();
    let parts = parts(&bytes);
    let records = records(&sample, &parts);
    for (number, Span { begin, end }) in spans(&bytes).into_iter().enumerate() {
        for at in begin..end {
            for value in other_values(bytes[at]) {
                let mut changed = bytes.clone();
                changed[at] = value;
                let findings = verify(&changed, &TrustBasis::default()).unwrap_err();
                let is_named = findings.iter().any(|finding| finding.offset == begin as u64);
                let is_vouched = matches!(parts.get(number), Some(Part::Voucher(_)));
                assert!(is_named || is_vouched, "byte {at} of part {number} to {value}: {findings:#?}");
                if let Some((run, index)) = records.get(number).cloned().flatten() {
                    let is_named = |finding: &Finding| {
                        finding.offset == begin as u64
                            && finding.run.as_ref() == Some(&run)
                            && finding.index == Some(index)
                    };
                    let is_frame = at < bytes.len() && at - begin < 3;
                    assert!(is_frame || findings.iter().any(is_named), "byte {at}, record {index}: {findings:#?}");
                }
            }
        }
    }
}

#[test]
fn every_byte_that_an_adversary_changes_is_found_at_its_part() {
    let bytes = Sample::new().export();
    let spans = spans(&bytes);
    let (trailer, spans) = spans.split_last().unwrap();
    for (number, Span { begin, end }) in spans.iter().enumerate() {
        for at in *begin..*end {
            for value in other_values(bytes[at]) {
                let mut changed = bytes[..trailer.begin].to_vec();
                changed[at] = value;
                let findings = check(&with_trailer(&changed, spans.len()));
                let is_named = findings.iter().any(|finding| finding.offset == *begin as u64);
                assert!(is_named, "byte {at} of part {number} to {value}: {findings:#?}");
            }
        }
    }
}

/// The parts of a file with a record and its listed hash changed together, or other changes of both.
fn with_leaves(parts: &[Part], run: usize, change: impl Fn(&mut Vec<Vec<u8>>)) -> Vec<Part> {
    let mut changed: Vec<Part> = Vec::new();
    let mut number = 0;
    let mut begin = 0;
    let mut leaves = Vec::new();
    for part in parts {
        match part {
            Part::Run(_) => {
                number += 1;
                begin = changed.len() + 1;
                changed.push(part.clone());
            }
            Part::Record(leaf) if number == run + 1 => leaves.push(leaf.clone()),
            Part::Body(_) if number == run + 1 => {}
            part => changed.push(part.clone()),
        }
        if matches!(part, Part::Head(_)) && number == run + 1 {
            change(&mut leaves);
            let Part::Run(preface) = &mut changed[begin - 1] else { unreachable!() };
            preface.leaf_hashes = leaves.iter().flat_map(|leaf| *TreeHash::of_leaf(leaf).as_bytes()).collect();
            let records: Vec<_> = leaves.drain(..).map(Part::Record).collect();
            changed.splice(begin..begin, records);
        }
    }
    changed
}

#[test]
fn every_byte_of_a_record_is_found_though_its_listed_hash_is_changed_too() {
    let sample = Sample::new();
    let parts = parts(&sample.export());
    for (number, run) in sample.runs.iter().enumerate() {
        for (index, leaf) in run.leaves.iter().enumerate() {
            for at in 0..leaf.len() {
                for value in other_values(leaf[at]) {
                    let changed = with_leaves(&parts, number, |leaves| leaves[index][at] = value);
                    let findings = check(&file(&changed));
                    let is_named = |finding: &Finding| {
                        (finding.fault, finding.subject) == (Fault::Changed, Subject::Record)
                            && finding.run.as_ref() == Some(&run.log)
                    };
                    assert!(findings.iter().any(is_named), "byte {at} of record {index} of {}", run.log);
                }
            }
        }
    }
}

/// What is done to the parts of a file, at the place of a record.
type Change = fn(&mut Vec<Part>, usize);

fn drop_record(parts: &mut Vec<Part>, at: usize) {
    parts.remove(at);
    if matches!(parts.get(at), Some(Part::Body(_))) {
        parts.remove(at);
    }
}

fn double_record(parts: &mut Vec<Part>, at: usize) {
    let after = if matches!(parts.get(at + 1), Some(Part::Body(_))) { at + 2 } else { at + 1 };
    let doubled: Vec<_> = parts[at..after].to_vec();
    parts.splice(after..after, doubled);
}

fn swap_records(parts: &mut Vec<Part>, at: usize) {
    let next = (at + 1..parts.len()).find(|next| matches!(parts[*next], Part::Record(_) | Part::Head(_))).unwrap();
    if matches!(parts[next], Part::Record(_)) {
        let moved: Vec<_> = parts.drain(at..next).collect();
        let end = (at + 1..parts.len()).find(|next| !matches!(parts[*next], Part::Body(_))).unwrap();
        parts.splice(end..end, moved);
    }
}

/// Adds a record that was signed elsewhere.
fn add_record(parts: &mut Vec<Part>, at: usize) {
    let foreign = Sample::new().runs[0].leaves[3].iter().rev().copied().collect();
    parts.insert(at, Part::Record(foreign));
}

#[test]
fn a_record_that_is_dropped_swapped_doubled_or_added_is_named() {
    let sample = Sample::new();
    let whole = parts(&sample.export());
    let changes: [(Change, Fault); 4] = [
        (drop_record, Fault::Dropped),
        (swap_records, Fault::Reordered),
        (double_record, Fault::Added),
        (add_record, Fault::Added),
    ];
    let mut seen = 0;
    for (at, record) in records(&sample, &whole).into_iter().enumerate() {
        let Some((log, index)) = record else { continue };
        let is_last = sample.runs.iter().any(|run| run.log == log && run.leaves.len() as u64 == index + 1);
        for (change, fault) in changes {
            let mut changed = whole.clone();
            change(&mut changed, at);
            let findings = check(&file(&changed));
            let is_cut = is_last && fault == Fault::Dropped;
            let fault = if is_cut { Fault::TailCut } else { fault };
            let index = if fault == Fault::Added && changed.get(at) == whole.get(at) { index + 1 } else { index };
            if changed != whole {
                assert!(says(&findings, fault, Subject::Record, &log, index), "{fault:?} {index} {log}: {findings:#?}");
                seen += 1;
            }
        }
    }
    let records: usize = sample.runs.iter().map(|run| run.leaves.len()).sum();
    assert_eq!(seen, 4 * records - sample.runs.len(), "the last record of a run is swapped with none");
}

#[test]
fn records_and_list_that_are_changed_alike_are_found_by_the_head() {
    let sample = Sample::new();
    let whole = parts(&sample.export());
    for (number, run) in sample.runs.iter().enumerate() {
        let (log, count) = (&run.log, run.leaves.len());
        for index in 0..count {
            let found = |fault, at, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
                let findings = check(&file(&with_leaves(&whole, number, change)));
                assert!(
                    findings.iter().any(|finding| {
                        (finding.fault, finding.subject) == (fault, Subject::Record)
                            && finding.run.as_ref() == Some(log)
                            && (finding.index == at || at.is_none())
                    }),
                    "{fault:?} {index} {log}: {findings:#?}"
                );
            };
            let size = count as u64;
            found(Fault::TailCut, Some(size - 1), &|leaves| drop(leaves.remove(index)));
            found(Fault::TailCut, Some(index as u64), &|leaves| leaves.truncate(index));
            found(Fault::Added, Some(size), &|leaves| leaves.insert(index, leaves[index].clone()));
            found(Fault::Added, Some(size), &|leaves| leaves.insert(index, b"another".to_vec()));
            if index + 1 < count {
                found(Fault::Changed, None, &|leaves| leaves.swap(index, index + 1));
            }
        }
    }
}

#[test]
fn every_tail_that_is_cut_is_named() {
    let bytes = Sample::new().export();
    for length in 0..bytes.len() {
        let findings = verify(&bytes[..length], &TrustBasis::default()).unwrap_err();
        let is_cut = |finding: &Finding| finding.fault == Fault::TailCut && finding.offset <= length as u64;
        assert!(findings.iter().any(is_cut), "{length} bytes: {findings:#?}");
    }
    // And by one who ends the file again.
    let parts = parts(&bytes);
    for count in 0..parts.len() {
        let findings = check(&file(&parts[..count]));
        assert!(!findings.is_empty(), "{count} parts");
    }
}

#[test]
fn whatever_follows_the_end_is_named() {
    let bytes = Sample::new().export();
    let last = spans(&bytes).last().unwrap().begin;
    for more in
        (0..=u8::MAX).map(|byte| vec![byte]).chain([bytes[last..].to_vec(), bytes.clone(), b"\x0a\x00".to_vec()])
    {
        let findings = verify(&[&bytes[..], &more].concat(), &TrustBasis::default()).unwrap_err();
        let is_named =
            |finding: &Finding| finding.fault == Fault::TrailingBytes && finding.offset == bytes.len() as u64;
        assert!(findings.iter().any(is_named), "{more:02x?}: {findings:#?}");
    }
}

#[test]
fn every_part_that_is_dropped_doubled_or_moved_is_found() {
    let whole = parts(&Sample::new().export());
    for at in 0..whole.len() {
        let mut dropped = whole.clone();
        let part = dropped.remove(at);
        assert!(!check(&file(&dropped)).is_empty(), "part {at} dropped");
        let mut doubled = whole.clone();
        doubled.insert(at, part.clone());
        assert!(!check(&file(&doubled)).is_empty(), "part {at} doubled");
        for to in 0..dropped.len() {
            let mut moved = dropped.clone();
            moved.insert(to, part.clone());
            assert!(moved == whole || !check(&file(&moved)).is_empty(), "part {at} moved to {to}");
        }
    }
}

/// A reader of protobuf takes a length with zeros before it. Here it would be a byte that anyone may add.
#[test]
fn a_length_that_is_written_longer_than_it_must_be_is_refused() {
    let bytes = Sample::new().export();
    let spans = spans(&bytes);
    let (trailer, spans) = spans.split_last().unwrap();
    for (number, span) in spans.iter().enumerate() {
        let last = (span.begin + 1..span.end).find(|at| bytes[*at] < 0x80).unwrap();
        let mut longer = bytes[..trailer.begin].to_vec();
        longer[last] |= 0x80;
        longer.insert(last + 1, 0);
        let findings = check(&with_trailer(&longer, spans.len()));
        assert!(findings.iter().any(|finding| finding.offset == span.begin as u64), "part {number}: {findings:#?}");
    }
}

#[test]
fn runs_that_are_swapped_or_doubled_are_named() {
    let whole = parts(&Sample::new().export());
    let begins: Vec<_> = (0..whole.len()).filter(|at| matches!(whole[*at], Part::Run(_))).collect();
    let (before, runs) = whole.split_at(begins[0]);
    let ends = begins.iter().skip(1).copied().chain([whole.len()]);
    let runs: Vec<_> =
        begins.iter().zip(ends).map(|(begin, end)| &runs[begin - before.len()..end - before.len()]).collect();
    assert_eq!(runs.len(), 3);
    for order in [[1, 0, 2].as_slice(), &[0, 2, 1], &[2, 1, 0], &[0, 0, 1, 2], &[0, 1, 2, 2]] {
        let parts: Vec<_> = before.iter().chain(order.iter().flat_map(|run| runs[*run])).cloned().collect();
        let findings = check(&file(&parts));
        let is_named = |finding: &Finding| (finding.fault, finding.subject) == (Fault::Reordered, Subject::Run);
        assert!(findings.iter().any(is_named), "{order:?}: {findings:#?}");
    }
}
