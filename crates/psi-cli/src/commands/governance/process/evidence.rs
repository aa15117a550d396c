//! Evidence of tasks.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;
use data_encoding::HEXLOWER;
use psi_api::v1::AddEvidenceRequest;
use sha2::{Digest, Sha256};

use super::{
    name::{SubjectName, parse_name},
    shown::{EvidenceAnswer, KeptAnswer},
};
use crate::{
    client::{self, Nodes},
    output::{Failure, Output},
};

/// Longest document that nodes keep.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

#[derive(Clone, Debug, Args)]
pub(super) struct EvidenceAddition {
    /// The task, as PROCESS/TASK; of PROCESS the task `main`
    #[arg(value_parser = parse_name)]
    name: SubjectName,
    /// The file: an in-toto statement in a DSSE envelope, a JSON document, or an artifact
    file: PathBuf,
    /// What gates call it; the name of the file without its ending, unless given
    #[arg(long = "as", value_name = "NAME")]
    called: Option<String>,
    /// Give only the hash and size of the file
    #[arg(long)]
    hash: bool,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Clone, Debug, Args)]
pub(super) struct EvidenceTarget {
    /// The task, as PROCESS/TASK; of PROCESS the task `main`
    #[arg(value_parser = parse_name)]
    name: SubjectName,
    #[command(flatten)]
    nodes: Nodes,
}

impl EvidenceAddition {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { name, file, called, hash, nodes } = self;
        let stem = || file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let called = called.unwrap_or_else(stem);
        let (document, sha256, size) = if hash { hashed(&file)? } else { (whole(&file)?, String::new(), 0) };
        let SubjectName { process, task } = name.into_task();
        let request = AddEvidenceRequest { process, task, name: called, document, sha256, size };
        let reply = nodes.ask(async |channel| client::processes(channel).add_evidence(request.clone()).await);
        output.print(&reply.await?.answer.into(), KeptAnswer::text)
    }
}

impl EvidenceTarget {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let state = self.name.into_task().state(&self.nodes, false).await?;
        output.print(&state.into_evidence(), EvidenceAnswer::text)
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("can't read {}: {error}", file.display()))
}

/// The bytes of a file that nodes keep.
fn whole(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let opened = File::open(file).and_then(|opened| opened.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes));
    opened.map_err(|error| unreadable(file, &error))?;
    let what = if bytes.is_empty() { "is empty" } else { "has over 1 MiB" };
    if bytes.is_empty() || bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        return Err(Failure::usage(format!(
            "{} {what}; nodes keep 1 byte to 1 MiB, so give its --hash",
            file.display()
        )));
    }
    Ok(bytes)
}

/// The hash and size of a file, however long.
fn hashed(file: &Path) -> Result<(Vec<u8>, String, u64), Failure> {
    let (mut hash, mut size, mut part) = (Sha256::new(), 0, vec![0; 1 << 16]);
    let mut opened = File::open(file).map_err(|error| unreadable(file, &error))?;
    loop {
        let read = opened.read(&mut part).map_err(|error| unreadable(file, &error))?;
        if read == 0 {
            return Ok((Vec::new(), HEXLOWER.encode(&hash.finalize()), size));
        }
        hash.update(&part[..read]);
        size += read as u64;
    }
}
