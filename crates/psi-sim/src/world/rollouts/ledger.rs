//! Rollbacks in the ledgers of nodes. A record is a line of text here; replicated state carries its bytes as they are.

use bytes::Bytes;
use psi_rollout::{ModelName, Rollback, RolloutId, model::RolloutKey};
use psi_state::{LedgerHead, LedgerRecord, Replica};

use super::turn::{Leaf, RolloutTurn};
use crate::world::World;

impl World<'_> {
    /// A node writes a rollback into its ledger. It counts once it is on the disk and shown.
    pub(crate) fn write_rollback(
        &mut self,
        p: usize,
        id: &RolloutId,
        (actor, reason): (&str, &str),
        is_automatic: bool,
    ) {
        let Ok((author, clock)) = self.with(p, |replica, now| replica.ledger_clock(now)) else { return };
        let Some(seat) = self.rollouts.seats.get_mut(&p) else { return };
        if seat.ledger.0.as_ref() != Some(&author) {
            seat.ledger = (Some(author.clone()), 0);
        }
        let number = seat.ledger.1;
        seat.ledger.1 += 1;
        let by = if is_automatic { "node" } else { "person" };
        let text = format!("{by}|{}|{id}|{actor}|{reason}", super::cast::model());
        self.trace_process(p, "rollback", format_args!("writes that {id} is rolled back: {reason}"));
        let sync_ms = self.dice.votes.between(1, 8);
        self.turn_after(sync_ms, RolloutTurn::Show(p, Leaf { author, clock, number, text, rollout: id.clone() }));
    }

    /// What was written is on the disk, and becomes replicated state.
    pub(super) fn show_leaf(&mut self, p: usize, leaf: &Leaf) {
        let Leaf { author, clock, number, text, rollout } = leaf.clone();
        let record = LedgerRecord { clock, author: author.clone(), number, record: text.into_bytes().into() };
        let head = LedgerHead {
            clock,
            author,
            note: format!("{} records", number + 1),
            range: Bytes::new(),
            public_key: Bytes::new(),
            voucher: Bytes::new(),
            voter_key: Bytes::new(),
        };
        if self.with(p, |replica, now| replica.show_ledger(now, &head, &[record])).is_ok_and(|is_shown| is_shown) {
            let (machine, now) = (self.processes[p].machine, self.now);
            self.rollouts.written.entry(rollout.to_string()).or_default().push((machine, now));
        }
        self.refresh(p);
    }
}

/// The rollbacks that ledgers show.
pub(super) fn shown(replica: &Replica) -> Vec<(RolloutKey, Rollback)> {
    replica.ledger_records(|_| true).iter().filter_map(read).collect()
}

fn read(shown: &LedgerRecord) -> Option<(RolloutKey, Rollback)> {
    let text = std::str::from_utf8(&shown.record).ok()?;
    let [by, model, id, actor, reason] = text.splitn(5, '|').collect::<Vec<_>>().try_into().ok()?;
    let key = (ModelName::new(model).ok()?, RolloutId::new(id).ok()?);
    let (at_ms, is_automatic) = (shown.clock.wall_ms, by == "node");
    Some((key, Rollback { at_ms, actor: actor.to_owned(), reason: reason.to_owned(), is_automatic }))
}
