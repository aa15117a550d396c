//! The shell around the inner crates: sockets, tasks, membership, snapshots on disk, metrics.
//!
//! A [`Node`] answers gRPC and HTTP, gossips membership over UDP, and keeps a gRPC stream to every other live
//! member on which the replicas exchange what they hold. Everything that decides what an answer is stands in the
//! inner crates; nothing here changes a result.

mod address;
mod detector;
mod gossip;
mod grpc;
mod http;
mod issuer;
mod lag;
mod link;
mod members;
mod metrics;
mod node;
mod ops;
mod pending;
pub mod reference;
mod replicated;
mod requests;
mod settings;
mod shared;
mod snapshot;
mod steps;
mod terms;
mod watchers;

pub use http::server::serve as serve_http;
pub use node::{Node, StartError};
pub use settings::{Endpoint, Settings};
pub use shared::Addresses;
pub use snapshot::DataError;
