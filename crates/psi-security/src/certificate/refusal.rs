//! Why a certificate at the other end of a connection is not accepted.

use std::sync::Arc;

use rustls::{OtherError, pki_types::UnixTime};

use super::{authority::AuthorityHash, spiffe::SpiffeId};
use crate::text::{list, moment};

/// Why a certificate was refused. Names and hashes in it are what the other end shows, and prove nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateRefusal {
    /// No authority that is trusted signed it.
    #[error(
        "the other end ({}) shows a certificate of another cluster key: its authority is {}, wanted is {}; \
         give all nodes the same key file, and make tokens from it",
        name(.node.as_ref()), hashes(.shown), hashes(.wanted)
    )]
    OtherAuthority {
        /// The node that it claims to be of.
        node: Option<SpiffeId>,
        /// The authorities that it came with.
        shown: Vec<AuthorityHash>,
        /// Those that are trusted.
        wanted: Vec<AuthorityHash>,
    },
    /// It is over.
    #[error(
        "the certificate of the other end ({}) expired at {}, and it is {} here; \
         let both clocks follow a time server, and see why the other node does not renew it",
        name(.node.as_ref()), moment(*.not_after_s), moment(*.now_s)
    )]
    Expired {
        /// The node that it claims to be of.
        node: Option<SpiffeId>,
        /// The last second at which it was valid.
        not_after_s: u64,
        /// The time here.
        now_s: u64,
    },
    /// It is yet to begin.
    #[error(
        "the certificate of the other end ({}) begins at {}, and it is {} here; let both clocks follow a time server",
        name(.node.as_ref()), moment(*.not_before_s), moment(*.now_s)
    )]
    Premature {
        /// The node that it claims to be of.
        node: Option<SpiffeId>,
        /// The first second at which it is valid.
        not_before_s: u64,
        /// The time here.
        now_s: u64,
    },
    /// A trusted authority signed it, but not for a node.
    #[error(
        "the certificate of the other end names no node: wanted is one name `spiffe://{}/node/ID`, shown are {}",
        .cluster, list(.shown)
    )]
    Nameless {
        /// The cluster that was wanted.
        cluster: String,
        /// The URIs in it.
        shown: Vec<String>,
    },
    /// It is of a node of another cluster.
    #[error(
        "the other end is `{shown}`, and a node of cluster `{wanted}` was wanted; check the address and the cluster"
    )]
    OtherCluster {
        /// Which node it is.
        shown: SpiffeId,
        /// The cluster that was wanted.
        wanted: String,
    },
    /// It is of another node.
    #[error(
        "the other end is `{shown}`, and node `{wanted}` was wanted; \
         its address may have been given to another node, or two nodes may share it"
    )]
    OtherNode {
        /// Which node it is.
        shown: SpiffeId,
        /// The node that was wanted.
        wanted: String,
    },
    /// It is damaged, or made for something else.
    #[error("the certificate of the other end can't be used: {0}; wanted is one that a node of psi-field made")]
    Unusable(webpki::Error),
}

impl CertificateRefusal {
    /// All reasons, for metrics.
    pub const REASONS: [&'static str; 7] =
        ["other_authority", "expired", "premature", "nameless", "other_cluster", "other_node", "unusable"];

    /// The reason in a word, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OtherAuthority { .. } => "other_authority",
            Self::Expired { .. } => "expired",
            Self::Premature { .. } => "premature",
            Self::Nameless { .. } => "nameless",
            Self::OtherCluster { .. } => "other_cluster",
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
        node: Option<SpiffeId>,
        shown: Vec<AuthorityHash>,
        wanted: &[AuthorityHash],
    ) -> Self {
        let second = |time: UnixTime| time.as_secs();
        match error {
            webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
                Self::OtherAuthority { node, shown, wanted: wanted.to_vec() }
            }
            webpki::Error::CertExpired { time, not_after } => {
                Self::Expired { node, not_after_s: second(not_after), now_s: second(time) }
            }
            webpki::Error::CertNotValidYet { time, not_before } => {
                Self::Premature { node, not_before_s: second(not_before), now_s: second(time) }
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

fn name(node: Option<&SpiffeId>) -> String {
    node.map_or_else(|| "which names no node".to_owned(), |node| format!("`{node}`"))
}

/// The first digits of each, which are enough to compare.
fn hashes(hashes: &[AuthorityHash]) -> String {
    list(&hashes.iter().map(|hash| format!("{hash:.12}…")).collect::<Vec<_>>())
}
