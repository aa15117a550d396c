//! Which runs can end: those of which nobody can hold more than this replica does.

use std::collections::BTreeMap;

use super::{Council, stands};
use crate::{
    ends::{base::Base, checkpoint::Checkpoint, wire::ENDS_MAX},
    entry::{
        digest::Digest,
        origin::{Origin, Version},
    },
    store::log::OriginLog,
    time::AHEAD_MS_MAX,
};

impl Council<'_> {
    /// Whether a run has said that it writes no more, or no node that is missing can hold more of it: each was heard last
    /// before the run began. The clocks of members may differ by as much as is allowed. Of a process that goes on as
    /// another run, the latest run that is known stays: by that it is known that there is more.
    pub(super) fn is_whole(&self, run: &Origin) -> bool {
        if let Some(former) = self.store.formers().get(run) {
            return self.is_abandoned(former);
        }
        if self.is_stranger(run) || self.names_more(run) {
            return false;
        }
        let is_followed = || self.runs().any(|other| other.node == run.node && other > run);
        let heard_last = |silence_ms: &u64| self.wall_ms.saturating_sub(*silence_ms).saturating_add(AHEAD_MS_MAX);
        self.registers.has_left(run)
            || self.registers.is_closed(run) && is_followed()
            || !self.is_named_more(run)
                && self.missing.values().all(|silence_ms| run.incarnation / 1000 > heard_last(silence_ms))
    }

    /// Whether a run that closed held more of some run, and nothing that came later says what became of it: its node may
    /// come back with that. By its end this would be forgotten.
    fn names_more(&self, closed: &Origin) -> bool {
        let is_more =
            |(run, version): (&Origin, &Version)| self.store.version(run) < *version && !self.store.is_over(run);
        let named = self.registers.named_by(closed);
        named.is_some_and(|named| named.iter().any(is_more)) && self.speaks_last(closed)
    }

    /// Whether more of a run was held by another that closed.
    fn is_named_more(&self, run: &Origin) -> bool {
        let held = self.store.version(run);
        let is_more = |named: &BTreeMap<Origin, Version>| named.get(run).is_some_and(|version| *version > held);
        self.registers.named().any(|(closed, named)| is_more(named) && self.speaks_last(closed))
    }

    /// Whether a closed run is the latest of its node, and that is waited for: what it said as it closed counts.
    fn speaks_last(&self, closed: &Origin) -> bool {
        let is_later = |run: &Origin| run.node == closed.node && run > closed;
        !self.given_up.contains(&closed.node) && !self.runs().any(is_later)
    }

    /// Whether a run may have ended in another chain of checkpoints: it voted in one last, or its node has had no part in
    /// this one. A live run of its node would bring that chain's base.
    fn is_stranger(&self, run: &Origin) -> bool {
        let of_node = |other: &Origin| other.node == run.node;
        let base = self.base();
        let has_part = || base.roster().iter().any(of_node) || base.has_ended_of(&run.node);
        base.number() > 0
            && !self.given_up.contains(&run.node)
            && !self.runs().any(|other| of_node(other) && self.is_live(other))
            && (self.is_of_other_chain(run) || !has_part())
    }

    /// Whether a run voted last in a chain of checkpoints of which no base is held.
    fn is_of_other_chain(&self, run: &Origin) -> bool {
        let is_known = |number: u64, hash: Digest| {
            let mut bases = self.store.formers().values().chain([self.base()]);
            bases.any(|base| base.has_taken(number, hash))
        };
        self.registers.vote(run).is_some_and(|vote| vote.number > 1 && !is_known(vote.number - 1, vote.parent))
    }

    /// Whether nobody goes on with a base that gave way: each node of its roster has a live run here, or is not waited for.
    fn is_abandoned(&self, former: &Base) -> bool {
        let live = self.live();
        former.roster().iter().all(|run| {
            let has_ended = self.base().end_of(run).is_some();
            has_ended || stands(&live, &run.node, run.incarnation) || self.given_up.contains(&run.node)
        })
    }

    /// Runs that can end, as far as this one holds them.
    pub(super) fn ends(&self) -> impl Iterator<Item = (Origin, Version)> {
        let can_end = |run: &Origin, log: &OriginLog| !self.is_live(run) && self.is_whole(run) && (self.can_fold)(log);
        let formers = self.store.formers().keys().filter_map(|former| Some((former, self.store.log(former)?)));
        let runs = self.store.runs().chain(formers).filter(move |(run, log)| can_end(run, log));
        runs.map(|(run, log)| (run.clone(), log.version())).take(ENDS_MAX)
    }

    /// Whether this build knows all that the base holds; else it would fold another base than later builds do.
    pub(super) fn can_fold_base(&self) -> bool {
        self.store.log(&Origin::base()).is_none_or(self.can_fold)
    }

    /// The horizon as it may be raised.
    pub(super) fn horizon(&self) -> u64 {
        let ended_by = self.wall_ms.saturating_sub(self.names_kept_ms);
        if self.may_forget() { self.base().horizon_at(ended_by) } else { self.base().horizon() }
    }

    /// Whether names can be forgotten. A node that is missing may come back with runs that nobody knows. And whether a base
    /// that gave way is apart from the one that holds is told by their names.
    pub(super) fn may_forget(&self) -> bool {
        self.missing.is_empty() && self.store.formers().is_empty()
    }

    /// Whether what this run has accepted ends a run that has ended in another base too, or would forget it: that base can't
    /// be taken beside it then.
    pub(crate) fn may_overlay(&self, former: &Base) -> bool {
        let is_ended = |accepted: &Checkpoint, run: &Origin| {
            let is_forgotten = run.incarnation < accepted.horizon && !accepted.exceptions.contains(run);
            accepted.ends.contains_key(run) || is_forgotten
        };
        let overlaps = |accepted: &Checkpoint| former.ended().keys().any(|run| is_ended(accepted, run));
        self.accepted().is_some_and(overlaps) && self.is_pending()
    }
}
