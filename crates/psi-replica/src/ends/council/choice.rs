//! Which checkpoint a ballot is to propose: one that may have been decided before, or a new one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Council, FORGOTTEN_MIN};
use crate::{
    ends::{
        ballot::Ballot,
        checkpoint::Checkpoint,
        vote::{Acceptance, Proposal, Vote},
    },
    entry::origin::{Origin, Version},
    store::log::OriginLog,
};

impl<'a> Council<'a> {
    /// The checkpoint that the own ballot is to propose, and whether it had no choice; `None` if it is not known yet.
    pub(super) fn choose(&self, voters: &BTreeSet<Origin>) -> Option<(Checkpoint, bool)> {
        let greatest =
            self.votes().filter_map(|(_, vote)| vote.accepted.as_ref()).max_by(|a, b| a.ballot.cmp(&b.ballot));
        let earlier = greatest.filter(|accepted| accepted.is_forced || self.may_be_decided(accepted));
        let Some(accepted) = earlier else { return Some((self.fresh(voters), false)) };
        match self.checkpoint_of(accepted) {
            Some(checkpoint) if !(self.is_stuck && self.lacks(checkpoint)) => Some((checkpoint.clone(), true)),
            // Who has folded it brings it, and who proposed it may still do so.
            _ if self.is_folded(accepted) => None,
            None if !self.is_stuck || self.is_live(&accepted.ballot.proposer) => None,
            // Those who knew it, or what it ends, are gone: nobody has folded it, and nobody could.
            _ => Some((self.fresh(voters), false)),
        }
    }

    /// Whether a run is held at another version than the one that a checkpoint ends it at, or would be dropped by it.
    fn lacks(&self, checkpoint: &Checkpoint) -> bool {
        // One that has ended in a base that gave way has no log.
        let held = |run: &Origin| self.store.log(run).map_or(Version::ZERO, OriginLog::version);
        checkpoint.ends.iter().any(|(run, version)| held(run) != *version) || !self.keeps_all(checkpoint)
    }

    /// Whether some run votes already on the checkpoint that follows: what was accepted is decided.
    fn is_folded(&self, accepted: &Acceptance) -> bool {
        let number = self.number().saturating_add(1);
        self.registers.votes().any(|(_, vote)| vote.number == number && vote.parent == accepted.checkpoint)
    }

    /// Whether all voters of a ballot may have accepted it, as far as this run can tell.
    pub(super) fn may_be_decided(&self, accepted: &Acceptance) -> bool {
        let proposal = self.votes().find_map(|(_, vote)| {
            let own = vote.accepted.as_ref().filter(|own| own.ballot == accepted.ballot)?;
            vote.proposal.as_ref().filter(|_| own.checkpoint == accepted.checkpoint)
        });
        let Some(Proposal { voters, checkpoint: _ }) = proposal else { return true };
        !voters.iter().any(|voter| self.refused(voter, &accepted.ballot))
    }

    /// Whether a voter has passed a ballot over for a later one; or its node has, where a later run speaks for it. One that
    /// closed before it accepted never does.
    fn refused(&self, voter: &Origin, ballot: &Ballot) -> bool {
        let speaks = |run: &Origin| run == voter || run > voter && self.is_live(run);
        let accepts = |vote: &Vote| vote.accepted_ballot().is_some_and(|other| other >= ballot);
        let of_node = || self.registers.votes_of(&voter.node).filter(|(_, vote)| self.is_current(vote));
        let (mut of_node, mut spoken) = (of_node(), of_node().filter(|(run, _)| speaks(run)));
        let is_last = |vote: &Vote| self.is_current(vote) || vote.number < self.number();
        let has_closed = self.registers.is_closed(voter) && self.registers.vote(voter).is_none_or(is_last);
        !of_node.any(|(_, vote)| accepts(vote)) && (has_closed || spoken.any(|(_, vote)| vote.promised > *ballot))
    }

    pub(super) fn checkpoint_of(&self, accepted: &Acceptance) -> Option<&'a Checkpoint> {
        // Mostly it is known of the run that proposed it.
        let first = self.vote_of(&accepted.ballot.proposer).into_iter();
        let mut known = first.chain(self.votes().map(|(_, vote)| vote)).filter_map(Vote::proposed);
        known.find(|(hash, _)| **hash == accepted.checkpoint).map(|(_, checkpoint)| checkpoint)
    }

    fn fresh(&self, voters: &BTreeSet<Origin>) -> Checkpoint {
        let ends: BTreeMap<Origin, Version> =
            if self.can_fold_base() { self.ends().collect() } else { BTreeMap::new() };
        let stays = |run: &&Origin| {
            let is_replaced = voters.iter().any(|voter| voter.node == run.node && voter.incarnation > run.incarnation);
            !ends.contains_key(*run) && !self.registers.is_closed(run) && !is_replaced
        };
        let roster = self.base().roster().iter().filter(stays).chain(voters).cloned().collect();
        let horizon = if self.base().forgotten_by(self.horizon()) >= FORGOTTEN_MIN {
            self.horizon()
        } else {
            self.base().horizon()
        };
        let remaining = self.base().exceptions().iter().chain(self.runs()).filter(|run| !ends.contains_key(*run));
        let exceptions = remaining.filter(|run| run.incarnation < horizon).cloned().collect();
        Checkpoint { parent: self.base().hash(), wall_ms: self.wall_ms, ends, roster, horizon, exceptions }
    }
}
