//! What nodes show of their ledgers: the latest signed head of each run, and its latest records.
//!
//! The bytes are carried as they are. What they prove is for those who read them: see the crate psi-ledger. Older records
//! lie on the disks of nodes. Of ended runs the latest heads and records are kept.

use std::collections::BTreeMap;

use bytes::Bytes;
#[cfg(test)]
use psi_replica::Scope;
use psi_replica::{Clock, Key, Lane, Origin, ScopeKind};

#[cfg(test)]
use crate::component::sample::SampleRng;
use crate::{
    component::{
        BaseSink, Component, Direction, EntryLifetime, LastingComponent,
        moment::author_of,
        value::{ValueError, author, author_message, encoded, message},
    },
    proto,
};

/// The origin's latest signed head.
pub const HEAD: Lane = Lane(proto::Lane::LedgerHead as u32);
/// The origin's latest records.
pub const RECORDS: Lane = Lane(proto::Lane::LedgerRecords as u32);

/// How many of its latest records a run shows.
pub const LEDGER_RECORDS_SHOWN: u64 = 64;
/// How many heads, and how many records, are kept of ended runs, and shown by the view. Older ones lie on disks.
pub const LEDGER_VIEW_MAX: usize = 16;

const NOTE_BYTES_MAX: usize = 1_024;
const RANGE_BYTES_MAX: usize = 64 * 32;
const PUBLIC_KEY_BYTES: usize = 32;
const VOUCHER_BYTES_MAX: usize = 1_024;
const RECORD_BYTES_MAX: usize = 16_384;

/// How far the ledger of a run has come, as its node says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerHead {
    /// When it was signed.
    pub clock: Clock,
    /// Whose it is.
    pub author: Origin,
    /// The signed head as text.
    pub note: String,
    /// The compact range of its records: hashes, one after the other.
    pub range: Bytes,
    /// What it is signed by.
    pub public_key: Bytes,
    /// The word of the cluster's authority whose key that is; empty without one.
    pub voucher: Bytes,
    /// The key of the store that holds the node's votes.
    pub voter_key: Bytes,
}

/// A record of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerRecord {
    /// When it was made.
    pub clock: Clock,
    /// Whose it is.
    pub author: Origin,
    /// Its index in the ledger.
    pub number: u64,
    /// Its bytes, a leaf of the tree.
    pub record: Bytes,
}

/// An entry of either lane. The base names authors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LedgerValue {
    Head { head: proto::LedgerHeadValue, clock: Clock, author: Option<Origin> },
    Record { record: proto::LedgerRecordValue, clock: Clock, author: Option<Origin> },
}

/// The fold: all that origins show, by writer and index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledgers {
    heads: BTreeMap<(Origin, u64), LedgerHead>,
    records: BTreeMap<(Origin, u64), LedgerRecord>,
    /// Counts changes, so that nobody need compare.
    generation: u64,
}

/// What nodes show of their ledgers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LedgersView {
    /// The latest heads, oldest first; at most [`LEDGER_VIEW_MAX`].
    pub heads: Vec<LedgerHead>,
    /// The latest records, oldest first; at most [`LEDGER_VIEW_MAX`].
    pub records: Vec<LedgerRecord>,
}

impl Ledgers {
    /// Every head that is shown, oldest first: of all live runs, and of the latest that ended.
    pub(crate) fn heads(&self) -> Vec<LedgerHead> {
        let mut heads: Vec<LedgerHead> = self.heads.values().cloned().collect();
        heads.sort_unstable();
        heads
    }

    /// Rises with every change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Every record that is shown, in no order that means anything.
    pub(crate) fn records(&self) -> impl Iterator<Item = &LedgerRecord> {
        self.records.values()
    }
}

/// The latest of some items, oldest first. The order is of all that they say, so it does not depend on where they stand.
fn latest<T: Ord + Clone>(items: &BTreeMap<(Origin, u64), T>) -> Vec<T> {
    let mut items: Vec<&T> = items.values().collect();
    items.sort_unstable();
    items[items.len().saturating_sub(LEDGER_VIEW_MAX)..].iter().copied().cloned().collect()
}

fn bounded(got: usize, max: usize) -> Result<(), ValueError> {
    if got <= max { Ok(()) } else { Err(ValueError::TextLength { got, max }) }
}

impl Component for Ledgers {
    type Value = LedgerValue;

    const SCOPE: ScopeKind = ScopeKind::Cluster;
    const LIFETIME: EntryLifetime = EntryLifetime::Overwritten;

    /// A live run uses the first of each lane; the base uses all.
    fn last_index(_: Lane) -> u64 {
        LEDGER_RECORDS_SHOWN - 1
    }

    fn decode(key: &Key, bytes: &Bytes) -> Result<LedgerValue, ValueError> {
        if key.lane == HEAD {
            let mut head: proto::LedgerHeadValue = message(bytes)?;
            bounded(head.note.len(), NOTE_BYTES_MAX)?;
            bounded(head.range.len(), RANGE_BYTES_MAX)?;
            bounded(head.public_key.len(), PUBLIC_KEY_BYTES)?;
            bounded(head.voucher.len(), VOUCHER_BYTES_MAX)?;
            bounded(head.voter_key.len(), PUBLIC_KEY_BYTES)?;
            let (clock, author) = (head.clock.take().ok_or(ValueError::NoClock)?.into(), author(head.author.take())?);
            return Ok(LedgerValue::Head { head, clock, author });
        }
        let mut record: proto::LedgerRecordValue = message(bytes)?;
        bounded(record.record.len(), RECORD_BYTES_MAX)?;
        let (clock, author) = (record.clock.take().ok_or(ValueError::NoClock)?.into(), author(record.author.take())?);
        Ok(LedgerValue::Record { record, clock, author })
    }

    fn encode(value: &LedgerValue) -> Bytes {
        match value {
            LedgerValue::Head { head, clock, author } => {
                let (clock, author) = (Some((*clock).into()), author_message(author.as_ref()));
                encoded(&proto::LedgerHeadValue { clock, author, ..head.clone() })
            }
            LedgerValue::Record { record, clock, author } => {
                let (clock, author) = (Some((*clock).into()), author_message(author.as_ref()));
                encoded(&proto::LedgerRecordValue { clock, author, ..record.clone() })
            }
        }
    }

    fn clock(value: &LedgerValue) -> Option<Clock> {
        let (LedgerValue::Head { clock, .. } | LedgerValue::Record { clock, .. }) = value;
        Some(*clock)
    }

    fn change(&mut self, origin: &Origin, key: &Key, value: &LedgerValue, direction: Direction) {
        self.generation += 1;
        let place = (origin.clone(), key.index);
        match (value, direction) {
            (LedgerValue::Head { .. }, Direction::Remove) => drop(self.heads.remove(&place)),
            (LedgerValue::Record { .. }, Direction::Remove) => drop(self.records.remove(&place)),
            (LedgerValue::Head { head, clock, author }, Direction::Put) => {
                let author = author_of(origin, author.as_ref()).clone();
                let proto::LedgerHeadValue { note, range, public_key, voucher, voter_key, clock: _, author: _ } =
                    head.clone();
                let head = LedgerHead { clock: *clock, author, note, range, public_key, voucher, voter_key };
                self.heads.insert(place, head);
            }
            (LedgerValue::Record { record, clock, author }, Direction::Put) => {
                let author = author_of(origin, author.as_ref()).clone();
                let proto::LedgerRecordValue { number, record, clock: _, author: _ } = record.clone();
                self.records.insert(place, LedgerRecord { clock: *clock, author, number, record });
            }
        }
    }

    #[cfg(test)]
    fn sample(rng: &mut SampleRng, _: &Scope) -> (Lane, u64, LedgerValue) {
        let text = |rng: &mut SampleRng, max: u64| {
            let length = usize::try_from(rng.below(max)).unwrap_or(0);
            Bytes::from(vec![b'a' + u8::try_from(rng.below(4)).unwrap_or(0); length])
        };
        let clock = rng.clock();
        let (index, author) = (rng.below(LEDGER_RECORDS_SHOWN), rng.chance(30).then(|| rng.author(0)));
        if rng.chance(50) {
            let note = String::from_utf8(text(rng, 200).to_vec()).expect("ASCII");
            let (range, public_key) = (text(rng, 100), text(rng, 33));
            let head = proto::LedgerHeadValue { note, range, public_key, ..proto::LedgerHeadValue::default() };
            return (HEAD, index, LedgerValue::Head { head, clock, author });
        }
        let (number, record) = (rng.below(1_000), text(rng, 300));
        let record = proto::LedgerRecordValue { number, record, ..proto::LedgerRecordValue::default() };
        (RECORDS, index, LedgerValue::Record { record, clock, author })
    }
}

impl LastingComponent for Ledgers {
    type View = LedgersView;

    fn view(&self) -> LedgersView {
        LedgersView { heads: latest(&self.heads), records: latest(&self.records) }
    }

    /// The latest heads and records, with whose they are.
    fn write_base(&self, base: &mut BaseSink<'_>) {
        for (index, head) in (0..).zip(latest(&self.heads)) {
            base.put(HEAD, index, encode_head(&head, true));
        }
        for (index, record) in (0..).zip(latest(&self.records)) {
            base.put(RECORDS, index, encode_record(&record, true));
        }
    }
}

/// The value of an entry; the base names its author.
pub(crate) fn encode_head(head: &LedgerHead, is_of_base: bool) -> Bytes {
    let LedgerHead { clock, author, note, range, public_key, voucher, voter_key } = head.clone();
    let head = proto::LedgerHeadValue { note, range, public_key, voucher, voter_key, clock: None, author: None };
    Ledgers::encode(&LedgerValue::Head { head, clock, author: is_of_base.then_some(author) })
}

/// Likewise.
pub(crate) fn encode_record(record: &LedgerRecord, is_of_base: bool) -> Bytes {
    let LedgerRecord { clock, author, number, record } = record.clone();
    let record = proto::LedgerRecordValue { number, record, clock: None, author: None };
    Ledgers::encode(&LedgerValue::Record { record, clock, author: is_of_base.then_some(author) })
}
