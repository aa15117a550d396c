//! Tokens: what a client has seen or written, as an opaque string under 1,000 characters.
//!
//! A token names the cluster, the origin that gave it and at most 40 origins with their versions, those that moved
//! last, each by 8 bytes of its hash. What is left out beyond that is summed up in 8 bytes; what they prove stands in
//! `replica/session.rs`. Four bytes of a hash of the whole tell a damaged token from one of a later format.
//!
//! Here is how a token is written and read. What a replica makes of it is not this module's matter.

use std::{fmt, str::FromStr};

use data_encoding::{BASE64URL_NOPAD, DecodeKind};

use crate::entry::{
    digest::Digest,
    name::ClusterName,
    origin::{Origin, Version},
};

/// Most origins in a token.
pub const TOKEN_ORIGINS_MAX: usize = 40;

/// Most characters of a token.
pub const TOKEN_LENGTH_MAX: usize = 999;

/// The first byte. In every format the last four are the checksum.
const FORMAT: u8 = 2;
const CHECKSUM: usize = 4;

/// Eight bytes of a BLAKE3 hash, in place of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameHash(u64);

impl NameHash {
    /// Of a cluster.
    #[must_use]
    pub fn of_cluster(cluster: &ClusterName) -> Self {
        Self::of(&[cluster.as_str().as_bytes()])
    }

    /// Of an origin.
    #[must_use]
    pub fn of_origin(origin: &Origin) -> Self {
        Self::of(&[origin.node.as_str().as_bytes(), &origin.incarnation.to_le_bytes()])
    }

    fn of(parts: &[&[u8]]) -> Self {
        Self(short_hash(parts))
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for NameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a client has seen or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    cluster: NameHash,
    /// Who gave it; `None` if it had not minted its origin.
    issuer: Option<NameHash>,
    seen: Vec<(NameHash, Version)>,
    /// Sum of the positions of those left out, shortened.
    rest: Option<u64>,
}

/// Why a token was refused; the replica is untouched in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not what any token looks like.
    #[error("this is no whole session token: {problem}; send it as it was answered")]
    Malformed {
        /// What is wrong.
        problem: String,
    },
    /// More characters than any token has.
    #[error("a session token has at most {TOKEN_LENGTH_MAX} characters, this one {got}; send one, as it was answered")]
    TooLong {
        /// Characters given.
        got: usize,
    },
    /// The checksum is another.
    #[error("the session token was damaged on the way: its checksum is wrong; send it as it was answered, or none")]
    Damaged,
    /// Of a later version of this program.
    #[error(
        "the session token has format {got}, this node reads format {FORMAT}; use a node as new as that which gave it"
    )]
    Format {
        /// Its format.
        got: u8,
    },
    /// Whole, and still not what this program writes.
    #[error("the session token lists more than {TOKEN_ORIGINS_MAX} origins; this program gives no such token")]
    TooManyOrigins,
    /// Of another cluster.
    #[error(
        "the session token is of another cluster, whose name has the hash {theirs}; this node is of `{ours}`, hash \
         {ours_hash}; it is for the cluster that gave it"
    )]
    Cluster {
        /// The cluster of the replica.
        ours: ClusterName,
        /// Hash of its name.
        ours_hash: NameHash,
        /// Hash of the name of the cluster that gave the token.
        theirs: NameHash,
    },
    /// It claims what nobody has written: only this node could have.
    #[error(
        "the session token claims version {claimed} of {origin}, which is this node itself and has written \
         {written}; it was made up"
    )]
    Future {
        /// This node's own origin.
        origin: Origin,
        /// The version in the token.
        claimed: Version,
        /// The latest that was written.
        written: Version,
    },
}

impl TokenError {
    /// A short name of the reason, for counters and programs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } | Self::TooLong { .. } => "SESSION_TOKEN_MALFORMED",
            Self::Damaged => "SESSION_TOKEN_DAMAGED",
            Self::Format { .. } => "SESSION_TOKEN_FORMAT_UNKNOWN",
            Self::TooManyOrigins => "SESSION_TOKEN_TOO_MANY_ORIGINS",
            Self::Cluster { .. } => "SESSION_TOKEN_OTHER_CLUSTER",
            Self::Future { .. } => "SESSION_TOKEN_FROM_THE_FUTURE",
        }
    }
}

impl Token {
    /// A token for the given origins, those that moved last first; those beyond 40 are left out, and `rest` is asked
    /// for the sum of their positions.
    pub(crate) fn new(
        cluster: NameHash,
        issuer: Option<NameHash>,
        seen: Vec<(NameHash, Version)>,
        rest: Option<Digest>,
    ) -> Self {
        debug_assert!(seen.len() <= TOKEN_ORIGINS_MAX, "a token has a bounded size");
        Self { cluster, issuer, seen, rest: rest.map(shortened) }
    }

    /// The cluster that it is of.
    #[must_use]
    pub fn cluster(&self) -> NameHash {
        self.cluster
    }

    /// The origin that gave it.
    #[must_use]
    pub fn issuer(&self) -> Option<NameHash> {
        self.issuer
    }

    /// The origins that it lists, those that moved last first.
    #[must_use]
    pub fn seen(&self) -> &[(NameHash, Version)] {
        &self.seen
    }

    /// Whether it lists all that was seen: it leaves out no origin.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// Whether positions with this sum are those which were left out.
    pub(crate) fn left_out(&self, positions: Digest) -> bool {
        self.rest == Some(shortened(positions))
    }

    #[inline]
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + 18 * self.seen.len());
        bytes.push(FORMAT);
        for word in [self.cluster.0, self.issuer.unwrap_or_default().0, self.rest.unwrap_or_default()] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for (origin, version) in &self.seen {
            bytes.extend_from_slice(&origin.0.to_le_bytes());
            prost::encoding::encode_varint(version.0, &mut bytes);
        }
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or_else(|| malformed("it is too short"))?;
        if checksum(body) != *sum {
            return Err(TokenError::Damaged);
        }
        let (format, mut rest) = body.split_first().ok_or_else(|| malformed("it is too short"))?;
        if *format != FORMAT {
            return Err(TokenError::Format { got: *format });
        }
        let [cluster, issuer, left_out] = [take_word(&mut rest)?, take_word(&mut rest)?, take_word(&mut rest)?];
        let mut seen = Vec::new();
        while !rest.is_empty() {
            if seen.len() == TOKEN_ORIGINS_MAX {
                return Err(TokenError::TooManyOrigins);
            }
            let origin = NameHash(take_word(&mut rest)?);
            let version =
                prost::encoding::decode_varint(&mut rest).map_err(|_| malformed("it ends within a version"))?;
            seen.push((origin, Version(version)));
        }
        let some = |word: u64| Some(word).filter(|word| *word != 0);
        Ok(Self { cluster: NameHash(cluster), issuer: some(issuer).map(NameHash), seen, rest: some(left_out) })
    }
}

impl From<&Token> for String {
    /// The text that travels: URL-safe, without padding.
    fn from(token: &Token) -> Self {
        BASE64URL_NOPAD.encode(&token.to_bytes())
    }
}

/// As the text that travels.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from(self))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_LENGTH_MAX {
            return Err(TokenError::TooLong { got: text.chars().count() });
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|error| match error.kind {
            DecodeKind::Symbol => malformed(&format!("character {} is not one of A-Z a-z 0-9 - _", error.position + 1)),
            _ => malformed("some of its end is missing, or too much"),
        })?;
        Self::from_bytes(&bytes)
    }
}

fn malformed(problem: &str) -> TokenError {
    TokenError::Malformed { problem: problem.to_owned() }
}

fn take_word(bytes: &mut &[u8]) -> Result<u64, TokenError> {
    let (word, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| malformed("it ends within an origin"))?;
    *bytes = rest;
    Ok(u64::from_le_bytes(*word))
}

/// 0 stands for nothing.
fn shortened(positions: Digest) -> u64 {
    positions.short().max(1)
}

fn short_hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = *blake3::hash(bytes).as_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests;
