//! `psi-field node`: runs a node until it is stopped.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use psi_node::{NodeEnd, StartError};
use serde::Serialize;
use tracing::warn;

use crate::{
    output::{self, Failure, Output, pluralize},
    process::{logs, signals::Signals},
    settings::{self, Inputs, LoadedSettings, Problem, SettingFlags},
};

/// A node that was asked to stop is gone after this, whatever it is at.
const STOP: Duration = Duration::from_secs(5);

const AFTER_HELP: &str = "\
Examples:
  psi-field node  # a cluster of one; nothing needs to be set
  psi-field node --config psi.toml
  PSI_LOG_FORMAT=json psi-field node --cluster-seeds node-1,node-2
  # all settings, and where each is from
  psi-field node --print-config > psi.toml
  psi-field check-config --config psi.toml    # are they right?

  # Two more nodes on the same machine, joining the first:
  psi-field node --cluster-seeds 127.0.0.1 --grpc-listen 127.0.0.1:50052 \\
      --http-listen 127.0.0.1:8001 --gossip-listen 127.0.0.1:7281
  psi-field node --cluster-seeds 127.0.0.1 --grpc-listen 127.0.0.1:50053 \\
      --http-listen 127.0.0.1:8002 --gossip-listen 127.0.0.1:7282

A setting comes from its flag, else from its variable, else from the file, else it has its default. All are checked \
before anything starts, and every wrong one is reported. `--help` explains each setting, `-h` is short.

It stops within 5 s of Ctrl-C, SIGTERM, or SIGHUP as of a terminal that is closed. A second Ctrl-C or SIGTERM ends \
it at once. `nohup` keeps it running without its terminal. With `--output json` it prints one line with its \
addresses once it listens.

Exit codes: 0 stopped; 1 could not start or go on; 2 wrong arguments or settings.";

/// Run a node
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Node {
    /// Settings file, in TOML
    #[arg(long, value_name = "FILE", env = settings::CONFIG)]
    config: Option<PathBuf>,

    /// Print the settings that would be used, with where each is from, and stop
    #[arg(long)]
    print_config: bool,

    #[command(flatten)]
    flags: SettingFlags,
}

/// What programs that start a node wait for.
#[derive(Serialize)]
struct NodeAddresses {
    node: String,
    grpc: String,
    http: String,
    gossip: String,
}

impl Node {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let loaded = load(self.config.as_deref(), &self.flags)
            .map_err(|problems| wrong_settings(&problems, "nothing was started"))?;
        if self.print_config {
            return match output {
                Output::Text => output::line(&settings::to_toml(&loaded)),
                Output::Json => output.print(&settings::to_json(&loaded), |_| String::new()),
            };
        }
        logs::start(&loaded.effective.log);
        serve(loaded.effective.node, output).await
    }
}

/// The settings of a node of this process: from the file, if there is one, this process's variables and the flags.
///
/// # Errors
/// Everything that is wrong.
pub(crate) fn load(config: Option<&Path>, flags: &SettingFlags) -> Result<LoadedSettings, Vec<Problem>> {
    let mut unread = Vec::new();
    let name = config.map(|path| path.display().to_string());
    let text = config.and_then(|path| match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            let name = path.display();
            unread.push(Problem::File(format!("can't read the settings file {name} (--config): {error}")));
            None
        }
    });
    let variables = std::env::vars_os()
        .map(|(name, text)| (name.to_string_lossy().into_owned(), text.to_string_lossy().into_owned()))
        .collect();
    let machine = gethostname::gethostname();
    let loaded = settings::load(Inputs {
        file: name.as_deref().zip(text.as_deref()),
        variables,
        flags,
        machine: &machine.to_string_lossy(),
    });
    match loaded {
        Ok(loaded) if unread.is_empty() => Ok(loaded),
        Ok(_) => Err(unread),
        Err(problems) => Err(unread.into_iter().chain(problems).collect()),
    }
}

/// Names every wrong setting, after what that means.
pub(super) fn wrong_settings(problems: &[Problem], meaning: &str) -> Failure {
    let count = pluralize(u64::try_from(problems.len()).unwrap_or(u64::MAX), "setting");
    let verb = if problems.len() == 1 { "is" } else { "are" };
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    // One line for one, so that it stays whole among those of other containers.
    let divider = if problems.len() == 1 { " " } else { "\n  " };
    Failure::usage(format!("{count} {verb} wrong, {meaning}:{divider}{}", lines.join("\n  ")))
}

async fn serve(settings: psi_node::Settings, output: Output) -> Result<(), Failure> {
    // From the first moment on: a signal that nobody waits for kills the process.
    let mut signals = Signals::listen();
    let started = tokio::select! {
        started = psi_node::Node::start(settings) => started,
        _ = signals.next() => return Ok(()),
    };
    let mut node = started.map_err(|error| not_started(&error))?;
    if output == Output::Json && output.print(&NodeAddresses::of(&node), |_| String::new()).is_err() {
        warn!("nobody reads standard output, so the addresses are not printed");
    }
    let (signal, failed) = loop {
        tokio::select! {
            signal = signals.next() => break (Some(signal), None),
            end = node.ended() => match end {
                // It takes seconds; a signal is looked at after that.
                NodeEnd::StartAgain { ask } => node = node.restart(ask).await.map_err(|error| not_started(&error))?,
                NodeEnd::Failed(why) => break (None, Some(why)),
            },
        }
    };
    tokio::select! {
        stopped = tokio::time::timeout(STOP, node.shutdown()) => {
            if stopped.is_err() {
                warn!("not stopped after {} s, ending anyway", STOP.as_secs());
            }
        }
        () = signals.insisted(signal) => warn!("asked twice to stop, ending at once"),
    }
    failed.map_or(Ok(()), |why| Err(Failure::failed(format!("the node could not go on: {why}"))))
}

fn not_started(error: &StartError) -> Failure {
    match error {
        StartError::Identity(_) => Failure::usage(error.to_string()),
        _ => Failure::failed(error.to_string()),
    }
}

impl NodeAddresses {
    fn of(node: &psi_node::Node) -> Self {
        let addresses = node.addresses();
        Self {
            node: node.node_id().to_string(),
            grpc: addresses.grpc.to_string(),
            http: addresses.http.to_string(),
            gossip: addresses.gossip.to_string(),
        }
    }
}
