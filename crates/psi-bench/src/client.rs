//! Nodes as gRPC clients see them: how they are dialled, and what they say when they refuse.

use std::{error::Error, time::Duration};

use psi_api::v1::{
    Field, ListFieldsRequest, ListFieldsResponse, cluster_service_client::ClusterServiceClient,
    drift_service_client::DriftServiceClient, lease_service_client::LeaseServiceClient,
    ledger_service_client::LedgerServiceClient, process_service_client::ProcessServiceClient,
    psi_field_service_client::PsiFieldServiceClient,
};
use tonic::{
    Response, Status,
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes, StdError},
    transport::{self, Endpoint},
};

/// Wide fields and large clusters have long answers. How much a node accepts is the node's decision.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What calls can be made over: a channel, or one that shows an access token.
pub trait Connection:
    GrpcService<
        Body,
        Error: Into<StdError>,
        ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
    >
{
}

impl<C> Connection for C where
    C: GrpcService<
            Body,
            Error: Into<StdError>,
            ResponseBody: HttpBody<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
        >
{
}

/// A client of the scoring service.
#[must_use]
pub fn fields<C: Connection>(channel: C) -> PsiFieldServiceClient<C> {
    PsiFieldServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// All fields of a node, page by page.
///
/// # Errors
/// The refusal of any page.
pub async fn all_fields<C: Connection>(channel: C) -> Result<Response<Vec<Field>>, Status> {
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
pub fn drift<C: Connection>(channel: C) -> DriftServiceClient<C> {
    DriftServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the lease service.
#[must_use]
pub fn leases<C: Connection>(channel: C) -> LeaseServiceClient<C> {
    LeaseServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the process service.
#[must_use]
pub fn processes<C: Connection>(channel: C) -> ProcessServiceClient<C> {
    ProcessServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the ledger service.
#[must_use]
pub fn ledger<C: Connection>(channel: C) -> LedgerServiceClient<C> {
    LedgerServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A client of the cluster service.
#[must_use]
pub fn cluster<C: Connection>(channel: C) -> ClusterServiceClient<C> {
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
