//! `psi-field key`: makes a cluster key.

use std::path::PathBuf;

use clap::Args;
use psi_security::key::ClusterKey;
use serde::Serialize;

use super::{OldFile, Target, read_keys};
use crate::output::{Failure, Output};

const AFTER_HELP: &str = "\
Examples:
  psi-field key --write cluster.key
  psi-field node --security-key-file cluster.key
  psi-field key --show cluster.key          # which keys are in it

Anyone with the key can join the cluster, read and change everything. Give the file to all nodes, and to nobody else. \
A file that --write finds stays as it is, with exit code 0: no key is overwritten. Each line is a key: the first seals \
and signs, all are accepted. To change the key, add a line at the end of the file of every node; make tokens and the \
CA from a file with the new line first, and hand them out; then move it to the top on every node, and remove the old \
line. Nodes read the file again by themselves.";

/// Make a cluster key
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct KeyCommand {
    /// Show which keys are in this file, not the keys themselves
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,

    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct NewKey {
    id: String,
    key: String,
}

#[derive(Serialize)]
struct KeyIds {
    ids: Vec<String>,
}

impl KeyCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        if let Some(path) = self.show {
            let ids = read_keys(&path)?.ids().iter().map(ToString::to_string).collect();
            return output.print(&KeyIds { ids }, |keys| {
                let does = |place: usize| if place == 0 { "seals and signs" } else { "is accepted" };
                let line = |(place, id): (usize, &String)| format!("{id}  {}", does(place));
                keys.ids.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
            });
        }
        let make = || {
            let key = ClusterKey::from_random(rand::random());
            Ok(NewKey { id: key.id().to_string(), key: key.to_string() })
        };
        self.target.put(output, OldFile::Stays, make, |made| {
            format!("# Key {} of a psi-field cluster. Keep it secret.\n{}", made.id, made.key)
        })
    }
}
