//! A record as it is written: whole lines only.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use psi_api::v1::{AcceptedStep, Field};
use serde::Serialize;

use crate::{
    answer::guardian,
    output::{self, Failure, numbers},
    source::Header,
};

/// Where steps are written.
pub(super) struct File {
    path: PathBuf,
    /// Lines are given to it whole, and it passes them on whole.
    writer: BufWriter<Box<dyn Write + Send>>,
    is_broken: bool,
}

/// A step.
#[derive(Serialize)]
struct Line<'a> {
    field: &'a str,
    /// As text: 64-bit integers lose digits in jq and JavaScript.
    epoch: String,
    k: u64,
    timestamp: Option<String>,
    input: Vec<f64>,
}

impl File {
    /// Whether there may be such a file, before a node is asked.
    ///
    /// # Errors
    /// If it is there and must not be.
    pub(super) fn check(path: &Path, force: bool) -> Result<(), Failure> {
        if force || is_stdout(path) || path.symlink_metadata().is_err() {
            Ok(())
        } else {
            Err(Failure::file_exists(path))
        }
    }

    /// Makes the file, with its first line.
    ///
    /// # Errors
    /// If that is not possible.
    pub(super) fn create(path: &Path, force: bool, field: &Field) -> Result<Self, Failure> {
        let inner: Box<dyn Write + Send> = if is_stdout(path) {
            Box::new(io::stdout())
        } else {
            let mut options = OpenOptions::new();
            options.write(true).create_new(!force).create(force).truncate(force);
            match options.open(path) {
                Ok(file) => Box::new(file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Failure::file_exists(path)),
                Err(error) => return Err(Failure::failed(format!("can't write {}: {error}", path.display()))),
            }
        };
        let mut file = Self { path: path.to_owned(), writer: BufWriter::new(inner), is_broken: false };
        file.line(&header(field))?;
        file.flush()?;
        Ok(file)
    }

    /// Adds a step.
    ///
    /// # Errors
    /// If that is not possible.
    pub(super) fn step(&mut self, field: &str, step: AcceptedStep) -> Result<(), Failure> {
        let AcceptedStep { epoch, k, timestamp, input } = step;
        let timestamp = timestamp.map(|time| numbers::time(time.seconds, time.nanos));
        self.line(&Line { field, epoch: epoch.to_string(), k, timestamp, input })
    }

    /// Hands on what was written.
    ///
    /// # Errors
    /// If that is not possible.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.writer.flush();
        self.written(flushed)
    }

    /// The last flush.
    ///
    /// # Errors
    /// If that is not possible.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }

    /// Whether writing has failed.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), Failure> {
        let written = serde_json::to_vec(line).map_err(io::Error::other).and_then(|mut text| {
            text.push(b'\n');
            self.writer.write_all(&text)
        });
        self.written(written)
    }

    fn written(&mut self, result: io::Result<()>) -> Result<(), Failure> {
        result.map_err(|error| {
            self.is_broken = true;
            if is_stdout(&self.path) {
                output::write_failure(&error)
            } else {
                Failure::failed(format!("can't write {}: {error}", self.path.display()))
            }
        })
    }
}

fn header(field: &Field) -> Header {
    Header {
        field: Some(field.name.clone()),
        epoch: Some(field.epoch.to_string()),
        engine: Some(field.engine.clone()),
        width: usize::try_from(field.width).ok(),
        scale_exponent: Some(field.scale_exponent),
        seed: Some(field.seed),
        guardian: guardian::mode(field.guardian()).map(str::to_owned),
        parameters: field.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value)).collect(),
        names: field.names.clone(),
    }
}

/// Whether a file is written to standard output.
pub(super) fn is_stdout(file: &Path) -> bool {
    file.as_os_str() == "-"
}
