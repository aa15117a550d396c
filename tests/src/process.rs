//! Nodes as processes of their own, for tests of what only a process can suffer: signals, sudden death, exit codes.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use psi_api::v1::{
    Agreement, FieldState, GetDigestRequest, GetStateRequest, ListMembersRequest, ListMembersResponse, Member,
    MemberState, StepRequest, StepResponse, cluster_service_client::ClusterServiceClient,
    psi_field_service_client::PsiFieldServiceClient,
};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tonic::{Status, transport::Channel};

use crate::{DEADLINE, eventually, proxy::Endpoints};

/// A call to a node that hangs is given up after this.
const CALL: Duration = Duration::from_secs(3);

/// How a node process is to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    name: String,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Launch {
    /// Of the program at this path, on free ports unless the settings name others.
    #[must_use]
    pub fn new(program: impl AsRef<Path>, name: &str) -> Self {
        let (arguments, variables) = (Vec::new(), Vec::new());
        Self { program: program.as_ref().to_owned(), name: name.to_owned(), arguments, variables }
    }

    /// Sets a flag, such as `--cluster-join-ms`; of several values the last counts.
    #[must_use]
    pub fn with(mut self, flag: &str, value: &dyn ToString) -> Self {
        self.arguments.retain(|argument| !argument.starts_with(&format!("{flag}=")));
        self.arguments.push(format!("{flag}={}", value.to_string()));
        self
    }

    /// Sets a variable of the process's environment.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: &dyn ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Without the settings of the tests' own environment.
        command.env_clear().envs(std::env::vars().filter(|(name, _)| !name.starts_with("PSI_")));
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command.args(["node", "--node-id", &self.name, "--log-format", "json"]);
        let given = |flag: &str| self.arguments.iter().any(|argument| argument.starts_with(&format!("{flag}=")));
        for listen in ["--grpc-listen", "--http-listen", "--gossip-listen"].iter().filter(|flag| !given(flag)) {
            command.args([listen, "127.0.0.1:0"]);
        }
        if !given("--cluster-join-ms") {
            command.args(["--cluster-join-ms", "300"]);
        }
        command.args(&self.arguments);
        command
    }

    /// Starts the process, and waits until it has bound its ports.
    ///
    /// # Errors
    /// If it ends before, or takes too long; with what it said.
    pub fn start(&self) -> Result<Process> {
        let mut child = self.command().stderr(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let log = Log::default();
        let (sender, receiver) = mpsc::channel();
        let (stdout, stderr) = (child.stdout.take().context("stdout")?, child.stderr.take().context("stderr")?);
        // Reads to the end, so that the pipes do not fill up.
        let keep = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keep.push(&line);
                let _ = sender.send(line);
            }
        });
        let keep = log.clone();
        std::thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).for_each(|l| keep.push(&l)));
        let begun = Instant::now();
        let started = loop {
            let left = DEADLINE.saturating_sub(begun.elapsed());
            let Ok(line) = receiver.recv_timeout(left) else {
                let _ = child.kill();
                let _ = child.wait();
                bail!("node `{}` did not start; it said: {}", self.name, log.text());
            };
            match serde_json::from_str::<Value>(&line) {
                Ok(entry) if entry["message"] == "node started" => break entry,
                _ => {}
            }
        };
        let address = |key: &str| -> Result<SocketAddr> { Ok(started[key].as_str().context("an address")?.parse()?) };
        let listens = |flag: &str| {
            let given = self.arguments.iter().find_map(|argument| argument.strip_prefix(&format!("{flag}=")));
            given.and_then(|given| given.parse::<SocketAddr>().ok())
        };
        let advertised = Endpoints { grpc: address("grpc")?, gossip: address("gossip")? };
        let grpc = listens("--grpc-listen").filter(|listens| listens.port() != 0).unwrap_or(advertised.grpc);
        let channel = Channel::from_shared(format!("http://{grpc}"))?
            .connect_timeout(Duration::from_secs(1))
            .timeout(CALL)
            .connect_lazy();
        Ok(Process {
            name: self.name.clone(),
            grpc,
            http: address("http")?,
            advertised,
            field: PsiFieldServiceClient::new(channel.clone()),
            cluster: ClusterServiceClient::new(channel),
            child,
            log,
        })
    }
}

/// What a process wrote, line by line.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

/// A running node process, and clients for it; killed when dropped.
pub struct Process {
    /// The node's name.
    pub name: String,
    /// Where programs reach it.
    pub grpc: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
    /// Where it says that it is reached.
    pub advertised: Endpoints,
    /// Steps, state, fields.
    pub field: PsiFieldServiceClient<Channel>,
    /// Members, frontier, digest.
    pub cluster: ClusterServiceClient<Channel>,
    child: Child,
    log: Log,
}

impl Process {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.log.text()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// If that is not possible.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("`{}` did not end", self.name)
    }

    /// Steps a vector into a field.
    ///
    /// # Errors
    /// As the call does.
    pub async fn step(&self, field: &str, input: &[f64]) -> Result<StepResponse, Status> {
        let request = StepRequest { field: field.to_owned(), input: input.to_vec(), ..StepRequest::default() };
        Ok(self.field.clone().step(request).await?.into_inner())
    }

    /// Reads a field.
    ///
    /// # Errors
    /// As the call does.
    pub async fn state(&self, field: &str) -> Result<FieldState, Status> {
        let request = GetStateRequest { field: field.to_owned(), ..Default::default() };
        Ok(self.field.clone().get_state(request).await?.into_inner())
    }

    /// Steps counted in a field, none where the node does not know it yet.
    pub async fn count(&self, field: &str) -> u64 {
        self.state(field).await.map_or(0, |state| state.k)
    }

    /// The cluster as this node sees it.
    ///
    /// # Errors
    /// As the call does.
    pub async fn members(&self) -> Result<Vec<Member>, Status> {
        Ok(self.listed().await?.members)
    }

    /// Likewise, with the runs of nodes and what is known of those that ended.
    ///
    /// # Errors
    /// As the call does.
    pub async fn listed(&self) -> Result<ListMembersResponse, Status> {
        Ok(self.cluster.clone().list_members(ListMembersRequest::default()).await?.into_inner())
    }

    /// The value of a series that Prometheus would scrape.
    ///
    /// # Errors
    /// If the node does not show it.
    pub async fn series(&self, series: &str) -> Result<f64> {
        let members = self.members().await?;
        let own = members.iter().find(|member| member.node == self.name).context("a node lists itself")?;
        let value = crate::series(own.http_address.parse()?, series).await?;
        value.with_context(|| format!("there is no {series}"))
    }

    /// Waits until this node sees another in a state.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn sees(&self, other: &str, state: MemberState) -> Result<()> {
        let what = format!("`{}` sees `{other}` as {}", self.name, state.as_str_name());
        eventually(&what, async || {
            let members = self.members().await.unwrap_or_default();
            Ok(members.iter().any(|member| member.node == other && member.state() == state))
        })
        .await
    }

    /// Frontier hash and digest of what the node holds.
    ///
    /// # Errors
    /// As the call does.
    pub async fn agreement(&self) -> Result<Agreement, Status> {
        Ok(self.cluster.clone().get_digest(GetDigestRequest::default()).await?.into_inner())
    }

    /// Waits until the node accepts steps.
    ///
    /// # Errors
    /// If it never does.
    pub async fn ready(&self) -> Result<()> {
        let what = format!("`{}` accepts steps", self.name);
        let ready = eventually(&what, async || {
            let members = self.members().await.unwrap_or_default();
            Ok(members.iter().any(|member| member.node == self.name && member.ready))
        });
        ready.await.with_context(|| self.said())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- `{}` said:\n{}", self.name, self.log.text());
        }
    }
}

/// Loopback addresses that nobody uses, for a node that must know its ports before it starts and keep them over
/// restarts. Taken below the range from which the kernel gives out ports.
///
/// # Errors
/// If there are none.
pub fn free_endpoints() -> Result<Endpoints> {
    Ok(Endpoints { grpc: free_address()?, gossip: free_address()? })
}

fn free_address() -> Result<SocketAddr> {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side, whose numbers are mostly neighbours, begin hundreds apart.
    let begin = u16::try_from(std::process::id().wrapping_mul(7919) % u32::from(COUNT)).unwrap_or_default();
    for _ in 0..COUNT {
        let offset = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST + offset));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port between {FIRST} and {} is free", FIRST + COUNT)
}
