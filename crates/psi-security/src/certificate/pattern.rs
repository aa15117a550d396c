//! The names of nodes in certificates: a URI with the node's id in it, `spiffe://CLUSTER/node/ID` where nothing else is
//! said.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// What a URI need not encode: RFC 3986, section 2.3.
const ENCODE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Where the cluster's name stands, and where the node's id does.
const CLUSTER: &str = "{cluster}";
const NODE: &str = "{node}";
/// Longest URI that is read: two names of 64 characters of three bytes each, all of them encoded, are less.
const URI_BYTES_MAX: usize = 2_048;
/// Names of one certificate that errors show, and characters of each.
const SHOWN_MAX: usize = 4;
const SHOWN_CHARACTERS: usize = 200;

/// How certificates name the nodes of a cluster: what stands before the node's id, and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    before: String,
    after: String,
}

/// A text that is no pattern for the names of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "takes a URI in which {{node}} stands once, for the node's id, and perhaps {{cluster}}, such as \
     spiffe://example.org/psi-field/{{node}}"
)]
pub struct NamePatternError;

impl NamePattern {
    /// The pattern of certificates that follow from a key, and of others where nothing else is said.
    pub const DEFAULT: &str = "spiffe://{cluster}/node/{node}";

    /// The pattern that a text is for a cluster.
    ///
    /// # Errors
    /// It is no URI, or has not just one place for the node's id.
    pub fn new(text: &str, cluster: &str) -> Result<Self, NamePatternError> {
        let is_uri = text.split_once(':').is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !rest.is_empty()
        });
        let (before, after) = text.split_once(NODE).ok_or(NamePatternError)?;
        let put = |part: &str| part.replace(CLUSTER, &encoded(cluster));
        let pattern = Self { before: put(before), after: put(after) };
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}".contains(&byte));
        let is_sound = is_uri && is_plain(&pattern.before) && is_plain(&pattern.after);
        if is_sound { Ok(pattern) } else { Err(NamePatternError) }
    }

    /// The usual pattern: `spiffe://CLUSTER/node/ID`.
    #[must_use]
    pub fn of_cluster(cluster: &str) -> Self {
        Self { before: format!("spiffe://{}/node/", encoded(cluster)), after: String::new() }
    }

    /// The name of a node.
    #[must_use]
    pub fn name(&self, node: &str) -> String {
        format!("{}{}{}", self.before, encoded(node), self.after)
    }

    /// The node that has a name. Each node has one name: what is written in another way is nobody's.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<String> {
        if name.len() > URI_BYTES_MAX {
            return None;
        }
        let id = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let node = percent_decode_str(id).decode_utf8().ok()?.into_owned();
        (!node.is_empty() && self.name(&node) == name).then_some(node)
    }

    /// The node that a verified chain is of; its leaf stands first. `None` if it is no node's.
    ///
    /// It reads names and verifies nothing: ask it only of what rustls accepted.
    #[must_use]
    pub fn peer_node(&self, chain: &[CertificateDer<'_>]) -> Option<String> {
        self.node_of(&EndEntityCert::try_from(chain.first()?).ok()?)
    }

    /// The node that a certificate names, if it names one and no other URI.
    pub(super) fn node_of(&self, certificate: &EndEntityCert<'_>) -> Option<String> {
        let mut uris = certificate.valid_uri_names();
        let node = self.node(uris.next()?)?;
        if uris.next().is_none() { Some(node) } else { None }
    }
}

/// With `{node}` where the id stands.
impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{NODE}{}", self.before, self.after)
    }
}

fn encoded(name: &str) -> String {
    utf8_percent_encode(name, ENCODE).to_string()
}

/// The first few URIs in a certificate, for errors: they are what the other end says, and may be anything.
pub(super) fn shown_names(certificate: &EndEntityCert<'_>) -> Vec<String> {
    let shown = |uri: &str| uri.chars().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect();
    certificate.valid_uri_names().take(SHOWN_MAX).map(shown).collect()
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
            let pattern = NamePattern::of_cluster(cluster);
            assert_eq!(NamePattern::new(NamePattern::DEFAULT, cluster), Ok(pattern.clone()));
            assert_eq!(pattern.name(node), uri);
            assert_eq!(pattern.node(uri).as_deref(), Some(node));
        }
    }

    #[test]
    fn other_uris_name_no_node() {
        let pattern = NamePattern::of_cluster("prod");
        for uri in [
            "",
            "spiffe://prod",
            "spiffe://prod/node/",
            "spiffe:///node/a",
            "spiffe://prod/workload/a",
            "spiffe://test/node/a",
            "https://prod/node/a",
            "spiffe://prod/node/a/b",
            "spiffe://prod/node/%61",
            "spiffe://prod/node/%2f",
            "spiffe://prod/node/%FF",
            "spiffe://prod/node/a?b",
            &format!("spiffe://prod/node/{}", "a".repeat(2_048)),
        ] {
            assert_eq!(pattern.node(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_pattern_of_another_trust_domain_names_nodes_by_a_part_of_the_path() {
        let pattern = NamePattern::new("spiffe://example.org/ns/x/sa/psi-{node}", "prod").expect("a pattern");
        assert_eq!(pattern.name("n1"), "spiffe://example.org/ns/x/sa/psi-n1");
        assert_eq!(pattern.node("spiffe://example.org/ns/x/sa/psi-n1").as_deref(), Some("n1"));
        assert_eq!(pattern.node("spiffe://example.org/ns/x/sa/n1"), None);
        assert_eq!(pattern.to_string(), "spiffe://example.org/ns/x/sa/psi-{node}");
        let both = NamePattern::new("spiffe://corp/{cluster}/{node}/psi", "prod").expect("a pattern");
        assert_eq!(both.name("n1"), "spiffe://corp/prod/n1/psi");
        assert_eq!(
            (both.node("spiffe://corp/prod/n1/psi").as_deref(), both.node("spiffe://corp/prod/psi")),
            (Some("n1"), None)
        );
    }

    #[test]
    fn a_text_without_a_place_for_the_node_is_no_pattern() {
        for text in [
            "",
            "{node}",
            "spiffe://a/psi",
            "spiffe://a/{node}/{node}",
            "spiffe://a/{Node}",
            "a b:{node}",
            "x:/{node} ",
        ] {
            assert_eq!(NamePattern::new(text, "prod"), Err(NamePatternError), "{text}");
        }
    }
}
