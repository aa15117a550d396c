//! What a voter looks at before it votes, and transitions by their hashes.

use std::rc::Rc;

use psi_process::{Transition, TransitionHash};
use psi_quorum::{Call, Request};

use super::body::Body;
use crate::{plan::Mutation, world::World};

impl World {
    /// Whether what is proposed follows by the rules. Then this machine holds the transition.
    ///
    /// No clock of this machine is read. Whether an ended task is still kept is said by the clock that the transition
    /// carries. So all voters say the same of it, and each says later what it said before. By clocks of voters, some
    /// would vote for a value that others refuse for good, and its register would be stuck. The price: a machine whose
    /// clock is days ahead can end the time of a task early, and the transition shows it.
    pub(crate) fn may_vote(&mut self, machine: usize, register: usize, request: &Request) -> bool {
        let Call::Accept(proposal) = request.call() else { return true };
        let before = Body::of(register, request.previous());
        let next = Body::read(register, proposal.value.body());
        let (Ok(before), Ok(next)) = (before, next) else { return false };
        let Some(head) = next.newest_since(&before) else { return false };
        let Some(transition) = self.document(machine, head) else { return false };
        let kept_at = |now_ms| before.chain(&transition.subject, now_ms).step();
        let is_timely = self.plan.mutation != Some(Mutation::OwnClock)
            || kept_at(self.wall_ms(machine)) == kept_at(transition.clock.wall_ms);
        is_timely && before.follow(&transition).is_ok_and(|followed| followed == next)
    }

    /// A transition from the disk, or from another machine, in which case it is kept.
    pub(super) fn document(&mut self, machine: usize, hash: TransitionHash) -> Option<Rc<Transition>> {
        if let Some(known) = self.machines[machine].documents.get(&hash) {
            return Some(known.clone());
        }
        for other in 0..self.machines.len() {
            let answers = self.machines[other].process.is_some()
                && self.are_connected(machine, other)
                && !self.rng.percent(self.plan.loss_percent);
            let found = self.machines[other].documents.get(&hash).filter(|_| answers).cloned();
            if let Some(found) = found {
                self.machines[machine].documents.insert(hash, found.clone());
                return Some(found);
            }
        }
        None
    }

    /// What was decided, from a transition back, at most so many. Ends early where one can't be had.
    pub(super) fn history(
        &mut self,
        machine: usize,
        from: Option<TransitionHash>,
        count: usize,
    ) -> Vec<TransitionHash> {
        let (mut next, mut found) = (from, Vec::new());
        while let Some(hash) = next.filter(|_| found.len() < count) {
            let Some(transition) = self.document(machine, hash) else { break };
            next = transition.predecessor;
            found.push(hash);
        }
        found
    }
}
