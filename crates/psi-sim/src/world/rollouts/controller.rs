//! What a node does by itself, twice a second: the same as in `psi-node/src/governance/rollout/controller.rs`.

use psi_rollout::{Command, HoldReason, Next, Record, Rollout, RolloutId};

use super::{LOOK_MS, turn::RolloutTurn, wish::Wish};
use crate::{report::markers::Marker, world::World};

/// A rollback that ledgers do not show is written again after this.
const WRITE_AGAIN_MS: u64 = 60_000;
/// How much later the next node acts. Nodes wait longer; here they are to meet each other more often.
const NEXT_NODE_MS: u64 = 400;

impl World<'_> {
    pub(super) fn look_at_rollouts(&mut self, p: usize) {
        let pause = LOOK_MS + self.dice.votes.below(20);
        self.turn_after(pause, RolloutTurn::Look(p));
        self.refresh(p);
        // A node looks again when what it has decided is decided.
        if self.rollouts.seats.get(&p).is_some_and(|seat| seat.is_stepping()) {
            return;
        }
        if self.processes[p].replica.readiness().for_writing().is_ok() && self.processes[p].ends_at.is_none() {
            self.look(p);
        }
    }

    fn look(&mut self, p: usize) {
        let Some(known) = self.rollouts.seats.get(&p).and_then(|seat| seat.known.clone()) else { return };
        // What was rolled back without a majority is decided as soon as there is one.
        if let (Some(written), Some(rollout)) = (known.decided.pending_rollback(&known.model), known.model.rollout()) {
            let (id, actor, reason) = (rollout.id().clone(), written.actor.clone(), written.reason.clone());
            self.write_again(p, &id, (&actor, &reason));
            if self.has_turn(p, &id) {
                self.wish(p, Wish::Step { id, record: Record::Rollback, actor, reason });
            }
            return;
        }
        let Some(rollout) = known.model.active() else { return };
        let Some(facts) = self.facts(p, &known.model) else { return };
        match rollout.next(&facts.facts()) {
            Next::Act { record, reason, judgements: _ } => self.act(p, rollout, (record, &reason)),
            Next::Hold { hold, .. } => {
                self.record_hold(hold);
                self.forget_turn(p, rollout.id());
            }
            Next::Idle { .. } => self.forget_turn(p, rollout.id()),
        }
    }

    fn act(&mut self, p: usize, rollout: &Rollout, (record, reason): (Record, &str)) {
        let (id, actor) = (rollout.id().clone(), format!("node {}", self.processes[p].node));
        let reason: String = reason.chars().take(200).collect();
        if record.command() == Command::Rollback && self.may_write(p, &id) {
            self.reach(Marker::ROLLED_BACK_BY_NODE);
            self.write_rollback(p, &id, (&actor, &reason), true);
            self.race_with_person(&id);
        }
        if self.has_turn(p, &id) {
            self.wish(p, Wish::Step { id, record, actor, reason });
        }
    }

    /// Newer records may have taken its place before all saw it.
    fn write_again(&mut self, p: usize, id: &RolloutId, (actor, reason): (&str, &str)) {
        let Some(seat) = self.rollouts.seats.get(&p) else { return };
        if !seat.rollbacks.is_shown(&super::cast::model(), id) && self.may_write(p, id) {
            self.write_rollback(p, id, (actor, reason), actor.starts_with("node "));
        }
    }

    fn may_write(&mut self, p: usize, id: &RolloutId) -> bool {
        let now = self.now;
        let Some(seat) = self.rollouts.seats.get_mut(&p) else { return false };
        let is_due = seat.written.get(id).is_none_or(|written| now >= written + WRITE_AGAIN_MS);
        if is_due {
            seat.written.insert(id.clone(), now);
        }
        is_due
    }

    /// One node acts first; the others, a little later, if it did not.
    fn has_turn(&mut self, p: usize, id: &RolloutId) -> bool {
        let (now, rank) = (self.now, self.rank(p, id));
        let Some(seat) = self.rollouts.seats.get_mut(&p) else { return false };
        let since = *seat.due.entry(id.clone()).or_insert(now);
        now >= since + NEXT_NODE_MS * rank
    }

    fn forget_turn(&mut self, p: usize, id: &RolloutId) {
        if let Some(seat) = self.rollouts.seats.get_mut(&p) {
            seat.due.remove(id);
        }
    }

    /// The place of a node among those that it takes for live.
    fn rank(&self, p: usize, id: &RolloutId) -> u64 {
        let weight = |at: usize| {
            let text = format!("{id} {}", self.processes[at].node);
            *blake3::hash(text.as_bytes()).as_bytes()
        };
        let own = weight(p);
        let live = self.processes[p].beliefs.iter().filter(|(_, belief)| belief.live);
        live.filter(|(other, _)| weight(**other) < own).count() as u64
    }

    fn record_hold(&mut self, hold: HoldReason) {
        self.reach(match hold {
            HoldReason::InsufficientData => Marker::HELD_WITHOUT_DATA,
            HoldReason::Inconclusive => Marker::HELD_INCONCLUSIVE,
            HoldReason::NoMajority => Marker::HELD_WITHOUT_MAJORITY,
            HoldReason::Unheard => Marker::HELD_UNHEARD,
        });
    }
}
