//! What a node does about models and their rollouts, as `psi-node` does it: it votes, has changes decided, writes rollbacks
//! down, and looks twice a second at what follows by itself.
//!
//! Real: voters and proposers (psi-quorum), models and gates (psi-rollout), registers, ledgers and outcomes in replicated
//! state. Modelled: calls between nodes, disks of voters, and who is asked first. A record of a ledger is a line of text here.

pub(crate) mod cast;
pub(crate) mod cluster;
mod controller;
mod decision;
pub(crate) mod facts;
mod ledger;
mod members;
mod refresh;
pub(crate) mod seat;
pub(crate) mod turn;
mod votes;
pub(crate) mod wish;

use self::{
    cluster::RolloutCluster,
    seat::{Seat, VoteStore},
};
pub(crate) use self::{turn::RolloutTurn, wish::Wish};
use super::{World, process::State, queue::Occurrence};

/// Between two looks at what follows.
const LOOK_MS: u64 = 500;
/// What was decided elsewhere counts for steps here after at most this.
const REFRESH_MS: u64 = 50;
/// How long what comes to a process that stands still is kept from it at a time.
const STANDSTILL_MS: u64 = 25;

impl World<'_> {
    /// People and steps begin, where the run is about rollouts.
    pub(super) fn begin_rollouts(&mut self) {
        if self.plan.rollouts.is_some() {
            self.rollouts = RolloutCluster::default();
            self.turn_after(2_500, RolloutTurn::Person);
            self.turn_after(2_500, RolloutTurn::Steps);
        }
    }

    pub(crate) fn turn_after(&mut self, ms: u64, turn: RolloutTurn) {
        self.schedule(self.now + ms, Occurrence::Rollout(turn));
    }

    pub(super) fn take_turn(&mut self, turn: RolloutTurn) {
        match turn.process().map(|p| self.processes[p].state) {
            Some(State::Gone) => return,
            Some(State::Paused) => return self.turn_after(STANDSTILL_MS, turn),
            Some(State::Running) | None => {}
        }
        match turn {
            RolloutTurn::Look(p) => self.look_at_rollouts(p),
            RolloutTurn::Refresh(p) => {
                self.turn_after(REFRESH_MS, RolloutTurn::Refresh(p));
                self.refresh(p);
                self.check_shown(p);
            }
            RolloutTurn::Wake(p) => self.wake_proposer(p),
            RolloutTurn::Synced(p) => self.sync_vote(p),
            RolloutTurn::Arrive { from, to, message } => self.take_vote_message(from, to, message),
            RolloutTurn::Show(p, leaf) => self.show_leaf(p, &leaf),
            RolloutTurn::Person => self.play_person(),
            RolloutTurn::Cancel(id) => self.cancel(id),
            RolloutTurn::Steps => self.send_steps(),
        }
    }

    /// A process begins: with the votes of its machine, or with a new key where those are lost.
    pub(super) fn take_seat(&mut self, p: usize) {
        if self.plan.rollouts.is_none() {
            return;
        }
        let machine = self.processes[p].machine;
        let host = &mut self.machines[machine];
        let store = host.disk.votes.get_or_insert_with(|| VoteStore::new(machine, host.runs));
        let seat = Seat::new(store.key, p as u64 + 1);
        self.rollouts.seats.insert(p, seat);
        let first = self.dice.votes.below(LOOK_MS);
        self.turn_after(first, RolloutTurn::Look(p));
        self.turn_after(REFRESH_MS, RolloutTurn::Refresh(p));
    }

    /// A process ends. Of the votes that were on their way to its disk, the first are there.
    pub(super) fn leave_seat(&mut self, p: usize) {
        let Some(seat) = self.rollouts.seats.remove(&p) else { return };
        for pending in seat.role.into_iter().flat_map(|role| role.pending) {
            if self.dice.votes.chance(500) {
                break;
            }
            let machine = self.processes[p].machine;
            if let Some(store) = &mut self.machines[machine].disk.votes {
                store.record = Some(pending.response.record().clone());
            }
        }
    }
}
