//! Strangers and changes of the cluster key: what runs of mode `strangers` are about.

use super::rng::Rng;

/// What keeps a process out of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StrangerKind {
    /// It has no key.
    Keyless,
    /// It has another key.
    OtherKey,
    /// It has another key, and the name of a node of the cluster.
    Namesake,
    /// It has the cluster's key, and introduces itself as another node than its certificate names.
    Misnamed,
    /// It was a node until the cluster's key was changed without it.
    Former,
}

/// How the operator changes the cluster's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyChange {
    /// As docs/security.md has it.
    InOrder,
    /// On some machines the old key goes before the others have the new one.
    OldKeyFirst,
}

/// What a run with strangers is about.
#[derive(Clone, Debug)]
pub(crate) struct IdentityPlan {
    pub(crate) strangers: Vec<StrangerKind>,
    pub(crate) change: Option<KeyChange>,
    /// Else nothing fails but what the change of the key brings about: so it is seen whether that loses a link.
    pub(crate) has_faults: bool,
    /// The last machine takes no part in the change, and is shut out by it.
    pub(crate) shuts_out: bool,
    /// From when on a machine is replaced by another of its name.
    pub(crate) replaced_at: Option<u64>,
}

impl IdentityPlan {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        const BORN: [StrangerKind; 4] =
            [StrangerKind::Keyless, StrangerKind::OtherKey, StrangerKind::Namesake, StrangerKind::Misnamed];
        let drawn: Vec<StrangerKind> = BORN.into_iter().filter(|_| rng.chance(450)).collect();
        let strangers = if drawn.is_empty() { rng.pick(&BORN).copied().into_iter().collect() } else { drawn };
        let has_faults = rng.chance(400);
        let change = match rng.below(10) {
            0..5 => Some(KeyChange::InOrder),
            5..8 if !has_faults => Some(KeyChange::OldKeyFirst),
            _ if !has_faults => Some(KeyChange::InOrder),
            _ => None,
        };
        let shuts_out = !has_faults && change == Some(KeyChange::InOrder) && rng.chance(500);
        let replaced_at = (!shuts_out && rng.chance(400)).then(|| rng.between(5_000, 14_000));
        Self { strangers, change, has_faults, shuts_out, replaced_at }
    }
}
