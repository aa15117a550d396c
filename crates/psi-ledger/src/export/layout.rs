//! What a file holds, with the place of each thing; and whether its parts are in order.

use psi_replica::ClusterName;
use psi_security::node_key::NodePublicKey;
use sha2::{Digest, Sha256};

use super::{
    finding::{Fault, Findings, Place, Subject},
    format::{ABOUT, FORMAT},
    frame::Frame,
};
use crate::{
    hash::TreeHash,
    log_name::LogName,
    proto::{self, part::Part},
    tree::CompactRange,
};

/// Something at its place in the file.
#[derive(Debug)]
pub(super) struct Item<T> {
    pub(super) offset: u64,
    pub(super) value: T,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) cluster: Option<Item<ClusterName>>,
    pub(super) vouchers: Vec<Item<Vec<u8>>>,
    pub(super) runs: Vec<RunSection>,
    /// What comes next may not come before this.
    stage: Stage,
    /// The latest run can't be read, so what follows it is not looked at.
    skips: bool,
}

/// A run, with all that follows it.
#[derive(Debug)]
pub(super) struct RunSection {
    pub(super) offset: u64,
    /// Where what follows the run begins.
    pub(super) end: u64,
    pub(super) log: LogName,
    pub(super) public_key: NodePublicKey,
    pub(super) before: CompactRange,
    pub(super) leaf_hashes: Vec<TreeHash>,
    pub(super) records: Vec<RecordPart>,
    pub(super) head: Option<Item<String>>,
}

/// A record, with its body.
#[derive(Debug)]
pub(super) struct RecordPart {
    pub(super) offset: u64,
    pub(super) leaf: Vec<u8>,
    pub(super) body: Option<Item<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Preamble,
    Vouchers,
    Runs,
    End,
}

impl RunSection {
    /// The index of its first record in the file.
    pub(super) fn first(&self) -> u64 {
        self.before.end()
    }
}

impl Layout {
    /// Sorts the parts of a file.
    pub(super) fn read(bytes: &[u8], frames: Vec<Frame>, findings: &mut Findings) -> Self {
        let mut layout = Self::default();
        for (number, Frame { offset, part }) in frames.into_iter().enumerate() {
            if layout.stage == Stage::End {
                let place = Place::at(Subject::File, offset);
                findings.add(Fault::TrailingBytes, place, "the trailer ends the file, and more follows");
                break;
            }
            layout.end_last_run(offset);
            match part {
                None => layout.add_unreadable(offset, findings),
                Some(Part::Trailer(trailer)) => {
                    layout.stage = Stage::End;
                    check_trailer(&trailer, number as u64, &bytes[..usize::try_from(offset).unwrap_or(0)], findings);
                }
                Some(part) => layout.add(offset, part, findings),
            }
            layout.stage = layout.stage.max(Stage::Vouchers);
        }
        layout.check_ends(bytes.len() as u64, findings);
        layout
    }

    /// The latest run reaches up to here at least.
    fn end_last_run(&mut self, offset: u64) {
        if let Some(run) = self.runs.last_mut() {
            run.end = offset;
        }
    }

    fn check_ends(&mut self, length: u64, findings: &mut Findings) {
        if self.stage != Stage::End {
            self.end_last_run(length);
            findings.add(Fault::TailCut, Place::at(Subject::Trailer, length), "the file has no trailer at its end");
        }
        if self.cluster.is_none() {
            let place = Place::at(Subject::Preamble, 0);
            findings.add(Fault::Dropped, place, "no preamble says which cluster the file is of");
        }
        for pair in self.vouchers.windows(2) {
            if pair[0].value >= pair[1].value {
                let place = Place::at(Subject::Voucher, pair[1].offset);
                findings.add(Fault::Reordered, place, "vouchers stand in the order of their bytes, and each once");
            }
        }
        for pair in self.runs.windows(2) {
            if pair[0].log >= pair[1].log {
                let place = Place::at(Subject::Run, pair[1].offset).of(&pair[1].log);
                findings.add(Fault::Reordered, place, "runs stand in the order of their ledgers, and each once");
            }
        }
    }

    fn add_unreadable(&mut self, offset: u64, findings: &mut Findings) {
        let place = Place::at(Subject::File, offset);
        let place = self.runs.last().map_or(place, |run| {
            let next = run.first() + run.records.len() as u64;
            if run.head.is_none() { place.of(&run.log).index(next) } else { place.of(&run.log) }
        });
        let detail = "the part can't be read, or is not written as this version writes it; a later version may read it";
        findings.add(Fault::Malformed, place, detail);
    }

    fn add(&mut self, offset: u64, part: Part, findings: &mut Findings) {
        match part {
            Part::Preamble(preamble) => self.add_preamble(offset, &preamble, findings),
            Part::Voucher(voucher) => {
                if self.stage > Stage::Vouchers {
                    let place = Place::at(Subject::Voucher, offset);
                    findings.add(Fault::Reordered, place, "vouchers stand before all runs");
                }
                self.vouchers.push(Item { offset, value: voucher });
            }
            Part::Run(run) => self.add_run(offset, &run, findings),
            Part::Record(_) | Part::Body(_) | Part::Head(_) if self.skips => {}
            Part::Record(leaf) => self.add_record(offset, leaf, findings),
            Part::Body(body) => self.add_body(offset, body, findings),
            Part::Head(note) => match self.runs.last_mut() {
                Some(run) if run.head.is_none() => run.head = Some(Item { offset, value: note }),
                _ => findings.add(
                    Fault::Added,
                    Place::at(Subject::Head, offset),
                    "no run precedes it that has no head yet",
                ),
            },
            Part::Trailer(_) => {}
        }
    }

    fn add_preamble(&mut self, offset: u64, preamble: &proto::Preamble, findings: &mut Findings) {
        let place = Place::at(Subject::Preamble, offset);
        if self.cluster.is_some() || self.stage != Stage::Preamble {
            findings.add(Fault::Added, place, "a file has one preamble, at its beginning");
            return;
        }
        if preamble.format != FORMAT {
            let detail = format!("format {} is not {FORMAT}; a later version may read it", preamble.format);
            findings.add(Fault::Malformed, place, detail);
        }
        if preamble.about != ABOUT {
            findings.add(Fault::Changed, place, "it says something else of the file than all exports do");
        }
        match ClusterName::new(&preamble.cluster) {
            Ok(value) => self.cluster = Some(Item { offset, value }),
            Err(error) => findings.add(Fault::Malformed, place, error),
        }
    }

    fn add_run(&mut self, offset: u64, run: &proto::Run, findings: &mut Findings) {
        self.stage = Stage::Runs;
        let section = RunSection::read(offset, run);
        self.skips = section.is_err();
        match section {
            Ok(section) => self.runs.push(section),
            Err(detail) => findings.add(Fault::Malformed, Place::at(Subject::Run, offset), detail),
        }
    }

    fn add_record(&mut self, offset: u64, leaf: Vec<u8>, findings: &mut Findings) {
        let place = Place::at(Subject::Record, offset);
        let Some(run) = self.runs.last_mut() else {
            findings.add(Fault::Added, place, "no run precedes it");
            return;
        };
        if run.head.is_some() {
            findings.add(Fault::Reordered, place.of(&run.log), "records stand before the head of their run");
        }
        run.records.push(RecordPart { offset, leaf, body: None });
    }

    fn add_body(&mut self, offset: u64, body: Vec<u8>, findings: &mut Findings) {
        let place = Place::at(Subject::Body, offset);
        let record = self.runs.last_mut().filter(|run| run.head.is_none()).and_then(|run| run.records.last_mut());
        match record {
            Some(record) if record.body.is_none() => record.body = Some(Item { offset, value: body }),
            _ => findings.add(Fault::Added, place, "no record precedes it that has no body yet"),
        }
    }
}

impl RunSection {
    fn read(offset: u64, run: &proto::Run) -> Result<Self, String> {
        let hashes = |bytes| TreeHash::list_from_bytes(bytes).ok_or("its hashes have not 32 bytes each");
        let before = CompactRange::from_hashes(run.first, hashes(&run.before)?).map_err(|error| error.to_string())?;
        let public_key = run.public_key.as_slice().try_into().map_err(|_| "its key has not 32 bytes")?;
        Ok(Self {
            offset,
            end: offset,
            log: LogName::parse(&run.log).map_err(|error| error.to_string())?,
            public_key: NodePublicKey::from_bytes(public_key),
            before,
            leaf_hashes: hashes(&run.leaf_hashes)?,
            records: Vec::new(),
            head: None,
        })
    }
}

fn check_trailer(trailer: &proto::Trailer, parts: u64, before: &[u8], findings: &mut Findings) {
    let place = Place::at(Subject::Trailer, before.len() as u64);
    if trailer.parts != parts {
        let detail = format!("it counts {} parts before it, and there are {parts}", trailer.parts);
        findings.add(Fault::Changed, place, detail);
    }
    if trailer.sha256 != Sha256::digest(before).as_slice() {
        findings.add(Fault::Changed, place, "the file before it has another hash than it says");
    }
}
