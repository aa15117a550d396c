//! The replica: what one node holds of all origins, and how it exchanges that with others. A state machine: moments,
//! frames and writes go in; answers, frames and events come out.
//!
//! It is a struct of parts, each with its own file and private fields. The files below [`self`] are what only several
//! parts together can do: one for frames that arrive, one for frames to send, one for joining, and so on.

mod apply;
mod ends;
pub(crate) mod event;
mod freeze;
mod handle;
mod join;
mod missing;
mod poll;
mod receive;
mod session;
mod status;
mod write;

use crate::{
    config::Config,
    ends::task::EndTask,
    entry::{
        Entry,
        clock::{HybridClock, Now, TickMs},
        digest::Digest,
        frontier::Frontier,
        name::{ClusterName, NodeId},
        origin::{Origin, Version},
    },
    links::{gaps::Gaps, set::LinkSet},
    local::LocalOrigin,
    local::{join_state::JoinState, readiness::StopCause},
    session::cache::TokenCache,
    state::State,
    store::{Store, log::OriginLog},
    time::Time,
};

use event::{Event, EventQueue};

pub use ends::status::{EndStatus, RunStage, RunStatus};
pub use status::{LinkStatus, TimeStatus};

/// What one node holds of all origins.
#[derive(Debug)]
pub struct Replica<S: State> {
    config: Config,
    /// What the entries fold to.
    state: S,
    /// The flushed entries of all origins.
    store: Store,
    /// This run, as it writes.
    local: LocalOrigin,
    clock: HybridClock,
    time: Time,
    join: JoinState,
    /// Runs that end.
    ends: EndTask,
    stopping: Option<StopCause>,
    links: LinkSet,
    /// Origins of which some peer holds more.
    gaps: Gaps,
    tokens: TokenCache,
    events: EventQueue<S::Event>,
    /// The latest time that `tick` was given.
    ticked: TickMs,
    /// What the clocks showed when the replica was called last.
    moment: Now,
}

impl<S: State> Replica<S> {
    /// A replica that holds nothing and has not joined yet.
    #[must_use]
    pub fn new(config: Config, now: Now, state: S) -> Self {
        Self {
            tokens: TokenCache::new(&config.cluster),
            ends: EndTask::new(now.tick, config.end_after_ms),
            config,
            state,
            store: Store::new(),
            local: LocalOrigin::new(now.tick),
            clock: HybridClock::default(),
            time: Time::new(now),
            join: JoinState::Alone { since: now.tick },
            stopping: None,
            links: LinkSet::default(),
            gaps: Gaps::default(),
            events: EventQueue::new(),
            ticked: now.tick,
            moment: now,
        }
    }

    /// The cluster that the replica belongs to.
    #[must_use]
    pub fn cluster(&self) -> &ClusterName {
        &self.config.cluster
    }

    /// The node that the replica is of.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.config.node
    }

    /// What the entries fold to.
    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    /// What the entries fold to, for reads that keep something at hand.
    pub fn state_mut(&mut self) -> &mut S {
        &mut self.state
    }

    /// The flushed entries of all origins.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The own origin; `None` until the replica is ready for the first time.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.local.origin()
    }

    /// The own origin's latest write, flushed or not.
    #[must_use]
    pub fn version(&self) -> Version {
        self.local.version()
    }

    /// The digest of what is held of one origin, of what is flushed; that of nothing if nothing is.
    #[must_use]
    pub fn origin_digest(&self, origin: &Origin) -> Digest {
        self.store.log(origin).map_or(Digest::ZERO, OriginLog::digest)
    }

    /// The highest version held, per origin, of what is flushed.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        self.store.frontier()
    }

    /// The digest of all entries held, of what is flushed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.store.digest()
    }

    /// Entries held of all origins, and the bytes of their values.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.store.size()
    }

    /// Everything held of one origin, in the order of its keys; empty if nothing is.
    pub fn entries(&self, origin: &Origin) -> impl Iterator<Item = Entry> {
        self.store.log(origin).into_iter().flat_map(OriginLog::entries)
    }

    /// Takes no more writes. What was written is still flushed and sent.
    pub fn stop_writing(&mut self, cause: StopCause) {
        self.stopping = Some(cause);
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event<S::Event>> {
        self.events.pop()
    }

    fn emit(&mut self, event: Event<S::Event>) {
        self.events.emit(event);
    }

    /// Does what is due by the clock: joins, flushes, pulls what is missing, gives up on what was lost.
    pub fn tick(&mut self, now: Now) {
        self.record_now(now);
        self.ticked = self.ticked.max(now.tick);
        self.join(now);
        self.outrun(now);
        self.end_runs(now);
        self.write_due(self.time.hybrid());
        if self.is_dirty() && now.tick >= self.local.flush_at() {
            self.flush();
            self.local.flush_again_after(now.tick);
        }
        for link in self.links.links_mut() {
            link.expire(now.tick);
        }
        self.look_elsewhere(now.tick);
        self.pull_missing(now.tick);
    }

    /// Records what both clocks show, and goes on to that.
    fn record_now(&mut self, now: Now) {
        if now.tick >= self.moment.tick {
            self.moment = now;
        }
        self.time.advance(self.moment, self.clock.latest(), self.has_joined());
    }

    /// When [`Replica::tick`] is to be called next, and then [`Replica::poll_frame`] of every link whose transport has
    /// room.
    ///
    /// After any other call, the links are to be polled too. What a link has had to send since the last tick is not
    /// named again: it waits for room in its transport, not for a time.
    #[must_use]
    pub fn wake_at(&self) -> Option<TickMs> {
        let flush = self.is_dirty().then_some(self.local.flush_at());
        let gathered = self.state.due_at().filter(|_| !self.ends.is_closed && self.local.origin().is_some());
        let gathered = gathered.map(|due| self.moment.tick.plus(due.0.saturating_sub(self.time.hybrid().0)));
        let links = self.links.links().map(|link| link.wake_at(self.own_behind(link), self.ticked));
        let ends = self.ends_runs().then(|| self.ends.wake_at());
        let due = self.join_at().into_iter().chain(flush).chain(gathered).chain(ends).chain(links.flatten());
        due.chain(self.gaps.next_at()).min()
    }
}
