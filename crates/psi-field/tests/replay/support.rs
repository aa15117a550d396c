//! Recordings to replay, and replays of them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, Result};
use ndarray::ArrayD;
use ndarray_npy::NpzWriter;
use psi_tests::service;
use serde_json::{Map, Value};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psi-field");

/// A folder of recordings.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.0.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A trace of 2 steps, input 3, latent 2, N 1, except for the array `name`: `other`, or none.
    pub(crate) fn trace(&self, name: &str, other: Option<&ArrayD<f64>>) -> Result<PathBuf> {
        let path = self.0.path().join("trace.npz");
        let mut npz = NpzWriter::new(File::create(&path)?);
        for (array, shape) in
            [("encoder", &[2, 3][..]), ("transition", &[2, 2]), ("inputs", &[2, 3]), ("rollout_noise", &[2, 1, 2])]
        {
            match other {
                None if array == name => {}
                Some(other) if array == name => npz.add_array(array, other)?,
                _ => npz.add_array(array, &ArrayD::from_elem(shape, 0.5))?,
            }
        }
        npz.finish()?;
        Ok(path)
    }
}

/// A command that is given a file.
#[derive(Clone, Copy)]
pub(crate) struct FileCommand(pub(crate) &'static [&'static str]);

impl FileCommand {
    pub(crate) fn run(self, file: &Path, arguments: &[&str]) -> Result<Output> {
        Ok(service::command(PROGRAM, self.0).arg(file).args(arguments).output()?)
    }

    /// The lines that it prints as JSON.
    pub(crate) fn lines(self, file: &Path, arguments: &[&str]) -> Result<Vec<Map<String, Value>>> {
        let output = self.run(file, &[arguments, &["--output", "json"]].concat())?;
        anyhow::ensure!(output.status.success(), "{output:?}");
        Ok(std::str::from_utf8(&output.stdout)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// Checks that it does nothing but to refuse, with a message that has all of `wanted`.
    pub(crate) fn check_refused(self, file: &Path, arguments: &[&str], wanted: &[&str]) -> Result<()> {
        for output in ["json", "text"] {
            let got = self.run(file, &[arguments, &["--output", output]].concat())?;
            let said = String::from_utf8(got.stderr)?;
            assert!(got.status.code() == Some(2) && got.stdout.is_empty(), "{file:?} {arguments:?}: {said}");
            for wanted in wanted {
                assert!(said.contains(wanted), "{arguments:?}: `{wanted}` is not in: {said}");
            }
        }
        Ok(())
    }
}

const REPLAY: FileCommand = FileCommand(&["replay"]);

pub(crate) fn replay(file: &Path, arguments: &[&str]) -> Result<Output> {
    REPLAY.run(file, arguments)
}

/// The steps that a replay prints as JSON.
pub(crate) fn steps(file: &Path, arguments: &[&str]) -> Result<Vec<Map<String, Value>>> {
    REPLAY.lines(file, arguments)
}

pub(crate) fn number(step: &Map<String, Value>, name: &str) -> Result<f64> {
    step[name].as_f64().with_context(|| format!("a number {name}"))
}

/// Checks that a replay does nothing but to refuse, with a message that has all of `wanted`.
pub(crate) fn check_refused(file: &Path, arguments: &[&str], wanted: &[&str]) -> Result<()> {
    REPLAY.check_refused(file, arguments, wanted)
}
