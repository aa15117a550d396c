//! What goes into tokens, kept from one to the next.

use std::cell::OnceCell;

use super::token::NameHash;
use crate::entry::{
    digest::Digest,
    name::ClusterName,
    origin::{Origin, Version},
};

/// What goes into tokens, worked out once: from one step to the next only the own version differs.
#[derive(Debug)]
pub(crate) struct TokenCache {
    cluster: NameHash,
    own: Option<NameHash>,
    /// Until an origin moves.
    others: OnceCell<OtherOrigins>,
}

/// What tokens say of the origins other than the own one.
#[derive(Debug)]
pub(crate) struct OtherOrigins {
    pub(crate) listed: Vec<(NameHash, Version)>,
    /// The sum of the positions of those left out.
    pub(crate) rest: Option<Digest>,
}

impl TokenCache {
    pub(crate) fn new(cluster: &ClusterName) -> Self {
        Self { cluster: NameHash::of_cluster(cluster), own: None, others: OnceCell::new() }
    }

    /// Records the own origin.
    pub(crate) fn record_own(&mut self, origin: &Origin) {
        self.own = Some(NameHash::of_origin(origin));
        self.forget_others();
    }

    /// Forgets the own origin.
    pub(crate) fn release_own(&mut self) {
        self.own = None;
        self.forget_others();
    }

    pub(crate) fn cluster(&self) -> NameHash {
        self.cluster
    }

    /// The hash of the own origin, once it is minted.
    pub(crate) fn own(&self) -> Option<NameHash> {
        self.own
    }

    /// What tokens say of the others, worked out by `find` if it is not at hand.
    pub(crate) fn others(&self, find: impl FnOnce() -> OtherOrigins) -> &OtherOrigins {
        self.others.get_or_init(find)
    }

    /// Forgets what was worked out of the others: an origin has moved, or the own one begins to be listed.
    pub(crate) fn forget_others(&mut self) {
        self.others.take();
    }
}
