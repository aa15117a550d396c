//! What this client shows to nodes: an access token, or nothing. The token also says which nodes to believe, unless a
//! file of authorities does.

use std::{fmt, path::PathBuf, sync::Arc};

use clap::Args;
use psi_security::{
    certificate::{Authority, NamePattern, Validity},
    key::KeyRing,
    token::{Role, TokenClaims, TokenId, UnverifiedToken},
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Error},
};
use tower::service_fn;

use super::trust::NodeTrust;
use crate::{
    output::Failure,
    settings::{self, NONE},
};

/// What to show to nodes.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Nodes")]
pub(crate) struct AccessOptions {
    /// Access token, where the cluster has a key; `psi-field token` makes one
    // Read later than other arguments: what is wrong with those is shown with their value, and this one is secret.
    #[arg(long, env = settings::TOKEN, hide_env_values = true, value_name = "TOKEN")]
    token: Option<SecretText>,

    /// Key file of the cluster, in place of a token
    #[arg(long, env = settings::KEY_FILE, value_name = "FILE", value_parser = token_of_key_file)]
    key_file: Option<SecretText>,

    /// Authorities of the nodes, in PEM, where nodes have a tls.ca of their own
    #[arg(long, env = settings::TLS_CA, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// How certificates of --tls-ca name nodes, where nodes have a tls.name
    #[arg(long, env = settings::TLS_NAME, value_name = "URI")]
    tls_name: Option<String>,
}

impl AccessOptions {
    /// What follows from what was given.
    ///
    /// # Errors
    /// If something of it can't be used.
    pub(crate) fn get(&self) -> Result<Access, Failure> {
        let (text, from) = match (&self.token, &self.key_file) {
            (Some(SecretText(text)), _) => (text.trim(), format!("--token, or {}", settings::TOKEN)),
            (None, Some(SecretText(text))) => (text.trim(), "--key-file".to_owned()),
            (None, None) => ("", String::new()),
        };
        let token = (!text.is_empty()).then(|| UnverifiedToken::read(text)).transpose();
        let token = token.map_err(|problem| Failure::usage(format!("{from}: {problem}")))?;
        let claims = token.as_ref().map(UnverifiedToken::claims);
        let trust = match (self.trust_of_file(claims)?, claims) {
            (Some(trust), _) => trust,
            (None, Some(claims)) => NodeTrust::of_token(claims).map_err(|error| Failure::failed(error.to_string()))?,
            (None, None) => return Ok(Access::default()),
        };
        let authorization = claims.map(|_| format!("Bearer {text}").parse()).transpose();
        let authorization = authorization.map_err(|_| Failure::usage(format!("{from}: is no access token")))?;
        Ok(Access(Some(Arc::new(NodeAccess { authorization, trust }))))
    }

    /// The nodes that the file of authorities is for, if there is one.
    fn trust_of_file(&self, claims: Option<&TokenClaims>) -> Result<Option<NodeTrust>, Failure> {
        let Some(path) = self.tls_ca.clone().filter(|path| !is_none(&path.to_string_lossy())) else { return Ok(None) };
        let cluster = claims.map_or_else(cluster_of_variable, |claims| claims.cluster.clone());
        let names = NamePattern::new(self.tls_name.as_deref().unwrap_or(NamePattern::DEFAULT), &cluster);
        let wrong = |flag, variable, why: String| Failure::usage(format!("{flag}, or {variable}: {why}"));
        let names = names.map_err(|error| wrong("--tls-name", settings::TLS_NAME, error.to_string()))?;
        let trust = NodeTrust::File { path, names };
        // Said before anything is dialled.
        trust.config().map_err(|error| wrong("--tls-ca", settings::TLS_CA, error.to_string()))?;
        Ok(Some(trust))
    }
}

/// Whether a value stands for none, as a variable that was not set leaves an empty one.
fn is_none(text: &str) -> bool {
    text.trim().is_empty() || text == NONE
}

fn cluster_of_variable() -> String {
    std::env::var(settings::CLUSTER).unwrap_or_else(|_| "psi-field".to_owned())
}

/// What a key file gives: a token for all that an operator may, in the cluster that the variable names.
fn token_of_key_file(path: &str) -> Result<SecretText, String> {
    if is_none(path) {
        return Ok(SecretText(String::new()));
    }
    let content = std::fs::read(path).map_err(|error| format!("can't be read: {error}"))?;
    let ring = KeyRing::parse(&content).map_err(|error| error.to_string())?;
    let cluster = cluster_of_variable();
    let claims = TokenClaims {
        id: TokenId::from_random(rand::random()),
        name: "key-file".to_owned(),
        role: Role::Operator,
        fields: Vec::new(),
        not_after_s: u64::MAX,
        authorities: Authority::derive_all(&ring, &cluster).iter().map(Authority::hash).collect(),
        cluster,
    };
    claims.issue(&ring).map(SecretText).map_err(|error| error.to_string())
}

/// A text that is not shown.
#[derive(Clone)]
struct SecretText(String);

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// A connection to a node, over which each call shows the access token.
pub(crate) type Connection = InterceptedService<Channel, Access>;

/// What a client shows to nodes, and which it believes; without either, it speaks without TLS.
#[derive(Clone, Default)]
pub(crate) struct Access(Option<Arc<NodeAccess>>);

struct NodeAccess {
    authorization: Option<MetadataValue<Ascii>>,
    trust: NodeTrust,
}

impl Access {
    /// A connection to an endpoint.
    ///
    /// # Errors
    /// If none comes about.
    pub(crate) async fn connect(&self, endpoint: Endpoint) -> Result<Connection, Error> {
        let channel = match self.0.clone() {
            None => endpoint.connect().await?,
            Some(access) => {
                let dial = service_fn(move |uri| {
                    let access = access.clone();
                    async move { access.trust.connect(uri).await }
                });
                endpoint.connect_with_connector(dial).await?
            }
        };
        Ok(InterceptedService::new(channel, self.clone()))
    }

    /// The same, once it is used.
    pub(crate) fn connect_lazily(&self, endpoint: &Endpoint) -> Connection {
        let channel = match self.0.clone() {
            None => endpoint.connect_lazy(),
            Some(access) => endpoint.connect_with_connector_lazy(service_fn(move |uri| {
                let access = access.clone();
                async move { access.trust.connect(uri).await }
            })),
        };
        InterceptedService::new(channel, self.clone())
    }

    /// From when until when the certificate is valid that the node at `host:port` shows; `None` without TLS.
    pub(crate) async fn validity(&self, address: &str) -> Option<Validity> {
        self.0.as_ref()?.trust.validity(format!("https://{address}").parse().ok()?).await
    }
}

impl Interceptor for Access {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(authorization) = self.0.as_ref().and_then(|access| access.authorization.clone()) {
            request.metadata_mut().insert("authorization", authorization);
        }
        Ok(request)
    }
}

/// Without its token.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_token = self.0.as_ref().is_some_and(|access| access.authorization.is_some());
        f.write_str(if has_token { "Access(token)" } else { "Access(none)" })
    }
}
