//! Act four: what the ledgers have of it, and whether every byte of them is as it was signed.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use psi_api::v1;
use psi_ledger::export::{self, Finding, TrustBasis};
use serde::Serialize;

use super::{desk::MODEL, report::Act, show::Show};
use crate::{
    client,
    commands::experiments::demo::stage::{Actor, PATIENCE},
    output::{Failure, pluralize, table},
};

/// Kinds of records that are about models.
const KINDS: [&str; 2] = ["model_change", "rollback"];
/// Columns that each of the last two cells of a row may take.
const WHAT: usize = 28;
const WHY: usize = 38;
/// Lines of the last cell. JSON has all of it.
const LINES_MAX: usize = 3;

/// A record about the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Deed {
    /// Since 1970, of the run's clock.
    at_ms: i64,
    kind: String,
    by: String,
    node: String,
    what: String,
    why: String,
    leaf_hash: String,
}

impl From<v1::LedgerRecord> for Deed {
    fn from(record: v1::LedgerRecord) -> Self {
        let time = record.time.unwrap_or_default();
        let of = |text: &str| text.rsplit(['/', '.']).next().unwrap_or_default().to_owned();
        let node = record.log.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let why = [record.action, record.outcome].into_iter().filter(|text| !text.is_empty());
        // A rollback counts as soon as it is written; later a majority decides it.
        let note = if record.kind == "rollback" { " (needs no majority)" } else { "" };
        Self {
            at_ms: time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000,
            kind: record.kind,
            by: record.actor,
            node,
            what: format!("{} {}{note}", of(&record.method), record.object),
            why: why.collect::<Vec<_>>().join(": "),
            leaf_hash: record.leaf_hash,
        }
    }
}

/// Asks every node for records and an export; returns what the first has.
pub(super) async fn act(show: &Show<'_>) -> Result<(Act, Vec<Deed>), Failure> {
    show.say("\nAct four: what the ledgers have of it.");
    let mut act = Act::new("The ledgers, as `psi-field ledger verify` reads them");
    let begun = Instant::now();
    let deeds = loop {
        let mut all = Vec::new();
        for actor in show.up() {
            all.push(deeds(actor).await?);
        }
        let are_equal = all.iter().all(|deeds| *deeds == all[0]);
        if are_equal || begun.elapsed() > PATIENCE {
            let count = pluralize(all[0].len() as u64, "record");
            act.promise(are_equal, format!("{} list the same {count} about {MODEL}", show.names()));
            break all.swap_remove(0);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let alone = deeds.iter().filter(|deed| deed.kind == "rollback" && deed.node == "n1").count();
    act.promise(alone > 0, "the rollback that needed no majority is in the ledger of n1");
    for actor in show.up() {
        let exported = exported(actor).await?;
        let bytes = pluralize(exported.len() as u64, "byte");
        match export::verify(&exported, &TrustBasis::default()) {
            Ok(report) => {
                let records = report.runs.iter().map(|run| run.records()).sum();
                let ledgers = pluralize(report.runs.len() as u64, "ledger");
                let what = format!(
                    "the export of {}, {bytes} with {ledgers} and {}, is as it was signed",
                    actor.name,
                    pluralize(records, "record")
                );
                act.promise(true, what);
            }
            Err(findings) => {
                let first = findings.first().map(Finding::to_string).unwrap_or_default();
                act.promise(false, format!("the export of {}, {bytes}, is as it was signed ({first})", actor.name));
            }
        }
    }
    Ok((act, deeds))
}

/// What a node's ledgers have about models, in the order of time.
async fn deeds(actor: &Actor) -> Result<Vec<Deed>, Failure> {
    let mut deeds = Vec::new();
    for kind in KINDS {
        let request = v1::ListRecordsRequest { page_size: 1_000, kind: kind.to_owned(), ..Default::default() };
        let listed = client::ledger(actor.channel.clone()).list_records(request).await;
        let listed = listed.map_err(|status| Failure::refused(&actor.name, &status))?.into_inner();
        deeds.extend(listed.records.into_iter().map(Deed::from));
    }
    deeds.sort_by(|one, other| (one.at_ms, &one.leaf_hash).cmp(&(other.at_ms, &other.leaf_hash)));
    Ok(deeds)
}

/// All that a node holds, as `psi-field ledger export` writes it.
async fn exported(actor: &Actor) -> Result<Vec<u8>, Failure> {
    let refused = |status| Failure::refused(&actor.name, &status);
    let mut ledger = client::ledger(actor.channel.clone());
    let (mut bytes, mut chunks) =
        (Vec::new(), ledger.export(v1::ExportRequest {}).await.map_err(refused)?.into_inner());
    while let Some(chunk) = chunks.message().await.map_err(refused)? {
        bytes.extend(chunk.data);
    }
    Ok(bytes)
}

/// Who did what, and why, in lines that fit the screen.
pub(super) fn deeds_table(deeds: &[Deed]) -> String {
    let mut rows = Vec::new();
    for deed in deeds {
        let [what, mut why] = [(&deed.what, WHAT), (&deed.why, WHY)].map(|(text, width)| textwrap::wrap(text, width));
        if why.len() > LINES_MAX {
            why.truncate(LINES_MAX);
            why.extend(["…".into()]);
        }
        let by = [deed.by.as_str().into()];
        for line in 0..what.len().max(why.len()) {
            let cell = |lines: &[Cow<'_, str>]| lines.get(line).map(ToString::to_string).unwrap_or_default();
            rows.push([cell(&by), cell(&what), cell(&why)]);
        }
    }
    table(["by", "what", "why"], &[], rows)
}
