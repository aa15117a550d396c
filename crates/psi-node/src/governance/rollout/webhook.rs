//! Events as posts that receivers know: `CloudEvents` in JSON, signed as Standard Webhooks has it.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use psi_ledger::record::Kind;
use ring::hmac;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::json;

use super::events::ModelEventRecord;
use crate::settings::{Notify, Webhook};

/// How long a receiver may take.
const WITHIN: Duration = Duration::from_secs(10);
/// What the names of types of events begin with.
const TYPE_PREFIX: &str = "psi_field.model.";
/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// Why a post was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("notify.secret_file {path}: {error}", path = .0.display(), error = .1)]
    Secret(std::path::PathBuf, io::Error),
    #[error("notify.ca: {0}")]
    Authorities(String),
    #[error("it can't be written down: {0}")]
    Encoding(String),
    #[error("the receiver can't be reached: {0}")]
    Connection(String),
    #[error("the receiver did not answer within {} s", WITHIN.as_secs())]
    Silence,
    #[error("the receiver answered {0}")]
    Status(StatusCode),
}

/// The event as `CloudEvents` 1.0 has it.
pub(super) fn cloud_event(event: &ModelEventRecord, cluster: &str) -> serde_json::Value {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(event.clock.wall_ms).unwrap_or(i64::MAX));
    json!({
        "specversion": "1.0",
        "id": event.id(),
        "source": format!("/psi-field/{cluster}"),
        "type": format!("{TYPE_PREFIX}{}", type_of(event)),
        "subject": event.model(),
        "time": time.unwrap_or_default().to_string(),
        "datacontenttype": "application/json",
        "data": {
            "model": event.model(),
            "method": event.method,
            "object": event.object,
            "actor": event.actor,
            "reason": event.reason,
            "outcome": event.outcome,
        },
    })
}

/// What happened, in a word: what follows by itself by its name, and what people ask for as a change.
fn type_of(event: &ModelEventRecord) -> &str {
    match (event.kind, event.method.as_str()) {
        (Kind::Rollback, _) => "rollback",
        (_, name @ ("drift" | "start" | "advance" | "promote" | "rollback")) => name,
        _ => "change",
    }
}

/// Posts an event, signed. The secret and the authorities are read each time, so that they can be changed.
pub(super) async fn post(
    notify: &Notify,
    webhook: &Webhook,
    (id, body): (&str, String),
    now_s: u64,
) -> Result<(), PostError> {
    tokio::time::timeout(WITHIN, post_signed(notify, webhook, (id, body), now_s))
        .await
        .map_err(|_| PostError::Silence)?
}

async fn post_signed(
    notify: &Notify,
    webhook: &Webhook,
    (id, body): (&str, String),
    now_s: u64,
) -> Result<(), PostError> {
    let uri = webhook.uri();
    let (settings, text) = (notify.clone(), format!("{id}.{now_s}.{body}"));
    let has_tls = uri.scheme_str() == Some("https");
    // Files may lie on a disk that hangs.
    let prepare = move || Ok::<_, PostError>((sign(&settings, &text)?, client(&settings, has_tls)?));
    let prepared = tokio::task::spawn_blocking(prepare).await;
    let (signature, client) = prepared.map_err(|error| PostError::Encoding(error.to_string()))??;
    let header = |text: String| HeaderValue::from_str(&text).map_err(|error| PostError::Encoding(error.to_string()));
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"));
    headers.insert("webhook-id", header(id.to_owned())?);
    headers.insert("webhook-timestamp", header(now_s.to_string())?);
    headers.insert("webhook-signature", header(format!("v1,{signature}"))?);
    let answer = client.request(request).await.map_err(|error| PostError::Connection(causes(&error)))?;
    if answer.status().is_success() { Ok(()) } else { Err(PostError::Status(answer.status())) }
}

fn sign(notify: &Notify, text: &str) -> Result<String, PostError> {
    let path = notify.secret_file.as_deref().unwrap_or(Path::new("none"));
    let refused = |error| PostError::Secret(path.to_owned(), error);
    let secret = fs::read_to_string(path).map_err(refused)?;
    let secret = secret.trim().strip_prefix(SECRET_PREFIX).and_then(|rest| BASE64.decode(rest.as_bytes()).ok());
    let form = || io::Error::other(format!("it holds {SECRET_PREFIX} and at least 24 bytes in base64, in one line"));
    let secret = secret.filter(|secret| secret.len() >= 24).ok_or_else(|| refused(form()))?;
    Ok(BASE64.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text.as_bytes()).as_ref()))
}

fn client(notify: &Notify, has_tls: bool) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, PostError> {
    let failed = |error: &dyn std::error::Error| PostError::Authorities(format!("{}: {error}", notify.ca.display()));
    let mut roots = RootCertStore::empty();
    if has_tls {
        let certificates = CertificateDer::pem_file_iter(&notify.ca).map_err(|error| failed(&error))?;
        roots.add_parsable_certificates(certificates.flatten());
        if roots.is_empty() {
            return Err(failed(&io::Error::other("it holds no certificate in PEM")));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(|error| failed(&error))?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    // One connection a post: there are few.
    Ok(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
}

/// What went wrong, down to the cause.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
