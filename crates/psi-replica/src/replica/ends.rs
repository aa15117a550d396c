//! Runs that end: the own run closes, says what it holds of the others, and folds what all have agreed on.

use std::collections::BTreeSet;

use prost::Message;

use super::Replica;
use crate::{
    delta::refusal::Refusal,
    ends::{council::Council, registers::register_key, vote::Vote},
    entry::{
        clock::Now,
        key::Lane,
        origin::{Origin, Version},
    },
    proto,
    state::State,
};

impl<S: State> Replica<S> {
    /// Writes that this run has ended, as its last write: the others need not wait for it. Nothing may be written after
    /// that.
    pub fn close(&mut self, now: Now) {
        self.record_now(now);
        let Some(origin) = self.local.origin().cloned().filter(|_| !self.ends.is_closed) else { return };
        // What waits is to be of earlier versions than the last write.
        self.flush();
        let (_, mut writer) = self.writer(origin, now);
        let value = proto::ClosedValue { clock: Some(writer.tick().into()) };
        writer.put(register_key(Lane::CLOSED), value.encode_to_vec().into());
        self.flush();
        self.ends.is_closed = true;
    }

    /// Votes on runs that end, and folds those that have.
    pub(super) fn end_runs(&mut self, now: Now) {
        if !self.has_joined() || self.ends.is_closed || !self.ends.is_due(now.tick) {
            return;
        }
        self.ends.settle_silence(self.store.runs().map(|(run, _)| run).collect::<Vec<_>>().into_iter(), now.tick);
        while self.fold_decided() {}
        self.propose(now);
        // Each vote may allow the next one.
        while let Some(vote) = self.council(now).and_then(|council| council.next_vote()) {
            self.vote(now, vote);
        }
    }

    pub(super) fn council(&self, now: Now) -> Option<Council<'_>> {
        Some(Council {
            own: self.local.origin()?,
            store: &self.store,
            registers: &self.ends.registers,
            silent: &self.ends.silent,
            wall_ms: self.skew(now).cluster_wall(now.wall).0,
            names_kept_ms: self.ends.names_kept_ms(),
            can_fold: S::can_fold,
            is_stuck: self.ends.is_stuck(now.tick),
        })
    }

    fn propose(&mut self, now: Now) {
        let Some(council) = self.council(now) else { return };
        if !council.has_work() || !council.can_decide() {
            self.ends.rest();
            return;
        }
        let (rank, vote) = (council.rank(), council.begin());
        if self.ends.is_time_to_propose(now.tick, rank) {
            self.vote(now, vote);
        }
    }

    fn vote(&mut self, now: Now, vote: Vote) {
        let Some(origin) = self.local.origin().cloned() else { return };
        let (_, mut writer) = self.writer(origin.clone(), now);
        writer.put(register_key(Lane::VOTE), vote.encode());
        self.ends.registers.put_vote(&origin, vote);
        self.flush();
    }

    /// A new run goes on with what earlier ones of its node have promised, as far as that is known.
    pub(super) fn inherit_vote(&mut self, now: Now) {
        let Some(own) = self.local.origin() else { return };
        let (number, parent) = (self.store.base().number() + 1, self.store.base().hash());
        let earlier = self
            .ends
            .registers
            .votes()
            .filter(|(run, vote)| run.node == own.node && vote.number == number && vote.parent == parent);
        let Some((_, vote)) = earlier.max_by(|(_, a), (_, b)| a.promised.cmp(&b.promised)) else { return };
        let vote = Vote { proposal: None, ..vote.clone() };
        self.vote(now, vote);
    }

    /// Refuses what is beyond the end of a run.
    pub(super) fn check_end(&self, origin: &Origin, got: Version) -> Result<(), Refusal> {
        let base = self.store.base();
        if let Some(end) = base.end_of(origin).filter(|end| got > *end) {
            return Err(Refusal::Ended { origin: origin.clone(), end, got });
        }
        if self.store.log(origin).is_none() && base.is_below_horizon(origin) {
            return Err(Refusal::BelowHorizon(origin.clone()));
        }
        match self.council(self.moment).and_then(|council| council.limit_of(origin)).filter(|end| got > *end) {
            Some(end) => Err(Refusal::Ending { origin: origin.clone(), end, got }),
            None => Ok(()),
        }
    }

    /// Runs that this one takes for live, itself among them; none before it has minted its origin.
    #[must_use]
    pub fn live_runs(&self) -> BTreeSet<Origin> {
        self.council(self.moment).map(|council| council.live()).unwrap_or_default()
    }
}

#[cfg(feature = "testing")]
impl<S: State> Replica<S> {
    /// What is known of votes, for people who look for an error.
    #[must_use]
    pub fn describe_votes(&self) -> String {
        let base = self.store.base();
        format!(
            "{:?} {:?} base {} roster {:?} silent {:?} closed {:?}\n{}",
            self.council(self.moment).map(|it| (it.has_work(), it.can_decide(), it.rank())),
            self.ends,
            base.number(),
            base.roster(),
            self.ends.silent,
            self.store
                .runs()
                .filter(|(run, _)| self.ends.registers.is_closed(run))
                .map(|(run, _)| run)
                .collect::<Vec<_>>(),
            self.ends
                .registers
                .votes()
                .map(|(run, vote)| format!("  {run} held {}: {vote:?}\n", self.store.version(run)))
                .collect::<String>()
        )
    }
}
