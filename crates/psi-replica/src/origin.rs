//! Who wrote an entry, and how far they have come: origins, versions and frontiers.

use std::{collections::BTreeMap, fmt};

use crate::{digest::Digest, name::NodeId, proto};

/// One run of one node: the only writer of its entries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// When the run was minted, microseconds since the Unix epoch; never 0.
    pub incarnation: u64,
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

/// The highest version held, per origin. Origins of which nothing is held are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier(BTreeMap<Origin, Version>);

impl Frontier {
    /// The version held of `origin`; [`Version::ZERO`] if none is.
    #[must_use]
    pub fn version(&self, origin: &Origin) -> Version {
        self.0.get(origin).copied().unwrap_or_default()
    }

    /// Moves an origin forward; an older version changes nothing. Tells whether it moved.
    pub fn raise(&mut self, origin: &Origin, version: Version) -> bool {
        if version <= self.version(origin) {
            return false;
        }
        self.0.insert(origin.clone(), version);
        true
    }

    /// Whether everything in `other` is held here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(origin, version)| version <= self.version(origin))
    }

    /// Origins in order, with the version held.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, Version)> {
        self.0.iter().map(|(origin, version)| (origin, *version))
    }

    /// Number of origins.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A hash of the whole frontier: equal frontiers, equal hashes, on any replica.
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of_frontier(self.iter())
    }

    pub(crate) fn to_proto(&self) -> Vec<proto::OriginVersion> {
        self.iter().map(|(origin, version)| origin_version(origin, version)).collect()
    }
}

impl FromIterator<(Origin, Version)> for Frontier {
    fn from_iter<I: IntoIterator<Item = (Origin, Version)>>(items: I) -> Self {
        let mut frontier = Self::default();
        for (origin, version) in items {
            frontier.raise(&origin, version);
        }
        frontier
    }
}

pub(crate) fn origin_version(origin: &Origin, version: Version) -> proto::OriginVersion {
    proto::OriginVersion { origin: Some(origin.into()), version: version.0 }
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
    Name(#[from] crate::name::NameError),
    /// Incarnation 0 means that the run has not written yet.
    #[error("origin `{0}` has incarnation 0; a run mints one before it writes")]
    Unminted(NodeId),
}

impl TryFrom<Option<proto::Origin>> for Origin {
    type Error = OriginError;

    fn try_from(origin: Option<proto::Origin>) -> Result<Self, OriginError> {
        let origin = origin.ok_or(OriginError::Missing)?;
        let node = NodeId::new(&origin.node)?;
        if origin.incarnation == 0 {
            return Err(OriginError::Unminted(node));
        }
        Ok(Self { node, incarnation: origin.incarnation })
    }
}
