//! How a client connects to nodes: by an access token, or without one.
//!
//! The token is all that a client needs where the cluster has a key. It holds the hash of the cluster's certificate
//! authority, so it also says which nodes to trust. [`Access`] reads that from the token, opens connections with TLS, and
//! sends the token with each call.
//!
//! ```no_run
//! use psi_api::v1::{GetStateRequest, psi_field_service_client::PsiFieldServiceClient};
//! use psi_client::Access;
//! use tonic::transport::Endpoint;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Without a token, as for a cluster without a key, the connection has no TLS.
//! let access = Access::of_token(&std::env::var("PSI_TOKEN").unwrap_or_default())?;
//! let node = access.connect(Endpoint::from_static("http://127.0.0.1:50051")).await?;
//! let state = PsiFieldServiceClient::new(node).get_state(GetStateRequest::default()).await?.into_inner();
//! println!("{} steps", state.k);
//! # Ok(())
//! # }
//! ```
//!
//! Left out on purpose: which node to ask, when to ask another one, and where a token comes from.

mod access;
mod authorities;
mod connect;

pub use access::{Access, AccessError};
pub use authorities::AuthorityFile;
pub use connect::{Connection, is_distrust};
