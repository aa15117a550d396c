//! A chain that is folded from a set of transitions.
//!
//! Of those that name the same counting predecessor and that the rules let follow, the first by (clock, origin) counts.
//! What hangs on another falls with it. Whether a transition may follow depends on its ancestors alone, which its hash
//! fixes. So one that lost stays lost, and only its hash is kept. What counts is a function of the set and of the known
//! specs, whatever the order of arrival.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{refusal::TransitionRefusal, rules::follow, specs::SpecStore, state::ChainState};
use crate::{
    hash::TransitionHash,
    transition::{Subject, Transition, TransitionError},
};

/// What is said of a transition. [`TransitionStatus::Lost`] is final; the others can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransitionStatus {
    /// It counts, provisionally: another with an earlier clock can still arrive.
    Counting,
    /// Its predecessor or its spec has not arrived.
    Waiting,
    /// It never counts. Another counts in its place, or in that of one that it follows, or the rules refuse it.
    Lost,
}

/// That something else is said of a transition than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictChange {
    /// Which transition.
    pub transition: TransitionHash,
    /// What was said.
    pub before: TransitionStatus,
    /// What is said now.
    pub after: TransitionStatus,
}

/// A transition that counts, and where the chain stood after it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    transition: Transition,
    state: ChainState,
}

/// A task or a process whose transitions nobody decides. All that it says is provisional.
///
/// What waits is kept until it can be placed. Its number is bounded by the caller, who lets transitions arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionalChain {
    subject: Subject,
    links: Vec<Link>,
    /// Where in `links` a transition is.
    places: BTreeMap<TransitionHash, usize>,
    waiting: BTreeMap<TransitionHash, Transition>,
    lost: BTreeSet<TransitionHash>,
}

impl VerdictChange {
    /// Whether history was rewritten: what counted does not count any more.
    #[must_use]
    pub fn is_reorganisation(&self) -> bool {
        self.before == TransitionStatus::Counting
    }
}

impl ProvisionalChain {
    /// A chain without transitions.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        let (places, waiting, lost) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { subject, links: Vec::new(), places, waiting, lost }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Where it stands, provisionally; `None` before its first transition.
    #[must_use]
    pub fn state(&self) -> Option<&ChainState> {
        self.links.last().map(|link| &link.state)
    }

    /// The transitions that count, first to last, provisionally.
    pub fn counting(&self) -> impl Iterator<Item = (TransitionHash, &Transition)> {
        self.links.iter().map(|link| (link.state.head, &link.transition))
    }

    /// How many transitions wait for what they name.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// What is said of a transition; `None` if it never arrived.
    #[must_use]
    pub fn status(&self, hash: &TransitionHash) -> Option<TransitionStatus> {
        if self.places.contains_key(hash) {
            return Some(TransitionStatus::Counting);
        }
        let waits = self.waiting.contains_key(hash).then_some(TransitionStatus::Waiting);
        waits.or_else(|| self.lost.contains(hash).then_some(TransitionStatus::Lost))
    }

    /// Whether this transition would count now, if nothing earlier arrived. Ask before it is written.
    ///
    /// # Errors
    /// [`TransitionRefusal`]; [`TransitionRefusal::is_precondition`] says whether it is a 412.
    pub fn check_next(&self, transition: &Transition, specs: &SpecStore) -> Result<(), TransitionRefusal> {
        follow(&self.subject, self.state(), (transition, transition.hash()?), specs).map(|_| ())
    }

    /// Adds a transition, and returns what is said differently of those that were there. Each change is returned once.
    ///
    /// # Errors
    /// It has no encoding, so nothing can name it.
    pub fn insert(&mut self, transition: Transition, specs: &SpecStore) -> Result<Vec<VerdictChange>, TransitionError> {
        let hash = transition.hash()?;
        if self.status(&hash).is_some() {
            return Ok(Vec::new());
        }
        self.waiting.insert(hash, transition);
        Ok(self.settle(specs, Some(hash)))
    }

    /// Looks again at what waits, after specs were added, and returns what is said differently.
    pub fn settle_specs(&mut self, specs: &SpecStore) -> Vec<VerdictChange> {
        self.settle(specs, None)
    }

    /// Places all that can be placed. Of `new` nothing was said before, so nothing is said differently.
    fn settle(&mut self, specs: &SpecStore, new: Option<TransitionHash>) -> Vec<VerdictChange> {
        let mut before = BTreeMap::new();
        while let Some(hash) = self.placeable(specs) {
            let Some(transition) = self.waiting.remove(&hash) else { break };
            before.entry(hash).or_insert(TransitionStatus::Waiting);
            for fallen in self.place_one(hash, transition, specs) {
                before.entry(fallen).or_insert(TransitionStatus::Counting);
            }
        }
        // What was placed no longer waits, and what fell no longer counts: each of these is a change.
        let changes = before
            .into_iter()
            .filter(|(hash, _)| Some(*hash) != new)
            .filter_map(|(hash, before)| Some(VerdictChange { transition: hash, before, after: self.status(&hash)? }));
        changes.collect()
    }

    /// The first of those that wait of which something else can be said.
    fn placeable(&self, specs: &SpecStore) -> Option<TransitionHash> {
        let first = self.waiting.iter().filter(|(hash, transition)| self.is_placeable(**hash, transition, specs));
        first.map(|(hash, transition)| (transition.order(*hash), *hash)).min().map(|(_, hash)| hash)
    }

    fn is_placeable(&self, hash: TransitionHash, transition: &Transition, specs: &SpecStore) -> bool {
        let has_predecessor = transition.predecessor.is_none_or(|predecessor| self.places.contains_key(&predecessor));
        if !has_predecessor {
            return self.follows_lost(transition);
        }
        !self.follow(hash, transition, specs).is_err_and(|refusal| refusal.is_temporary())
    }

    fn follows_lost(&self, transition: &Transition) -> bool {
        transition.predecessor.is_some_and(|predecessor| self.lost.contains(&predecessor))
    }

    /// Places one, and returns those that counted and do not any more.
    fn place_one(&mut self, hash: TransitionHash, transition: Transition, specs: &SpecStore) -> Vec<TransitionHash> {
        let followed = self.follow(hash, &transition, specs).ok();
        let place = self.place_after(&transition).map_or(0, |at| at + 1);
        let is_first =
            self.links.get(place).is_none_or(|other| transition.order(hash) < other.transition.order(other.state.head));
        let Some(state) = followed.filter(|_| is_first) else {
            self.lost.insert(hash);
            return Vec::new();
        };
        let fallen: Vec<_> = self.links.drain(place..).map(|link| link.state.head).collect();
        for hash in &fallen {
            self.places.remove(hash);
            self.lost.insert(*hash);
        }
        self.places.insert(hash, place);
        self.links.push(Link { transition, state });
        fallen
    }

    /// Where the chain stands after a transition that follows one that counts.
    fn follow(
        &self,
        hash: TransitionHash,
        transition: &Transition,
        specs: &SpecStore,
    ) -> Result<ChainState, TransitionRefusal> {
        let state = self.place_after(transition).and_then(|at| self.links.get(at)).map(|link| &link.state);
        follow(&self.subject, state, (transition, hash), specs)
    }

    /// Where its predecessor counts.
    fn place_after(&self, transition: &Transition) -> Option<usize> {
        self.places.get(transition.predecessor.as_ref()?).copied()
    }
}

impl fmt::Display for TransitionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Counting => "counting",
            Self::Waiting => "waiting",
            Self::Lost => "lost",
        })
    }
}
