//! What there is of models in the cluster, and what was seen of them.

use std::collections::{BTreeMap, BTreeSet};

use psi_rollout::VersionName;
use psi_security::node_key::NodePublicKey;

use super::seat::Seat;
use crate::oracle::rollouts::{DecisionChain, SeenRollback, ShownBook};

/// How fast the steps of a version are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    /// Nine steps of ten are ten times as slow, everywhere.
    Bad,
    /// The same, but on one machine alone.
    BadOn(usize),
}

/// All nodes' seats, and what is held against what.
#[derive(Debug, Default)]
pub(crate) struct RolloutCluster {
    /// By process.
    pub(crate) seats: BTreeMap<usize, Seat>,
    /// Who voted first, once the model is registered.
    pub(crate) first_voters: Vec<NodePublicKey>,
    pub(crate) qualities: BTreeMap<VersionName, Quality>,
    pub(crate) chain: DecisionChain,
    pub(crate) shown: ShownBook,
    /// The rollbacks that each process ever held.
    pub(crate) held: BTreeMap<usize, BTreeSet<SeenRollback>>,
    /// When the latest frame was sent that a process got from a machine.
    pub(crate) said: BTreeMap<(usize, usize), u64>,
    /// By whom, and when it became replicated state of its writer: each rollback of a node.
    pub(crate) written: BTreeMap<String, Vec<(usize, u64)>>,
}

impl RolloutCluster {
    /// Whether steps of a version are slow on a machine.
    pub(crate) fn is_slow_on(&self, version: &VersionName, machine: usize) -> bool {
        match self.qualities.get(version) {
            Some(Quality::Bad) => true,
            Some(Quality::BadOn(at)) => *at == machine,
            Some(Quality::Good) | None => false,
        }
    }
}
