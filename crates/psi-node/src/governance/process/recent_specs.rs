//! Specs in memory, as they were read lately.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use psi_process::{Spec, SpecHash};

/// Most that are kept.
const SPECS_MAX: usize = 64;

/// Specs that were read lately: each step of a task needs its spec several times.
#[derive(Default)]
pub(crate) struct RecentSpecs(Mutex<BTreeMap<SpecHash, Spec>>);

impl RecentSpecs {
    pub(super) fn get(&self, hash: SpecHash) -> Option<Spec> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned()
    }

    pub(super) fn put(&self, spec: &Spec) {
        let mut specs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if specs.len() >= SPECS_MAX {
            specs.clear();
        }
        specs.insert(spec.hash(), spec.clone());
    }
}
