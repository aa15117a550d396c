//! `psi-field probe`: whether the other nodes have what one node acknowledges. It asks as any client would, round after
//! round, and exports the results to Prometheus.

mod fault;
mod http;
mod metrics;
mod report;
mod round;
mod round_log;
mod targets;

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::Args;
use psi_replica::FieldName;
use serde::Serialize;
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::{
    client::{AccessOptions, parse_address},
    output::{Failure, Output},
    process::{
        logs::{self, LogFormat, LogSettings},
        signals,
    },
    settings,
};
use metrics::Metrics;
use report::Report;
use round::Prober;
use round_log::RoundLog;

const AFTER_HELP: &str = "\
Examples:
  # until Ctrl-C or SIGTERM; metrics on 127.0.0.1:9464
  psi-field probe --node node-1,node-2,node-3
  # a name with several addresses is several nodes
  psi-field probe --node nodes.example --listen 0.0.0.0:9464
  # by hand, or in CI
  psi-field probe --once --node 127.0.0.1:50051,127.0.0.1:50052
  PSI_NODES=node-1,node-2 PSI_PROBE_EVERY_MS=30000 psi-field probe

In each round the probe steps at every node in turn, and reads each step back at every other node, by its session \
token. It retries nothing. A node is ok if its step was acknowledged and showed elsewhere, and if it showed every step \
of the others, each within the deadline. A step that shows nowhere counts against the node that acknowledged it. Names \
are resolved again each round; a name that does not resolve is a node that fails. A node that refuses the access token \
fails too, and the probe goes on: with --token-file it reads the file again.

Reasons of failures, the heaviest last:
  unresolved      the name does not resolve
  unreachable     no connection
  not_ready       the node is joining, stopping or overloaded, or its clock is off
  late            no answer within the deadline
  broken          the connection broke during a call
  refused         any other refusal
  not_replicated  what one node had acknowledged was not on another within the deadline
  stale           the node claimed to have it and showed fewer steps: a bug, or another program in its place

On --listen: /metrics and /health/live. With `--output json` it prints one line with its address.

Exit codes: 0 stopped, or with --once every node is ok; 1 the port is not free, or with --once a node is not ok; 2 \
wrong arguments or variables.";

/// Check continuously that the other nodes have what one node acknowledges
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Probe {
    /// Nodes: host:port, port 50051 by default; repeated or separated by commas. At most 50 are probed
    #[arg(
        long = "node",
        env = settings::NODES,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:50051",
        value_parser = parse_address
    )]
    nodes: Vec<String>,

    #[command(flatten)]
    access: AccessOptions,

    /// The field to step; made if it is missing, 4 numbers wide
    #[arg(
        long,
        short,
        env = settings::PROBE_FIELD,
        value_name = "NAME",
        default_value = "probe",
        value_parser = parse_field
    )]
    field: String,

    /// Milliseconds from the start of one round to the next. Too low: load on the cluster. Too high: failures show late
    #[arg(
        long,
        env = settings::PROBE_EVERY_MS,
        value_name = "MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(100..=3_600_000)
    )]
    every_ms: u32,

    /// Longest time for a connection, for a step and for a read, milliseconds. Too low: a busy cluster fails. Too high:
    /// a slow one passes
    #[arg(
        long,
        env = settings::PROBE_DEADLINE_MS,
        value_name = "MS",
        default_value_t = 2_000,
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    deadline_ms: u32,

    /// Where to answer HTTP. Port 0 picks a free one. Nothing is encrypted or authenticated
    #[arg(long, env = settings::PROBE_LISTEN, value_name = "IP:PORT", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,

    /// Run one round without HTTP, print the result and stop
    #[arg(long)]
    once: bool,

    /// How log lines look on standard error
    #[arg(long, env = "PSI_LOG_FORMAT", value_name = "CHOICE", default_value = "text")]
    log_format: LogFormat,

    /// Which log lines are written, such as `info` or `warn,psi_cli=debug`
    #[arg(long, env = "PSI_LOG_FILTER", value_name = "TEXT", default_value = "info", value_parser = parse_filter)]
    log_filter: String,
}

/// What programs that start a probe wait for.
#[derive(Serialize)]
struct ProbeAddress {
    http: SocketAddr,
}

fn parse_field(text: &str) -> Result<String, String> {
    FieldName::new(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

fn parse_filter(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("is empty; it takes a level such as info, or several by module".to_owned());
    }
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

impl Probe {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let variables = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
        if let Some(problem) = settings::unknown(variables).first() {
            return Err(Failure::usage(problem.to_string()));
        }
        let deadline = Duration::from_millis(self.deadline_ms.into());
        // What is wrong with the token is said before the first round.
        self.access.get()?;
        let prober = Prober::new((self.nodes.clone(), self.access.clone()), self.field.clone(), deadline);
        if self.once { self.once(prober, output).await } else { self.go_on(prober, output).await }
    }

    async fn once(&self, mut prober: Prober, output: Output) -> Result<(), Failure> {
        let round = prober.round().await;
        output.print(&Report::new(&self.field, &round), report::text)?;
        match round.failed() {
            0 => Ok(()),
            failed => Err(Failure::failed(format!("{failed} of {} nodes failed", round.steps.len()))),
        }
    }

    /// Goes from round to round until it is stopped.
    async fn go_on(&self, mut prober: Prober, output: Output) -> Result<(), Failure> {
        let listener = http::listen(self.listen).await?;
        let address = listener.local_addr().unwrap_or(self.listen);
        logs::start(&LogSettings { format: self.log_format, filter: self.log_filter.clone() });
        info!(
            nodes = self.nodes.join(","),
            field = self.field,
            every_ms = self.every_ms,
            deadline_ms = self.deadline_ms,
            http = %address,
            "probe started"
        );
        if output == Output::Json {
            output.print(&ProbeAddress { http: address }, |_| String::new())?;
        }
        let metrics = Arc::new(Mutex::new(Metrics::new()));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(http::serve(metrics.clone(), listener, async {
            let _ = stopped.await;
        }));

        let mut due = interval(Duration::from_millis(self.every_ms.into()));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut log = RoundLog::new(&self.nodes, io::stderr().is_terminal());
        let mut told_to_stop = pin::pin!(signals::stop());
        loop {
            let round = async {
                due.tick().await;
                prober.round().await
            };
            tokio::select! {
                () = &mut told_to_stop => break,
                round = round => {
                    metrics.lock().unwrap_or_else(PoisonError::into_inner).observe(&round);
                    log.record(&round);
                }
            }
        }
        let _ = stop.send(());
        let _ = server.await;
        info!("probe stopped");
        Ok(())
    }
}
