//! Keys and tokens, made and read without a node.

pub(crate) mod ca;
pub(crate) mod key;
pub(crate) mod token;

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use psi_replica::ClusterName;
use psi_security::key::KeyRing;
use serde::Serialize;

use crate::{
    output::{Failure, Output},
    settings,
};

/// Owner and group may read what is secret.
#[cfg(unix)]
const MODE: u32 = 0o640;

/// Where what is made goes.
#[derive(Clone, Debug, Args)]
struct Target {
    /// Write it to this file, which owner and group can read. A file that exists is left as it is
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// What became of a file.
#[derive(Serialize)]
struct FileReport {
    file: String,
    /// It was not there before.
    made: bool,
}

impl Target {
    /// Prints what is made, or writes its text to the file. It is not made where the file exists.
    ///
    /// # Errors
    /// If it can't be made or written.
    fn put<T: Serialize>(
        &self,
        output: Output,
        make: impl FnOnce() -> Result<T, Failure>,
        text: impl Fn(&T) -> String,
    ) -> Result<(), Failure> {
        let Some(path) = &self.write else { return output.print(&make()?, text) };
        let exists = || path.try_exists().unwrap_or(false);
        let made = !exists() && write_new(path, &(text(&make()?) + "\n"))?;
        output.print(&FileReport { file: path.display().to_string(), made }, |written| {
            format!("{}: {}", written.file, if written.made { "written" } else { "exists, and stays as it is" })
        })
    }
}

/// Writes a file that was not there; whether that is so.
fn write_new(path: &Path, text: &str) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("can't write {}: {error}", path.display()));
    // Written aside and then linked, so that nobody reads half of it.
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, MODE);
    let mut file = options.open(&aside).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&aside, path));
    let _ = fs::remove_file(&aside);
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// The key file, and the cluster that what is made from it is for.
#[derive(Clone, Debug, Args)]
struct KeyFile {
    /// Key file of the cluster
    #[arg(long, env = settings::KEY_FILE, value_name = "FILE", default_value = "cluster.key")]
    key_file: PathBuf,

    /// Name of the cluster, as its nodes have it
    #[arg(
        long,
        env = settings::CLUSTER,
        value_name = "NAME",
        default_value = "psi-field",
        value_parser = parse_cluster
    )]
    cluster_name: String,
}

fn parse_cluster(text: &str) -> Result<String, String> {
    ClusterName::new(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// The keys in a file.
///
/// # Errors
/// If it can't be read, or is no key file.
fn read_keys(path: &Path) -> Result<KeyRing, Failure> {
    let shown = path.display();
    let content = std::fs::read(path).map_err(|error| {
        Failure::failed(format!("can't read the key file {shown}: {error}")).with_hint(
            "copy the key file of the cluster here; `psi-field key --write FILE` makes one for a new cluster",
        )
    })?;
    KeyRing::parse(&content).map_err(|error| Failure::failed(format!("{shown}: {error}")))
}
