//! What a replica keeps, beside the registers, to end runs: whom it heard when, and when it looks and proposes next.

use std::collections::{BTreeMap, BTreeSet};

use super::{contact_times::ContactTimes, registers::Registers};
use crate::{
    entry::{clock::TickMs, name::NodeId, origin::Origin},
    links::link::HEARTBEAT_MS,
};

/// How often silence is looked at, milliseconds.
const LOOK_MS: u64 = 1_000;
/// How often at most votes are looked at, milliseconds: in a large cluster many arrive at once.
const LOOK_AGAIN_MS: u64 = 50;
/// How long something is to do until it is proposed, and how much longer each next run waits.
const PROPOSE_MS: u64 = 2_000;
/// How long a proposal is waited for until the next.
const RETRY_MS: u64 = 10_000;
/// Other runs that may propose until the run whose own proposal came to nothing does so again.
const OTHERS_TRY: usize = 10;
/// How long a run is waited for that a later run of its node has followed, milliseconds: longer than most processes stand
/// still, and shorter than a node takes that keeps crashing, which must not hold up all ends.
const FOLLOWED_MS: u64 = 10_000;

/// How long a run may be cut off from most others until it goes on as another run, milliseconds.
const CUT_OFF_MS: u64 = 30_000;
/// A run that shows itself on a link by heartbeats alone is heard more often than this, milliseconds.
const HEARD_MS: u64 = 3 * HEARTBEAT_MS;

/// What a replica keeps to end runs.
#[derive(Debug)]
pub(crate) struct EndTask {
    pub(crate) registers: Registers,
    pub(crate) heard: ContactTimes,
    /// Runs that are held to be silent.
    pub(crate) silent: BTreeSet<Origin>,
    /// Nodes that are not waited for any more.
    pub(crate) given_up: BTreeSet<NodeId>,
    /// Nodes that are silent, did not leave, and are not given up; each with for how long it can't have been there unheard,
    /// milliseconds.
    pub(crate) missing: BTreeMap<NodeId, u64>,
    end_after_ms: u64,
    looked_at: Option<TickMs>,
    look_at: TickMs,
    propose_at: Option<TickMs>,
    /// Since when there is something to do, and nothing was decided.
    waits_since: Option<TickMs>,
    /// Likewise, also while too few runs are live to decide anything.
    undecided_since: Option<TickMs>,
    /// How often this run has voted, the base has moved, or a run became known: what a snapshot is to hold soon.
    pub(crate) moves: u64,
    /// Whether something changed that a vote may depend on.
    is_stale: bool,
    /// The process has gone on as another run since it was cut off.
    pub(crate) has_split: bool,
    /// A peer's base is of the same number and another hash, and that one holds: it is to be taken.
    pub(crate) is_rivalled: bool,
    /// The own run has closed: it says nothing more.
    pub(crate) is_closed: bool,
    /// What logs and base take less for runs that ended here, bytes.
    pub(crate) bytes_freed: u64,
    /// Runs of which something was held that came too late.
    pub(crate) late_runs: u64,
}

impl EndTask {
    pub(crate) fn new(now: TickMs, end_after_ms: u64) -> Self {
        Self {
            registers: Registers::default(),
            heard: ContactTimes::default(),
            silent: BTreeSet::new(),
            given_up: BTreeSet::new(),
            missing: BTreeMap::new(),
            end_after_ms,
            looked_at: None,
            look_at: now,
            propose_at: None,
            waits_since: None,
            undecided_since: None,
            moves: 0,
            is_stale: true,
            has_split: false,
            is_rivalled: false,
            is_closed: false,
            bytes_freed: 0,
            late_runs: 0,
        }
    }

    /// How long names of ended runs are kept, and how long the vote of a node that is silent is waited for,
    /// milliseconds.
    pub(crate) fn names_kept_ms(&self) -> u64 {
        self.end_after_ms.saturating_mul(7)
    }

    /// When it is to be looked at next.
    pub(crate) fn wake_at(&self) -> TickMs {
        let again = self.is_stale.then_some(self.looked_at).flatten();
        again.map_or(self.look_at, |at| self.look_at.min(at.plus(LOOK_AGAIN_MS)))
    }

    /// Something changed that a vote may depend on.
    pub(crate) fn touch(&mut self) {
        self.is_stale = true;
    }

    /// Whether there is something to look at by now.
    pub(crate) fn is_due(&mut self, now: TickMs) -> bool {
        let is_due = self.wake_at() <= now;
        if is_due {
            self.is_stale = false;
            self.looked_at = Some(now);
            self.look_at = now.plus(LOOK_MS);
        }
        is_due
    }

    /// Works out which of the runs that are held are silent.
    pub(crate) fn settle_silence<'a>(
        &mut self,
        runs: impl Iterator<Item = &'a Origin> + Clone,
        own: &NodeId,
        now: TickMs,
    ) {
        let (end_after_ms, followed_ms) = (self.end_after_ms.max(HEARD_MS), self.end_after_ms.min(FOLLOWED_MS));
        let (mut silent, mut given_up, mut missing) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let mut runs = runs.peekable();
        while let Some(run) = runs.next() {
            // In the order of origins, the runs of a node follow each other.
            let is_followed = runs.peek().is_some_and(|next| next.node == run.node);
            let limit = if is_followed { followed_ms } else { end_after_ms };
            // An operator may be wrong: a run that shows itself is not gone.
            let silence = self.heard.silence_ms(run, now);
            let is_gone = silence >= CUT_OFF_MS.min(end_after_ms) && self.registers.is_gone(run);
            if silence >= limit || is_gone {
                silent.insert(run.clone());
            }
            if is_followed || run.node == *own {
                continue;
            }
            if silence >= self.names_kept_ms() || is_gone {
                given_up.insert(run.node.clone());
            } else if (silence >= limit || self.registers.is_closed(run)) && !self.registers.has_left(run) {
                // Of a process that goes on as a run that is not known yet, nothing more is heard. One that is heard by what
                // it writes alone may have taken more after that.
                let silence = silence.saturating_sub(self.quiet_ms());
                missing.insert(run.node.clone(), silence);
            }
        }
        self.silent = silent;
        self.given_up = given_up;
        self.missing = missing;
    }

    /// Whether a run was heard so lately that it is likely to answer. In a large cluster most runs are heard of by others'
    /// relays alone, and only when they write: so it is waited for longer there.
    pub(crate) fn is_near(&self, run: &Origin, is_large: bool, now: TickMs) -> bool {
        let quarter_ms = self.end_after_ms / 4;
        let limit = if is_large { quarter_ms } else { CUT_OFF_MS.min(quarter_ms) };
        self.heard.silence_ms(run, now) < limit.max(HEARD_MS)
    }

    /// Whether the own run has written nothing for so long that it is to show itself.
    pub(crate) fn is_quiet(&self, own: &Origin, now: TickMs) -> bool {
        self.heard.silence_ms(own, now) >= self.quiet_ms()
    }

    /// How long a run that is live may write nothing, milliseconds.
    fn quiet_ms(&self) -> u64 {
        (self.end_after_ms / 8).max(HEARD_MS)
    }

    /// Whether to propose now, where there is something to do: the run that comes first among those that are live does
    /// so first, and the others where it does not.
    pub(crate) fn is_time_to_propose(&mut self, now: TickMs, rank: usize) -> bool {
        let wait = PROPOSE_MS.saturating_mul(1 + rank as u64);
        self.waits_since.get_or_insert(now);
        let at = *self.propose_at.get_or_insert(now.plus(wait));
        if at > now {
            return false;
        }
        self.propose_at = Some(now.plus(RETRY_MS.saturating_add(wait)));
        true
    }

    /// A ballot has begun: it is waited for before another begins. So many runs are to begin one before this run does.
    /// A run does not wait for more than some others to try in its stead.
    pub(crate) fn record_ballot(&mut self, now: TickMs, turn: usize, is_own: bool) {
        let turn = if is_own { turn.min(OTHERS_TRY) } else { turn };
        let wait = PROPOSE_MS.saturating_mul(1 + turn as u64);
        self.propose_at = Some(now.plus(RETRY_MS.saturating_add(wait)));
    }

    /// There is nothing to propose, or something was decided.
    pub(crate) fn rest(&mut self) {
        self.propose_at = None;
        self.waits_since = None;
    }

    /// Records whether there is something to decide, even if too few runs are live to decide it.
    pub(crate) fn record_work(&mut self, now: TickMs, has_work: bool) {
        self.undecided_since = has_work.then(|| self.undecided_since.unwrap_or(now));
    }

    /// The base has moved: what was to be decided is, and a snapshot is to hold it soon.
    pub(crate) fn record_decision(&mut self) {
        self.undecided_since = None;
        self.moves += 1;
    }

    /// How long there has been something to do and nothing was decided, milliseconds.
    pub(crate) fn waits_ms(&self, now: TickMs) -> u64 {
        self.undecided_since.map_or(0, |since| now.since(since))
    }

    /// Whether nothing was decided for longer than a run that is silent is waited for.
    pub(crate) fn is_stuck(&self, now: TickMs) -> bool {
        self.waits_since.is_some_and(|since| now.since(since) >= self.end_after_ms.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;

    use super::*;
    use crate::{ends::registers::register_key, entry::key::Lane, proto, store::log::Change};

    fn run(node: &str, incarnation: u64) -> Origin {
        Origin { node: NodeId::new(node).unwrap(), incarnation }
    }

    fn close(task: &mut EndTask, run: &Origin, goes_on: bool) {
        let value: Bytes = proto::ClosedValue { clock: None, goes_on, held: Vec::new() }.encode_to_vec().into();
        let change = Change { key: register_key(Lane::CLOSED), before: None, after: Some(value) };
        task.registers.change(run, &[change]);
    }

    #[test]
    fn a_node_that_goes_on_as_a_run_that_is_not_known_is_missing_at_once() {
        let (own, gone_on, left) = (run("a", 1), run("b", 1), run("c", 1));
        let mut task = EndTask::new(TickMs(0), 60_000);
        let runs = [own.clone(), gone_on.clone(), left.clone()];
        runs.iter().for_each(|run| task.heard.record(run, TickMs(0)));
        close(&mut task, &gone_on, true);
        close(&mut task, &left, false);
        task.settle_silence(runs.iter(), &own.node, TickMs(9_000));
        assert_eq!(task.missing, BTreeMap::from([(gone_on.node.clone(), 1_500)]));
        // Its next run is known, and live.
        let next = run("b", 2);
        task.heard.record(&next, TickMs(9_000));
        let runs = [own.clone(), gone_on, next, left];
        task.settle_silence(runs.iter(), &own.node, TickMs(10_000));
        assert_eq!(task.missing, BTreeMap::new());
    }
}
