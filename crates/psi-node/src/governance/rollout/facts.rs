//! What a look at a rollout rests on, as this node knows it.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::{FieldName, NodeId};
use psi_rollout::{
    DriftComparison, Facts, HoldReason, Member, Model, ModelVersion, Next, Outcomes, Rollout, VersionName, WindowTag,
};
use psi_state::Replica;

use super::{drift::comparison_of, models::KnownModel};
use crate::{links::lag::lags, node::context::NodeContext};

/// What is known when a rollout is looked at.
#[derive(Debug)]
pub(crate) struct KnownFacts {
    now_ms: u64,
    pub(crate) canary: Outcomes,
    pub(crate) champion: Outcomes,
    drift: DriftComparison,
    members: BTreeMap<String, Member>,
    has_majority: bool,
    rejected: BTreeSet<VersionName>,
}

impl KnownFacts {
    /// What this node knows now.
    pub(crate) fn of(context: &NodeContext, model: &Model, rollout: &Rollout) -> Self {
        let window = window_of(model, rollout);
        let outcomes = |version: &ModelVersion| context.read(|replica| outcomes_of(replica, window.as_ref(), version));
        let now_ms = now_ms(context);
        Self {
            now_ms,
            canary: outcomes(rollout.canary()),
            champion: outcomes(rollout.champion()),
            drift: comparison_of(context, rollout),
            members: context.read(|replica| members(context, replica, now_ms)),
            has_majority: has_majority(context),
            rejected: model.rejected(),
        }
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            now_ms: self.now_ms,
            canary: &self.canary,
            champion: &self.champion,
            drift: &self.drift,
            members: &self.members,
            has_majority: self.has_majority,
            rejected: &self.rejected,
        }
    }
}

/// Why nothing follows by itself in the rollout of a model; `None` where something does, or none is under way.
pub(crate) fn hold_of(context: &NodeContext, known: &KnownModel) -> Option<HoldReason> {
    let (model, rollout) = (&known.model, known.model.active()?);
    match rollout.next(&KnownFacts::of(context, model, rollout).facts()) {
        Next::Hold { hold, .. } => Some(hold),
        Next::Act { .. } => context.models.obstacle(model.name()).map(|_| HoldReason::NoMajority),
        Next::Idle { .. } => None,
    }
}

/// The time by which steps of rollouts begin: that on which members agree, so that one clock that is off changes nothing.
pub(crate) fn now_ms(context: &NodeContext) -> u64 {
    context.read(|replica| replica.time().agreed.0)
}

/// Nodes that write, and when each was heard last. One that was forgotten is not among them.
///
/// Where all nodes have links to all, only a node that is linked now is heard: a node that starts again does not know when it
/// heard others before.
fn members(context: &NodeContext, replica: &Replica, now_ms: u64) -> BTreeMap<String, Member> {
    let mut members: BTreeMap<String, Member> = BTreeMap::new();
    let runs = replica.end_status().runs;
    let nodes: BTreeSet<&NodeId> = runs.iter().map(|status| &status.run.node).collect();
    let (are_all_linked, links) = (nodes.len() <= context.settings.full_mesh_max, lags(replica));
    for status in &runs {
        let node = &status.run.node;
        let is_linked = *node == context.settings.node || links.contains_key(node);
        let heard_ms = (is_linked || !are_all_linked).then(|| now_ms.saturating_sub(status.silence_ms));
        let member = members.entry(node.to_string()).or_default();
        // A node that was started again is heard by its newest run.
        member.heard_ms = member.heard_ms.max(heard_ms);
    }
    members
}

/// Whether most of the voters that were named are live.
fn has_majority(context: &NodeContext) -> bool {
    let named = context.read(Replica::voters);
    let (own, members) = (context.settings.node.as_str(), context.members.borrow());
    let is_live = |name: &str| name == own || members.iter().any(|member| member.live && member.node.as_str() == name);
    named.iter().filter(|voter| is_live(&voter.node)).count() > named.len() / 2
}

/// The window in which outcomes of a rollout count: the current step of its schedule. `None` before the first.
pub(crate) fn window_of(model: &Model, rollout: &Rollout) -> Option<WindowTag> {
    let step = u8::try_from(rollout.step()?).unwrap_or(u8::MAX);
    Some(WindowTag { begin: model.rollouts(), step, rollout: rollout.id().clone() })
}

/// What was counted of a version in the current step of the schedule.
fn outcomes_of(replica: &Replica, window: Option<&WindowTag>, version: &ModelVersion) -> Outcomes {
    let view = FieldName::new(&version.to_string()).ok().and_then(|field| replica.view(&field));
    view.zip(window).and_then(|(view, tag)| view.outcomes.window(tag).cloned()).unwrap_or_default()
}
