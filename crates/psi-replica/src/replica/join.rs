//! Joining: catching up with a member, becoming ready, and what else decides whether the replica takes writes.

use super::Replica;
use crate::{
    entry::{
        clock::{Now, TickMs},
        name::NodeId,
        origin::{Origin, Version},
    },
    links::link::LinkId,
    local::{
        join_state::{JoinState, JoinTarget},
        readiness::{JoinStage, NotReady, Readiness},
    },
    replica::event::Event,
    state::State,
};

/// How long a joiner may get nowhere until another member that it has caught up with will do.
const PATIENCE_MS: u64 = 2_000;
/// How long until it looks to any other.
const STUCK_MS: u64 = 10_000;

impl<S: State> Replica<S> {
    /// How ready the replica is. Reads, writes and health ask it for what they mean.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.obstacle().map_or(Readiness::Ready, Readiness::NotReady)
    }

    fn obstacle(&self) -> Option<NotReady> {
        // First, since a joiner that is stopping still has too little to show.
        if let Some(stage) = self.join_stage() {
            return Some(NotReady::Joining(stage));
        }
        if let Some(cause) = &self.stopping {
            return Some(NotReady::Stopping(cause.clone()));
        }
        let ahead_ms = || self.time.hybrid().0.saturating_sub(self.time.agreed().0);
        self.time.is_ahead().then(|| NotReady::StateAhead { ahead_ms: ahead_ms() })
    }

    fn join_stage(&self) -> Option<JoinStage> {
        match &self.join {
            JoinState::Alone { .. } if self.config.is_seed => Some(JoinStage::Waiting),
            JoinState::Alone { .. } => Some(JoinStage::Unreached),
            JoinState::Following(JoinTarget { member, frontier, .. }) => {
                let is_behind = |(origin, version): &(&Origin, Version)| self.store.version(origin) < *version;
                let behind = frontier.iter().filter(is_behind).count();
                Some(JoinStage::CatchingUp { member: member.clone(), behind })
            }
            JoinState::Done => None,
        }
    }

    /// Goes on from a clock that is ahead of agreed time, since an operator has accepted it. Done on all members, they take
    /// what was written by that clock.
    pub fn accept_clock(&mut self, ms: u64) {
        self.time.accept(ms);
        self.record_now(self.moment);
    }

    /// Whether the replica has caught up.
    pub(super) fn has_joined(&self) -> bool {
        self.join == JoinState::Done
    }

    /// Lets the replica start a cluster if it meets nobody: it has turned out to be a seed. From now on it waits for
    /// members as long as one that was a seed from its start.
    pub fn become_seed(&mut self, now: Now) {
        if self.config.is_seed {
            return;
        }
        self.config.is_seed = true;
        if let JoinState::Alone { since } = &mut self.join {
            *since = now.tick;
        }
    }

    /// When a seed that met nobody becomes ready.
    pub(super) fn join_at(&self) -> Option<TickMs> {
        match &self.join {
            JoinState::Alone { since } if self.config.is_seed => Some(since.plus(self.config.join_ms)),
            _ => None,
        }
    }

    pub(super) fn join(&mut self, now: Now) {
        let done = match &self.join {
            JoinState::Alone { since } => self.config.is_seed && now.tick.since(*since) >= self.config.join_ms,
            JoinState::Following(target) => self.has_reached(target),
            JoinState::Done => false,
        };
        if done {
            self.join = JoinState::Done;
            self.record_now(now);
        }
        self.mint(now);
    }

    /// Mints the own origin, unless there is one or it is too early.
    pub(super) fn mint(&mut self, now: Now) {
        let is_going_on = self.stopping.is_none() && !self.ends.is_closed;
        let may_mint = is_going_on && self.has_joined();
        if may_mint && self.local.origin().is_none() {
            let origin = self.local.mint(&self.config, &self.store, self.time.hybrid());
            self.tokens.record_own(&origin);
            self.emit(Event::Ready { origin });
            self.inherit_vote(now);
        }
    }

    fn has_reached(&self, target: &JoinTarget) -> bool {
        target.frontier.iter().all(|(origin, version)| version <= self.store.version(origin))
    }

    /// An origin moved: a joiner may have come nearer to its target.
    pub(super) fn record_join_progress(&mut self, origin: &Origin) {
        let JoinState::Following(target) = &mut self.join else { return };
        let wanted = target.pending.version(origin);
        if wanted == Version::ZERO {
            return;
        }
        target.progress = self.ticked;
        if self.store.version(origin) >= wanted {
            target.pending.set(origin, Version::ZERO);
        }
    }

    /// A ready peer that has listed what it holds sets the target of a replica that is joining.
    pub(super) fn record_ready(&mut self, now: Now, id: LinkId, ready: bool) {
        let Some(link) = self.links.get_mut(id) else { return };
        link.record_peer_ready(ready);
        if matches!(self.join, JoinState::Alone { .. })
            && let Some(target) = JoinTarget::of(link, now.tick)
        {
            self.join = JoinState::Following(target);
        }
        self.tick(now);
    }

    /// A peer has listed what it holds: a target that it set before may have been wrong.
    pub(super) fn record_listing(&mut self, now: Now, id: LinkId) {
        let Some(link) = self.links.get(id) else { return };
        let since = match (&self.join, link.peer_node()) {
            (JoinState::Alone { .. }, _) => Some(now.tick),
            // To list again is no progress: a member that does nothing else is not to be waited for.
            (JoinState::Following(target), Some(node)) if target.member == *node => Some(target.progress),
            _ => None,
        };
        if let Some(target) = since.and_then(|since| JoinTarget::of(link, since)) {
            self.join = JoinState::Following(target);
        }
        self.tick(now);
    }

    /// A link is gone. A joiner that was catching up over it looks to another member.
    pub(super) fn follow_another_than(&mut self, now: Now, gone: &NodeId) {
        if matches!(&self.join, JoinState::Following(target) if target.member == *gone) {
            let other = self.links.links().find_map(|link| JoinTarget::of(link, now.tick));
            self.join = other.map_or(JoinState::Alone { since: now.tick }, JoinState::Following);
            self.tick(now);
        }
    }

    /// A joiner that gets nowhere looks to another member, to begin with to one that it has caught up with by now.
    pub(super) fn look_elsewhere(&mut self, now: TickMs) {
        let JoinState::Following(target) = &self.join else { return };
        let idle_ms = now.since(target.progress);
        if idle_ms < PATIENCE_MS {
            return;
        }
        let mut others = self.links.links().filter_map(|link| JoinTarget::of(link, now));
        // One that lacks what is held here knows no more than this replica does, and less than the target.
        let will_do = |other: &JoinTarget| {
            other.member != target.member && self.has_reached(other) && other.frontier.covers(self.store.frontier())
        };
        if let Some(reached) = others.find(will_do) {
            self.join = JoinState::Following(reached);
        } else if idle_ms >= STUCK_MS {
            let other = self.links.leader_after(&target.member).and_then(|link| JoinTarget::of(link, now));
            self.join = other.map_or(JoinState::Alone { since: now }, JoinState::Following);
        }
    }
}
