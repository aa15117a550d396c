//! Tokens: what a client has seen or written, as an opaque string under 1 kB.
//!
//! A token names the cluster and at most 40 origins, those written to last, each by 8 bytes of its hash. A node
//! that may lack older ones is not ready and does not answer. Waiting for a token is not this module's matter.

use crate::{
    name::ClusterName,
    origin::{Origin, Version},
};

/// Most origins in a token.
pub const TOKEN_ORIGINS_MAX: usize = 40;

const FORMAT: u8 = 1;

/// What a client has seen or written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Token {
    cluster: [u8; 8],
    seen: Vec<([u8; 8], Version)>,
}

impl Token {
    /// A token for the given origins, those written to last first; those beyond 40 are left out.
    pub fn new<'a>(cluster: &ClusterName, seen: impl IntoIterator<Item = (&'a Origin, Version)>) -> Self {
        let seen = seen.into_iter().take(TOKEN_ORIGINS_MAX);
        Self {
            cluster: short_hash(&[cluster.as_str().as_bytes()]),
            seen: seen.map(|(origin, version)| (origin_hash(origin), version)).collect(),
        }
    }
}

/// The text that travels: URL-safe, without padding.
impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.cluster);
        for (origin, version) in &self.seen {
            bytes.extend_from_slice(origin);
            prost::encoding::encode_varint(version.0, &mut bytes);
        }
        data_encoding::BASE64URL_NOPAD.encode_display(&bytes).fmt(f)
    }
}

fn origin_hash(origin: &Origin) -> [u8; 8] {
    short_hash(&[origin.node.as_str().as_bytes(), &origin.incarnation.to_le_bytes()])
}

fn short_hash(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    #[test]
    fn a_token_of_any_number_of_origins_stays_under_a_kilobyte() {
        let cluster = ClusterName::new("test").unwrap();
        let origins: Vec<Origin> = (0..100)
            .map(|i| Origin { node: NodeId::new(&"n".repeat(64)).unwrap(), incarnation: u64::MAX - i })
            .collect();
        let token = Token::new(&cluster, origins.iter().map(|origin| (origin, Version(u64::MAX))));
        assert!(token.to_string().len() < 1000, "{}", token.to_string().len());
    }
}
