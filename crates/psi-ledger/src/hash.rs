//! SHA-256 of nodes of a tree, and of what is kept beside it.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// What RFC 6962, section 2.1, hashes before a leaf and before two children, so that neither passes for the other.
const LEAF_PREFIX: [u8; 1] = [0];
const NODE_PREFIX: [u8; 1] = [1];

macro_rules! hash {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type([u8; 32]);

        impl $type {
            /// Bytes of a hash.
            pub const BYTES: usize = 32;

            /// The hash of these bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The hash of these bytes, if they are 32.
            pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        /// 64 hex digits.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hash!(
    /// The hash of a node of a tree: a leaf, a root, or one between them.
    TreeHash
);
hash!(
    /// The hash of what a record names and does not hold: a long body, or a piece of evidence.
    ContentHash
);

impl TreeHash {
    /// The hash of a leaf: of the bytes of a record.
    #[must_use]
    pub fn of_leaf(bytes: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(LEAF_PREFIX).chain_update(bytes).finalize().into())
    }

    /// The hash of a node with these children.
    #[must_use]
    pub fn of_children(left: &Self, right: &Self) -> Self {
        Self(Sha256::new_with_prefix(NODE_PREFIX).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// Hashes that are written one after the other; `None` if the last is cut.
    #[must_use]
    pub fn list_from_bytes(bytes: &[u8]) -> Option<Vec<Self>> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        rest.is_empty().then(|| hashes.iter().copied().map(Self).collect())
    }

    /// Hashes, one after the other: how ranges and proofs are kept and sent.
    #[must_use]
    pub fn list_to_bytes(hashes: &[Self]) -> Vec<u8> {
        hashes.iter().flat_map(|hash| hash.0).collect()
    }
}

impl ContentHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}
