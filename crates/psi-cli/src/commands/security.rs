//! Keys and tokens, made and read without a node.

pub(crate) mod ca;
pub(crate) mod key;
pub(crate) mod token;

mod target;

use std::path::{Path, PathBuf};

use clap::Args;
use psi_replica::ClusterName;
use psi_security::key::KeyRing;

use self::target::{OldFile, Target};
use crate::{output::Failure, settings};

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
