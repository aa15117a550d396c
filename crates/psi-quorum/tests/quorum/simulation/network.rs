//! The network: messages wait, vanish, double and overtake each other.

use psi_quorum::Envelope;

use super::world::{Event, World};

impl World {
    /// Whether two machines can talk.
    pub(super) fn are_connected(&self, one: usize, other: usize) -> bool {
        one == other || self.machines[one].group == self.machines[other].group
    }

    pub(super) fn send_all(&mut self, from: usize, envelopes: Vec<Envelope>) {
        let Some(run) = self.machines[from].process.as_ref().map(|process| process.run) else { return };
        for Envelope { to, request } in envelopes {
            self.requests += 1;
            // A key that no machine has any more answers nobody.
            if let Some(to) = self.machines.iter().position(|machine| machine.key == to) {
                self.transmit(from, to, &Event::Request { to, reply_to: (from, run), bytes: request.encode() });
            }
        }
    }

    /// Puts a message on its way: lost, once or twice.
    pub(super) fn transmit(&mut self, from: usize, to: usize, event: &Event) {
        if !self.are_connected(from, to) || (from != to && self.rng.percent(self.plan.loss_percent)) {
            return;
        }
        let copies = 1 + u64::from(self.rng.percent(self.plan.duplicate_percent));
        for _ in 0..copies {
            let is_slow = self.rng.percent(self.plan.slow_percent);
            let longest = if is_slow { 40 * self.plan.hop_us } else { self.plan.hop_us };
            let delay = self.rng.range(self.plan.hop_us / 25, longest);
            self.schedule(delay, event.clone());
        }
    }
}
