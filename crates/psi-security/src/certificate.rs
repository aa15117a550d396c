//! Certificates: each node makes its own, and trusts those that the cluster key vouches for.
//!
//! An [`Authority`] is derived from a cluster key, so all nodes have the same and none stores it. It issues a
//! [`NodeCertificate`] for some days, with the name of a node in it, as a [`NamePattern`] has it. [`ServerTrust`] and
//! [`ClientTrust`] decide which certificates are accepted at the other end of a connection. [`tls`] makes configurations
//! of rustls from them. An [`OwnCertificate`] is one that others issued, with the authorities that count then.
//!
//! What this leaves out: when to renew, which a node decides by its clock; and lists of revoked certificates, as they
//! are short-lived, and a key that leaks is replaced.

mod authority;
mod chain;
mod own;
mod pattern;
mod refusal;
#[cfg(test)]
mod tests;
pub mod tls;
mod trust;
mod validity;

pub use authority::{Authority, AuthorityHash, IssueError, NodeCertificate};
pub use chain::TrustAnchors;
pub use own::{OwnCertificate, OwnCertificateError, PemFiles};
pub use pattern::{NamePattern, NamePatternError};
pub use refusal::CertificateRefusal;
pub use trust::{ClientTrust, ServerTrust};
pub use validity::Validity;
