//! What this client shows to nodes: an access token, or nothing. The token also says which nodes to believe.

use std::{fmt, io, sync::Arc};

use clap::Args;
use hyper_util::rt::TokioIo;
use psi_security::{
    certificate::{Authority, NamePattern, ServerTrust, tls},
    key::KeyRing,
    token::{Role, TokenClaims, TokenId, UnverifiedToken},
};
use rustls::{ClientConfig, pki_types::ServerName, time_provider::DefaultTimeProvider};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Request, Status,
    codegen::http::Uri,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint, Error},
};
use tower::service_fn;

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
    #[arg(long, env = settings::KEY_FILE, value_name = "FILE", value_parser = Access::of_key_file)]
    key_file: Option<Access>,
}

impl AccessOptions {
    /// The token, or what follows from the key file.
    ///
    /// # Errors
    /// If what was given is no token.
    pub(crate) fn get(&self) -> Result<Access, Failure> {
        match &self.token {
            Some(SecretText(text)) => Access::of_token(text)
                .map_err(|problem| Failure::usage(format!("--token, or {}: {problem}", settings::TOKEN))),
            None => Ok(self.key_file.clone().unwrap_or_default()),
        }
    }
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

/// What a client shows to nodes.
#[derive(Clone, Default)]
pub(crate) struct Access(Option<Arc<TokenAccess>>);

struct TokenAccess {
    authorization: MetadataValue<Ascii>,
    /// Believes nodes whose authority is in the token.
    config: Arc<ClientConfig>,
}

impl Access {
    /// What a token gives; an empty text gives nothing, as a variable that was not set.
    fn of_token(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let token = UnverifiedToken::read(text).map_err(|error| error.to_string())?;
        let claims = token.claims();
        let trust =
            Arc::new(ServerTrust::authorities(claims.authorities.clone(), NamePattern::of_cluster(&claims.cluster)));
        let config = tls::client_config(trust, None, &[b"h2"], Arc::new(DefaultTimeProvider));
        let authorization = format!("Bearer {text}").parse().map_err(|_| "is no access token".to_owned())?;
        let config = Arc::new(config.map_err(|error| error.to_string())?);
        Ok(Self(Some(Arc::new(TokenAccess { authorization, config }))))
    }

    /// What a key file gives: all that an operator may, in the cluster that the variable names.
    fn of_key_file(path: &str) -> Result<Self, String> {
        if path.trim().is_empty() || path == NONE {
            return Ok(Self::default());
        }
        let content = std::fs::read(path).map_err(|error| format!("can't be read: {error}"))?;
        let ring = KeyRing::parse(&content).map_err(|error| error.to_string())?;
        let cluster = std::env::var(settings::CLUSTER).unwrap_or_else(|_| "psi-field".to_owned());
        let claims = TokenClaims {
            id: TokenId::from_random(rand::random()),
            name: "key-file".to_owned(),
            role: Role::Operator,
            fields: Vec::new(),
            not_after_s: u64::MAX,
            authorities: Authority::derive_all(&ring, &cluster).iter().map(Authority::hash).collect(),
            cluster,
        };
        Self::of_token(&claims.issue(&ring).map_err(|error| error.to_string())?)
    }
}

impl Access {
    /// A connection to an endpoint.
    ///
    /// # Errors
    /// If none comes about.
    pub(crate) async fn connect(&self, endpoint: Endpoint) -> Result<Connection, Error> {
        let channel = match &self.0 {
            None => endpoint.connect().await?,
            Some(token) => {
                let config = token.config.clone();
                endpoint.connect_with_connector(service_fn(move |uri| connect(uri, config.clone()))).await?
            }
        };
        Ok(InterceptedService::new(channel, self.clone()))
    }

    /// The same, once it is used.
    pub(crate) fn connect_lazily(&self, endpoint: &Endpoint) -> Connection {
        let channel = match &self.0 {
            None => endpoint.connect_lazy(),
            Some(token) => {
                let config = token.config.clone();
                endpoint.connect_with_connector_lazy(service_fn(move |uri| connect(uri, config.clone())))
            }
        };
        InterceptedService::new(channel, self.clone())
    }
}

async fn connect(uri: Uri, config: Arc<ClientConfig>) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
}

impl Interceptor for Access {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.authorization.clone());
        }
        Ok(request)
    }
}

/// Without its token.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Access(token)" } else { "Access(none)" })
    }
}
