//! The shell around the inner crates: sockets, tasks, membership, snapshots on disk, metrics.
//!
//! A [`Node`] answers gRPC and HTTP, gossips membership over UDP, and keeps a gRPC stream to every other live
//! member on which the replicas exchange what they hold. The inner crates decide every result; this one
//! changes none.

mod calls;
mod cluster;
mod governance;
mod grpc;
mod http;
mod links;
mod metrics;
mod node;
mod sessions;
mod settings;
mod snapshot;

/// The version that this crate was built from.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub use http::server::serve as serve_http;
pub use node::{
    Node, StartError,
    end::NodeEnd,
    identity::{IdentityError, check_security},
    reference,
};
pub use settings::{
    Addresses, Endpoint, Notify, Security, Settings, TlsFiles, WebHosts, WebOrigins, Webhook, WebhookError,
};
pub use snapshot::directory::DataError;
