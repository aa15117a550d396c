//! `psi-field ca`: the authority that the certificates of nodes come from, for programs that verify it by themselves.

use clap::Args;
use psi_security::certificate::Authority;
use serde::Serialize;

use super::{KeyFile, OldFile, Target, read_keys};
use crate::output::{Failure, Output};

const AFTER_HELP: &str = "\
Examples:
  psi-field ca --write ca.pem
  curl --cacert ca.pem -H \"authorization: Bearer $PSI_TOKEN\" \\
      https://127.0.0.1:8000/state

It is no secret, and follows from the key: it is the same wherever and whenever it is printed, and never expires. A key \
file with several keys has as many. A file that --write finds with other content is replaced. Nodes make their own \
certificates, of a week, and renew them every day. Where others issue them, programs take the file of tls.ca in place of \
this one.";

/// Print the certificate authority of a cluster, as PEM
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CaCommand {
    #[command(flatten)]
    key: KeyFile,

    #[command(flatten)]
    target: Target,
}

#[derive(Serialize)]
struct AuthorityAnswer {
    key: String,
    sha256: String,
    pem: String,
}

impl CaCommand {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let make = || {
            let authorities = Authority::derive_all(&read_keys(&self.key.key_file)?, &self.key.cluster_name);
            Ok(authorities.iter().map(answer).collect::<Vec<AuthorityAnswer>>())
        };
        self.target.put(output, OldFile::Updated, make, |answers| {
            answers.iter().map(|answer| answer.pem.trim_end()).collect::<Vec<_>>().join("\n")
        })
    }
}

fn answer(authority: &Authority) -> AuthorityAnswer {
    AuthorityAnswer {
        key: authority.key_id().to_string(),
        sha256: authority.hash().to_string(),
        pem: authority.certificate_pem(),
    }
}
