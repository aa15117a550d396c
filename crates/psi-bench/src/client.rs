//! Nodes as gRPC clients see them: how they are dialled, and what they say when they refuse.

use std::{error::Error, time::Duration};

use psi_api::v1::{
    Field, ListFieldsRequest, ListFieldsResponse, cluster_service_client::ClusterServiceClient,
    drift_service_client::DriftServiceClient, lease_service_client::LeaseServiceClient,
    ledger_service_client::LedgerServiceClient, process_service_client::ProcessServiceClient,
    psi_field_service_client::PsiFieldServiceClient, rollout_service_client::RolloutServiceClient,
    version_service_client::VersionServiceClient,
};
use psi_client::Connection;
use tonic::{
    Response, Status,
    transport::{self, Endpoint},
};

/// Wide fields and large clusters have long answers. How much a node accepts is the node's decision.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A client of the scoring service.
#[must_use]
pub fn fields(channel: Connection) -> PsiFieldServiceClient<Connection> {
    PsiFieldServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// All fields of a node, page by page.
///
/// # Errors
/// The refusal of any page.
pub async fn all_fields(channel: Connection) -> Result<Response<Vec<Field>>, Status> {
    let mut client = fields(channel);
    let (mut all, mut request) = (Vec::new(), ListFieldsRequest::default());
    loop {
        let ListFieldsResponse { fields, next_page_token } = client.list_fields(request.clone()).await?.into_inner();
        all.extend(fields);
        if next_page_token.is_empty() {
            return Ok(Response::new(all));
        }
        request.page_token = next_page_token;
    }
}

/// A client of the drift service.
#[must_use]
pub fn drift(channel: Connection) -> DriftServiceClient<Connection> {
    DriftServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the version service.
#[must_use]
pub fn versions(channel: Connection) -> VersionServiceClient<Connection> {
    VersionServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the lease service.
#[must_use]
pub fn leases(channel: Connection) -> LeaseServiceClient<Connection> {
    LeaseServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the process service.
#[must_use]
pub fn processes(channel: Connection) -> ProcessServiceClient<Connection> {
    ProcessServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the rollout service.
#[must_use]
pub fn rollouts(channel: Connection) -> RolloutServiceClient<Connection> {
    RolloutServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the ledger service.
#[must_use]
pub fn ledger(channel: Connection) -> LedgerServiceClient<Connection> {
    LedgerServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the cluster service.
#[must_use]
pub fn cluster(channel: Connection) -> ClusterServiceClient<Connection> {
    ClusterServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// How the node at `address` (`host:port`) is dialled, with this long to connect.
///
/// # Errors
/// If `address` does not fit into a URI.
pub fn endpoint(address: &str, timeout: Duration) -> Result<Endpoint, transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint.connect_timeout(timeout).tcp_nodelay(true))
}

/// What a refusal says, in one phrase.
#[must_use]
pub fn refusal_text(status: &Status) -> String {
    match status.source() {
        Some(source) => format!("the connection failed: {}", root_cause(source)),
        None if status.message().is_empty() => status.code().description().to_owned(),
        None => status.message().to_owned(),
    }
}

/// The innermost of an error's causes: what the system said, without its number.
#[must_use]
pub fn root_cause(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let text = inner.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_is_shown_in_one_phrase() {
        let refused = std::io::Error::from_raw_os_error(111);
        let outer = std::io::Error::other(refused);
        assert_eq!(root_cause(&outer), "connection refused");
    }
}
