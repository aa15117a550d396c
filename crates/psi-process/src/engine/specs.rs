//! Specs by hash, as far as a node holds them.

use std::{collections::BTreeMap, sync::Arc};

use crate::{hash::SpecHash, spec::Spec};

/// Specs by hash. How many there are is decided by their keeper.
#[derive(Clone, Debug, Default)]
pub struct SpecStore(BTreeMap<SpecHash, Arc<Spec>>);

impl SpecStore {
    /// Adds a spec, which then stays.
    pub fn add(&mut self, spec: Spec) -> SpecHash {
        let hash = spec.hash();
        self.0.entry(hash).or_insert_with(|| Arc::new(spec));
        hash
    }

    /// Removes those that are not kept. Keep those that live tasks follow.
    pub fn retain(&mut self, mut keep: impl FnMut(&SpecHash) -> bool) {
        self.0.retain(|hash, _| keep(hash));
    }

    /// A spec.
    #[must_use]
    pub fn get(&self, hash: &SpecHash) -> Option<&Arc<Spec>> {
        self.0.get(hash)
    }

    /// All, by hash.
    pub fn iter(&self) -> impl Iterator<Item = (&SpecHash, &Arc<Spec>)> {
        self.0.iter()
    }
}
