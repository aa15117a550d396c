//! Why a certificate at the other end of a connection is not accepted.

use std::sync::Arc;

use rustls::{OtherError, pki_types::UnixTime};

use super::authority::AuthorityHash;
use crate::text::{list, moment};

/// Why a certificate was refused. Names and hashes in it are what the other end shows, and prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateRefusal {
    /// No authority that is trusted signed it.
    #[error(
        "the other end ({}) shows a certificate of another authority: it came with {}, wanted is {}; give all nodes the \
         same key file, and make tokens from it. With certificates of your own, give nodes and clients the same tls.ca",
        name(.names), hashes(.shown), hashes(.wanted)
    )]
    OtherAuthority {
        /// The names that it claims.
        names: Vec<String>,
        /// The authorities that it came with.
        shown: Vec<AuthorityHash>,
        /// Those that are trusted.
        wanted: Vec<AuthorityHash>,
    },
    /// It is over.
    #[error(
        "the certificate of the other end ({}) expired at {}, and it is {} here; \
         let both clocks follow a time server, and see why the other node does not renew it",
        name(.names), moment(*.not_after_s), moment(*.now_s)
    )]
    Expired {
        /// The names that it claims.
        names: Vec<String>,
        /// The last second at which it was valid.
        not_after_s: u64,
        /// The time here.
        now_s: u64,
    },
    /// It is yet to begin.
    #[error(
        "the certificate of the other end ({}) begins at {}, and it is {} here; let both clocks follow a time server",
        name(.names), moment(*.not_before_s), moment(*.now_s)
    )]
    Premature {
        /// The names that it claims.
        names: Vec<String>,
        /// The first second at which it is valid.
        not_before_s: u64,
        /// The time here.
        now_s: u64,
    },
    /// A trusted authority signed it, but not for a node of the cluster.
    #[error(
        "the certificate of the other end names no node of this cluster: wanted is one name `{wanted}`, shown are {}; \
         check the address, cluster.name and tls.name",
        list(.shown)
    )]
    Nameless {
        /// The URIs in it.
        shown: Vec<String>,
        /// The pattern of names.
        wanted: String,
    },
    /// It is of another node.
    #[error(
        "the other end is node `{shown}`, and node `{wanted}` was wanted; \
         its address may have been given to another node, or two nodes may share it"
    )]
    OtherNode {
        /// Which node it is.
        shown: String,
        /// The node that was wanted.
        wanted: String,
    },
    /// It is damaged, or made for something else.
    #[error("the certificate of the other end can't be used: {0}; wanted is one that a node of psi-field made")]
    Unusable(webpki::Error),
}

impl CertificateRefusal {
    /// All reasons, for metrics.
    pub const REASONS: [&'static str; 6] =
        ["other_authority", "expired", "premature", "nameless", "other_node", "unusable"];

    /// The reason in a word, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherAuthority { .. } => "other_authority",
            Self::Expired { .. } => "expired",
            Self::Premature { .. } => "premature",
            Self::Nameless { .. } => "nameless",
            Self::OtherNode { .. } => "other_node",
            Self::Unusable(_) => "unusable",
        }
    }

    /// The refusal that an error of rustls is about, if it is about one.
    #[must_use]
    pub fn of(error: &rustls::Error) -> Option<&Self> {
        let rustls::Error::Other(OtherError(error)) = error else {
            return None;
        };
        error.downcast_ref()
    }

    pub(super) fn new(
        error: webpki::Error,
        names: Vec<String>,
        shown: Vec<AuthorityHash>,
        wanted: &[AuthorityHash],
    ) -> Self {
        let second = |time: UnixTime| time.as_secs();
        match error {
            webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
                Self::OtherAuthority { names, shown, wanted: wanted.to_vec() }
            }
            webpki::Error::CertExpired { time, not_after } => {
                Self::Expired { names, not_after_s: second(not_after), now_s: second(time) }
            }
            webpki::Error::CertNotValidYet { time, not_before } => {
                Self::Premature { names, not_before_s: second(not_before), now_s: second(time) }
            }
            error => Self::Unusable(error),
        }
    }
}

/// rustls shows its text after "other error: ", and gives it back to [`CertificateRefusal::of`].
impl From<CertificateRefusal> for rustls::Error {
    fn from(refusal: CertificateRefusal) -> Self {
        Self::Other(OtherError(Arc::new(refusal)))
    }
}

fn name(names: &[String]) -> String {
    match names {
        [] => "which names no node".to_owned(),
        names => list(&names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>()),
    }
}

/// The first digits of each, which are enough to compare.
fn hashes(hashes: &[AuthorityHash]) -> String {
    list(&hashes.iter().map(|hash| format!("{hash:.12}…")).collect::<Vec<_>>())
}
