//! What a run says next of the checkpoint that comes next, given what it holds of all runs.
//!
//! The roles are those of Paxos. Who proposes raises its own promise; all who see it raise theirs; once all voters have,
//! the proposer accepts a checkpoint in that ballot, and so do the voters that it names. Two things are not of the
//! textbook. The voters of a proposal must *all* accept, so that none of them holds more of an ended run than its end.
//! And a checkpoint that can't have been decided, since one of its voters refused, may be given up for another.

mod choice;
mod whole;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ballot::Ballot,
    base::Base,
    checkpoint::Checkpoint,
    registers::Registers,
    vote::{Acceptance, Proposal, Vote, former_numbers},
};
use crate::{
    entry::{
        name::NodeId,
        origin::{Origin, Version},
    },
    links::overlay::FULL_MESH_MAX,
    store::{Store, log::OriginLog},
    time::AHEAD_MS_MAX,
};

/// Names that a horizon must forget at least, to be worth a checkpoint of its own.
const FORGOTTEN_MIN: usize = 16;

/// What one run knows, as it decides what to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Council<'a> {
    pub(crate) own: &'a Origin,
    pub(crate) store: &'a Store,
    pub(crate) registers: &'a Registers,
    /// Runs that this one holds to be silent.
    pub(crate) silent: &'a BTreeSet<Origin>,
    /// Nodes that are not waited for any more: silent for very long, or gone by the word of an operator.
    pub(crate) given_up: &'a BTreeSet<NodeId>,
    /// Nodes that may be cut off and come back, each with for how long it can't have been there unheard, milliseconds.
    pub(crate) missing: &'a BTreeMap<NodeId, u64>,
    /// The time that most members agree on, milliseconds since the Unix epoch.
    pub(crate) wall_ms: u64,
    /// How long the name of an ended run is kept, milliseconds.
    pub(crate) names_kept_ms: u64,
    /// Whether this build knows how to fold all that a log holds.
    pub(crate) can_fold: fn(&OriginLog) -> bool,
    /// For so long nothing was decided, though there was something to do, that a checkpoint which nobody can fold is
    /// given up.
    pub(crate) is_stuck: bool,
}

/// Whether a run may accept what is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    /// Not as things stand; they may come to.
    Wait,
}

impl<'a> Council<'a> {
    fn base(&self) -> &'a Base {
        self.store.base()
    }

    /// The checkpoint that comes next.
    fn number(&self) -> u64 {
        self.base().number().saturating_add(1)
    }

    /// The own vote on it, if there is one.
    fn own_vote(&self) -> Option<&'a Vote> {
        self.vote_of(self.own)
    }

    fn vote_of(&self, run: &Origin) -> Option<&'a Vote> {
        self.registers.vote(run).filter(|vote| self.is_current(vote))
    }

    fn is_current(&self, vote: &Vote) -> bool {
        vote.number == self.number() && vote.parent == self.base().hash()
    }

    /// All votes on it that are known.
    fn votes(&self) -> impl Iterator<Item = (&'a Origin, &'a Vote)> {
        let council = *self;
        self.registers.votes().filter(move |(_, vote)| council.is_current(vote))
    }

    /// Runs that have not ended.
    fn runs(&self) -> impl Iterator<Item = &'a Origin> {
        self.store.runs().map(|(origin, _)| origin)
    }

    fn is_live(&self, run: &Origin) -> bool {
        run == self.own || !(run.is_base() || self.registers.is_closed(run) || self.silent.contains(run))
    }

    /// Runs that this one takes for live, itself among them.
    pub(crate) fn live(&self) -> BTreeSet<Origin> {
        self.runs().filter(|run| self.is_live(run)).chain([self.own]).cloned().collect()
    }

    // --- To propose

    /// Whether a checkpoint would change anything.
    pub(crate) fn has_work(&self) -> bool {
        let is_new = |run: &Origin| self.is_live(run) && !self.base().roster().contains(run);
        let begun = self.base().number() > 0;
        // What was accepted and never decided would keep this run from taking more of what it was about to end.
        let has_accepted = self.own_vote().is_some_and(|vote| vote.accepted.is_some());
        has_accepted
            || self.ends().next().is_some() && self.can_fold_base()
            || begun && self.runs().any(is_new)
            || self.base().forgotten_by(self.horizon()) >= FORGOTTEN_MIN
    }

    /// How many runs are to propose before this one.
    pub(crate) fn rank(&self) -> usize {
        self.runs().filter(|run| *run < self.own && self.is_live(run)).count()
    }

    /// Whether the runs that are live could decide anything.
    pub(crate) fn can_decide(&self) -> bool {
        self.is_quorum(&self.live())
    }

    /// Whether there are so many runs that most have no link to this one. Where some of them restart, those on the roster
    /// count.
    pub(crate) fn is_large(&self) -> bool {
        self.base().roster().len() > FULL_MESH_MAX
            || self.runs().filter(|run| *run != self.own && self.is_live(run)).nth(FULL_MESH_MAX - 1).is_some()
    }

    /// Whether all live runs are likely to answer now. One that a later run of its node has followed is not: it closes,
    /// or falls silent soon.
    pub(crate) fn all_near(&self, is_near: impl Fn(&Origin) -> bool) -> bool {
        let mut runs = self.runs().peekable();
        while let Some(run) = runs.next() {
            let is_followed = runs.peek().is_some_and(|next| next.node == run.node);
            if run != self.own && self.is_live(run) && (is_followed || !is_near(run)) {
                return false;
            }
        }
        true
    }

    /// How many live runs are to propose before this one, if a ballot comes to nothing: the turn goes round, from the
    /// run that proposed it.
    pub(crate) fn turn_after(&self, proposer: &Origin) -> usize {
        let is_between = |run: &Origin| match proposer < self.own {
            true => proposer < run && run < self.own,
            false => proposer < run || run < self.own,
        };
        self.runs().filter(|run| is_between(run) && self.is_live(run)).count()
    }

    /// Nodes of the roster for whom none of the live runs stands.
    pub(crate) fn missing_nodes(&self) -> Vec<NodeId> {
        let live = self.live();
        let wanted = self.wanted().into_iter();
        wanted.filter(|(node, since)| !stands(&live, node, *since)).map(|(node, _)| node.clone()).collect()
    }

    /// Whether this run is cut off from so many others that these may end it: those that it has `heard` of late could
    /// decide nothing.
    pub(crate) fn is_cut_off(&self, heard: impl Fn(&Origin) -> bool) -> bool {
        let heard = self.runs().filter(|run| heard(run)).chain([self.own]).cloned().collect();
        !self.is_quorum(&heard)
    }

    /// A vote by which a new proposal begins.
    pub(crate) fn begin(&self) -> Vote {
        let counter = self.votes().map(|(_, vote)| vote.promised.counter).max().unwrap_or(0).saturating_add(1);
        self.promising(Ballot { counter, proposer: self.own.clone() })
    }

    fn promising(&self, promised: Ballot) -> Vote {
        let own = self.own_vote();
        let (accepted, proposal) = own.map(|vote| (vote.accepted.clone(), vote.proposal.clone())).unwrap_or_default();
        let formers = former_numbers(self.store);
        Vote { number: self.number(), parent: self.base().hash(), promised, accepted, proposal, formers }
    }

    // --- To answer

    /// What the run says next, if that is something new.
    pub(crate) fn next_vote(&self) -> Option<Vote> {
        self.promise().or_else(|| self.propose()).or_else(|| self.accept())
    }

    /// Promises the greatest ballot that shows.
    fn promise(&self) -> Option<Vote> {
        let greatest = self.votes().map(|(_, vote)| &vote.promised).max()?;
        let is_new = self.own_vote().is_none_or(|vote| vote.promised < *greatest);
        is_new.then(|| self.promising(greatest.clone()))
    }

    /// Proposes a checkpoint once all voters have promised the own ballot.
    fn propose(&self) -> Option<Vote> {
        let own = self.own_vote().filter(|vote| vote.promised.proposer == *self.own)?;
        let ballot = &own.promised;
        if own.accepted_ballot() == Some(ballot) {
            return None;
        }
        let voters = self.live();
        let promised = || voters.iter().map(|run| self.vote_of(run).filter(|vote| vote.promised == *ballot));
        if !promised().all(|vote| vote.is_some()) {
            return None;
        }
        let (checkpoint, is_forced) = self.choose(&voters)?;
        // What has ended in a base that a voter brought with it must not end again.
        let is_held = |(former, number): (&Origin, &Version)| self.store.version(former) >= *number;
        if !is_forced && !promised().flatten().all(|vote| vote.formers.iter().all(is_held)) {
            return None;
        }
        let proposal = Proposal { voters, checkpoint };
        if self.judge(&proposal, is_forced) != Verdict::Accept {
            return None;
        }
        let accepted = Acceptance { ballot: ballot.clone(), checkpoint: proposal.checkpoint.hash(), is_forced };
        Some(Vote { accepted: Some(accepted), proposal: Some(proposal), ..own.clone() })
    }

    /// Accepts what is proposed in the ballot that was promised.
    fn accept(&self) -> Option<Vote> {
        let own = self.own_vote()?;
        let ballot = &own.promised;
        if own.accepted_ballot() == Some(ballot) {
            return None;
        }
        let proposer = self.vote_of(&ballot.proposer)?;
        let accepted = proposer.accepted.as_ref().filter(|accepted| accepted.ballot == *ballot)?;
        let proposal = proposer.proposal.as_ref()?;
        if self.judge(proposal, accepted.is_forced) != Verdict::Accept {
            return None;
        }
        Some(Vote { accepted: Some(accepted.clone()), proposal: None, ..own.clone() })
    }

    /// Whether this run can stand for a proposal.
    fn judge(&self, Proposal { voters, checkpoint }: &Proposal, is_forced: bool) -> Verdict {
        let Checkpoint { parent, wall_ms, ends, roster: _, horizon, exceptions: _ } = checkpoint;
        let base = self.base();
        let raises = *horizon > base.horizon();
        let follows = *parent == base.hash()
            && *horizon >= base.horizon()
            && (!raises || is_forced || self.may_forget())
            && *wall_ms <= self.wall_ms.saturating_add(AHEAD_MS_MAX);
        let fits = |(run, version): (&Origin, &Version)| {
            let held = self.store.version(run);
            let is_over = is_forced || !self.is_live(run) && self.is_whole(run);
            let is_held = held == *version || is_forced && held > *version;
            run != self.own && is_over && is_held && self.store.log(run).is_some_and(self.can_fold)
        };
        let removes = !ends.is_empty() || raises;
        let is_heeded = |run: &Origin| ends.contains_key(run) || voters.contains(run) || !self.is_live(run);
        let stands = follows
            && (ends.is_empty() || self.can_fold_base())
            && voters.contains(self.own)
            && self.is_quorum(voters)
            && ends.iter().all(fits)
            && self.keeps_all(checkpoint)
            && (!removes || self.runs().all(is_heeded));
        if stands { Verdict::Accept } else { Verdict::Wait }
    }

    /// Whether every run that is held stays, or ends at a version, by a checkpoint.
    fn keeps_all(
        &self,
        Checkpoint { parent: _, wall_ms: _, ends, roster: _, horizon, exceptions }: &Checkpoint,
    ) -> bool {
        let latest = self.wall_ms.saturating_add(AHEAD_MS_MAX).saturating_mul(1000);
        let is_kept = |run: &Origin| run.incarnation >= *horizon || ends.contains_key(run) || exceptions.contains(run);
        *horizon <= latest && self.runs().all(is_kept)
    }

    /// Whether runs stand for most nodes of the roster. Nodes whose run closed have given up their voice: such a node
    /// is back in once a checkpoint has its new run on the roster.
    fn is_quorum(&self, voters: &BTreeSet<Origin>) -> bool {
        let wanted = self.wanted();
        let standing = wanted.iter().filter(|(node, since)| stands(voters, node, **since)).count();
        let is_first = self.base().roster().is_empty();
        wanted.is_empty() && is_first || 2 * standing > wanted.len()
    }

    /// The nodes most of which must be stood for, each with its run on the roster.
    fn wanted(&self) -> BTreeMap<&'a NodeId, u64> {
        // Before the first checkpoint, the roster is what is known: of each node its first run. A later one has not been
        // agreed on by anybody, so it can't bring back the voice that its node gave up. So it is where nobody on the roster is
        // waited for any more: else nothing would ever be decided again.
        let is_waited_for = |run: &&Origin| !self.given_up.contains(&run.node);
        let has_roster = self.base().number() > 0 && self.base().roster().iter().any(|run| is_waited_for(&run));
        let roster: Vec<&Origin> = if has_roster { self.base().roster().iter().collect() } else { self.first_runs() };
        let waited_for = || roster.iter().copied().filter(is_waited_for);
        // A base that gave way to this one may have ended a run of this one's roster.
        let is_open = |run: &Origin| !self.registers.has_left(run) && self.store.end_of(run).is_none();
        let open = by_node(waited_for().filter(|run| is_open(run)));
        if open.is_empty() { by_node(waited_for()) } else { open }
    }

    /// The first run that is held of each node.
    fn first_runs(&self) -> Vec<&'a Origin> {
        let mut runs: Vec<&Origin> = self.runs().collect();
        runs.dedup_by(|later, first| later.node == first.node);
        runs
    }

    // --- To decide

    /// The checkpoint that comes next, if it is decided.
    pub(crate) fn decided(&self) -> Option<&'a Checkpoint> {
        self.votes().find_map(|(run, vote)| {
            let ballot = vote.accepted_ballot().filter(|ballot| ballot.proposer == *run)?;
            let proposal = vote.proposal.as_ref()?;
            let Proposal { voters, checkpoint } = proposal;
            // Asked after each vote that arrives, so what is quickly told comes first.
            if !voters.iter().all(|voter| self.has_accepted(voter, ballot, checkpoint)) {
                return None;
            }
            let is_sound = voters.contains(run)
                && !voters.iter().any(|voter| checkpoint.ends.contains_key(voter))
                && self.is_quorum(voters)
                && self.keeps_all(checkpoint);
            (is_sound && checkpoint.parent == self.base().hash()).then_some(checkpoint)
        })
    }

    /// Whether a voter has accepted a ballot, or has gone on from what it proposed.
    fn has_accepted(&self, voter: &Origin, ballot: &Ballot, checkpoint: &Checkpoint) -> bool {
        let goes_on = |vote: &Vote| vote.number == self.number().saturating_add(1) && vote.parent == checkpoint.hash();
        self.registers
            .vote(voter)
            .is_some_and(|vote| self.is_current(vote) && vote.accepted_ballot() == Some(ballot) || goes_on(vote))
    }

    /// The checkpoint that this run has accepted last, if it is known.
    fn accepted(&self) -> Option<&'a Checkpoint> {
        self.checkpoint_of(self.own_vote()?.accepted.as_ref()?)
    }

    /// Whether what this run has accepted last may still be decided.
    fn is_pending(&self) -> bool {
        let Some(accepted) = self.own_vote().and_then(|vote| vote.accepted.as_ref()) else { return false };
        // A later ballot may only choose another checkpoint where this one was not decided.
        let is_passed_over = self
            .votes()
            .filter_map(|(_, vote)| vote.accepted.as_ref())
            .any(|other| other.ballot > accepted.ballot && other.checkpoint != accepted.checkpoint);
        !is_passed_over && self.may_be_decided(accepted)
    }

    /// Whether the others are about to end this run: what it writes from now on is better not part of it.
    pub(crate) fn is_own_ending(&self) -> bool {
        self.votes().any(|(run, vote)| {
            let proposed = vote.accepted_ballot().is_some_and(|ballot| ballot.proposer == *run);
            proposed && vote.proposal.as_ref().is_some_and(|proposal| proposal.checkpoint.ends.contains_key(self.own))
        })
    }

    /// The greatest version that may be taken of an origin, by what was accepted; `None` if there is no limit. Asked for
    /// each update, so it is quickly told of a run that does not end.
    pub(crate) fn limit_of(&self, origin: &Origin) -> Option<Version> {
        let accepted = self.accepted()?;
        let is_unknown = || self.store.version(origin) == Version::ZERO && !accepted.exceptions.contains(origin);
        let limit = match accepted.ends.get(origin) {
            Some(end) => *end,
            None if origin.incarnation < accepted.horizon && is_unknown() => Version::ZERO,
            None => return None,
        };
        self.is_pending().then_some(limit)
    }
}

/// Whether a run of a node is among voters, not before the given one.
fn stands(voters: &BTreeSet<Origin>, node: &NodeId, since: u64) -> bool {
    // In the order of origins, the runs of a node follow each other.
    let first = Origin { node: node.clone(), incarnation: since };
    voters.range(first..).next().is_some_and(|voter| voter.node == *node)
}

/// The least incarnation of each node's runs.
fn by_node<'a>(runs: impl Iterator<Item = &'a Origin>) -> BTreeMap<&'a NodeId, u64> {
    let mut nodes = BTreeMap::new();
    for run in runs {
        let least = nodes.entry(&run.node).or_insert(run.incarnation);
        *least = run.incarnation.min(*least);
    }
    nodes
}
