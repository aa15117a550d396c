//! `psi-field ledger`: what nodes and operators did, and the proof of it.

mod export;
mod heads;
mod listing;
mod name;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use psi_api::v1::GetRecordRequest;
use serde::Serialize;

use self::{
    export::{NewFile, WrittenFile},
    heads::heads,
    listing::{Heads, Records},
    name::RecordName,
    verify::Verify,
};
use crate::{
    client::{self, Nodes},
    output::{Failure, Output},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field ledger list
  psi-field ledger show n1/1764468265123456/3
  psi-field ledger export ledger.psi
  psi-field ledger verify ledger.psi --ca ca.pem

Each run of a node has a ledger: records of what operators and the node itself did, as a Merkle tree with signed heads. \
Nodes hold each other's ledgers, and believe a head only if it goes on from the one before. So nobody changes a record \
that others hold without being noticed. That a record is true is not shown, nor that nothing came after the last head.";

const LIST_EXAMPLES: &str = "\
Examples:
  psi-field ledger list
  psi-field ledger list --kind field_removal --limit 20
  psi-field ledger list --heads
  psi-field ledger list --output json | jq '.records[].object'";

const SHOW_EXAMPLES: &str = "\
Examples:
  psi-field ledger show n1/1764468265123456/3

A record is named by its node, its run and its index, as `ledger list` shows them.";

const PROVE_EXAMPLES: &str = "\
Examples:
  psi-field ledger prove n1/1764468265123456/3 dropped.tlog-proof

The file is a C2SP tlog-proof: the record, the hashes from it to the root, and the signed head. Anyone who has the key of \
the node can verify it years later, without the cluster: see `psi-field ledger verify --help`.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  psi-field ledger export ledger.psi
  psi-field ledger export backup.psi --node n2:50051 --force

All ledgers that the node holds, with all of their records. Keep earlier exports, or at least the heads that \
`ledger list --heads` shows: only who has an earlier head notices that a history was replaced.";

/// Show, prove and verify what nodes and operators did
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Ledger {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// The latest records of all nodes, or the heads of their ledgers
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// One record, whole
    #[command(after_help = SHOW_EXAMPLES)]
    Show(Target),
    /// Write all ledgers that a node holds to a file
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportFile),
    /// Write the proof that a record is in its ledger to a file
    #[command(after_help = PROVE_EXAMPLES)]
    Prove(Proof),
    /// Verify an export or a proof, offline
    #[command(after_help = verify::EXAMPLES)]
    Verify(Verify),
}

#[derive(Clone, Debug, Args)]
struct List {
    /// Most records to show
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Only records of this kind
    #[arg(long, default_value = "", hide_default_value = true)]
    kind: String,
    /// Only records of this node's runs
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NODE")]
    of: String,
    /// Show the head of each ledger in place of records
    #[arg(long, conflicts_with_all = ["kind", "of", "limit"])]
    heads: bool,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct Target {
    /// The record: NODE/RUN/INDEX
    record: RecordName,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
struct ExportFile {
    /// The file to write
    file: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    nodes: Nodes,
}

/// The proof that was written, and whose key verifies it.
#[derive(Debug, Serialize)]
struct ProofAnswer {
    file: PathBuf,
    bytes: u64,
    key: String,
}

#[derive(Clone, Debug, Args)]
struct Proof {
    /// The record: NODE/RUN/INDEX
    record: RecordName,
    /// The file to write
    file: PathBuf,
    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    nodes: Nodes,
}

impl Ledger {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        match self.action {
            Action::List(list) => list.run(output).await,
            Action::Show(target) => target.run(output).await,
            Action::Export(file) => file.run(output).await,
            Action::Prove(proof) => proof.run(output).await,
            Action::Verify(verify) => verify.run(output),
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        if self.heads {
            return output.print(&Heads::from(heads(&self.nodes).await?), Heads::text);
        }
        let records = Records::read(&self.nodes, self.limit, &self.of, &self.kind).await?;
        output.print(&records, Records::text)
    }
}

impl Target {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let request = request(&self.nodes, &self.record).await?;
        let reply = self.nodes.ask(async |channel| client::ledger(channel).get_record(request.clone()).await);
        output.print(&reply.await?.answer.into(), listing::Record::text)
    }
}

impl ExportFile {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let file = NewFile::create(&self.file, self.force)?;
        export::write(&self.nodes, file, output).await
    }
}

impl Proof {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let file = NewFile::create(&self.file, self.force)?;
        let request = request(&self.nodes, &self.record).await?;
        let reply = self.nodes.ask(async |channel| client::ledger(channel).prove_record(request.clone()).await);
        let text = reply.await?.answer.text;
        let heads = heads(&self.nodes).await?.heads;
        let key = heads.into_iter().find(|head| head.log == request.log).map(|head| head.public_key);
        let WrittenFile { file, bytes } = file.finish(text.as_bytes())?;
        output.print(&ProofAnswer { file, bytes, key: key.unwrap_or_default() }, |ProofAnswer { file, bytes, key }| {
            let file = file.display();
            format!(
                "wrote {bytes} bytes to {file}; verify it with\n  psi-field ledger verify {file} \\\n      --key {key}"
            )
        })
    }
}

/// The request for a record. Of which cluster the nodes are, their heads say.
async fn request(nodes: &Nodes, record: &RecordName) -> Result<GetRecordRequest, Failure> {
    let heads = heads(nodes).await?.heads;
    let suffix = format!("/{}/{}", record.node, record.run);
    let log = heads.into_iter().map(|head| head.log).find(|log| log.ends_with(&suffix));
    let log = log.ok_or_else(|| {
        Failure::failed(format!(
            "no ledger of run {} of node {} is held; see `ledger list --heads`",
            record.run, record.node
        ))
    })?;
    Ok(GetRecordRequest { log, index: record.index })
}
