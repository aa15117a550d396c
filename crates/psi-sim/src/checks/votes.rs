//! All votes of a run, as nobody but the simulator sees them: whether what was decided stays decided.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use psi_replica::{Lane, Origin, Scope, Version, proto};
use psi_state::Replica;

/// A ballot: its counter, and who proposes in it.
type Ballot = (u64, Origin);
/// The checkpoint that is voted on: its number, and the hash of the one before.
type Place = (u64, Bytes);

/// What was proposed in a ballot, and who has accepted it.
#[derive(Debug)]
struct ProposedBallot {
    checkpoint: Bytes,
    voters: BTreeSet<Origin>,
    ends: BTreeMap<Origin, Version>,
    accepted_by: BTreeSet<Origin>,
}

impl ProposedBallot {
    fn is_decided(&self) -> bool {
        self.voters.is_subset(&self.accepted_by)
    }
}

/// A vote, as far as it is judged.
#[derive(Clone, Debug)]
pub(super) struct VoteOfRun {
    place: Place,
    promised: Ballot,
    accepted: Option<(Ballot, Bytes, bool)>,
    /// Voters, and what would end.
    proposal: Option<(BTreeSet<Origin>, BTreeMap<Origin, Version>)>,
}

/// All votes that were seen.
#[derive(Debug, Default)]
pub(crate) struct VoteBook {
    votes: BTreeMap<Origin, VoteOfRun>,
    ballots: BTreeMap<Place, BTreeMap<Ballot, ProposedBallot>>,
    /// Checkpoints that a run has accepted of its own free choice, and what they end.
    agreed: BTreeMap<Origin, BTreeMap<Bytes, BTreeMap<Origin, Version>>>,
}

impl VoteBook {
    /// Takes a run's vote, as it is in its log; `held` is what its replica holds of others.
    pub(super) fn record(
        &mut self,
        run: &Origin,
        vote: VoteOfRun,
        held: impl Fn(&Origin) -> Version,
    ) -> Result<(), String> {
        let before = self.votes.insert(run.clone(), vote.clone());
        if let Some(before) = &before {
            vote.follows(before).map_err(|what| format!("{run} {what} its own earlier vote"))?;
        }
        let VoteOfRun { place, accepted: Some((ballot, checkpoint, is_forced)), proposal, promised } = vote else {
            return Ok(());
        };
        if ballot > promised {
            return Err(format!("{run} accepts a ballot that it has not promised"));
        }
        let ballots = self.ballots.entry(place).or_default();
        if let Some((voters, ends)) = proposal.filter(|_| ballot.1 == *run) {
            let checkpoint = checkpoint.clone();
            let fresh = ProposedBallot { checkpoint, voters, ends, accepted_by: BTreeSet::new() };
            ballots.entry(ballot.clone()).or_insert(fresh);
        }
        let Some(proposed) = ballots.get_mut(&ballot) else { return Ok(()) };
        // A later run of a node repeats what an earlier one has accepted.
        let is_repeated = proposed.accepted_by.iter().any(|other| other.node == run.node);
        proposed.accepted_by.insert(run.clone());
        if !is_repeated && !is_forced {
            for (ending, version) in &proposed.ends {
                if held(ending) != *version {
                    return Err(format!("{run} agrees to end {ending} at {version}, and holds {}", held(ending)));
                }
            }
            self.agreed.entry(run.clone()).or_default().insert(checkpoint, proposed.ends.clone());
        }
        Ok(())
    }

    /// Whether a run has voted.
    pub(super) fn knows(&self, run: &Origin) -> bool {
        self.votes.contains_key(run)
    }

    /// Whether no ballot proposes another checkpoint than one that was decided before.
    pub(super) fn check_decided(&self, run: &Origin) -> Result<(), String> {
        let Some(ballots) = self.votes.get(run).and_then(|vote| self.ballots.get(&vote.place)) else { return Ok(()) };
        let Some((decided, first)) = ballots.iter().find(|(_, proposed)| proposed.is_decided()) else { return Ok(()) };
        let other = ballots.iter().find(|(ballot, it)| *ballot > decided && it.checkpoint != first.checkpoint);
        match other {
            Some((ballot, _)) => Err(format!("ballot {ballot:?} proposes another checkpoint than {decided:?} decided")),
            None => Ok(()),
        }
    }

    /// At which version a run has agreed to end another, by a ballot that nobody has passed over, and that each voter has
    /// accepted or may come to: none of the others has closed.
    pub(super) fn pending_end(
        &self,
        run: &Origin,
        other: &Origin,
        has_closed: impl Fn(&Origin) -> bool,
    ) -> Option<Version> {
        let vote = self.votes.get(run)?;
        let (ballot, checkpoint, _) = vote.accepted.as_ref().filter(|(_, _, is_forced)| !is_forced)?;
        let proposed = self.ballots.get(&vote.place)?.get(ballot)?;
        let same_place = |it: &&VoteOfRun| it.place == vote.place;
        let is_passed_over =
            self.votes.values().filter(same_place).any(|it| {
                it.promised > *ballot || it.accepted.as_ref().is_some_and(|(_, other, _)| other != checkpoint)
            });
        let is_refused = proposed.voters.difference(&proposed.accepted_by).any(has_closed);
        proposed.ends.get(other).copied().filter(|_| !is_passed_over && !is_refused)
    }

    /// At which version a run has agreed to end another, by one of these checkpoints.
    pub(super) fn agreed_end(&self, run: &Origin, other: &Origin, checkpoints: &[Bytes]) -> Option<Version> {
        let agreed = self.agreed.get(run)?;
        checkpoints.iter().filter_map(|checkpoint| agreed.get(checkpoint)?.get(other)).copied().next()
    }
}

impl VoteOfRun {
    /// What stands in the log of a run.
    pub(super) fn held(replica: &Replica, run: &Origin) -> Option<Self> {
        let is_vote = |entry: &psi_replica::Entry| entry.key.lane == Lane::VOTE && entry.key.scope == Scope::Cluster;
        let value = replica.entries(run).find(is_vote)?.value;
        let proto::VoteValue { number, promised, accepted, proposal, parent, formers: _ } =
            proto::VoteValue::decode(value).ok()?;
        let accepted = accepted.and_then(|it| Some((ballot(it.ballot)?, it.checkpoint, it.forced)));
        let proposal = proposal.and_then(|it| {
            let voters = it.voters.into_iter().filter_map(|voter| Origin::try_from(Some(voter)).ok()).collect();
            let ends = it.checkpoint?.ends.into_iter();
            let end = |end: proto::EndedOrigin| Some((Origin::try_from(end.origin).ok()?, Version(end.version)));
            Some((voters, ends.filter_map(end).collect()))
        });
        Some(Self { place: (number, parent), promised: ballot(promised)?, accepted, proposal })
    }

    /// Whether this vote takes nothing back of an earlier one of its run or node.
    pub(super) fn follows(&self, before: &Self) -> Result<(), &'static str> {
        let ballot = |vote: &Self| vote.accepted.as_ref().map(|(ballot, ..)| ballot.clone());
        if self.place != before.place {
            return Ok(());
        }
        if self.promised < before.promised {
            return Err("promises less than");
        }
        if ballot(self) < ballot(before) {
            return Err("has accepted less than");
        }
        Ok(())
    }

    /// Whether a run proposes, on what another votes on too, that a run ends.
    pub(super) fn proposes_to_end(&self, proposer: &Origin, run: &Origin) -> bool {
        let is_own = self.accepted.as_ref().is_some_and(|((_, of), ..)| of == proposer);
        is_own && self.proposal.as_ref().is_some_and(|(_, ends)| ends.contains_key(run))
    }

    pub(super) fn number(&self) -> u64 {
        self.place.0
    }
}

fn ballot(ballot: Option<proto::Ballot>) -> Option<Ballot> {
    let proto::Ballot { counter, proposer } = ballot?;
    Some((counter, Origin::try_from(proposer).ok()?))
}
