//! Whether what the runs of a file say of each other is true: heads that they name, and checkpoints.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    finding::{Fault, Findings, Place, Subject},
    section::{ReadRecord, Roots, RunReading, roots},
};
use crate::{
    body::{ClusterCheckpoint, KeyChange, NamedRecord, RunStart},
    head::SignedHead,
    log_name::LogName,
    record::Kind,
    tree::TreeHead,
};

/// What the ledger's own records of a run say.
#[derive(Debug, Default)]
pub(super) struct Statements {
    pub(super) start: Option<RunStart>,
    pub(super) key_change: Option<KeyChange>,
    checkpoints: BTreeMap<u64, ClusterCheckpoint>,
}

/// The runs of a file, and what they say.
pub(super) struct Links<'a> {
    runs: BTreeMap<&'a LogName, LinkedRun<'a>>,
    /// What is named and not in the file.
    pub(super) outside: u64,
}

/// A run with its roots at all sizes that anyone names.
struct LinkedRun<'a> {
    reading: &'a RunReading<'a>,
    statements: &'a Statements,
    roots: Roots,
}

impl Statements {
    /// Reads them.
    pub(super) fn read(run: &RunReading<'_>, findings: &mut Findings) -> Self {
        let mut statements = Self::default();
        let log = &run.section.log;
        for record in &run.records {
            let place = Place::at(Subject::Record, record.offset).of(log).index(record.index);
            if (record.record.kind == Kind::RunStart) != (record.index == 0) {
                let detail =
                    format!("it is of kind {}; the first record, and no other, starts the run", record.record.kind);
                findings.add(Fault::Malformed, place, detail);
            } else if let Some(Err(detail)) = record.body().map(|body| statements.add(record, body, run)) {
                findings.add(Fault::Contradicted, place, detail);
            }
        }
        statements
    }

    fn add(&mut self, record: &ReadRecord<'_>, body: &[u8], run: &RunReading<'_>) -> Result<(), String> {
        let (log, key) = (&run.section.log, run.section.public_key);
        match record.record.kind {
            Kind::RunStart => self.start = Some(RunStart::decode(body, log).map_err(|error| error.to_string())?),
            Kind::KeyChange => {
                let change = KeyChange::decode(body, log).map_err(|error| error.to_string())?;
                if change.new_key() != key {
                    return Err(format!("it says that key {} signs the run, and {key} does", change.new_key()));
                }
                self.key_change = Some(change);
            }
            Kind::ClusterCheckpoint => {
                let checkpoint = ClusterCheckpoint::decode(body).map_err(|error| error.to_string())?;
                self.checkpoints.insert(record.index, checkpoint);
            }
            _ => {}
        }
        Ok(())
    }

    /// The heads that it names, each with the record that does.
    fn named(&self) -> impl Iterator<Item = (u64, &LogName, TreeHead)> {
        let start = self.start.iter().flat_map(|start| start.own.iter().chain(&start.shown));
        let start = start.map(|head| (0, &head.log, head.tree));
        let listed = self.checkpoints.iter().flat_map(|(index, checkpoint)| {
            let heads = checkpoint.heads().iter();
            heads.map(|head| (*index, head.unverified().0, head.unverified().1))
        });
        start.chain(listed)
    }
}

impl<'a> Links<'a> {
    /// Links runs to each other. `known` are heads that the reader of the file has from elsewhere.
    pub(super) fn new(runs: &'a [RunReading<'a>], statements: &'a [Statements], known: &[SignedHead]) -> Self {
        let mut sizes: BTreeMap<&LogName, BTreeSet<u64>> = BTreeMap::new();
        for (_, log, tree) in statements.iter().flat_map(Statements::named) {
            sizes.entry(log).or_default().insert(tree.size());
        }
        for head in known.iter().map(SignedHead::head) {
            sizes.entry(&head.log).or_default().insert(head.tree.size());
        }
        let link = |(reading, statements): (&'a RunReading<'a>, &'a Statements)| {
            let log = &reading.section.log;
            let sizes = sizes.get(log).cloned().unwrap_or_default();
            let roots = roots(&reading.section.before, &reading.leaf_hashes, &sizes);
            (log, LinkedRun { reading, statements, roots })
        };
        Self { runs: runs.iter().zip(statements).map(link).collect(), outside: 0 }
    }

    /// Checks what each run says of others.
    pub(super) fn check(&mut self, findings: &mut Findings) {
        let mut outside = 0;
        for (log, run) in &self.runs {
            for (index, named, tree) in run.statements.named() {
                let source = format!("record {index} of {log}");
                outside += u64::from(!self.check_head(named, tree, &source, run.place_of(index), findings));
            }
            for (index, checkpoint) in &run.statements.checkpoints {
                outside += self.check_checkpoint(run, *index, checkpoint, findings);
            }
        }
        self.outside = outside;
    }

    /// Checks that the file goes on from a head that its reader has.
    pub(super) fn check_known(&self, known: &SignedHead, findings: &mut Findings) {
        let (log, tree) = (&known.head().log, known.head().tree);
        let place = Place::at(Subject::Run, self.runs.get(log).map_or(0, |run| run.reading.section.offset)).of(log);
        if let Some(run) = self.runs.get(log).filter(|run| run.reading.section.public_key != known.public_key()) {
            let detail =
                format!("key {} signs it here, and {} before", run.reading.section.public_key, known.public_key());
            findings.add(Fault::Contradicted, place, detail);
        } else if !self.check_head(log, tree, "your head", place, findings) {
            let detail =
                format!("the file has not what your head of {} records covers; export the whole run", tree.size());
            findings.add(Fault::Dropped, place, detail);
        }
    }

    /// Compares a head with the file. Whether it could be.
    fn check_head(
        &self,
        log: &LogName,
        tree: TreeHead,
        source: &str,
        place: Place<'_>,
        findings: &mut Findings,
    ) -> bool {
        let Some(run) = self.runs.get(log).filter(|run| tree.size() >= run.reading.section.first().max(1)) else {
            return false;
        };
        let total = run.reading.total();
        if tree.size() > total {
            let end = Place::at(Subject::Record, run.reading.section.end).of(log).index(total);
            let detail = format!("{source} shows {} records, and the file has them up to {total}", tree.size());
            findings.add(Fault::TailCut, end, detail);
        } else if !run.roots.contains(&tree) {
            let detail = format!("{source} shows another history of {log} at {} records than the file", tree.size());
            findings.add(Fault::Contradicted, place, detail);
        }
        true
    }

    /// How much of a checkpoint lies outside the file.
    fn check_checkpoint(
        &self,
        run: &LinkedRun<'_>,
        index: u64,
        checkpoint: &ClusterCheckpoint,
        findings: &mut Findings,
    ) -> u64 {
        let (log, place) = (&run.reading.section.log, run.place_of(index));
        for covered in checkpoint.heads() {
            let (of, tree) = covered.unverified();
            if of == log && tree.size() > index {
                findings.add(Fault::Contradicted, place, "it lists a head of its own ledger that would cover it");
            }
            let key = self.runs.get(of).map(|run| run.reading.section.public_key);
            if let Some(Err(error)) = key.map(|key| covered.verify(&key)) {
                findings.add(Fault::Forged, place, error);
            }
        }
        let predecessors = checkpoint.predecessors().iter();
        predecessors.map(|named| self.check_predecessor(named, checkpoint, place, findings)).map(u64::from).sum()
    }

    /// Whether the predecessor of a checkpoint lies outside the file.
    fn check_predecessor(
        &self,
        named: &NamedRecord,
        checkpoint: &ClusterCheckpoint,
        place: Place<'_>,
        findings: &mut Findings,
    ) -> bool {
        let run = self.runs.get(&named.log).filter(|run| named.index >= run.reading.section.first());
        let Some(run) = run else { return true };
        let (total, first) = (run.reading.total(), run.reading.section.first());
        let at = usize::try_from(named.index - first).unwrap_or(usize::MAX);
        let Some(leaf_hash) = run.reading.leaf_hashes.get(at) else {
            let end = Place::at(Subject::Record, run.reading.section.end).of(&named.log).index(total);
            findings.add(Fault::TailCut, end, format!("a checkpoint follows record {} of this run", named.index));
            return false;
        };
        let followed = run.statements.checkpoints.get(&named.index);
        let is_own_future = place.run == Some(&named.log) && place.index.is_some_and(|index| named.index >= index);
        if *leaf_hash != named.leaf_hash || is_own_future {
            let detail = format!("it follows another record {} of {} than the file has", named.index, named.log);
            findings.add(Fault::Contradicted, place, detail);
        } else if let Some(Err(error)) = followed.map(|predecessor| checkpoint.verify_follows(predecessor)) {
            findings.add(Fault::Contradicted, place, error);
        } else if followed.is_none() {
            let detail = format!("record {} of {} is no checkpoint that it could follow", named.index, named.log);
            findings.add(Fault::Contradicted, place, detail);
        }
        false
    }
}

impl LinkedRun<'_> {
    fn place_of(&self, index: u64) -> Place<'_> {
        let records = &self.reading.records;
        let at = records.binary_search_by_key(&index, |record| record.index);
        let offset = at.map_or(self.reading.section.offset, |at| records[at].offset);
        Place::at(Subject::Record, offset).of(&self.reading.section.log).index(index)
    }
}
