//! `psi-field bench-handlers`: the process that answers for nothing but `psi-field bench http`. No help shows it.

use std::process;

use clap::Args;
use psi_bench::HandlerServer;

use crate::{
    output::{Failure, Output},
    process::signals,
};

/// Answer HTTP without being a node, for `psi-field bench http`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  psi-field bench-handlers '{\"Psi\":0.5}' --output json")]
pub(crate) struct ServeHandlers {
    /// What the parsing handler answers
    answer: String,
}

impl ServeHandlers {
    /// Serves until it is stopped.
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let server = HandlerServer::bind().await?;
        output
            .print(&server.address(), |address| format!("answering on {} (process {})", address.http, process::id()))?;
        server.serve(self.answer, signals::stop()).await;
        Ok(())
    }
}
