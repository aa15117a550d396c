//! The file of `--save`.

use std::{io::Write, path::Path};

use psi_bench::Report;

use crate::output::Failure;

/// A file that keeps the report.
pub(super) struct SaveFile {
    file: std::fs::File,
    /// Whether it holds something from before.
    is_taken: bool,
}

impl SaveFile {
    /// Opens the file now, so that a wrong path is known before anything is measured. What the file holds stays until [`Self::write`].
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::options().create(true).write(true).truncate(false).open(path);
        let opened = file.and_then(|file| Ok(Self { is_taken: file.metadata()?.len() > 0, file }));
        opened.map_err(|error| Failure::usage(format!("can't write {} (--save): {error}", path.display())))
    }

    /// Replaces what the file holds. A run that was stopped before its end does not replace an earlier run.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn write(mut self, report: &Report) -> Result<(), Failure> {
        if self.is_taken && !report.complete {
            return Ok(());
        }
        let write_failure = |error: &dyn std::fmt::Display| Failure::failed(format!("can't write the report: {error}"));
        let mut json = serde_json::to_vec(report).map_err(|error| write_failure(&error))?;
        json.push(b'\n');
        self.file.set_len(0).and_then(|()| self.file.write_all(&json)).map_err(|error| write_failure(&error))
    }
}
