//! Streams of random numbers.

use std::collections::BTreeMap;

use crate::plan::rng::Rng;

/// Streams of random numbers, one for each concern.
pub(crate) struct Dice {
    pub(crate) network: Rng,
    pub(crate) faults: Rng,
    pub(crate) workload: Rng,
    pub(crate) setups: Rng,
    pub(crate) gossip: Rng,
    pub(crate) sessions: Rng,
    pub(crate) disk: Rng,
    pub(crate) operator: Rng,
    /// Strangers, and changes of the cluster's key.
    pub(crate) identity: Rng,
    /// What people want of rollouts, and what models answer.
    pub(crate) rollouts: Rng,
    /// What happens to requests for votes, and to disks that keep them.
    pub(crate) votes: Rng,
    /// What clients write of components, by name.
    components: BTreeMap<&'static str, Rng>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            network: Rng::new(seed, "network"),
            faults: Rng::new(seed, "faults"),
            workload: Rng::new(seed, "workload"),
            setups: Rng::new(seed, "setups"),
            gossip: Rng::new(seed, "gossip"),
            sessions: Rng::new(seed, "sessions"),
            disk: Rng::new(seed, "disk"),
            operator: Rng::new(seed, "operator"),
            identity: Rng::new(seed, "identity"),
            rollouts: Rng::new(seed, "rollouts"),
            votes: Rng::new(seed, "votes"),
            components: BTreeMap::new(),
        }
    }

    /// The stream of a component. Those of others stay as they are when one is added.
    pub(crate) fn component(&mut self, seed: u64, name: &'static str) -> &mut Rng {
        self.components.entry(name).or_insert_with(|| Rng::new(seed, name))
    }
}
