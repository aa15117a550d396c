//! What must be true of runs that end, where a storm is aimed at that: each rule is held against what all replicas did.

use bytes::Bytes;
use prost::Message;
use psi_replica::{Frontier, Lane, Origin, Scope, Version, proto};
use psi_state::Replica;

use super::votes::VoteOfRun;
use crate::{
    plan::{Episode, Severity, Storm},
    world::World,
};

/// How long a run that is cut off writes on, with what it takes to notice that.
const CUT_OFF_MS: u64 = 6_000 + 4_000;

impl World<'_> {
    fn severity(&self) -> Option<Severity> {
        self.plan.storm.as_ref().map(|Storm { severity, .. }| *severity)
    }

    /// Whether all decide one chain of checkpoints: unless they began apart, or gave each other up.
    fn has_one_chain(&self) -> bool {
        self.plan.storm.as_ref().is_some_and(|storm| storm.severity != Severity::Beyond && storm.apart_ms == 0)
    }

    /// Checks what a run has written of itself and of the next checkpoint.
    pub(super) fn check_registers(&mut self, p: usize, me: &Origin) -> Result<(), String> {
        if self.severity().is_none() {
            return Ok(());
        }
        let replica = &self.processes[p].replica;
        let version = replica.frontier().version(me);
        self.book.written_at.insert((me.clone(), version), self.now);
        let closed = replica.entries(me).find(|entry| entry.key.lane == Lane::CLOSED);
        match closed {
            Some(closed) if closed.version < version => {
                return Err(format!("{me} wrote {version} after its last write"));
            }
            Some(_) => {}
            // A vote of another chain has nothing to do with the own base, though it may have the next number.
            None if self.has_one_chain() => check_own_end(replica, me)?,
            None => {}
        }
        let Some(vote) = VoteOfRun::held(replica, me) else { return Ok(()) };
        if !self.has_one_chain() {
            return Ok(()); // disks that are set back forget votes, too
        }
        let earlier = replica.frontier().iter().map(|(run, _)| run).filter(|run| run.node == me.node && *run < me);
        for run in earlier.filter(|_| !self.book.votes.knows(me)) {
            if let Some(before) = VoteOfRun::held(replica, run) {
                vote.follows(&before).map_err(|what| format!("{me} {what} an earlier run"))?;
            }
        }
        self.book.votes.record(me, vote, |run| replica.frontier().version(run))?;
        self.book.votes.check_decided(me)
    }

    /// Who has agreed to end a run takes no more of it.
    pub(super) fn check_frozen(&mut self, p: usize, origin: &Origin, version: Version) {
        if self.severity().is_none_or(|severity| severity == Severity::Beyond) {
            return;
        }
        let replica = &self.processes[p].replica;
        let has_closed = |run: &Origin| replica.entries(run).any(|entry| entry.key.lane == Lane::CLOSED);
        let limit = replica.origin().and_then(|me| self.book.votes.pending_end(me, origin, has_closed));
        if limit.is_some_and(|limit| version > limit) && replica.end_of(origin).is_none() {
            self.found_wrong(format_args!("{} takes {version} of {origin}, which it has agreed to end", self.label(p)));
        }
    }

    /// Bases of one number are the same.
    pub(super) fn check_base(&mut self, p: usize) -> Result<(), String> {
        if self.severity().is_none() {
            return Ok(());
        }
        let replica = &self.processes[p].replica;
        let (number, digest) = (replica.held(&Origin::base()), replica.origin_digest(&Origin::base()));
        let first = *self.book.bases.entry(number).or_insert(digest);
        if first != digest && self.has_one_chain() {
            return Err(format!("has another base of number {number} than others"));
        }
        Ok(())
    }

    /// What was held of a run came too late. Whether that may be.
    pub(crate) fn check_late(&mut self, p: usize, origin: &Origin, held: Version, ended: Option<Version>) {
        let Some(severity) = self.severity() else { return };
        let label = self.label(p);
        // A machine may be down for longer than it is waited for; or all that knew of it crash while it is cut off.
        let is_forgotten = |episode: &Episode| [Episode::LongDown, Episode::CutAndRestart].contains(episode);
        let may_be_late = self.plan.storm.as_ref().is_some_and(|storm| storm.episodes.iter().any(is_forgotten));
        if severity == Severity::Mild || severity == Severity::Long && !may_be_late {
            self.found_wrong(format_args!("{label} loses {origin} up to {held}, which ended at {ended:?}"));
        }
        if severity == Severity::Beyond {
            return;
        }
        let replica = &self.processes[p].replica;
        let agreed = replica.origin().and_then(|me| self.book.votes.agreed_end(me, origin, &checkpoints_of(replica)));
        if let Some(agreed) = agreed.filter(|agreed| held > *agreed) {
            self.found_wrong(format_args!("{label} agreed to end {origin} at {agreed} and then took {held}"));
        }
        // Of one whose name is forgotten, it is not known where it ended.
        let Some(ended) = ended else { return };
        let from = (origin.clone(), ended.next());
        let lost: Vec<u64> = self.book.written_at.range(from..=(origin.clone(), held)).map(|(_, at)| *at).collect();
        let took = lost.last().zip(lost.first()).map_or(0, |(last, first)| last - first);
        if took > CUT_OFF_MS {
            self.found_wrong(format_args!("{label} loses what {origin} wrote in {took} ms"));
        }
    }

    /// Runs have ended: their names are known for long.
    pub(crate) fn check_ended(&mut self, p: usize, runs: &[(Origin, Version)]) {
        let replica = &self.processes[p].replica;
        let is_forgotten = |(run, _): &&(Origin, Version)| replica.end_of(run).is_none();
        if let Some((run, _)) = runs.iter().find(is_forgotten).filter(|_| self.plan.storm.is_some()) {
            self.found_wrong(format_args!("{} forgets {run} as it ends", self.label(p)));
        }
    }

    /// A base gave way to another.
    pub(crate) fn check_replaced(&mut self, p: usize) {
        if self.severity().is_some_and(|severity| severity != Severity::Beyond) {
            self.found_wrong(format_args!("{} has a base that gave way", self.label(p)));
        }
    }

    /// A name that is forgotten still counts in the hash of the frontier.
    pub(super) fn check_forgotten(&self, p: usize) -> Result<(), String> {
        if !self.has_one_chain() {
            return Ok(());
        }
        let replica = &self.processes[p].replica;
        let forgotten = self.book.ends().filter(|(run, _)| replica.is_below_horizon(run));
        let held = replica.frontier().iter().map(|(run, version)| (run.clone(), version));
        let all: Frontier = held.chain(forgotten.map(|(run, end)| (run.clone(), end))).collect();
        if all.hash() == replica.frontier().hash() {
            Ok(())
        } else {
            Err(format!("{} has another frontier hash than what it holds and has forgotten", self.label(p)))
        }
    }

    /// A run minted its origin.
    pub(crate) fn check_minted(&mut self, p: usize, origin: &Origin) {
        let horizon = self.processes[p].replica.end_status().horizon;
        if origin.incarnation < horizon {
            self.found_wrong(format_args!("{origin} was minted below the horizon"));
        }
    }

    /// Whether all that could end has, as far as replicas know that last.
    pub(crate) fn has_ended_all(&self) -> bool {
        if self.plan.storm.is_none() {
            return true;
        }
        let lasting = self.lasting();
        let is_lasting = |run: &Origin| lasting.iter().any(|p| self.processes[*p].replica.origin() == Some(run));
        lasting.iter().all(|p| self.processes[*p].replica.end_status().runs.iter().all(|it| is_lasting(&it.run)))
    }
}

/// A run that holds a proposal to end it writes no more.
fn check_own_end(replica: &Replica, me: &Origin) -> Result<(), String> {
    let next = replica.held(&Origin::base()).next();
    for (run, _) in replica.frontier().iter().filter(|(run, _)| *run != me) {
        let vote = VoteOfRun::held(replica, run);
        if vote.is_some_and(|vote| vote.number() == next.0 && vote.proposes_to_end(run, me)) {
            return Err(format!("{me} writes on though {run} proposes to end it"));
        }
    }
    Ok(())
}

/// Hashes of the checkpoints that a base has taken.
fn checkpoints_of(replica: &Replica) -> Vec<Bytes> {
    let base = Origin::base();
    let is_header = |entry: &psi_replica::Entry| entry.key.lane == Lane::BASE && entry.key.scope == Scope::Cluster;
    let header = replica.entries(&base).find(is_header).and_then(|entry| proto::BaseValue::decode(entry.value).ok());
    header.map(|header| header.past.into_iter().chain([header.checkpoint]).collect()).unwrap_or_default()
}
