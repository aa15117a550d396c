//! Act four: what the ledgers have of it, and whether every byte of them is as it was signed.

use std::time::{Duration, Instant};

use psi_api::v1;
use psi_ledger::export::{self, Finding, RunReport, TrustBasis};

use super::{desk::MODEL, record::ModelRecord, report::Act, show::Show};
use crate::{
    client,
    commands::experiments::demo::stage::{Actor, PATIENCE},
    output::{Failure, pluralize},
};

/// Kinds of records that are about models.
const KINDS: [&str; 2] = ["model_change", "rollback"];
/// Asks every node for records and an export; returns what the first has.
pub(super) async fn verify_all(show: &Show<'_>, act: &mut Act) -> Result<Vec<ModelRecord>, Failure> {
    show.say("\nAct four: what the ledgers have of it.");
    let begun = Instant::now();
    let records = loop {
        let mut all = Vec::new();
        for actor in show.up() {
            all.push(records(actor).await?);
        }
        // What was done last may not be written yet.
        let is_whole = all[0].iter().any(|record| record.what.starts_with("promote "));
        let are_equal = is_whole && all.iter().all(|records| *records == all[0]);
        if are_equal || begun.elapsed() > PATIENCE {
            let count = pluralize(all[0].len() as u64, "record");
            act.promise(are_equal, format!("{} list the same {count} about {MODEL}", show.names()));
            break all.swap_remove(0);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let alone = records.iter().filter(|record| record.kind == "rollback" && record.node == "n1").count();
    act.promise(alone > 0, "the rollback that needed no majority is in the ledger of n1");
    for actor in show.up() {
        verify(act, actor).await?;
    }
    Ok(records)
}

/// Exports what a node holds, and verifies it.
async fn verify(act: &mut Act, actor: &Actor) -> Result<(), Failure> {
    let exported = exported(actor).await?;
    let what = format!("the export of {}, {}", actor.name, pluralize(exported.len() as u64, "byte"));
    match export::verify(&exported, &TrustBasis::default()) {
        Ok(report) => {
            let records = pluralize(report.runs.iter().map(RunReport::records).sum(), "record");
            let ledgers = pluralize(report.runs.len() as u64, "ledger");
            act.promise(true, format!("{what} with {ledgers} and {records}, is as it was signed"));
        }
        Err(findings) => {
            let first = findings.first().map(Finding::to_string).unwrap_or_default();
            act.promise(false, format!("{what}, is as it was signed ({first})"));
        }
    }
    Ok(())
}

/// What a node's ledgers have about models, in the order of time.
async fn records(actor: &Actor) -> Result<Vec<ModelRecord>, Failure> {
    let mut records = Vec::new();
    for kind in KINDS {
        let request = v1::ListRecordsRequest { page_size: 1_000, kind: kind.to_owned(), ..Default::default() };
        let listed = client::ledger(actor.channel.clone()).list_records(request).await;
        let listed = listed.map_err(|status| Failure::refused(&actor.name, &status))?.into_inner();
        records.extend(listed.records.into_iter().map(ModelRecord::from));
    }
    records.sort();
    Ok(records)
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
