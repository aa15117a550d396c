//! Who a process is to others: the keys that it has, and the name in its certificate.
//!
//! It models what `psi-node` makes of a key file. Keys are names here, and a certificate is a key and a name. So forged
//! signatures and certificates that leaked are left out.

use std::fmt;

use psi_replica::NodeId;

/// A key, by the part that it plays in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyName {
    /// The cluster's.
    Old,
    /// What the cluster's key is changed to.
    New,
    /// Another cluster's.
    Foreign,
}

/// The keys of a file: the first seals and signs, and all are accepted. Without one there is no file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRing(Vec<KeyName>);

impl KeyRing {
    pub(crate) fn new(keys: &[KeyName]) -> Self {
        Self(keys.to_vec())
    }

    /// The key that seals and signs.
    fn first(&self) -> Option<KeyName> {
        self.0.first().copied()
    }

    pub(crate) fn accepts(&self, key: KeyName) -> bool {
        self.0.contains(&key)
    }

    /// Whether a later file accepts all that this one does.
    pub(crate) fn is_within(&self, later: &Self) -> bool {
        self.0.iter().all(|key| later.accepts(*key))
    }
}

impl fmt::Display for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|key| match key {
            KeyName::Old => "the old key",
            KeyName::New => "the new key",
            KeyName::Foreign => "a foreign key",
        });
        match names.collect::<Vec<_>>().join(", ") {
            names if names.is_empty() => f.write_str("no key"),
            names => f.write_str(&names),
        }
    }
}

/// Who a process is to others, and whom it believes.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The key file, as it was read last.
    pub(crate) ring: KeyRing,
    /// The node that its certificate names.
    pub(crate) certified: NodeId,
    /// It links to anyone: a program that strangers made.
    pub(crate) trusts_all: bool,
}

impl Identity {
    /// Whether this side of a link lets it stand: by the other's certificate, which may have to name a certain node.
    /// Without a key nothing is shown.
    pub(crate) fn trusts(&self, other: &Self, wanted: Option<&NodeId>) -> bool {
        if self.trusts_all {
            return true;
        }
        match other.ring.first() {
            Some(key) => self.ring.accepts(key) && wanted.is_none_or(|wanted| *wanted == other.certified),
            None => self.ring.0.is_empty(),
        }
    }

    /// Which node must introduce itself where this process dialled one.
    pub(crate) fn wanted(&self, dialled: &NodeId) -> Option<NodeId> {
        Some(dialled.clone()).filter(|_| !self.trusts_all)
    }

    /// Which node must introduce itself where another process dialled this one, as far as that is known.
    pub(crate) fn expected(&self, dialler: &Self) -> Option<NodeId> {
        Some(dialler.certified.clone()).filter(|_| !self.trusts_all && dialler.ring.first().is_some())
    }

    /// Whether what another process gossips can be read here: it is sealed by that one's first key.
    pub(crate) fn opens(&self, other: &Self) -> bool {
        other.ring.first().map_or(self.ring.0.is_empty(), |key| self.ring.accepts(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(keys: &[KeyName], certified: &str) -> Identity {
        let certified = NodeId::new(certified).expect("letters and digits");
        Identity { ring: KeyRing::new(keys), certified, trusts_all: false }
    }

    #[test]
    fn the_first_key_signs_and_all_are_accepted() {
        use KeyName::{Foreign, New, Old};
        let wanted = NodeId::new("b").expect("a letter");
        for (own, other, trusts) in [
            (&[Old][..], &[Old][..], true),
            (&[Old], &[Old, New], true),
            (&[Old], &[New, Old], false),
            (&[Old, New], &[New, Old], true),
            (&[New], &[Old, New], false),
            (&[Old], &[Foreign], false),
            (&[Old], &[], false),
            (&[], &[Old], false),
            (&[], &[], true),
        ] {
            let (own, other) = (identity(own, "a"), identity(other, "b"));
            assert_eq!(own.trusts(&other, None), trusts, "{} shown to {}", other.ring, own.ring);
            assert_eq!(own.trusts(&other, Some(&wanted)), trusts, "{} shown to {}", other.ring, own.ring);
            assert_eq!(own.opens(&other), trusts, "gossip is sealed as certificates are signed");
        }
    }

    #[test]
    fn a_certificate_of_another_name_is_not_the_one_that_was_dialled() {
        let (own, other) = (identity(&[KeyName::Old], "a"), identity(&[KeyName::Old], "b"));
        let wanted = NodeId::new("c").expect("a letter");
        assert!(!own.trusts(&other, Some(&wanted)) && own.trusts(&other, None));
        assert_eq!(own.expected(&other), Some(other.certified.clone()));
        assert_eq!(own.expected(&identity(&[], "b")), None, "without a key no certificate is shown");
    }
}
