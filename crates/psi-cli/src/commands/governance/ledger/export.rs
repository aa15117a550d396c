//! Files that a command writes whole: under another name first, so that a name never stands for half a file.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use psi_api::v1::ExportRequest;
use serde::Serialize;

use super::heads::heads;
use crate::{
    client::{self, Nodes},
    output::{Failure, Output, note, pluralize},
};

/// A file that is being written.
pub(super) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    writer: BufWriter<File>,
    bytes: u64,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct WrittenFile {
    pub(super) file: PathBuf,
    pub(super) bytes: u64,
}

impl NewFile {
    /// Opens the file before a node is asked.
    ///
    /// # Errors
    /// It is there, or can't be written.
    pub(super) fn create(path: &Path, force: bool) -> Result<Self, Failure> {
        if !force && path.symlink_metadata().is_ok() {
            return Err(Failure::file_exists(path));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(|error| unwritable(path, &error))?;
        Ok(Self { path: path.to_owned(), part, writer: BufWriter::new(file), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        self.writer.write_all(bytes).map_err(|error| unwritable(&self.path, &error))
    }

    /// Writes the last bytes, and gives the file its name.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn finish(mut self, last: &[u8]) -> Result<WrittenFile, Failure> {
        self.write(last)?;
        let kept = self.writer.flush().and_then(|()| self.writer.get_ref().sync_all());
        kept.and_then(|()| fs::rename(&self.part, &self.path)).map_err(|error| unwritable(&self.path, &error))?;
        Ok(WrittenFile { file: self.path.clone(), bytes: self.bytes })
    }
}

/// What was not finished is no file for anybody.
impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}

/// Writes all ledgers that a node holds.
///
/// # Errors
/// The node, or the disk.
pub(super) async fn write(nodes: &Nodes, mut file: NewFile, output: Output) -> Result<(), Failure> {
    let reply = nodes.ask(async |channel| client::ledger(channel).export(ExportRequest {}).await).await?;
    let (mut chunks, address) = (reply.answer, reply.address);
    let mut noted = 0;
    while let Some(chunk) = chunks.message().await.map_err(|status| Failure::refused(&address, &status))? {
        file.write(&chunk.data)?;
        // Larger ones take a while.
        if file.bytes >> 24 > noted {
            noted = file.bytes >> 24;
            note(format_args!("{} MiB so far", file.bytes >> 20));
        }
    }
    let written = file.finish(&[])?;
    let heads = heads(nodes).await?.heads;
    let left_out: Vec<_> = heads.iter().filter(|head| head.held < head.size).map(|head| head.log.as_str()).collect();
    if !left_out.is_empty() {
        note(format_args!(
            "left out, since the node does not hold all of their records: {}; ask another node too",
            left_out.join(", ")
        ));
    }
    output
        .print(&written, |written| format!("wrote {} to {}", pluralize(written.bytes, "byte"), written.file.display()))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("can't write {}: {error}", path.display()))
}
