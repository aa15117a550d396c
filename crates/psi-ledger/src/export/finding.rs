//! What is wrong with an export, and where.

use std::fmt;

use crate::log_name::LogName;

/// Most findings of a file. Of further ones only the number is told.
pub const FINDINGS_MAX: usize = 1_000;

/// How something differs from what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// It is not what stands at such a place, or is not written in the one way that it has.
    Malformed,
    /// It has other bytes than were signed or listed.
    Changed,
    /// It was there and is not in the file.
    Dropped,
    /// It stands at another place.
    Reordered,
    /// It was not there.
    Added,
    /// The end is not in the file.
    TailCut,
    /// Something follows the end.
    TrailingBytes,
    /// It claims a signature that its signer did not make.
    Forged,
    /// No authority that is trusted says whose key it is.
    Unvouched,
    /// Two things that were signed can't both be true.
    Contradicted,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Subject {
    /// The file as a whole, or a part of which nobody can say what it was.
    File,
    /// What the file is of.
    Preamble,
    /// The word of an authority.
    Voucher,
    /// What precedes the records of a run.
    Run,
    /// The list of hashes of a run's records.
    LeafHashes,
    /// A record.
    Record,
    /// The long body of a record.
    Body,
    /// A signed head.
    Head,
    /// The end of the file.
    Trailer,
}

/// Something that is wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is wrong.
    pub fault: Fault,
    /// What is wrong.
    pub subject: Subject,
    /// Of which run.
    pub run: Option<LogName>,
    /// Which record of the run.
    pub index: Option<u64>,
    /// Where in the file: the first byte of the part that is wrong, or before which one is missing.
    pub offset: u64,
    /// What was found, and what was expected.
    pub detail: String,
}

impl Fault {
    /// Its name, for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Changed => "changed",
            Self::Dropped => "dropped",
            Self::Reordered => "reordered",
            Self::Added => "added",
            Self::TailCut => "tail cut",
            Self::TrailingBytes => "trailing bytes",
            Self::Forged => "forged",
            Self::Unvouched => "unvouched",
            Self::Contradicted => "contradicted",
        }
    }
}

impl Subject {
    /// Its name, for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Preamble => "preamble",
            Self::Voucher => "voucher",
            Self::Run => "run",
            Self::LeafHashes => "list of hashes",
            Self::Record => "record",
            Self::Body => "body",
            Self::Head => "head",
            Self::Trailer => "trailer",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, subject, run, index, offset, detail } = self;
        write!(f, "byte {offset}: {}", subject.name())?;
        if let Some(index) = index {
            write!(f, " {index}")?;
        }
        if let Some(run) = run {
            write!(f, " of {run}")?;
        }
        write!(f, " {}: {detail}", fault.name())
    }
}

/// Where something stands in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) subject: Subject,
    pub(super) run: Option<&'a LogName>,
    pub(super) index: Option<u64>,
    pub(super) offset: u64,
}

impl<'a> Place<'a> {
    pub(super) fn at(subject: Subject, offset: u64) -> Self {
        Self { subject, run: None, index: None, offset }
    }

    pub(super) fn of(self, run: &'a LogName) -> Self {
        Self { run: Some(run), ..self }
    }

    pub(super) fn index(self, index: u64) -> Self {
        Self { index: Some(index), ..self }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    left_out: u64,
}

impl Findings {
    pub(super) fn add(&mut self, fault: Fault, place: Place<'_>, detail: impl fmt::Display) {
        if self.list.len() >= FINDINGS_MAX {
            self.left_out += 1;
            return;
        }
        let Place { subject, run, index, offset } = place;
        self.list.push(Finding { fault, subject, run: run.cloned(), index, offset, detail: detail.to_string() });
    }

    /// All of them, by where they are; none if nothing is wrong.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| finding.offset);
        if self.left_out > 0 {
            let detail = format!("{} more findings were left out; take another copy of the file", self.left_out);
            let (fault, subject) = (Fault::Malformed, Subject::File);
            self.list.push(Finding { fault, subject, run: None, index: None, offset: 0, detail });
        }
        self.list
    }
}
