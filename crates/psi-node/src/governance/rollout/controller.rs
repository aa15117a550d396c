//! Does what follows by itself: advances, promotes and rolls back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use psi_ledger::{
    body::Action,
    record::{Actor, Kind},
};
use psi_quorum::Register;
use psi_rollout::{
    Change, ChangeError, Command, Model, ModelEvent, ModelName, Next, Record, Refusal, RemediationMode, Remedy,
    Rollout, RolloutId,
    model::{ACTOR_BYTES_MAX, REASON_BYTES_MAX},
};
use tracing::{debug, info, warn};

use super::{
    decide::{DecisionError, decide},
    drift::{column_obstacle, episode_of, field_obstacle},
    facts::{KnownFacts, now_ms},
    models::{KnownModel, register_name},
    refresh::{refresh, write_rollback},
    rollbacks::cut,
};
use crate::{
    calls::{governance::turns::nodes_in_turn, readiness::is_writable},
    governance::quorum::registers::register_of,
    node::context::NodeContext,
};

/// Between two looks at what follows.
const LOOK: Duration = Duration::from_millis(500);
/// What was decided elsewhere counts for steps here after at most this.
const REFRESH: Duration = Duration::from_millis(50);
/// How long a decision may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// A rollback that ledgers do not show is written again after this.
const WRITE_AGAIN: Duration = Duration::from_secs(60);
/// How much later the next node acts, if those before it did not.
const NEXT_NODE: Duration = Duration::from_secs(3);

/// Looks at the rollouts of all models until the node stops.
pub(crate) struct RolloutController {
    context: Arc<NodeContext>,
    /// Since when something would have to follow, by rollout, or by drift of a model.
    due: BTreeMap<String, Instant>,
    /// When a rollback was written, by rollout.
    written: BTreeMap<RolloutId, Instant>,
}

/// Takes over what is decided elsewhere, so that it counts for steps here.
async fn follow_state(context: Arc<NodeContext>) {
    let mut changes = context.changes();
    loop {
        refresh(&context);
        tokio::time::sleep(REFRESH).await;
        let _ = tokio::time::timeout(LOOK, changes.changed()).await;
    }
}

/// What drift of a model is due by. No rollout is called so.
fn drift_key(model: &ModelName) -> String {
    format!("drift of {model}")
}

impl RolloutController {
    pub(crate) fn new(context: Arc<NodeContext>) -> Self {
        Self { context, due: BTreeMap::new(), written: BTreeMap::new() }
    }

    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        let follows = follow_state(self.context.clone());
        let acts = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if self.context.read(is_writable) {
                    self.look_at_all().await;
                }
            }
        };
        stop.run_until_cancelled(futures_util::future::join(follows, acts)).await;
    }

    async fn look_at_all(&mut self) {
        let names: Vec<String> = self.context.models.all().iter().map(|known| known.model.name().to_string()).collect();
        let (mut going_on, mut due) = (BTreeSet::new(), BTreeSet::new());
        for name in names {
            // As it is now: to decide something for the one before may have taken seconds.
            let Some(known) = self.context.models.get(&name) else { continue };
            going_on.extend(known.model.rollout().map(|rollout| rollout.id().clone()));
            due.extend(known.model.rollout().map(|rollout| rollout.id().to_string()));
            due.insert(drift_key(known.model.name()));
            self.look(&known).await;
        }
        self.due.retain(|key, _| due.contains(key));
        self.written.retain(|id, _| going_on.contains(id));
    }

    async fn look(&mut self, known: &KnownModel) {
        // What was rolled back without a majority is decided as soon as there is one.
        if let (Some(written), Some(rollout)) = (known.pending_rollback(), known.model.rollout()) {
            // Newer records may have taken its place before all saw it.
            if !self.context.models.shows_rollback(known.model.name(), rollout.id()) && self.may_write(rollout.id()) {
                self.write_rollback(&known.model, rollout, &written.reason);
            }
            if self.has_turn(rollout.id().as_str()) {
                self.act(&known.decided, rollout, (Record::Rollback, &written.actor, &written.reason)).await;
            }
            return;
        }
        let Some(rollout) = known.model.active() else { return self.remedy(&known.model).await };
        let facts = KnownFacts::of(&self.context, &known.model, rollout);
        let Next::Act { record, reason, judgements: _ } = rollout.next(&facts.facts()) else {
            self.due.remove(rollout.id().as_str());
            self.context.models.set_obstacle(known.model.name(), None);
            return;
        };
        if record.command() == Command::Rollback && self.may_write(rollout.id()) {
            self.write_rollback(&known.model, rollout, &reason);
        }
        if self.has_turn(rollout.id().as_str()) {
            self.act(&known.decided, rollout, (record, &self.own_name(), &reason)).await;
        }
    }

    /// A ledger that nobody can write to is not asked again and again.
    fn may_write(&mut self, id: &RolloutId) -> bool {
        let is_due = self.written.get(id).is_none_or(|written| written.elapsed() >= WRITE_AGAIN);
        if is_due {
            self.written.insert(id.clone(), Instant::now());
        }
        is_due
    }

    /// It counts from here on, whatever voters do.
    fn write_rollback(&self, model: &Model, rollout: &Rollout, reason: &str) {
        let (id, node) = (rollout.id(), self.context.settings.node.clone());
        warn!(model = %model.name(), rollout = %id, reason, "rolled back");
        write_rollback(&self.context, model.name(), id, Actor::Node(node), reason);
    }

    /// One node acts first; the others, a little later, if it did not.
    fn has_turn(&mut self, key: &str) -> bool {
        let since = *self.due.entry(key.to_owned()).or_insert_with(Instant::now);
        let nodes = nodes_in_turn(&self.context, key);
        let own = self.context.settings.node.as_str();
        let rank = nodes.iter().position(|node| node == own).unwrap_or(nodes.len());
        since.elapsed() >= NEXT_NODE * u32::try_from(rank).unwrap_or(u32::MAX)
    }

    async fn act(&mut self, model: &Model, rollout: &Rollout, (record, actor, reason): (Record, &str, &str)) {
        let (id, command, at_ms) = (rollout.id().clone(), record.command(), now_ms(&self.context));
        let (actor, reason) = (cut(actor, ACTOR_BYTES_MAX), cut(reason, REASON_BYTES_MAX));
        let context = self.context.clone();
        let change = |before: &Model| {
            // Somebody may have rolled it back, or ended it, while this waited.
            context.models.check_step(before, (&id, &record))?;
            let event = ModelEvent::Rollout { id: id.clone(), record: record.clone() };
            Ok(Change { event, at_ms, actor: actor.clone(), reason: reason.clone(), is_forced: false })
        };
        let action = Action {
            method: command.name().to_owned(),
            object: format!("{}/{id}", model.name()),
            action: reason.clone(),
            ..Action::default()
        };
        self.decide(model.name(), id.as_str(), change, &action).await;
    }

    /// Does what follows from drift of the champion's inputs: writes it down, or begins a rollout.
    async fn remedy(&mut self, model: &Model) {
        let (context, key) = (self.context.clone(), drift_key(model.name()));
        // Nothing is looked at where nothing follows.
        let is_off = model.policy().mode == RemediationMode::Off;
        let episode = if is_off { None } else { episode_of(&context, model) };
        let remedy = model.remedy(episode.as_ref());
        let (method, object, reason) = match &remedy {
            Remedy::Rest(_) => {
                self.due.remove(&key);
                context.models.set_obstacle(model.name(), None);
                return;
            }
            Remedy::Find(episode) => {
                ("drift", format!("{}@{}", model.name(), episode.version), cut(&episode.to_string(), REASON_BYTES_MAX))
            }
            Remedy::Try(version) => {
                let plan = model.policy().plan.clone().unwrap_or_default();
                let versions = [version, model.champion().unwrap_or(version)];
                let obstacle = field_obstacle(&context, model.name(), version)
                    .or_else(|| column_obstacle(&context, &plan, &versions, model.name()));
                if let Some(why) = obstacle {
                    context.models.set_obstacle(model.name(), Some(why));
                    return;
                }
                let reason = episode.as_ref().map(|episode| format!("to remedy that {episode}")).unwrap_or_default();
                ("start", format!("{}@{version}", model.name()), cut(&reason, REASON_BYTES_MAX))
            }
        };
        if !self.has_turn(&key) {
            return;
        }
        let (actor, at_ms) = (cut(&self.own_name(), ACTOR_BYTES_MAX), now_ms(&context));
        let change = |before: &Model| {
            // Another node may have been first, and what follows then is another thing: that is looked at first.
            let event = match (context.models.as_it_counts(before).remedy(episode.as_ref()), &remedy) {
                (Remedy::Find(episode), Remedy::Find(_)) => ModelEvent::Drift(episode),
                (Remedy::Try(canary), Remedy::Try(version)) if canary == *version => {
                    let plan = before.policy().plan.clone().unwrap_or_default();
                    ModelEvent::Start { canary, plan, is_remedy: true }
                }
                (Remedy::Rest(why), _) => return Err(ChangeError::Remedy { model: before.name().clone(), why }),
                _ => {
                    let (model, why) = (before.name().clone(), "another node was first".to_owned());
                    return Err(ChangeError::Remedy { model, why });
                }
            };
            Ok(Change { event, at_ms, actor: actor.clone(), reason: reason.clone(), is_forced: false })
        };
        let action = Action { method: method.to_owned(), object, action: reason.clone(), ..Action::default() };
        let is_decided = self.decide(model.name(), &key, change, &action).await;
        if is_decided && matches!(remedy, Remedy::Try(_)) {
            // The last change let it begin: drift was found, a version staged, or it was said that something follows.
            let due_ms = model.last().map_or(at_ms, |change| change.at_ms);
            context.metrics.rollouts.record_remedy(Duration::from_millis(at_ms.saturating_sub(due_ms)));
        }
    }

    /// Has decided what follows by itself, and writes it into the ledger. Returns whether it was decided.
    async fn decide(
        &mut self,
        model: &ModelName,
        key: &str,
        change: impl Fn(&Model) -> Result<Change, ChangeError>,
        action: &Action,
    ) -> bool {
        let Some(register) = self.register(model) else { return false };
        let models = &self.context.models;
        let (command, object, reason) = (&action.method, &action.object, &action.action);
        let decided = decide(&self.context, &register, change, Instant::now() + DEADLINE).await;
        match &decided {
            Ok(_) => {
                self.due.remove(key);
                models.set_obstacle(model, None);
                info!(object, command, reason, "a model is changed");
                self.context.record_own(Kind::ModelChange, action);
            }
            Err(DecisionError::Refused(refusal)) => {
                // Another node, or a person, was first; anything else is in the way.
                let was_late = matches!(
                    refusal,
                    ChangeError::Remedy { .. } | ChangeError::Rollout(Refusal::Ended { .. } | Refusal::Active { .. })
                );
                models.set_obstacle(model, (!was_late).then(|| refusal.to_string()));
                debug!(object, command, "not decided: {refusal}");
            }
            Err(error) => {
                debug!(object, command, "not decided: {error}");
                models.set_obstacle(model, Some(error.to_string()));
            }
        }
        decided.is_ok()
    }

    fn register(&self, model: &ModelName) -> Option<Register> {
        let view = self.context.read(|replica| replica.register_view(&register_name(model)))?;
        register_of(&view)
    }

    fn own_name(&self) -> String {
        format!("node {}", self.context.settings.node)
    }
}
