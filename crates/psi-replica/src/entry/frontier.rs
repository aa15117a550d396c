//! How far each origin has come, and a hash by which two replicas find out whether they hold the same.

use std::collections::BTreeMap;

use super::{
    digest::Digest,
    origin::{Origin, Version},
};

/// The highest version held, per origin. Origins of which nothing is held are absent.
///
/// Those that have ended stay, at the versions at which they did; so do their positions in the hash, once their names
/// are forgotten. Two frontiers are equal if their hashes are: one may have forgotten what the other still names.
#[derive(Clone, Debug)]
pub struct Frontier {
    versions: BTreeMap<Origin, Version>,
    /// Sum of the hashes of all pairs, kept up to date: replicas of thousands of origins exchange it often.
    hash: Digest,
}

impl PartialEq for Frontier {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Frontier {}

impl Default for Frontier {
    fn default() -> Self {
        Self { versions: BTreeMap::new(), hash: Digest::ZERO }
    }
}

impl Frontier {
    /// The version held of `origin`; [`Version::ZERO`] if none is.
    #[must_use]
    pub fn version(&self, origin: &Origin) -> Version {
        self.versions.get(origin).copied().unwrap_or_default()
    }

    /// Moves an origin forward; an older version changes nothing. Tells whether it moved.
    pub fn raise(&mut self, origin: &Origin, version: Version) -> bool {
        version > self.version(origin) && self.set(origin, version)
    }

    /// Sets an origin, back too: what was believed of a peer may prove wrong.
    pub(crate) fn set(&mut self, origin: &Origin, version: Version) -> bool {
        let before = if version == Version::ZERO {
            self.versions.remove(origin)
        } else {
            self.versions.insert(origin.clone(), version)
        };
        if let Some(before) = before {
            self.hash = self.hash.minus(Digest::of_position(origin, before));
        }
        if version > Version::ZERO {
            self.hash = self.hash.plus(Digest::of_position(origin, version));
        }
        before != Some(version)
    }

    /// Adds the positions of origins whose names are forgotten.
    pub(crate) fn with_forgotten(mut self, positions: Digest) -> Self {
        self.hash = self.hash.plus(positions);
        self
    }

    /// Whether everything in `other` is held here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(origin, version)| version <= self.version(origin))
    }

    /// Origins in order, with the version held.
    pub fn iter(&self) -> impl Iterator<Item = (&Origin, Version)> {
        self.versions.iter().map(|(origin, version)| (origin, *version))
    }

    /// Number of origins.
    #[must_use]
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// A hash of the whole frontier: equal frontiers, equal hashes, on any replica.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.hash
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeId;

    #[test]
    fn the_hash_depends_on_what_is_held_not_on_the_way_there() {
        let origin = |name: &str| Origin { node: NodeId::new(name).unwrap(), incarnation: 7 };
        let (a, b) = (origin("a"), origin("b"));
        let straight: Frontier = [(a.clone(), Version(3)), (b.clone(), Version(1))].into_iter().collect();
        let mut winding = Frontier::default();
        for (origin, version) in [(&b, 9), (&a, 1), (&b, 1), (&a, 3)] {
            winding.set(origin, Version(version));
        }
        assert_eq!(winding, straight);
        winding.set(&a, Version::ZERO);
        winding.set(&b, Version::ZERO);
        assert_eq!(winding, Frontier::default(), "and nothing held is the hash of nothing");
    }
}
