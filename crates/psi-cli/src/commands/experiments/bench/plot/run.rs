//! A run, as `--save` wrote it: as much of it as is drawn.

use std::{fs, path::Path};

use serde::Deserialize;

use psi_bench::Spread;

use crate::output::Failure;

/// A run.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    version: String,
    commit: String,
    started: String,
    machine: Machine,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Machine {
    cpu: Option<String>,
    cores: Option<usize>,
}

/// A row; what it does not have is null or missing.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) nodes: Option<u32>,
    pub(super) callers: Option<u32>,
    pub(super) fields: Option<u32>,
    pub(super) origins: Option<u32>,
    pub(super) unit: String,
    pub(super) figure: Option<Spread>,
}

impl Run {
    /// # Errors
    /// If the file can't be read, or is something else.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| Failure::usage(format!("can't read {shown}: {error}")))?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::usage(format!("{shown} is not what `psi-field bench --save` writes: {error}")))
    }

    /// Where the figures come from.
    pub(super) fn origin(&self) -> String {
        let cpu = self.machine.cpu.as_deref().unwrap_or("unknown CPU");
        let cores = self.machine.cores.map_or_else(String::new, |cores| format!(", {cores} cores"));
        format!("psi-field {} (commit {}), {}; {cpu}{cores}", self.version, self.commit, self.started)
    }
}
