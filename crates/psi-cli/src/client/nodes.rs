//! Asking nodes: which ones, in what order, and what to say when none answers.

use std::{cell::Cell, time::Duration};

use clap::Args;
use futures_util::{FutureExt, future::LocalBoxFuture};
use psi_api::v1::{Field, ListFieldsRequest, ListFieldsResponse, PingRequest};
use psi_bench::client::{fields, root_cause};
use psi_client::{Connection, is_distrust};
use tonic::{Code, Response, Status, transport::Endpoint};

use super::access::AccessOptions;
use crate::{
    output::{self, Failure},
    settings::{self, address::with_default_port},
};

/// The port of gRPC where an address names none.
const GRPC_PORT: u16 = 50_051;

/// Longest wait for an answer that can be asked for, seconds.
const TIMEOUT_S_MAX: f64 = 3600.0;

/// How long a node may take to answer a ping before another is asked.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);

/// The nodes that a command talks to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Nodes")]
pub(crate) struct Nodes {
    /// Node to ask: host:port, port 50051 by default. Several, repeated or separated by commas, are tried in turn
    #[arg(
        long = "node",
        env = settings::NODES,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:50051",
        value_parser = parse_address
    )]
    pub(crate) addresses: Vec<String>,

    /// Seconds to wait for a node's answer
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_timeout)]
    pub(crate) timeout: Duration,

    #[command(flatten)]
    pub(crate) access: AccessOptions,
}

impl Nodes {
    /// How long the node may take to answer, milliseconds: a little less than it is waited for.
    pub(crate) fn deadline_ms(&self) -> u32 {
        u32::try_from(self.timeout.as_millis()).unwrap_or(u32::MAX).saturating_mul(9) / 10
    }
}

/// `host:port`, with the port of gRPC where it names none.
pub(crate) fn parse_address(text: &str) -> Result<String, String> {
    with_default_port(text, GRPC_PORT)
}

/// A time above 0, in seconds.
pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= TIMEOUT_S_MAX => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("takes seconds above 0, up to {TIMEOUT_S_MAX}")),
    }
}

/// An answer, and the address of the node that gave it.
pub(crate) struct Reply<T> {
    pub(crate) address: String,
    pub(crate) answer: T,
}

/// A call whose answer its maker keeps. Of one type for all answers, so the search for a node is built once.
type Call<'a> = dyn Fn(Connection) -> LocalBoxFuture<'a, Result<(), Status>> + 'a;

impl Nodes {
    /// Asks one node after the other until one takes the call. A node that can't be reached, does not accept the access
    /// token, or says that it is not available, has changed nothing, so the next is asked; every other refusal is
    /// final. Nor has one that does not answer a ping, which each is sent before the call while there is another to go
    /// to.
    ///
    /// # Errors
    /// The refusal, or what each node said if none took the call.
    pub(crate) async fn ask<T>(
        &self,
        call: impl AsyncFn(Connection) -> Result<Response<T>, Status>,
    ) -> Result<Reply<T>, Failure> {
        let kept = Cell::new(None);
        let (kept, call) = (&kept, &call);
        let call = move |connection| {
            let answered = async move {
                kept.set(Some(call(connection).await?.into_inner()));
                Ok(())
            };
            answered.boxed_local()
        };
        let address = self.ask_each(&call).await?;
        let answer = kept.take().ok_or_else(|| Failure::failed(format!("no answer of {address} was kept")))?;
        Ok(Reply { address, answer })
    }

    /// The address of the node that took the call.
    async fn ask_each(&self, call: &Call<'_>) -> Result<String, Failure> {
        let mut failures = Vec::new();
        for (address, next) in self.addresses.iter().zip(self.addresses.iter().skip(1).map(Some).chain([None])) {
            let asked = match next {
                Some(next) => self.check_answers(address, next).await,
                None => Ok(()),
            };
            let asked = match asked {
                Ok(()) => self.ask_one(address, call).await,
                Err(failure) => Err(failure),
            };
            match asked {
                Ok(()) => return Ok(address.clone()),
                Err(failure) if failure.may_go_elsewhere() || failure.is_about_access() => failures.push(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::of_all(failures))
    }

    /// That the node answers at all: one that is frozen accepts connections, and takes calls without an answer.
    async fn check_answers(&self, address: &str, next: &str) -> Result<(), Failure> {
        match ping(self.access.get()?.connect_lazily(&self.endpoint(address)?)).await {
            Err(status) if status.code() == Code::DeadlineExceeded => {
                output::note(format_args!("warning: {address}: {}; asking {next}", status.message()));
                Err(not_reached(address, status.message()))
            }
            // What else is wrong the call itself says.
            _ => Ok(()),
        }
    }

    /// All fields. Each page has the time of a call, and any node takes the token of the page before.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(crate) async fn all_fields(&self) -> Result<Vec<Field>, Failure> {
        let (mut all, mut request) = (Vec::new(), ListFieldsRequest::default());
        loop {
            let page = self.ask(async |channel| fields(channel).list_fields(request.clone()).await);
            let ListFieldsResponse { fields, next_page_token } = page.await?.answer;
            all.extend(fields);
            if next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = next_page_token;
        }
    }

    /// Asks one node; once more if it refuses the token and the token's file has another by now.
    async fn ask_one(&self, address: &str, call: &Call<'_>) -> Result<(), Failure> {
        let reading = self.access.reading();
        match self.ask_once(address, call).await {
            Err(failure) if failure.is_about_access() => match self.access.renew(reading) {
                Ok(true) => self.ask_once(address, call).await,
                Ok(false) => Err(failure),
                Err(problem) => Err(failure.with_detail(&problem)),
            },
            asked => asked,
        }
    }

    async fn ask_once(&self, address: &str, call: &Call<'_>) -> Result<(), Failure> {
        let channel = self.connect(address).await?;
        match tokio::time::timeout(self.timeout, call(channel)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => Err(Failure::refused(address, &status)),
            Err(_) => Err(Failure::refused(address, &self.late())),
        }
    }

    /// What a call that was not answered in time ends with.
    pub(crate) fn late(&self) -> Status {
        Status::deadline_exceeded(format!(
            "no answer within {} s, so it may or may not have been done; wait longer with --timeout",
            self.timeout.as_secs_f64()
        ))
    }

    /// A connection to the node at `address`.
    ///
    /// # Errors
    /// If there is none within the time to wait for an answer.
    pub(crate) async fn connect(&self, address: &str) -> Result<Connection, Failure> {
        let (endpoint, access) = (self.endpoint(address)?, self.access.get()?);
        match tokio::time::timeout(self.timeout, access.connect(endpoint)).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) if is_distrust(&error) => Err(not_trusted(address, &root_cause(&error))),
            Ok(Err(error)) => Err(not_reached(address, &root_cause(&error))),
            Err(_) => Err(not_reached(address, &format!("no answer within {} s", self.timeout.as_secs_f64()))),
        }
    }

    /// How the node at `address` is dialled.
    ///
    /// # Errors
    /// If no URI can be made of it.
    pub(crate) fn endpoint(&self, address: &str) -> Result<Endpoint, Failure> {
        endpoint(address, self.timeout)
    }
}

/// How the node at `address` is dialled, with this long to connect.
///
/// # Errors
/// If no URI can be made of it.
pub(crate) fn endpoint(address: &str, timeout: Duration) -> Result<Endpoint, Failure> {
    psi_bench::client::endpoint(address, timeout)
        .map_err(|error| Failure::usage(format!("can't dial `{address}`: {}", root_cause(&error))))
}

/// Whether the node at the other end answers.
///
/// # Errors
/// `DEADLINE_EXCEEDED` if it is silent; else what the connection failed with.
pub(crate) async fn ping(channel: Connection) -> Result<(), Status> {
    let mut client = super::cluster(channel);
    match tokio::time::timeout(SILENCE, client.ping(PingRequest::default())).await {
        Ok(Ok(_)) => Ok(()),
        // Older nodes, or what stands between, answer all the same.
        Ok(Err(status)) if status.code() == Code::Unimplemented => Ok(()),
        Ok(Err(status)) => Err(status),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {} s", SILENCE.as_secs()))),
    }
}

fn not_reached(address: &str, why: &str) -> Failure {
    Failure::unreachable(format!("can't reach {address}: {why}"))
        .with_hint("is the node running? start one with `psi-field node`, or name another with --node")
}

/// The cause has the way out, which is another than where nobody answers.
fn not_trusted(address: &str, why: &str) -> Failure {
    Failure::unreachable(format!("can't trust {address}: {why}")).of_access()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_positive_and_finite() {
        for text in ["0", "-1", "nan", "inf", "1e9", "x", ""] {
            assert!(parse_timeout(text).is_err(), "{text}");
        }
        assert_eq!(parse_timeout("0.5"), Ok(Duration::from_millis(500)));
    }
}
