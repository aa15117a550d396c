//! The name of a node in its certificate: `spiffe://CLUSTER/node/ID`.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// What a URI need not encode: RFC 3986, section 2.3.
const ENCODE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const SCHEME: &str = "spiffe://";
const NODE: &str = "/node/";
/// Longest URI, so that errors stay short: two names of 64 characters of three bytes each, all of them encoded, are
/// less.
const URI_BYTES_MAX: usize = 2_048;

/// Which node of which cluster. It is written as a URI, in which other characters than `A-Za-z0-9-._~` are encoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpiffeId {
    /// The cluster.
    pub cluster: String,
    /// The node's id.
    pub node: String,
}

/// A URI that is not the name of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a node is `spiffe://CLUSTER/node/ID`")]
pub struct SpiffeIdError;

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [cluster, node] = [&self.cluster, &self.node].map(|name| utf8_percent_encode(name, ENCODE));
        write!(f, "{SCHEME}{cluster}{NODE}{node}")
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    /// Reads only what is written so: no name has two URIs.
    fn from_str(uri: &str) -> Result<Self, SpiffeIdError> {
        if uri.len() > URI_BYTES_MAX {
            return Err(SpiffeIdError);
        }
        let names = uri.strip_prefix(SCHEME).and_then(|names| names.split_once(NODE));
        let (cluster, node) = names.ok_or(SpiffeIdError)?;
        let decode = |name| percent_decode_str(name).decode_utf8().map(String::from).map_err(|_| SpiffeIdError);
        let id = Self { cluster: decode(cluster)?, node: decode(node)? };
        let is_whole = !id.cluster.is_empty() && !id.node.is_empty();
        if is_whole && id.to_string() == uri { Ok(id) } else { Err(SpiffeIdError) }
    }
}

/// The node that a verified chain is of; its leaf stands first. `None` if it is no node's.
///
/// It reads names and verifies nothing: ask it only of what rustls accepted.
#[must_use]
pub fn peer_node(chain: &[CertificateDer<'_>]) -> Option<SpiffeId> {
    let leaf = EndEntityCert::try_from(chain.first()?).ok()?;
    node_of(&leaf)
}

/// The node that a certificate names, if it names one and no other URI.
pub(super) fn node_of(certificate: &EndEntityCert<'_>) -> Option<SpiffeId> {
    let mut uris = certificate.valid_uri_names();
    let id = uris.next()?.parse().ok()?;
    if uris.next().is_none() { Some(id) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_uris_and_read_back() {
        for (cluster, node, uri) in [
            ("prod", "node-1.a_b", "spiffe://prod/node/node-1.a_b"),
            ("a b", "x/node/y", "spiffe://a%20b/node/x%2Fnode%2Fy"),
            ("ψ", "é%", "spiffe://%CF%88/node/%C3%A9%25"),
            ("a@b:1", "?#", "spiffe://a%40b%3A1/node/%3F%23"),
        ] {
            let id = SpiffeId { cluster: cluster.to_owned(), node: node.to_owned() };
            assert_eq!(id.to_string(), uri);
            assert_eq!(uri.parse(), Ok(id));
        }
    }

    #[test]
    fn other_uris_name_no_node() {
        for uri in [
            "",
            "spiffe://prod",
            "spiffe://prod/node/",
            "spiffe:///node/a",
            "spiffe://prod/workload/a",
            "https://prod/node/a",
            "spiffe://prod/node/a/b",
            "spiffe://prod/node/%61",
            "spiffe://prod/node/%2f",
            "spiffe://prod/node/%FF",
            "spiffe://prod/node/a?b",
            &format!("spiffe://prod/node/{}", "a".repeat(2_048)),
        ] {
            assert_eq!(uri.parse::<SpiffeId>(), Err(SpiffeIdError), "{uri}");
        }
    }
}
