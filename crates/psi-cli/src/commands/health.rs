//! `psi-field health`: whether nodes take steps, as an exit code for container runtimes.

use clap::Args;
use serde::Serialize;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{client::Nodes, failure::Failure, output::Output};

const AFTER_HELP: &str = "\
Examples:
  psi-field health
  psi-field health --node node-1:50051,node-2:50051 --timeout 1

Exit codes: 0 if all the nodes asked are ready, 1 if any is not or can't be reached; container runtimes know no others. \
A node that is joining, stopping or whose clock is off is not ready.

In a Dockerfile:
  HEALTHCHECK CMD [\"psi-field\", \"health\"]";

/// Ask nodes whether they are ready to take steps
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Health {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Serialize)]
struct Answer {
    node: String,
    ready: bool,
    /// Why not.
    why: Option<String>,
}

impl Health {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let mut unready = Vec::new();
        for address in &self.nodes.addresses {
            let why = self.why_not(address).await;
            let answer = Answer { node: address.clone(), ready: why.is_none(), why };
            if answer.ready {
                output.print(&answer, |answer| format!("{}: ready", answer.node))?;
            } else {
                // The failure names it in text.
                if output == Output::Json {
                    output.print(&answer, |_| String::new())?;
                }
                unready.extend(answer.why);
            }
        }
        if unready.is_empty() { Ok(()) } else { Err(Failure::failed(unready.join("\n  "))) }
    }

    /// Why the node at `address` takes no steps; `None` if it does.
    async fn why_not(&self, address: &str) -> Option<String> {
        let one = Nodes { addresses: vec![address.to_owned()], ..self.nodes.clone() };
        let asked =
            one.ask(async |channel| HealthClient::new(channel).check(HealthCheckRequest::default()).await).await;
        match asked {
            Ok(answered) if answered.answer.status() == ServingStatus::Serving => None,
            Ok(_) => Some(format!("{address}: not ready: it is joining or stopping, or its clock is off")),
            Err(failure) => Some(failure.message),
        }
    }
}
