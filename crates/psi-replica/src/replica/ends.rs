//! Runs that end: the own run closes, says what it holds of the others, and folds what all have agreed on.

mod fold;
pub(super) mod status;

use std::collections::BTreeSet;

use super::Replica;
use crate::{
    delta::refusal::Refusal,
    ends::{
        council::Council,
        registers::{encode_closed, encode_gone, register_key},
        vote::Vote,
        wire::NUMBER_LIMIT,
    },
    entry::{
        VALUE_BYTES_MAX,
        clock::{Now, WallMs},
        key::Lane,
        name::NodeId,
        origin::{Origin, Version},
    },
    local::readiness::NotReady,
    state::State,
    store::log::Change,
};

impl<S: State> Replica<S> {
    /// Writes that this run has ended, as its last write: the others need not wait for it. Nothing may be written after
    /// that.
    pub fn close(&mut self, now: Now) {
        self.record_now(now);
        if !self.ends.is_closed {
            self.write_closed(now, false);
            self.ends.is_closed = true;
        }
    }

    fn write_closed(&mut self, now: Now, goes_on: bool) {
        let Some(origin) = self.local.origin().cloned() else { return };
        // What waits is to be of earlier versions than the last write.
        self.write_due(WallMs(u64::MAX));
        self.flush();
        let others = self.store.runs().filter(|(run, _)| **run != origin);
        let mut held: Vec<_> = others.map(|(run, log)| (run.clone(), log.version())).collect();
        // Of those it is most likely to hold more than others do.
        held.sort_by_key(|(run, _)| run.node != origin.node);
        let (_, mut writer) = self.writer(origin.clone(), now);
        let value = encode_closed(writer.tick(), goes_on, &held);
        let key = register_key(Lane::CLOSED);
        writer.put(key.clone(), value.clone());
        self.ends.registers.change(&origin, &[Change { key, before: None, after: Some(value) }]);
        self.flush();
    }

    /// A later run of this node has written, so the others may end this one soon. It goes on as one that is later still.
    pub(super) fn outrun(&mut self, now: Now) {
        if self.ends.is_closed || self.stopping.is_some() || !self.local.takes_outrun(now.tick) {
            return;
        }
        let Some(own) = self.local.origin().cloned() else { return };
        if self.store.version(&own) > Version::ZERO {
            self.write_closed(now, true);
        }
        self.remint(&own);
    }

    /// Goes on as another run where this one is cut off from most others for long. They may come to end it at what they
    /// hold of it; so what is written from now on is better not part of it.
    fn split_if_cut_off(&mut self, now: Now) {
        let Some(council) = self.council(now).filter(|_| self.stopping.is_none()) else { return };
        let own = council.own.clone();
        if council.is_own_ending() {
            self.write_closed(now, true);
            return self.remint(&own);
        }
        // In a large cluster, most runs are not heard directly: silence does not tell that this one is cut off.
        let is_cut_off = !council.is_large() && council.is_cut_off(|run| self.ends.is_near(run, false, now.tick));
        if !is_cut_off {
            self.ends.has_split = false;
            return;
        }
        if !self.ends.has_split && self.store.version(&own) > Version::ZERO {
            self.ends.has_split = true;
            self.write_closed(now, true);
            self.remint(&own);
        }
    }

    /// Whether this run has a say in which runs end.
    pub(super) fn ends_runs(&self) -> bool {
        // Who meets members that have a base does not begin one of its own.
        let begins = self.store.base().number() == 0 && self.gaps.contains(&Origin::base());
        self.config.end_after_ms > 0 && self.has_joined() && !self.ends.is_closed && !begins
    }

    /// Votes on runs that end, and folds those that have.
    pub(super) fn end_runs(&mut self, now: Now) {
        if !self.ends_runs() || !self.ends.is_due(now.tick) {
            return;
        }
        let runs: Vec<&Origin> = self.store.runs().map(|(run, _)| run).collect();
        self.ends.settle_silence(runs.into_iter(), &self.config.node, now.tick);
        while self.fold_decided() {}
        self.split_if_cut_off(now);
        self.propose(now);
        // Each vote may allow the next one.
        while let Some(vote) = self.council(now).and_then(|council| council.next_vote()) {
            if !self.vote(now, vote) {
                break;
            }
        }
        self.show_itself(now);
    }

    /// Writes its vote again where it has written nothing for long: others may hear of it by what it writes alone.
    fn show_itself(&mut self, now: Now) {
        let Some(own) = self.local.origin().filter(|own| self.ends.is_quiet(own, now.tick)) else { return };
        let nothing = || Vote::promising_nothing(own, &self.store);
        let vote = self.ends.registers.vote(own).cloned().unwrap_or_else(nothing);
        self.vote(now, vote);
    }

    pub(super) fn council(&self, now: Now) -> Option<Council<'_>> {
        Some(Council {
            own: self.local.origin()?,
            store: &self.store,
            registers: &self.ends.registers,
            silent: &self.ends.silent,
            given_up: &self.ends.given_up,
            missing: &self.ends.missing,
            wall_ms: self.time.agreed().0,
            names_kept_ms: self.ends.names_kept_ms(),
            can_fold: S::can_fold,
            is_stuck: self.ends.is_stuck(now.tick),
        })
    }

    fn propose(&mut self, now: Now) {
        let Some(council) = self.council(now) else { return };
        let has_work = council.has_work();
        // Most of the time there is no work, and this is asked often.
        let ballot = (has_work && council.can_decide()).then(|| {
            let is_large = council.is_large();
            // One that does not answer would only hold a ballot up.
            let all_near = council.all_near(|run| self.ends.is_near(run, is_large, now.tick));
            (all_near, council.rank(), council.begin())
        });
        self.ends.record_work(now.tick, has_work);
        let Some((all_near, rank, vote)) = ballot else { return self.ends.rest() };
        if all_near && self.ends.is_time_to_propose(now.tick, rank) {
            self.vote(now, vote);
        }
    }

    /// Writes a vote; one that nobody could read is not given, and the proposal comes to nothing.
    fn vote(&mut self, now: Now, vote: Vote) -> bool {
        let (Some(origin), value) = (self.local.origin().cloned(), vote.encode()) else { return false };
        if value.len() > VALUE_BYTES_MAX || vote.promised.counter >= NUMBER_LIMIT {
            return false;
        }
        self.record_ballot(now, &vote);
        let (_, mut writer) = self.writer(origin.clone(), now);
        writer.put(register_key(Lane::VOTE), value);
        self.ends.registers.put_vote(&origin, vote);
        self.ends.moves += 1;
        self.flush();
        true
    }

    /// Waits for a ballot that the own vote promises for the first time.
    fn record_ballot(&mut self, now: Now, vote: &Vote) {
        let Some(council) = self.council(now) else { return };
        if self.ends.registers.vote(council.own).is_none_or(|before| before.promised != vote.promised) {
            let (turn, is_own) = (council.turn_after(&vote.promised.proposer), vote.promised.proposer == *council.own);
            self.ends.record_ballot(now.tick, turn, is_own);
        }
    }

    /// A new run goes on with what earlier ones of its node have promised, as far as that is known. One that promises
    /// nothing says so: the others are to see that it is there.
    pub(super) fn inherit_vote(&mut self, now: Now) {
        let Some(own) = self.local.origin().cloned() else { return };
        let base = self.store.base();
        let (number, parent) = (base.number().saturating_add(1), base.hash());
        let is_new = number == 1 && !self.store.runs().any(|(run, _)| run.node == own.node);
        if is_new {
            return;
        }
        let earlier = self.ends.registers.votes().filter(|(run, _)| run.node == own.node);
        let earlier: Vec<&Vote> =
            earlier.map(|(_, vote)| vote).filter(|vote| vote.number == number && vote.parent == parent).collect();
        // The greatest promise and the greatest acceptance may be of different runs.
        let promised = earlier.iter().map(|vote| &vote.promised).max();
        let accepted = earlier.iter().filter_map(|vote| vote.accepted.as_ref()).max_by(|a, b| a.ballot.cmp(&b.ballot));
        let nothing = Vote::promising_nothing(&own, &self.store);
        let promised = promised.cloned().unwrap_or_else(|| nothing.promised.clone());
        let vote = Vote { promised, accepted: accepted.cloned(), ..nothing };
        self.vote(now, vote);
    }

    /// Says that a node will not come back: its runs need not be waited for. Returns these runs; none if the node is
    /// not known, or is this one.
    ///
    /// # Errors
    /// [`NotReady`] if the replica takes no writes.
    pub fn forget_node(&mut self, now: Now, node: &NodeId) -> Result<Vec<Origin>, NotReady> {
        let is_own = *node == self.config.node;
        let runs = self.store.runs().map(|(run, _)| run).filter(|run| run.node == *node && !is_own);
        let runs: Vec<Origin> = runs.cloned().collect();
        let origin = self.begin_write(now)?.1.origin().clone();
        if !runs.is_empty() {
            let said = self.ends.registers.gone_by(&origin).filter(|run| self.store.log(run).is_some());
            let all: BTreeSet<&Origin> = said.chain(&runs).collect();
            let (key, value) = (register_key(Lane::GONE), encode_gone(all.into_iter()));
            self.writer(origin.clone(), now).1.put(key.clone(), value.clone());
            self.ends.registers.change(&origin, &[Change { key, before: None, after: Some(value) }]);
            self.ends.touch();
        }
        Ok(runs)
    }

    /// Whether a run has ended, so that nothing is missing of it.
    pub(super) fn is_over(&self, run: &Origin) -> bool {
        self.store.is_over(run)
    }

    /// Whether nothing more may be taken of a run for now, since this one has agreed to end it.
    #[must_use]
    pub fn is_ending(&self, run: &Origin) -> bool {
        self.limit_of(run).is_some_and(|limit| limit <= self.store.version(run))
    }

    /// Whether an origin is what the base that is held will be once it gives way. Then that is taken first.
    fn is_own_base(&self, origin: &Origin) -> bool {
        origin.is_former_base() && *origin == self.store.base().former()
    }

    /// The greatest version that may be taken of a run for now; `None` if there is no limit. Asked for each frame, so it
    /// is told at once while this run has accepted nothing.
    fn limit_of(&self, run: &Origin) -> Option<Version> {
        if self.is_own_base(run) {
            return Some(Version(self.store.base().number()));
        }
        let vote = self.ends.registers.vote(self.local.origin()?)?;
        let is_pending = vote.accepted.is_some() && vote.number > self.store.base().number();
        self.council(self.moment).filter(|_| is_pending)?.limit_of(run)
    }

    /// Refuses what is beyond the end of a run.
    pub(super) fn check_end(&self, origin: &Origin, got: Version) -> Result<(), Refusal> {
        let end = self.store.end_of(origin).or_else(|| self.store.absorbed(origin));
        if let Some(end) = end.filter(|end| got > *end) {
            return Err(Refusal::Ended { origin: origin.clone(), end, got });
        }
        if self.store.base().is_below_horizon(origin) && self.store.log(origin).is_none() {
            return Err(Refusal::BelowHorizon(origin.clone()));
        }
        match self.limit_of(origin).filter(|end| got > *end) {
            Some(end) => Err(Refusal::Ending { origin: origin.clone(), end, got }),
            None => Ok(()),
        }
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
