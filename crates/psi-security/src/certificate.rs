//! Certificates: each node makes its own, and trusts those that the cluster key vouches for.
//!
//! An [`Authority`] is derived from a cluster key, so all nodes have the same and none stores it. It issues a
//! [`NodeCertificate`] for some days, with the [`SpiffeId`] of a node in it. [`ServerTrust`] and [`ClientTrust`] decide
//! which certificates are accepted at the other end of a connection. [`tls`] makes configurations of rustls from them.
//!
//! What this leaves out: when to renew, which a node decides by its clock; and lists of revoked certificates, as they
//! are short-lived, and a key that leaks is replaced.

mod authority;
mod chain;
mod refusal;
mod spiffe;
#[cfg(test)]
mod tests;
pub mod tls;
mod trust;

pub use authority::{Authority, AuthorityHash, IssueError, NodeCertificate};
pub use chain::TrustAnchors;
pub use refusal::CertificateRefusal;
pub use spiffe::{SpiffeId, peer_node};
pub use trust::{ClientTrust, ServerTrust};
