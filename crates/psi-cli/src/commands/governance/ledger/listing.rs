//! Records and heads as they are printed.

use psi_api::v1::{self, ListRecordsRequest, ListRecordsResponse};
use serde::Serialize;

use crate::{
    client::{self, Nodes},
    output::{Cell, Failure, Tone, numbers, pluralize, table},
};

/// Most records of a page.
const PAGE_MAX: u32 = 1_000;

#[derive(Debug, Serialize)]
pub(super) struct Records {
    /// The node that answers.
    node: String,
    /// The latest first.
    records: Vec<Record>,
    /// Whether there are older ones.
    more: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Record {
    log: String,
    index: u64,
    time: Option<String>,
    kind: String,
    actor: String,
    method: String,
    object: String,
    action: String,
    outcome: String,
    address: String,
    count: u64,
    leaf_hash: String,
    evidence: Vec<Evidence>,
}

#[derive(Debug, Serialize)]
struct Evidence {
    name: String,
    sha256: String,
    size: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Heads {
    /// The node that answers.
    node: String,
    heads: Vec<Head>,
}

#[derive(Debug, Serialize)]
struct Head {
    log: String,
    size: u64,
    /// Records of it that the node holds.
    held: u64,
    time: Option<String>,
    note: String,
    public_key: String,
    conflicts: Vec<String>,
}

impl Records {
    /// The latest records, page by page.
    pub(super) async fn read(nodes: &Nodes, limit: u32, node: &str, kind: &str) -> Result<Self, Failure> {
        let (mut records, mut token): (Vec<Record>, _) = (Vec::new(), String::new());
        loop {
            let left = limit.saturating_sub(u32::try_from(records.len()).unwrap_or(u32::MAX));
            let request = ListRecordsRequest {
                page_size: left.min(PAGE_MAX),
                page_token: token,
                node: node.to_owned(),
                kind: kind.to_owned(),
            };
            let reply = nodes.ask(async |channel| client::ledger(channel).list_records(request.clone()).await);
            let ListRecordsResponse { records: page, next_page_token, node } = reply.await?.answer;
            records.extend(page.into_iter().map(Record::from));
            token = next_page_token;
            let is_full = u32::try_from(records.len()).is_ok_and(|count| count >= limit);
            if token.is_empty() || is_full {
                return Ok(Self { node, records, more: !token.is_empty() });
            }
        }
    }

    pub(super) fn text(&self) -> String {
        if self.records.is_empty() {
            return format!("node {} holds no such record", self.node);
        }
        let row = |record: &Record| {
            let what = match record.count {
                0 | 1 => record.what(),
                count => format!("{} ({count} ×)", record.what()),
            };
            let time = record.time.clone().unwrap_or_default();
            [
                record.name().into(),
                time.into(),
                record.kind.clone().into(),
                what.into(),
                Cell::from(record.actor.clone()),
            ]
        };
        let table = table(["record", "time", "kind", "what", "by"], &[], self.records.iter().map(row).collect());
        if self.more { format!("{table}\n… and older ones: --limit") } else { table }
    }
}

impl Record {
    /// Node, run and index.
    fn name(&self) -> String {
        let run: Vec<&str> = self.log.rsplit('/').take(2).collect();
        match run[..] {
            [run, node] => format!("{node}/{run}/{}", self.index),
            _ => format!("{}/{}", self.log, self.index),
        }
    }

    fn what(&self) -> String {
        let words = [&self.object, &self.action].map(String::as_str);
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ")
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("record {}\n\n", self.name());
        let count = if self.count > 1 { self.count.to_string() } else { String::new() };
        let lines = [
            ("kind", &self.kind),
            ("time", self.time.as_ref().unwrap_or(&self.outcome)),
            ("by", &self.actor),
            ("from", &self.address),
            ("call", &self.method),
            ("object", &self.object),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("count", &count),
            ("ledger", &self.log),
            ("leaf hash", &self.leaf_hash),
        ];
        for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!("{name:<11}{value}\n");
        }
        for Evidence { name, sha256, size } in &self.evidence {
            text += &format!("evidence   {name}, {}, sha256 {sha256}\n", pluralize(*size, "byte"));
        }
        text.trim_end().to_owned()
    }
}

impl Heads {
    pub(super) fn text(&self) -> String {
        let row = |head: &Head| {
            let held = if head.held == head.size { "all".to_owned() } else { head.held.to_string() };
            let state = match head.conflicts.len() {
                0 => Cell::from("proved".to_owned()),
                count => Cell::toned(format!("FORK: {count} more heads"), Tone::Bad),
            };
            let log = head.log.strip_prefix("psi-field/ledger/").unwrap_or(&head.log).to_owned();
            let time = head.time.clone().unwrap_or_default();
            [log.into(), head.size.to_string().into(), held.into(), time.into(), state]
        };
        let rows = self.heads.iter().map(row).collect();
        let table = table(["ledger", "records", "held", "signed", "state"], &[1, 2], rows);
        format!("heads as node {} believes them\n\n{table}", self.node)
    }
}

impl From<v1::ListHeadsResponse> for Heads {
    fn from(v1::ListHeadsResponse { heads, node }: v1::ListHeadsResponse) -> Self {
        let head = |head: v1::LedgerHead| {
            let v1::LedgerHead { log, size, held, time, note, public_key, conflicts, voucher: _ } = head;
            let time = time.map(|time| numbers::time(time.seconds, time.nanos));
            Head { log, size, held, time, note, public_key, conflicts }
        };
        Self { node, heads: heads.into_iter().map(head).collect() }
    }
}

impl From<v1::LedgerRecord> for Record {
    fn from(record: v1::LedgerRecord) -> Self {
        let v1::LedgerRecord {
            log,
            index,
            time,
            counter: _,
            kind,
            actor,
            method,
            object,
            action,
            outcome,
            address,
            count,
            leaf_hash,
            evidence,
            record: _,
        } = record;
        let time = time.map(|time| numbers::time(time.seconds, time.nanos));
        let evidence =
            evidence.into_iter().map(|v1::LedgerEvidence { name, sha256, size }| Evidence { name, sha256, size });
        let evidence = evidence.collect();
        Self { log, index, time, kind, actor, method, object, action, outcome, address, count, leaf_hash, evidence }
    }
}
