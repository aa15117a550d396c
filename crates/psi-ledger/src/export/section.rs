//! Whether the records and the head of one run hold together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    alignment::{Difference, differences},
    finding::{Fault, Findings, Place, Subject},
    layout::{Item, RunSection},
};
use crate::{
    hash::TreeHash,
    head::{Head, HeadRefusal, SignedHead, UnverifiedHead},
    record::{Body, Content, Record},
    tree::{CompactRange, TreeHead},
};

/// A run whose head and records were verified, as far as they can be.
#[derive(Debug)]
pub(super) struct RunReading<'a> {
    pub(super) section: &'a RunSection,
    pub(super) records: Vec<ReadRecord<'a>>,
    pub(super) head: Option<SignedHead>,
    /// The hashes of its leaves. If a head holds for any, it holds for these.
    pub(super) leaf_hashes: Vec<TreeHash>,
}

/// A record that could be read.
#[derive(Debug)]
pub(super) struct ReadRecord<'a> {
    pub(super) index: u64,
    pub(super) offset: u64,
    pub(super) record: Record,
    long_body: Option<&'a [u8]>,
}

impl ReadRecord<'_> {
    /// What it says, if that is in the file.
    pub(super) fn body(&self) -> Option<&[u8]> {
        match &self.record.body {
            Body::Inline(bytes) => Some(bytes),
            Body::Long(_) => self.long_body,
        }
    }
}

/// Roots of a tree at the sizes that somebody asks for.
#[derive(Debug)]
pub(super) struct Roots(BTreeMap<u64, TreeHead>);

impl Roots {
    /// Whether the tree has this head.
    pub(super) fn contains(&self, head: &TreeHead) -> bool {
        self.0.get(&head.size()) == Some(head)
    }
}

/// The roots that leaves after those of `before` give, at these sizes.
pub(super) fn roots(before: &CompactRange, leaves: &[TreeHash], sizes: &BTreeSet<u64>) -> Roots {
    let mut range = before.clone();
    let mut found: Vec<_> = range.head().into_iter().filter(|head| sizes.contains(&head.size())).collect();
    for leaf in leaves {
        if range.append(*leaf).is_err() {
            break;
        }
        if sizes.contains(&range.end()) {
            found.extend(range.head());
        }
    }
    Roots(found.into_iter().map(|head| (head.size(), head)).collect())
}

impl<'a> RunReading<'a> {
    /// Reads a run, and says what is wrong with it.
    pub(super) fn read(section: &'a RunSection, findings: &mut Findings) -> Self {
        let head = read_head(section, findings);
        let hashes: Vec<_> = section.records.iter().map(|part| TreeHash::of_leaf(&part.leaf)).collect();
        let holds = |leaves: &[TreeHash]| {
            let tree = head.as_ref().map(|head| head.head().tree);
            tree.is_some_and(|tree| roots(&section.before, leaves, &BTreeSet::from([tree.size()])).contains(&tree))
        };
        let list_holds = holds(&section.leaf_hashes);
        let records_hold = if hashes == section.leaf_hashes { list_holds } else { holds(&hashes) };
        let leaf_hashes = if records_hold && !list_holds {
            list_changes(section, &hashes, findings);
            hashes
        } else {
            record_changes(section, &hashes, findings);
            section.leaf_hashes.clone()
        };
        let records = read_records(section, &leaf_hashes, findings);
        let reading = Self { section, records, head, leaf_hashes };
        reading.check_head(list_holds || records_hold, findings);
        reading
    }

    /// How many records the run has, with those that are not in the file.
    pub(super) fn total(&self) -> u64 {
        self.section.first() + self.leaf_hashes.len() as u64
    }

    /// Whether the head covers all records, and no more. `holds` says whether it has the root of those that it covers.
    fn check_head(&self, holds: bool, findings: &mut Findings) {
        let (section, total) = (self.section, self.total());
        let Some(tree) = self.head.as_ref().map(|head| head.head().tree) else { return };
        let place = Place::at(Subject::Record, section.end).of(&section.log);
        if tree.size() > total {
            let detail = format!("the head covers {} records, and the file has them up to {total}", tree.size());
            findings.add(Fault::TailCut, place.index(total), detail);
        } else if tree.size() < total {
            let detail = format!("the head covers {} records, and the file has {total}", tree.size());
            findings.add(Fault::Added, place.index(tree.size()), detail);
        }
        if tree.size() <= total && !holds {
            let detail =
                format!("records {} to {} give another root than the head has", section.first(), tree.size() - 1);
            let offset = section.records.first().map_or(section.end, |record| record.offset);
            findings.add(Fault::Changed, Place { offset, ..place }, detail);
        }
    }
}

fn read_head(section: &RunSection, findings: &mut Findings) -> Option<SignedHead> {
    let Some(Item { offset, value }) = &section.head else {
        let place = Place::at(Subject::Head, section.end).of(&section.log);
        findings.add(Fault::Dropped, place, "no head covers the records of the run");
        return None;
    };
    let place = Place::at(Subject::Head, *offset).of(&section.log);
    let head = match UnverifiedHead::parse(value) {
        Ok(head) => head,
        Err(error) => {
            findings.add(Fault::Malformed, place, error);
            return None;
        }
    };
    let Head { log, tree, .. } = head.unverified();
    let run = Place::at(Subject::Run, section.offset).of(&section.log);
    if *log != section.log {
        findings.add(Fault::Reordered, place, format!("it is a head of {log}"));
        findings.add(Fault::Contradicted, run, format!("its head is of {log}"));
        return None;
    }
    if tree.size() <= section.first() {
        let detail = format!("it covers {} records, and the file has them from {} on", tree.size(), section.first());
        findings.add(Fault::Malformed, place, detail);
        return None;
    }
    match head.verify(&section.public_key) {
        Ok(head) => Some(head),
        Err(error) => {
            if matches!(error, HeadRefusal::OtherKey { .. }) {
                findings.add(
                    Fault::Contradicted,
                    run,
                    format!("its head names another key than {}", section.public_key),
                );
            }
            findings.add(Fault::Forged, place, error);
            None
        }
    }
}

/// The records give what was signed, and the list does not.
fn list_changes(section: &RunSection, hashes: &[TreeHash], findings: &mut Findings) {
    let place = Place::at(Subject::LeafHashes, section.offset).of(&section.log);
    for (index, (listed, hash)) in (section.first()..).zip(section.leaf_hashes.iter().zip(hashes)) {
        if listed != hash {
            findings.add(
                Fault::Changed,
                place.index(index),
                format!("it has {listed}, and the record hashes to {hash}"),
            );
        }
    }
    if section.leaf_hashes.len() != hashes.len() {
        let detail = format!("it has {} hashes, and there are {} records", section.leaf_hashes.len(), hashes.len());
        findings.add(Fault::Changed, place, detail);
    }
}

/// What the records differ in from their list.
fn record_changes(section: &RunSection, hashes: &[TreeHash], findings: &mut Findings) {
    let (first, log) = (section.first(), &section.log);
    let offset = |at: usize| section.records.get(at).map_or(section.end, |record| record.offset);
    let place = |index: usize, at| Place::at(Subject::Record, offset(at)).of(log).index(first + index as u64);
    for difference in differences(&section.leaf_hashes, hashes) {
        match difference {
            Difference::Changed { listed, at } => {
                let detail = format!("it hashes to {}, and the list has {}", hashes[at], section.leaf_hashes[listed]);
                findings.add(Fault::Changed, place(listed, at), detail);
            }
            Difference::Dropped { listed, at } => {
                findings.add(Fault::Dropped, place(listed, at), "it is listed, and is not in the file");
            }
            Difference::Reordered { listed, at } => {
                let detail = format!("it stands where record {} stood", first + at as u64);
                findings.add(Fault::Reordered, place(listed, at), detail);
            }
            Difference::Added { at, copy_of } => {
                let copy = copy_of.map(|index| format!("; it is a copy of record {}", first + index as u64));
                let detail = format!("it is not listed{}", copy.unwrap_or_default());
                findings.add(Fault::Added, place(at, at), detail);
            }
            Difference::TailCut { listed } => {
                let detail =
                    format!("{} records are listed, and {} are in the file", section.leaf_hashes.len(), hashes.len());
                findings.add(Fault::TailCut, place(listed, section.records.len()), detail);
            }
        }
    }
}

/// Reads the records that the tree has, each at its index there, wherever it stands.
fn read_records<'a>(section: &'a RunSection, leaf_hashes: &[TreeHash], findings: &mut Findings) -> Vec<ReadRecord<'a>> {
    let mut places: BTreeMap<TreeHash, VecDeque<u64>> = BTreeMap::new();
    for (index, hash) in (section.first()..).zip(leaf_hashes) {
        places.entry(*hash).or_default().push_back(index);
    }
    let mut records = Vec::new();
    for part in &section.records {
        let index = places.get_mut(&TreeHash::of_leaf(&part.leaf)).and_then(VecDeque::pop_front);
        let Some(index) = index else { continue };
        let place = Place::at(Subject::Record, part.offset).of(&section.log).index(index);
        match Record::decode(&part.leaf) {
            Ok(record) => {
                check_body(&record.body, part.body.as_ref(), place, findings);
                let long_body = part.body.as_ref().map(|body| body.value.as_slice());
                records.push(ReadRecord { index, offset: part.offset, record, long_body });
            }
            Err(error) => findings.add(Fault::Malformed, place, error),
        }
    }
    records.sort_by_key(|record| record.index);
    records
}

fn check_body(body: &Body, kept: Option<&Item<Vec<u8>>>, record: Place<'_>, findings: &mut Findings) {
    let offset = kept.map_or(record.offset, |kept| kept.offset);
    let place = Place { subject: Subject::Body, offset, ..record };
    match (body, kept) {
        (Body::Inline(_), None) => {}
        (Body::Inline(_), Some(_)) => findings.add(Fault::Added, place, "the record holds its body itself"),
        (Body::Long(content), None) => {
            findings.add(Fault::Dropped, place, format!("the record names a body of {} bytes", content.size));
        }
        (Body::Long(content), Some(kept)) if Content::of(&kept.value) != *content => {
            let Content { sha256, size } = Content::of(&kept.value);
            let detail = format!(
                "it has {size} bytes that hash to {sha256}, and the record names {} bytes of {}",
                content.size, content.sha256
            );
            findings.add(Fault::Changed, place, detail);
        }
        (Body::Long(_), Some(_)) => {}
    }
}
