//! The replica: what one node holds of all origins, and the views that it folds to. A state machine: moments,
//! frames and writes go in, answers and frames come out.
//!
//! Local writes are in `write.rs`, links in `exchange.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::{
    PROTOCOL,
    clock::{HybridClock, Now, TickMs},
    digest::Digest,
    entry::Entry,
    event::Event,
    field::Field,
    frontier::Frontier,
    key::Key,
    lacking::Lacking,
    link::{Link, LinkId},
    log::{Change, OriginLog},
    name::{ClusterName, FieldName, NodeId},
    origin::{Origin, Version},
    recency::Recency,
    session::Told,
    skew::{AHEAD_MS_MAX, SKEW_MS_MAX, Skew},
    view::FieldView,
    write::NotReady,
};

/// How often at most local writes are encoded, hashed and sent.
pub const FLUSH_MS: u64 = 20;

/// Own flushes of which the time is kept, for the lag of peers: those of the last 20 s under load.
const FLUSHES_KEPT: usize = 1024;

/// Events kept for the shell; it is expected to take them after every call.
const EVENTS_MAX: usize = 4096;

/// What a replica is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster that it belongs to.
    pub cluster: ClusterName,
    /// Its name.
    pub node: NodeId,
    /// Whether it may start a cluster: it becomes ready though it met nobody, once `join_ms` have passed.
    pub is_seed: bool,
    /// How long a seed waits for a member to show itself.
    pub join_ms: u64,
    /// Below 1,000: what the incarnation has beside the milliseconds of the clock. Chosen anew for each run, so that two
    /// runs of one node that start in the same millisecond do not take each other's name.
    pub microsecond: u16,
    /// What the node writes as one of a later version; for tests of clusters of mixed versions.
    pub later: Option<Later>,
    /// Most bytes of a pass that is being received, and of all that are on one link.
    pub pass_bytes_max: usize,
    /// Most bytes of entries in a frame.
    pub frame_bytes: usize,
}

impl Config {
    /// The defaults, for a node of the given name.
    #[must_use]
    pub fn new(cluster: ClusterName, node: NodeId) -> Self {
        Self {
            cluster,
            node,
            is_seed: true,
            join_ms: 2_000,
            microsecond: 0,
            later: None,
            pass_bytes_max: 1 << 30,
            frame_bytes: crate::FRAME_BYTES_MAX,
        }
    }

    /// The greatest protocol version that the node speaks.
    pub(crate) fn protocol_max(&self) -> u32 {
        self.later.as_ref().map_or(PROTOCOL, |later| later.protocol_max.max(PROTOCOL))
    }
}

/// What a node of a later protocol version has that this one lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Later {
    /// The greatest protocol version that it speaks; the least is [`crate::PROTOCOL`].
    pub protocol_max: u32,
    /// Bytes of message fields that this version does not know, appended to every value that it writes.
    pub value_fields: Bytes,
}

/// How far the replica has come in joining.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// No ready member has shown itself.
    Alone { since: TickMs },
    /// Reaching what a ready member held at first contact.
    CatchingUp(CatchUp),
    /// Caught up.
    Done,
}

/// What a joiner has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatchUp {
    pub(crate) member: NodeId,
    pub(crate) target: Frontier,
    /// When it last came nearer.
    pub(crate) progress: TickMs,
}

/// What one node holds of all origins.
#[derive(Debug)]
pub struct Replica {
    pub(crate) config: Config,
    /// The own origin, once minted.
    pub(crate) me: Option<Origin>,
    /// What tokens say of the others.
    pub(crate) told: Told,
    pub(crate) join: Join,
    pub(crate) stopping: Option<String>,
    pub(crate) logs: BTreeMap<Origin, OriginLog>,
    pub(crate) fields: BTreeMap<FieldName, Field>,
    /// Flushed state of all origins.
    pub(crate) frontier: Frontier,
    digest: Digest,
    pub(crate) recency: Recency,
    pub(crate) clock: HybridClock,
    /// The own origin's latest write; ahead of the frontier until the flush.
    pub(crate) version: Version,
    /// Fields with own sums that are not flushed.
    pub(crate) dirty: BTreeSet<FieldName>,
    /// Own entries, other than sums, that are not flushed.
    pub(crate) pending: BTreeMap<Key, Entry>,
    pub(crate) flush_at: TickMs,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) lacking: Lacking,
    /// When the latest own flushes were, oldest first.
    pub(crate) flushes: VecDeque<(Version, TickMs)>,
    /// The greatest incarnation of this node that any peer has shown.
    pub(crate) incarnation_seen: u64,
    /// The latest time that `tick` was told.
    pub(crate) ticked: TickMs,
    /// What the clocks showed when the replica was called last.
    pub(crate) moment: Now,
    events: VecDeque<Event>,
}

impl Replica {
    /// An empty replica that has not joined yet.
    #[must_use]
    pub fn new(config: Config, now: Now) -> Self {
        let default = FieldName::default_field();
        Self {
            told: Told::new(&config.cluster),
            config,
            me: None,
            join: Join::Alone { since: now.tick },
            stopping: None,
            logs: BTreeMap::new(),
            fields: BTreeMap::from([(default.clone(), Field::new(default))]),
            frontier: Frontier::default(),
            digest: Digest::ZERO,
            recency: Recency::default(),
            clock: HybridClock::default(),
            version: Version::ZERO,
            dirty: BTreeSet::new(),
            pending: BTreeMap::new(),
            flush_at: now.tick,
            links: BTreeMap::new(),
            lacking: Lacking::default(),
            flushes: VecDeque::new(),
            incarnation_seen: 0,
            ticked: now.tick,
            moment: now,
            events: VecDeque::new(),
        }
    }

    /// The own origin; `None` until the replica is ready for the first time.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.me.as_ref()
    }

    /// The own origin's latest write, flushed or not.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The digest of what is held of one origin, of what is flushed; that of nothing if nothing is.
    #[must_use]
    pub fn origin_digest(&self, origin: &Origin) -> Digest {
        self.logs.get(origin).map_or(Digest::ZERO, OriginLog::digest)
    }

    /// The highest version held, per origin, of what is flushed.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The digest of all entries held, of what is flushed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// A field as all origins make it, own unflushed steps included; `None` if there is no such field.
    #[must_use]
    pub fn view(&self, field: &FieldName) -> Option<FieldView> {
        self.fields.get(field)?.view()
    }

    /// [`Replica::view`] folded anew from the entries that are held, for tests and tools: the same if nothing waits
    /// for a flush.
    #[must_use]
    pub fn view_from_entries(&self, field: &FieldName) -> Option<FieldView> {
        self.refolded(field).view()
    }

    /// A hash of all that a field's engine has learned, to compare replicas by, for tests and tools; `None` where it does
    /// not learn.
    pub fn learned_print(&mut self, field: &FieldName) -> Option<Digest> {
        self.fields.get_mut(field)?.learned_print()
    }

    /// [`Replica::learned_print`], folded anew from the entries that are held.
    #[must_use]
    pub fn learned_print_from_entries(&self, field: &FieldName) -> Option<Digest> {
        self.refolded(field).learned_print()
    }

    fn refolded(&self, field: &FieldName) -> Field {
        let mut fresh = Field::new(field.clone());
        for (origin, log) in &self.logs {
            let changes = log.as_changes(field);
            let changes: Vec<&Change> = changes.iter().collect();
            fresh.change_tombstones(origin, &changes);
            fresh.change_specs(origin, &changes);
        }
        fresh.refold(None, self.logs.iter());
        fresh
    }

    /// Name of the engine that a field runs; `None` if there is no such field.
    #[must_use]
    pub fn engine_name(&self, field: &FieldName) -> Option<String> {
        Some(self.fields.get(field)?.current()?.spec.setup.shape.engine.clone())
    }

    /// Names of the fields that exist, in order.
    pub fn field_names(&self) -> impl Iterator<Item = FieldName> {
        self.fields.iter().filter(|(_, field)| field.current().is_some()).map(|(name, _)| name.clone())
    }

    /// Entries held of all origins, and the bytes of their values.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.logs.values().fold((0, 0), |(entries, bytes), log| (entries + log.len(), bytes + log.bytes()))
    }

    /// Everything held of one origin, in the order of its keys; empty if nothing is.
    pub fn entries(&self, origin: &Origin) -> impl Iterator<Item = Entry> {
        self.logs.get(origin).into_iter().flat_map(OriginLog::entries)
    }

    /// Whether the replica has caught up, and takes writes.
    ///
    /// # Errors
    /// [`NotReady`] with the reason.
    pub fn may_write(&self) -> Result<(), NotReady> {
        if let Some(why) = &self.stopping {
            return Err(NotReady::Stopping(why.clone()));
        }
        match &self.join {
            Join::Alone { .. } if self.config.is_seed => {
                return Err(NotReady::Joining("waiting for members to show themselves".to_owned()));
            }
            Join::Alone { .. } => {
                return Err(NotReady::Joining(
                    "no ready member of this cluster has been reached; check cluster.name, and that cluster.seeds is \
                     the same on every node: one that is not in it itself waits for one that is"
                        .to_owned(),
                ));
            }
            Join::CatchingUp(CatchUp { member, target, .. }) => {
                let behind = target.iter().filter(|(origin, version)| self.frontier.version(origin) < *version).count();
                return Err(NotReady::Joining(format!("catching up with {member}, {behind} origins behind")));
            }
            Join::Done => {}
        }
        if self.clocks_are_close() {
            return Ok(());
        }
        let skew = self.skew(self.moment);
        if skew.is_off() {
            return Err(NotReady::ClockOff { offset_ms: skew.median_ms() });
        }
        // Alone, nobody is there to put its writes off.
        let ahead_ms = self.clock.latest().wall_ms.saturating_sub(skew.cluster_wall(self.moment.wall).0);
        if ahead_ms > AHEAD_MS_MAX && self.links.values().any(|link| link.peer.is_some()) {
            return Err(NotReady::StateAhead { ahead_ms });
        }
        Ok(())
    }

    /// Whether all clocks are so close that no vote is needed: none differs by as much as one that is off, and what is held
    /// is hardly ahead of this node's own. Takes no memory, since it is looked at before each write.
    fn clocks_are_close(&self) -> bool {
        let ahead_ms = self.clock.latest().wall_ms.saturating_sub(self.moment.wall.0);
        let offsets = || self.links.values().filter_map(|link| link.clock_offset_ms(self.moment));
        // The median lies among the offsets.
        ahead_ms.saturating_add(SKEW_MS_MAX) <= AHEAD_MS_MAX
            && offsets().all(|offset| offset.unsigned_abs() <= SKEW_MS_MAX)
    }

    /// Takes no more writes, for the given reason. What was written is still flushed and sent.
    pub fn stop_writing(&mut self, why: &str) {
        self.stopping = Some(why.to_owned());
    }

    /// Lets the replica start a cluster if it meets nobody: it has turned out to be a seed. It waits for members from now
    /// on as long as one that was told so when it began.
    pub fn become_seed(&mut self, now: Now) {
        if self.config.is_seed {
            return;
        }
        self.config.is_seed = true;
        if let Join::Alone { since } = &mut self.join {
            *since = now.tick;
        }
    }

    /// The members' median clock less this node's, milliseconds.
    #[must_use]
    pub fn clock_offset_ms(&self) -> i64 {
        self.skew(self.moment).median_ms()
    }

    pub(crate) fn skew(&self, now: Now) -> Skew {
        // One voice a peer, however many links it has.
        let offset = |link: &Link| Some((link.peer.as_ref()?.node.clone(), link.clock_offset_ms(now)?));
        let by_peer: BTreeMap<NodeId, i64> = self.links.values().filter_map(offset).collect();
        Skew::of(by_peer.into_values())
    }

    /// Does what is due by the clock: joins, flushes, asks for what is lacking, gives up on what was lost.
    pub fn tick(&mut self, now: Now) {
        self.note_now(now);
        self.ticked = self.ticked.max(now.tick);
        self.join(now);
        if self.is_dirty() && now.tick >= self.flush_at {
            self.flush();
            self.flush_at = now.tick.plus(FLUSH_MS);
        }
        for link in self.links.values_mut() {
            link.expire(now.tick);
        }
        self.look_elsewhere(now.tick);
        self.ask_for_lacking(now.tick);
    }

    /// Takes note of what both clocks show.
    pub(crate) fn note_now(&mut self, now: Now) {
        if now.tick >= self.moment.tick {
            self.moment = now;
        }
    }

    /// The latest time that [`Replica::tick`] was told.
    pub(crate) fn ticked(&self) -> TickMs {
        self.ticked
    }

    /// When [`Replica::tick`] is to be called next, and then [`Replica::poll_frame`] of every link whose transport has
    /// room.
    ///
    /// Whoever calls anything else here polls the links afterwards too. What a link has had to say since the last tick
    /// is not named again: it waits for room in its transport, not for a time.
    #[must_use]
    pub fn wake_at(&self) -> Option<TickMs> {
        let join = match &self.join {
            Join::Alone { since } if self.config.is_seed => Some(since.plus(self.config.join_ms)),
            _ => None,
        };
        let flush = self.is_dirty().then_some(self.flush_at);
        let links = self.links.values().map(|link| link.wake_at(self.own_behind(link), self.ticked));
        join.into_iter().chain(flush).chain(links.flatten()).chain(self.lacking.next_at()).min()
    }

    /// The own origin, if the link's peer lacks some of what is flushed.
    pub(crate) fn own_behind(&self, link: &Link) -> Option<&Origin> {
        self.me.as_ref().filter(|me| link.knows_theirs() && link.theirs().version(me) < self.frontier.version(me))
    }

    fn join(&mut self, now: Now) {
        let done = match &self.join {
            Join::Alone { since } => self.config.is_seed && now.tick.since(*since) >= self.config.join_ms,
            Join::CatchingUp(with) => self.frontier.covers(&with.target),
            Join::Done => false,
        };
        if done {
            self.join = Join::Done;
        }
        // An incarnation from a clock that is off would outlast the clock's repair.
        if self.join == Join::Done && self.me.is_none() && !self.skew(now).is_off() {
            self.mint(now);
        }
    }

    /// Mints the incarnation: greater than any that was seen for this node, and another than any run takes that has
    /// seen the same. Where the clock is behind what was seen, the moment is added to that: an earlier run may have
    /// written and be known to nobody who can be reached.
    fn mint(&mut self, now: Now) {
        /// About a second: far below what a clock may be ahead.
        const SPREAD_US: u64 = 1 << 20;
        let node = &self.config.node;
        let held = self.logs.keys().filter(|origin| origin.node == *node).map(|origin| origin.incarnation).max();
        let seen = self.incarnation_seen.max(held.unwrap_or(0));
        let by_clock = now.wall.0.saturating_mul(1000).saturating_add(u64::from(self.config.microsecond.min(999)));
        let incarnation =
            if by_clock > seen { by_clock } else { seen.saturating_add(1).saturating_add(by_clock % SPREAD_US) };
        let origin = Origin { node: node.clone(), incarnation };
        self.me = Some(origin.clone());
        self.told.minted(&origin);
        self.tell(Event::Ready { origin });
    }

    /// The next thing worth telling, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn tell(&mut self, event: Event) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(crate) fn next_version(&mut self) -> Version {
        if self.version == Version::ZERO {
            self.told.forget();
        }
        self.version = self.version.next();
        self.version
    }

    pub(crate) fn log_mut(&mut self, origin: &Origin) -> &mut OriginLog {
        self.logs.entry(origin.clone()).or_insert_with(|| OriginLog::new(origin.clone()))
    }

    /// Keeps frontier, digest and links true after an origin's log moved.
    pub(crate) fn moved(&mut self, origin: &Origin, version: Version, before: Digest, after: Digest) {
        self.frontier.raise(origin, version);
        self.digest = self.digest.minus(before).plus(after);
        self.recency.moved(origin);
        self.told.forget();
        let is_own = self.me.as_ref() == Some(origin);
        for link in self.links.values_mut() {
            if !is_own {
                link.teller.moved(self.moment.tick, origin);
            } else if link.knows_theirs() {
                // Its pass says it.
                link.behind_since.get_or_insert(self.ticked);
            }
        }
        if is_own {
            if self.flushes.len() == FLUSHES_KEPT {
                self.flushes.pop_front();
            }
            self.flushes.push_back((version, self.ticked));
        }
        if let Join::CatchingUp(with) = &mut self.join
            && with.target.version(origin) > Version::ZERO
        {
            with.progress = self.ticked;
        }
    }
}
