//! Who wrote an entry, and when in its own count: origins and versions.

use std::fmt;

use super::name::{BASE_NAME, NodeId};
use crate::proto;

/// One run of one node: the only writer of its entries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// When the run was minted, microseconds since the Unix epoch; never 0.
    pub incarnation: u64,
}

/// The incarnation that the base has.
const BASE_INCARNATION: u64 = 1;

impl Origin {
    /// What ended origins come to, as if one origin had written all of it. It has no run: every replica works out the
    /// same entries from the same ended origins.
    #[must_use]
    pub fn base() -> Self {
        Self { node: NodeId::base(), incarnation: BASE_INCARNATION }
    }

    /// Whether this is [`Origin::base`], or a base that gave way to another.
    #[must_use]
    pub fn is_base(&self) -> bool {
        self.node.as_str() == BASE_NAME
    }

    /// Whether this is a base that gave way to another.
    #[must_use]
    pub fn is_former_base(&self) -> bool {
        self.incarnation != BASE_INCARNATION && self.is_base()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.incarnation)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An origin's own count of its writes; the first write has version 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// Before any write.
    pub const ZERO: Self = Self(0);

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<&Origin> for proto::Origin {
    fn from(origin: &Origin) -> Self {
        Self { node: origin.node.to_string(), incarnation: origin.incarnation }
    }
}

/// An origin on the wire was absent or malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The message has none.
    #[error("the frame names no origin")]
    Missing,
    /// The node name is outside the alphabet.
    #[error(transparent)]
    Name(#[from] super::name::NameError),
    /// Incarnation 0 means that the run has not written yet.
    #[error("origin `{0}` has incarnation 0; a run mints one before it writes")]
    Unminted(NodeId),
}

impl TryFrom<Option<proto::Origin>> for Origin {
    type Error = OriginError;

    fn try_from(origin: Option<proto::Origin>) -> Result<Self, OriginError> {
        let origin = origin.ok_or(OriginError::Missing)?;
        let node = if origin.node == BASE_NAME { NodeId::base() } else { NodeId::new(&origin.node)? };
        if origin.incarnation == 0 {
            return Err(OriginError::Unminted(node));
        }
        Ok(Self { node, incarnation: origin.incarnation })
    }
}
