//! What a node knows of a rollout now, and of the members: as in `psi-node/src/governance/rollout/facts.rs`.

use std::collections::{BTreeMap, BTreeSet};

use psi_rollout::{DriftComparison, Member, Model, ModelVersion};

use super::facts::{KnownFacts, outcomes_of, window_of};
use crate::{
    oracle::rollouts::HeardMember,
    world::{World, process::Belief},
};

impl World<'_> {
    /// What a node knows now of a model's rollout.
    pub(crate) fn facts(&self, p: usize, model: &Model) -> Option<KnownFacts> {
        let (rollout, replica) = (model.rollout()?, &self.processes[p].replica);
        let window = window_of(model, rollout);
        let outcomes = |version: &ModelVersion| outcomes_of(replica, window.as_ref(), version.version());
        let now_ms = self.agreed_ms(p);
        Some(KnownFacts {
            now_ms,
            canary: outcomes(rollout.canary()),
            champion: outcomes(rollout.champion()),
            drift: DriftComparison::default(),
            members: self.members(p, now_ms),
            has_majority: self.has_majority(p),
            rejected: model.rejected(),
        })
    }

    /// The time by which steps of rollouts begin.
    pub(crate) fn agreed_ms(&self, p: usize) -> u64 {
        self.processes[p].replica.time().agreed.0
    }

    /// Nodes that write, and when each was heard last: only one that is linked now is heard.
    fn members(&self, p: usize, now_ms: u64) -> BTreeMap<String, Member> {
        let process = &self.processes[p];
        let mut members: BTreeMap<String, Member> = BTreeMap::new();
        let linked: BTreeSet<_> =
            process.replica.links().filter_map(|(_, link)| link.peer.map(|peer| peer.node)).collect();
        for status in process.replica.end_status().runs {
            let node = &status.run.node;
            let is_linked = *node == process.node || linked.contains(node);
            let heard_ms = is_linked.then(|| now_ms.saturating_sub(status.silence_ms));
            let member = members.entry(node.to_string()).or_default();
            // A node that was started again is heard by its newest run.
            member.heard_ms = member.heard_ms.max(heard_ms);
        }
        members
    }

    /// Whether most of the voters that were named are taken for live.
    fn has_majority(&self, p: usize) -> bool {
        let process = &self.processes[p];
        let named = process.replica.voters();
        let is_live = |name: &str| {
            let believed =
                |(other, belief): (&usize, &Belief)| belief.live && self.processes[*other].node.as_str() == name;
            name == process.node.as_str() || process.beliefs.iter().any(believed)
        };
        named.iter().filter(|voter| is_live(&voter.node)).count() > named.len() / 2
    }

    /// Members as the simulator saw them speak to a node.
    pub(crate) fn heard_members(&self, p: usize) -> Vec<HeardMember> {
        let process = &self.processes[p];
        let nodes: BTreeSet<_> = process.replica.end_status().runs.into_iter().map(|status| status.run.node).collect();
        let heard = self.rollouts.seats.get(&p).map(|seat| &seat.heard);
        // That clock may jump between the two moments, when a link brings better ones: either reading counts then.
        let agreed_ms = self.agreed_ms(p);
        let heard_ms = |(then, at): &(u64, u64)| agreed_ms.saturating_sub(self.now.saturating_sub(*at)).max(*then);
        let others = nodes.into_iter().filter(|node| *node != process.node).map(|node| node.to_string());
        others
            .map(|name| HeardMember { heard_ms: heard.and_then(|heard| heard.get(&name)).map(heard_ms), name })
            .collect()
    }
}
