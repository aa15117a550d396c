//! Sets of voters, and what a majority of them is.

use psi_security::node_key::NodePublicKey;

/// Most voters of a step.
pub const VOTERS_MAX: usize = 15;

/// The voters of a step: 1 to [`VOTERS_MAX`] node keys, each once, ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VoterSet(Vec<NodePublicKey>);

/// A set that no step can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoterSetError {
    /// None, or too many.
    #[error("a step has 1 to {VOTERS_MAX} voters, and these are {0}; three or five serve most clusters")]
    Count(usize),
    /// One key twice.
    #[error("voter {0} is listed twice; list each key once")]
    Duplicate(NodePublicKey),
}

impl VoterSet {
    /// The set of these keys, in any order.
    ///
    /// # Errors
    /// There are none, too many, or one twice.
    pub fn new(keys: impl IntoIterator<Item = NodePublicKey>) -> Result<Self, VoterSetError> {
        let mut keys: Vec<_> = keys.into_iter().take(VOTERS_MAX + 1).collect();
        keys.sort_unstable();
        if !(1..=VOTERS_MAX).contains(&keys.len()) {
            return Err(VoterSetError::Count(keys.len()));
        }
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(VoterSetError::Duplicate(pair[0])),
            None => Ok(Self(keys)),
        }
    }

    /// Its keys, ascending.
    #[must_use]
    pub fn keys(&self) -> &[NodePublicKey] {
        &self.0
    }

    /// Whether it lists a key.
    #[must_use]
    pub fn contains(&self, key: &NodePublicKey) -> bool {
        self.0.binary_search(key).is_ok()
    }

    /// How many voters are a majority.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.0.len() / 2 + 1
    }

    /// Whether a majority is out of reach when this many will not help.
    pub(crate) fn is_blocked_by(&self, unwilling: usize) -> bool {
        unwilling > self.0.len() - self.majority()
    }
}
