//! A spec that was checked, and what it says.

use std::{collections::BTreeMap, fmt};

use super::{
    key::TrustedKey,
    phase::Phase,
    terms::{Decision, DriftReaction, LeaseTerms, Mode},
};
use crate::{hash::SpecHash, name::Name};

/// A spec that was checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Spec {
    pub(super) name: Name,
    pub(super) decide: Decision,
    pub(super) mode: Mode,
    pub(super) attestation: DriftReaction,
    pub(super) retain_days: u32,
    pub(super) lease: Option<LeaseTerms>,
    pub(super) keys: BTreeMap<Name, TrustedKey>,
    pub(super) phases: Vec<Phase>,
    pub(super) canonical: Vec<u8>,
    pub(super) hash: SpecHash,
}

impl Spec {
    /// The form whose hash identifies it: JSON with all defaults, without comments.
    #[must_use]
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// What identifies it.
    #[must_use]
    pub fn hash(&self) -> SpecHash {
        self.hash
    }

    /// What the process is called.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How transitions are decided.
    #[must_use]
    pub fn decide(&self) -> Decision {
        self.decide
    }

    /// The mode that the process begins in.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What a drift of high severity does.
    #[must_use]
    pub fn attestation(&self) -> DriftReaction {
        self.attestation
    }

    /// For how many milliseconds a task is kept after its end.
    #[must_use]
    pub fn retain_ms(&self) -> u64 {
        u64::from(self.retain_days) * 86_400_000
    }

    /// The lease that work needs, if it needs one.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseTerms> {
        self.lease
    }

    /// Keys by name.
    #[must_use]
    pub fn keys(&self) -> &BTreeMap<Name, TrustedKey> {
        &self.keys
    }

    /// Its phases, in order. There is at least one.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// The first phase: where tasks start.
    ///
    /// # Panics
    /// Never: a spec without phases is refused.
    #[must_use]
    pub fn first(&self) -> &Phase {
        self.phases.first().expect("a spec without phases is refused")
    }

    /// A phase by its name.
    #[must_use]
    pub fn phase(&self, name: &Name) -> Option<&Phase> {
        self.place(name).map(|place| &self.phases[place])
    }

    /// The phase after this one; `None` after the last.
    #[must_use]
    pub fn next(&self, name: &Name) -> Option<&Phase> {
        self.phases.get(self.place(name)? + 1)
    }

    /// Whether a phase comes before another.
    #[must_use]
    pub fn is_before(&self, earlier: &Name, later: &Name) -> bool {
        matches!((self.place(earlier), self.place(later)), (Some(earlier), Some(later)) if earlier < later)
    }

    fn place(&self, name: &Name) -> Option<usize> {
        self.phases.iter().position(|phase| phase.name == *name)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spec({} {})", self.name, self.hash)
    }
}
