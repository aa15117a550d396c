//! Records of all runs in pages, the latest first.

use psi_api::{Cause, v1};
use psi_ledger::{LogName, record::Kind};
use psi_replica::Clock;
use tonic::Code;

use super::{Ops, ReadError, record_message};
use crate::governance::ledger::store::{LedgerStore, RecordPlace};

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;
/// A page ends before its records take more: 4 MB is what clients of gRPC take.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// So many records are looked at for a page at most, where few of them are wanted. The page then ends sooner.
const LOOKED_AT_MAX: usize = 20_000;

/// Which records a caller wants.
#[derive(Debug, Default)]
pub(crate) struct RecordQuery {
    /// 0: as many as are usual.
    pub(crate) size: u64,
    /// Of the page before; empty for the first.
    pub(crate) token: String,
    /// Empty: of all nodes.
    pub(crate) node: String,
    /// Empty: of all kinds.
    pub(crate) kind: String,
}

impl Ops {
    /// A page of records.
    pub(crate) async fn ledger_records(&self, query: RecordQuery) -> Result<v1::ListRecordsResponse, Cause> {
        let before = self.record_refusal(read_token(&query.token))?;
        let kind = self.record_refusal(read_kind(&query.kind))?;
        let size = usize::try_from(query.size).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let size = if size == 0 { PAGE_DEFAULT } else { size };
        let (node, own) = (query.node, self.context.settings.node.to_string());
        let read = move |store: &LedgerStore| {
            let (places, next) = places(store, before.as_ref(), size, (&node, kind))?;
            let mut records = Vec::new();
            for (place, leaf) in places {
                records.extend(record_message(&place.log, place.index, &leaf));
            }
            let next_page_token = next.map_or_else(String::new, |place| token_of(&place));
            Ok(v1::ListRecordsResponse { records, next_page_token, node: own })
        };
        self.on_disk(read).await
    }
}

type PlacedRecord = (RecordPlace, Vec<u8>);

/// The records of a page, and the last that was looked at where more may follow.
fn places(
    store: &LedgerStore,
    before: Option<&RecordPlace>,
    size: usize,
    (node, kind): (&str, Option<Kind>),
) -> Result<(Vec<PlacedRecord>, Option<RecordPlace>), ReadError> {
    let (mut records, mut next, mut bytes, mut looked_at): (Vec<PlacedRecord>, _, _, _) = (Vec::new(), None, 0, 0);
    let mut failed = None;
    store.places_before(before, |place| {
        looked_at += 1;
        if node.is_empty() || place.log.run.node.as_str() == node {
            match store.leaf(&place.log, place.index) {
                Err(error) => failed = Some(error),
                Ok(None) => {}
                Ok(Some(leaf)) => {
                    let is_wanted = |kind| psi_ledger::Record::decode(&leaf).is_ok_and(|record| record.kind == kind);
                    if kind.is_none_or(is_wanted) {
                        bytes += leaf.len();
                        records.push((place.clone(), leaf));
                    }
                }
            }
        }
        let is_full = records.len() >= size || bytes >= PAGE_BYTES_MAX || looked_at >= LOOKED_AT_MAX;
        next = is_full.then_some(place);
        !is_full && failed.is_none()
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok((records, next)),
    }
}

/// Its place, which any node that holds the ledger finds again.
fn token_of(RecordPlace { clock, log, index }: &RecordPlace) -> String {
    format!("{}.{}.{index}.{log}", clock.wall_ms, clock.counter)
}

fn read_token(token: &str) -> Result<Option<RecordPlace>, Cause> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let mut parts = token.splitn(4, '.');
        let (wall_ms, counter) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let index = parts.next()?.parse().ok()?;
        Some(RecordPlace { clock: Clock { wall_ms, counter }, index, log: LogName::parse(parts.next()?).ok()? })
    };
    let message = "page_token: send what the page before gave as next_page_token, or leave it out for the first page";
    read().map(Some).ok_or_else(|| Cause::new(Code::InvalidArgument, "BAD_PAGE", message))
}

fn read_kind(name: &str) -> Result<Option<Kind>, Cause> {
    if name.is_empty() {
        return Ok(None);
    }
    Kind::ALL.iter().find(|kind| kind.name() == name).copied().map(Some).ok_or_else(|| {
        let known = Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let shown: String = name.chars().take(64).collect();
        Cause::new(
            Code::InvalidArgument,
            "BAD_KIND",
            format!("no kind of record is called `{shown}`; there are {known}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let place = RecordPlace {
            clock: Clock { wall_ms: 17, counter: 3 },
            log: LogName::parse("psi-field/ledger/pr.od/n.1/42").expect("a name"),
            index: 9,
        };
        assert_eq!(read_token(&token_of(&place)).expect("a token"), Some(place));
        assert_eq!(read_token("").expect("none"), None);
        for bad in ["1", "1.2.3", "1.2.3.x", "a.2.3.psi-field/ledger/p/n/1", "1.2.-3.psi-field/ledger/p/n/1"] {
            assert_eq!(read_token(bad).expect_err("no token").reason, "BAD_PAGE", "{bad}");
        }
    }

    #[test]
    fn kinds_go_by_their_names() {
        assert_eq!(read_kind("field_removal").expect("a kind"), Some(Kind::FieldRemoval));
        let refused = read_kind("nonsense").expect_err("no kind");
        assert!(refused.message.contains("run_start, "), "{}", refused.message);
    }
}
