//! A phase of a process, checked.

use super::gate::Gate;
use crate::{attestation::Severity, hash::PhaseHash, name::Name};

/// A phase of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What it is called.
    pub name: Name,
    /// What a drift of attestations means in it.
    pub severity: Severity,
    /// Where a task goes back to if a gate fails.
    pub on_fail: Option<Name>,
    /// What must pass before a task leaves it.
    pub gates: Vec<Gate>,
    /// What statements about it name as their subject.
    pub hash: PhaseHash,
}

impl Phase {
    /// A gate by its name.
    #[must_use]
    pub fn gate(&self, name: &Name) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.name == *name)
    }
}
