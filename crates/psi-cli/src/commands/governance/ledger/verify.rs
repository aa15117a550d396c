//! `psi-field ledger verify`: whether every byte of a file is as it was signed. It asks no node.

use std::path::{Path, PathBuf};

use clap::Args;
use psi_ledger::{
    RecordProofRefusal, SignedHead, UnverifiedHead, UnverifiedProof,
    export::{self, Finding, KeySource, Report, RunReport, TrustBasis},
    head::{HeadRefusal, verifier_key},
};
use psi_security::{certificate::TrustAnchors, node_key::NodePublicKey};
use serde::Serialize;

use crate::output::{Failure, Output, numbers, pluralize, table};

pub(super) const EXAMPLES: &str = "\
Examples:
  psi-field ledger verify ledger.psi
  psi-field ledger verify ledger.psi --ca ca.pem
  psi-field ledger verify ledger.psi --head january.head
  psi-field ledger verify dropped.tlog-proof --key 5d0f…64 hex digits

Exit code 0 only if every byte holds. `psi-field ca` prints the authority of a cluster: with --ca, that must vouch for the \
key of each node. Without it, who holds the keys is not shown. With a head from before, as `ledger list --heads --output \
json` shows them, the file must go on from that: nothing else notices that a whole history was replaced.";

/// A file of proofs begins so.
const PROOF_FIRST_LINE: &[u8] = b"c2sp.org/tlog-proof@v1\n";

#[derive(Clone, Debug, Args)]
pub(super) struct Verify {
    /// An export or a proof
    file: PathBuf,
    /// The authorities of the cluster, in PEM; they must vouch for the keys of an export
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A head from before, as a file; may be given again
    #[arg(long, value_name = "FILE")]
    head: Vec<PathBuf>,
    /// The key of the node that signed a proof: 64 hexadecimal digits
    #[arg(long, value_parser = parse_key)]
    key: Option<NodePublicKey>,
}

#[derive(Debug, Serialize)]
struct Verdict {
    file: PathBuf,
    holds: bool,
    /// Of an export.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ledgers: Vec<LedgerVerdict>,
    /// Of a proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<ProvedRecord>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<String>,
    /// What holding does not show.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LedgerVerdict {
    log: String,
    records: u64,
    signed: String,
    key: String,
    /// For programs that read signed notes.
    verifier_key: String,
    vouched: bool,
}

#[derive(Debug, Serialize)]
struct ProvedRecord {
    log: String,
    index: u64,
    kind: String,
    actor: String,
    time: String,
    /// Records of the head that covers it.
    size: u64,
}

impl Verify {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let bytes = read(&self.file)?;
        let is_proof = bytes.starts_with(PROOF_FIRST_LINE);
        if is_proof && (self.ca.is_some() || !self.head.is_empty()) {
            return Err(Failure::usage(
                "--ca and --head are for an export, and this file is a proof: give --key alone",
            ));
        }
        if !is_proof && self.key.is_some() {
            return Err(Failure::usage("--key is for a proof, and this file is none: an export is verified by --ca"));
        }
        let verdict = if is_proof { self.proof(&bytes)? } else { self.export(&bytes)? };
        let holds = verdict.holds;
        output.print(&verdict, Verdict::text)?;
        match verdict.findings.len() as u64 {
            _ if holds => Ok(()),
            count => Err(Failure::failed(format!(
                "{} does not hold: {}; take another copy, and keep this one as evidence",
                self.file.display(),
                pluralize(count, "finding")
            ))),
        }
    }

    fn proof(&self, bytes: &[u8]) -> Result<Verdict, Failure> {
        let Some(key) = self.key else {
            return Err(Failure::usage(
                "a proof is verified by the key of its node: give it as --key; `ledger list --heads --output json` and an \
                 export that was verified show the keys",
            ));
        };
        let text = String::from_utf8_lossy(bytes);
        let proof = UnverifiedProof::parse(&text).and_then(|proof| proof.verify(&key));
        let proof = match proof {
            Ok(proof) => proof,
            Err(RecordProofRefusal::Head(HeadRefusal::OtherKey { log, .. })) => {
                let finding = format!("key {key} (--key) did not sign the head of {log}: is it the key of that node?");
                return Ok(self.refused(vec![finding]));
            }
            Err(refusal) => return Ok(self.refused(vec![refusal.to_string()])),
        };
        let (head, record) = (proof.head().head(), proof.record());
        let proved = ProvedRecord {
            log: head.log.to_string(),
            index: proof.index(),
            kind: record.kind.to_string(),
            actor: record.actor.to_string(),
            time: time(record.clock.wall_ms),
            size: head.tree.size(),
        };
        let notes = vec!["the key was given, and nothing here says whose it is".to_owned()];
        Ok(Verdict { record: Some(proved), notes, ..self.verdict(true) })
    }

    fn export(&self, bytes: &[u8]) -> Result<Verdict, Failure> {
        let anchors = self.ca.as_deref().map(read_authorities).transpose()?;
        let basis = TrustBasis { anchors: anchors.as_ref(), heads: &[] };
        let report = match export::verify(bytes, &basis) {
            Ok(report) => report,
            Err(findings) => return Ok(self.refused(findings.iter().map(Finding::to_string).collect())),
        };
        let (heads, mut findings) = self.known_heads(&report)?;
        if !heads.is_empty()
            && let Err(more) = export::verify(bytes, &TrustBasis { heads: &heads, ..basis })
        {
            findings.extend(more.iter().map(Finding::to_string));
        }
        if !findings.is_empty() {
            return Ok(self.refused(findings));
        }
        let ledgers = report.runs.iter().map(LedgerVerdict::from).collect();
        Ok(Verdict { ledgers, notes: notes(&report, anchors.is_some(), &heads), ..self.verdict(true) })
    }

    /// The heads that were given, verified by the keys of the file; and what is wrong with them.
    fn known_heads(&self, report: &Report) -> Result<(Vec<SignedHead>, Vec<String>), Failure> {
        let (mut heads, mut findings) = (Vec::new(), Vec::new());
        for path in &self.head {
            let text = String::from_utf8_lossy(&read(path)?).into_owned();
            let head = UnverifiedHead::parse(&text)
                .map_err(|refusal| Failure::usage(format!("{} (--head): {refusal}", path.display())))?;
            let log = &head.unverified().log;
            match report.runs.iter().find(|run| run.log == *log) {
                None => findings
                    .push(format!("the head of {log} is known, and the file has no such ledger: it was dropped")),
                Some(run) => match head.verify(&run.public_key()) {
                    Ok(head) => heads.push(head),
                    Err(refusal) => findings.push(refusal.to_string()),
                },
            }
        }
        Ok((heads, findings))
    }

    fn verdict(&self, holds: bool) -> Verdict {
        let file = self.file.clone();
        Verdict { file, holds, ledgers: Vec::new(), record: None, findings: Vec::new(), notes: Vec::new() }
    }

    fn refused(&self, findings: Vec<String>) -> Verdict {
        Verdict { findings, ..self.verdict(false) }
    }
}

/// What holds, and is not shown all the same.
fn notes(report: &Report, has_anchors: bool, heads: &[SignedHead]) -> Vec<String> {
    let mut notes = Vec::new();
    if !has_anchors {
        notes.push("nobody vouched for the keys; give the authorities of the cluster as --ca".to_owned());
    }
    let is_new = |run: &&RunReport| !heads.iter().any(|head| head.head().log == run.log);
    let new: Vec<_> = report.runs.iter().filter(is_new).map(|run| run.log.run.to_string()).collect();
    if !new.is_empty() {
        notes.push(format!(
            "a history that was replaced as a whole would hold too; give a head from before as --head for {}",
            new.join(", ")
        ));
    }
    for run in &report.runs {
        if run.shows_rewind {
            notes.push(format!("{} begins with less than its peers held: the node was set back", run.log));
        }
        if run.key == KeySource::Unexplained {
            notes.push(format!("{} is signed by another key than the run before, which did not sign that", run.log));
        }
        if run.first > 0 {
            notes.push(format!(
                "the first {} of {} are known by their hashes alone",
                pluralize(run.first, "record"),
                run.log
            ));
        }
    }
    if report.outside > 0 {
        notes.push(format!("{} outside of the file are named in it", pluralize(report.outside, "head")));
    }
    notes
}

impl From<&RunReport> for LedgerVerdict {
    fn from(run: &RunReport) -> Self {
        Self {
            log: run.log.to_string(),
            records: run.records(),
            signed: time(run.head().clock.wall_ms),
            key: run.public_key().to_string(),
            verifier_key: verifier_key(&run.log, &run.public_key()),
            vouched: run.vouched_by.is_some(),
        }
    }
}

impl Verdict {
    fn text(&self) -> String {
        let mut text = if self.holds {
            format!("{} holds: every byte is as it was signed\n", self.file.display())
        } else {
            format!("{} does NOT hold\n", self.file.display())
        };
        if let Some(ProvedRecord { log, index, kind, actor, time, size }) = &self.record {
            text += &format!(
                "\nrecord     {index} of {}\nledger     {log}\nkind       {kind}\nby         {actor}\ntime       {time}\n",
                pluralize(*size, "record")
            );
        }
        if !self.ledgers.is_empty() {
            let row = |one: &LedgerVerdict| {
                let log = one.log.strip_prefix("psi-field/ledger/").unwrap_or(&one.log).to_owned();
                let vouched = if one.vouched { "vouched for" } else { "not vouched for" }.to_owned();
                [log, one.records.to_string(), one.signed.clone(), vouched]
            };
            let rows = self.ledgers.iter().map(row).collect();
            text += &format!("\n{}\n", table(["ledger", "records", "signed", "key"], &[1], rows));
        }
        for finding in &self.findings {
            text += &format!("\n- {finding}");
        }
        for note in &self.notes {
            text += &format!("\nnot shown: {note}");
        }
        text.trim_end().to_owned()
    }
}

fn time(wall_ms: u64) -> String {
    let seconds = i64::try_from(wall_ms / 1_000).unwrap_or(i64::MAX);
    numbers::time(seconds, i32::try_from(wall_ms % 1_000).unwrap_or(0) * 1_000_000)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("can't read {}: {error}", path.display())))
}

fn read_authorities(path: &Path) -> Result<TrustAnchors, Failure> {
    let pem = read(path)?;
    TrustAnchors::from_pem(&pem).map_err(|error| Failure::usage(format!("{} (--ca): {error}", path.display())))
}

fn parse_key(text: &str) -> Result<NodePublicKey, String> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(NodePublicKey::from_bytes).ok_or_else(|| "a key of a node has 64 hexadecimal digits".to_owned())
}
