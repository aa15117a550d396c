//! Nodes as processes of their own, started from this very program: what they do costs what it costs anybody, and what the
//! measuring costs is not theirs. Killed when dropped.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use psi_client::{Access, Connection};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, Command},
};

use super::usage::Usage;
use crate::{
    client::{self, root_cause},
    error::BenchError,
};

/// The cluster that they form.
pub(crate) const CLUSTER: &str = "psi-field-bench";
/// How long a process may take to say that it listens.
const START: Duration = Duration::from_secs(30);
/// Lines of what a process said that are kept, to say why it did not start.
const LINES_MAX: usize = 20;

/// How a node is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    name: String,
    flags: Vec<(String, String)>,
}

impl Launch {
    /// A node of this name, on free ports of the loopback by default.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), flags: Vec::new() }
            .with("--grpc-listen", &"127.0.0.1:0")
            .with("--http-listen", &"127.0.0.1:0")
            .with("--gossip-listen", &"127.0.0.1:0")
            .with("--cluster-name", &CLUSTER)
            // On one machine members show themselves at once.
            .with("--cluster-join-ms", &"300")
            .with("--log-filter", &"warn")
    }

    /// Sets a flag of `psi-field node`, such as `--data-dir`; of several values the last counts.
    pub(crate) fn with(mut self, flag: &str, value: &dyn ToString) -> Self {
        self.flags.retain(|(name, _)| name != flag);
        self.flags.push((flag.to_owned(), value.to_string()));
        self
    }

    /// Starts the node, and waits until it listens.
    ///
    /// # Errors
    /// If it does not, with what it said.
    pub(crate) async fn start(&self) -> Result<Node, BenchError> {
        let mut command = this_program()?;
        command.args(["--output", "json", "node", "--node-id", &self.name]);
        command.args(self.flags.iter().map(|(flag, value)| format!("{flag}={value}")));
        let process = Process::start(command).await?;
        let started: NodeAddresses = process.first_line()?;
        // A node shows where others reach it; where it listens at a fixed address, that is nearer.
        let listen = self.flags.iter().find(|(flag, _)| flag == "--grpc-listen");
        let listen = listen.and_then(|(_, address)| address.parse::<SocketAddr>().ok());
        let grpc = listen.filter(|address| address.port() != 0).unwrap_or(started.grpc);
        Ok(Node { name: self.name.clone(), grpc, http: started.http, gossip: started.gossip, process })
    }
}

/// What a node says once it listens.
#[derive(Deserialize)]
struct NodeAddresses {
    grpc: SocketAddr,
    http: SocketAddr,
    gossip: SocketAddr,
}

/// A running node.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) gossip: SocketAddr,
    /// Killed when dropped.
    process: Process,
}

impl Node {
    /// What the node has taken of the machine so far.
    ///
    /// # Errors
    /// If it has ended, or the system does not say.
    pub(crate) fn usage(&self) -> Result<Usage, BenchError> {
        let ended = || BenchError::failed(format!("node `{}` has ended", self.name));
        Usage::of(self.process.child.id().ok_or_else(ended)?)
    }

    /// A connection of its own to the node.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn connect(&self) -> Result<Connection, BenchError> {
        let endpoint = client::endpoint(&self.grpc.to_string(), START);
        let unreachable = |error: &dyn std::error::Error| {
            BenchError::failed(format!("can't reach node `{}` at {}: {}", self.name, self.grpc, root_cause(error)))
        };
        let endpoint = endpoint.map_err(|error| unreachable(&error))?;
        Access::default().connect(endpoint).await.map_err(|error| unreachable(&error))
    }
}

/// This program, without the settings in the environment. Dropped, it is killed.
///
/// # Errors
/// If the system does not say where it is.
pub(crate) fn this_program() -> Result<Command, BenchError> {
    let program = std::env::current_exe()
        .map_err(|error| BenchError::failed(format!("can't find this program to start it again: {error}")))?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PSI_")) {
        command.env_remove(name);
    }
    command.kill_on_drop(true);
    Ok(command)
}

/// A process that says a line of JSON on standard output once it is there. Killed when dropped.
pub(crate) struct Process {
    first: String,
    child: Child,
}

impl Process {
    /// Starts it, and waits for the line.
    ///
    /// # Errors
    /// If there is none, with what it said on standard error.
    pub(crate) async fn start(mut command: Command) -> Result<Self, BenchError> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| BenchError::failed(format!("can't start a process: {error}")))?;
        let said = OutputTail::default();
        let stdout = child.stdout.take().ok_or_else(|| BenchError::failed("a process has no standard output"))?;
        let stderr = child.stderr.take().ok_or_else(|| BenchError::failed("a process has no standard error"))?;
        let reading = tokio::spawn(said.clone().read(BufReader::new(stderr).lines()));
        let mut lines = BufReader::new(stdout).lines();
        let Ok(Ok(Some(first))) = tokio::time::timeout(START, lines.next_line()).await else {
            let _ = child.kill().await;
            let _ = reading.await;
            return Err(BenchError::failed(format!("a process did not start; it said: {}", said.text())));
        };
        // To the end, so that the pipe does not fill up.
        tokio::spawn(OutputTail::default().read(lines));
        Ok(Self { first, child })
    }

    /// What the line says.
    ///
    /// # Errors
    /// If it says something else.
    pub(crate) fn first_line<T: DeserializeOwned>(&self) -> Result<T, BenchError> {
        serde_json::from_str(&self.first)
            .map_err(|error| BenchError::failed(format!("a process said `{}`: {error}; this is a bug", self.first)))
    }
}

/// The last lines that a process said.
#[derive(Clone, Default)]
struct OutputTail(Arc<Mutex<VecDeque<String>>>);

impl OutputTail {
    async fn read<R: tokio::io::AsyncBufRead + Unpin>(self, mut lines: Lines<R>) {
        while let Ok(Some(line)) = lines.next_line().await {
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_back(line);
            if said.len() > LINES_MAX {
                said.pop_front();
            }
        }
    }

    fn text(&self) -> String {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}
