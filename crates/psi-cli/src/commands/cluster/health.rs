//! `psi-field health`: whether nodes accept steps, as an exit code for container runtimes.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use indicatif::HumanDuration;
use psi_api::v1::{Clock, GetClockRequest, GetStateRequest};
use psi_security::certificate::Validity;
use serde::Serialize;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::node;
use crate::{
    client::{self, AccessOptions, Nodes, parse_address, parse_timeout},
    output::{Failure, Output, Tone, pluralize},
    settings::{self, SettingFlags},
};

const AFTER_HELP: &str = "\
Examples:
  psi-field health
  psi-field health --node node-1:50051,node-2:50051 --timeout 1

Exit codes: 0 if all the nodes asked are ready; 1 if any is not ready or can't be reached. Container runtimes know \
no other codes. A node is not ready while it joins or stops, or while the members would postpone its steps. One whose clock is \
off by over 10 s is ready and says so: it goes on by the time that the members agree on. So does one whose \
certificate is about to expire.

Without --node and PSI_NODES it asks the node of this machine: at grpc.listen, as PSI_GRPC_LISTEN or the file \
PSI_CONFIG says. Flags that the node was started with are not known here. In a Dockerfile this works for every port:
  HEALTHCHECK CMD [\"psi-field\", \"health\"]";

/// Ask nodes whether they are ready to accept steps
#[derive(Clone, Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Health {
    /// Nodes to ask, all of them: host:port, port 50051 by default. Without --node: this machine's own, see below
    #[arg(
        long = "node",
        env = settings::NODES,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        value_parser = parse_address,
        help_heading = "Nodes"
    )]
    addresses: Vec<String>,

    /// Seconds to wait for a node's answer
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_timeout, help_heading = "Nodes")]
    timeout: Duration,

    #[command(flatten)]
    access: AccessOptions,
}

#[derive(Serialize)]
struct Answer {
    node: String,
    ready: bool,
    /// Why not.
    why: Option<String>,
    /// What is wrong with its clock, though it is ready.
    clock: Option<String>,
    /// What is wrong with its certificate, though it is ready.
    certificate: Option<String>,
}

impl Health {
    pub(crate) async fn run(self, output: Output) -> Result<(), Failure> {
        let mut unready = Vec::new();
        let addresses = if self.addresses.is_empty() { vec![own().to_string()] } else { self.addresses.clone() };
        for address in &addresses {
            let why = self.why_not(address).await;
            let clock = if why.is_none() { self.clock_of(address).await } else { None };
            let certificate = if why.is_none() { self.certificate_of(address).await } else { None };
            let answer = Answer { node: address.clone(), ready: why.is_none(), why, clock, certificate };
            if answer.ready {
                output.print(&answer, ready_text)?;
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

    /// What is wrong with a node's clock; `None` if nothing is, or it does not say.
    async fn clock_of(&self, address: &str) -> Option<String> {
        let one = Nodes { addresses: vec![address.to_owned()], timeout: self.timeout, access: self.access.clone() };
        let asked = one.ask(async |channel| client::cluster(channel).get_clock(GetClockRequest {}).await).await;
        clock_text(&asked.ok()?.answer)
    }

    /// What is wrong with the certificate of a node; `None` if nothing is, or it shows none.
    async fn certificate_of(&self, address: &str) -> Option<String> {
        let access = self.access.get().ok()?;
        let shown = tokio::time::timeout(self.timeout, access.validity(address)).await.ok()??;
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        certificate_text(shown, now_s)
    }

    /// Why the node at `address` accepts no steps; `None` if it does.
    async fn why_not(&self, address: &str) -> Option<String> {
        let one = Nodes { addresses: vec![address.to_owned()], timeout: self.timeout, access: self.access.clone() };
        let reply =
            one.ask(async |channel| HealthClient::new(channel).check(HealthCheckRequest::default()).await).await;
        match reply {
            Ok(answered) if answered.answer.status() == ServingStatus::Serving => None,
            Ok(_) => Some(unready(&one).await),
            Err(failure) => Some(failure.message),
        }
    }
}

fn ready_text(answer: &Answer) -> String {
    let notes: String =
        [&answer.clock, &answer.certificate].into_iter().flatten().map(|note| format!("\n  {note}")).collect();
    format!("{}: {}{notes}", answer.node, Tone::Good.paint("ready"))
}

fn certificate_text(shown: Validity, now_s: u64) -> Option<String> {
    let left = match shown.not_after_s.saturating_sub(now_s) {
        seconds @ 0..7_200 => pluralize(seconds / 60, "minute"),
        seconds @ 7_200..172_800 => pluralize(seconds / 3_600, "hour"),
        seconds => pluralize(seconds / 86_400, "day"),
    };
    let not_after = shown.not_after();
    shown.is_ending(now_s).then(|| {
        format!("its certificate expires at {not_after}, in {left}: see what renews tls.cert; the node takes it over by itself")
    })
}

fn clock_text(clock: &Clock) -> Option<String> {
    /// Shorter leads pass unnoticed.
    const LEAD_MS: i64 = 2_000;
    let span = |ms: i64| HumanDuration(Duration::from_millis(ms.unsigned_abs())).to_string();
    if clock.is_off {
        let (off, side) = (span(clock.offset_ms), if clock.offset_ms > 0 { "behind" } else { "ahead of" });
        return Some(format!("its clock is {off} {side} most members' clocks: set it; steps go on by agreed time"));
    }
    let is_ahead = clock.lead_ms > LEAD_MS;
    is_ahead
        .then(|| format!("time of steps is {} ahead since clocks were set back; it comes back", span(clock.lead_ms)))
}

/// Why a node that is not serving is not. The standard service of health has no word for it, but a node that joins says
/// it to clients.
async fn unready(node: &Nodes) -> String {
    let address = &node.addresses[0];
    let read = node.ask(async |channel| client::fields(channel).get_state(GetStateRequest::default()).await).await;
    match read {
        Err(failure) if failure.reason() == Some("NOT_READY") => failure.message,
        Ok(_) => format!("{address}: not ready: it is stopping, or its time is ahead; its log says which"),
        Err(_) => format!("{address}: not ready: it is joining or stopping, or its time is ahead; its log says which"),
    }
}

/// The node that the settings around this process are for. Those that are wrong have started none: the default then.
fn own() -> SocketAddr {
    const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_051);
    let config = std::env::var_os(settings::CONFIG).map(PathBuf::from);
    let loaded = node::load(config.as_deref(), &SettingFlags::default());
    loaded.map_or(DEFAULT, |loaded| dialled(loaded.effective.node.grpc.listen))
}

/// How a node of this machine is reached that listens at an address.
fn dialled(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_nobody_renews_is_said() {
        let shown = Validity { not_before_s: 1_800_000_000 - 80 * 86_400, not_after_s: 1_800_000_000 + 10 * 86_400 };
        assert_eq!(
            certificate_text(shown, 1_800_000_000).as_deref(),
            Some(
                "its certificate expires at 2027-01-25T08:00:00Z, in 10 days: see what renews tls.cert; the node takes it \
                 over by itself"
            )
        );
        assert_eq!(certificate_text(shown, 1_800_000_000 - 20 * 86_400), None);
    }

    #[test]
    fn a_node_that_listens_everywhere_is_asked_on_loopback() {
        for (listens, want) in [
            ("0.0.0.0:6000", "127.0.0.1:6000"),
            ("[::]:6000", "[::1]:6000"),
            ("10.0.0.7:50051", "10.0.0.7:50051"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(dialled(listens.parse().unwrap()).to_string(), want, "{listens}");
        }
    }
}
