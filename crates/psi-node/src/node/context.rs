//! The context of a node's tasks: the replica behind a lock, and the wakes that follow its changes.
//!
//! The lock is held for microseconds (for milliseconds by the largest steps) and never across an await, and is
//! handed on fairly after half a millisecond.

mod events;

use std::{
    hash::RandomState,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::MutexGuard;
use psi_replica::{LinkId, NodeId, Now, Snapshot, TickMs, WallMs};
use psi_state::Replica;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    calls::{answer::WriteAnswer, watchers::Watchers},
    cluster::{claim::ClaimState, members::Member},
    governance::{
        ledger::{Ledger, store::LedgerStore},
        process::recent_specs::RecentSpecs,
        quorum::desk::QuorumDesk,
        rollout::models::Models,
    },
    metrics::Metrics,
    node::{
        connections::{accept::Door, receipts::ReceiptTable, table::ConnectionTable},
        end::NodeEnd,
        identity::{Identity, port::Port},
        log_limit::{CauseLimit, LineBudget},
    },
    sessions::{issuers::Issuers, requests::Requests},
    settings::{Addresses, Settings},
};

/// Bytes of requests that have not arrived whole, of all clients together; at least twice the largest body. The memory
/// that they take is about twice as much.
const RECEIVED_BYTES_MAX: usize = 16 << 20;

/// What the tasks of a node have in common.
pub(crate) struct NodeContext {
    pub(crate) settings: Settings,
    /// The advertised addresses; they change when the machine's own address does.
    addresses: Mutex<Addresses>,
    pub(crate) metrics: Metrics,
    /// Who this node is to others, and whom it believes.
    pub(crate) identity: Arc<Identity>,
    /// Members as gossip knows them, this node among them.
    pub(crate) members: watch::Sender<Vec<Member>>,
    /// Whether the name of the node is this run's.
    pub(crate) claim: ClaimState,
    /// When this run began, microseconds since the Unix epoch.
    pub(crate) began_us: u64,
    /// Cancelled when the node is about to stop, and says so.
    pub(crate) leaving: CancellationToken,
    /// Cancelled when the node stops.
    pub(crate) stop: CancellationToken,
    /// Why the node can't go on, once it can't.
    pub(crate) fatal: watch::Sender<Option<NodeEnd>>,
    /// Connections of all ports.
    pub(crate) connections: Arc<ConnectionTable>,
    /// How often callers who are known tried what operators may.
    pub(crate) refused_actions: CauseLimit,
    /// How often a delta was refused, here and by peers.
    delta_refusals: CauseLimit,
    /// Lines on links that opened.
    opened_lines: LineBudget,
    /// What of requests is half received.
    pub(crate) receipts: Arc<ReceiptTable>,
    /// Streams that may still be opened.
    pub(crate) stream_slots: Arc<Semaphore>,
    /// The ledger of this run, and what is held of the others'.
    pub(crate) ledger: Ledger,
    /// How often heads of ledgers were refused, by node.
    pub(crate) ledger_refusals: CauseLimit,
    /// This node's votes, and the leases that its callers ask for.
    pub(crate) quorum: QuorumDesk,
    replica: parking_lot::Mutex<Replica>,
    started: Instant,
    links: AtomicU64,
    /// The generation of the latest gossip loop.
    gossip_generation: AtomicU64,
    /// Counts changes of the replica: link tasks and watchers look again.
    changed: watch::Sender<u64>,
    /// Counts frames of peers that may acknowledge own writes.
    acknowledged: watch::Sender<u64>,
    /// Requests that were answered not long ago.
    pub(crate) requests: Arc<Requests<WriteAnswer>>,
    /// Watchers of steps.
    pub(crate) watchers: Watchers,
    /// Frontiers of the runs that issued tokens.
    pub(crate) issuers: Issuers,
    pub(crate) specs: RecentSpecs,
    pub(crate) models: Models,
    /// Hashes what requests ask for.
    pub(crate) hasher: RandomState,
    /// The time-keeping task must look at its deadline again.
    poke: Notify,
    /// The replica voted on the end of runs, or its base moved: that is to be on disk soon.
    pub(crate) snapshot_due: Notify,
}

impl NodeContext {
    /// One of its ports.
    pub(crate) fn door(&self, port: Port) -> Door {
        Door { port, table: self.connections.clone(), identity: self.identity.clone() }
    }

    /// `snapshot`: the state of the node when it last stopped. `ledger`: what it holds of ledgers.
    pub(crate) fn new(
        settings: Settings,
        identity: Identity,
        addresses: Addresses,
        (snapshot, ledger): (Option<Snapshot>, LedgerStore),
    ) -> Self {
        let mut config = psi_replica::Config::new(settings.cluster.clone(), settings.node.clone());
        let join = if settings.replication { settings.join } else { Duration::ZERO };
        // Whether it is one of its own seeds, gossip finds out when it looks them up.
        config.is_seed = settings.seeds.is_empty() || !settings.replication;
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        config.join_ms = millis(join);
        config.end_after_ms = millis(settings.end_after);
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_micros();
        config.microsecond = u16::try_from(micros % 1000).unwrap_or_default();
        let started = Instant::now();
        let now = now_since(started);
        let mut replica = match snapshot {
            Some(snapshot) => Replica::with_snapshot(config, now, snapshot),
            None => Replica::new(config, now),
        };
        replica.set_capacity(settings.capacity);
        Self {
            replica: parking_lot::Mutex::new(replica),
            metrics: Metrics::new(&settings),
            identity: Arc::new(identity),
            members: watch::Sender::new(vec![Member::own(&settings.node, addresses)]),
            claim: ClaimState::new(settings.replication),
            began_us: wall_us(),
            connections: Arc::new(ConnectionTable::new(settings.connections_max)),
            refused_actions: CauseLimit::default(),
            delta_refusals: CauseLimit::default(),
            opened_lines: LineBudget::default(),
            ledger: Ledger::new(ledger),
            quorum: QuorumDesk::default(),
            ledger_refusals: CauseLimit::default(),
            receipts: Arc::new(ReceiptTable::new(RECEIVED_BYTES_MAX.max(settings.body_bytes_max.saturating_mul(2)))),
            stream_slots: Arc::new(Semaphore::new(settings.streams_max)),
            settings,
            addresses: Mutex::new(addresses),
            leaving: CancellationToken::new(),
            stop: CancellationToken::new(),
            fatal: watch::Sender::default(),
            started,
            links: AtomicU64::new(0),
            gossip_generation: AtomicU64::new(0),
            changed: watch::Sender::default(),
            acknowledged: watch::Sender::default(),
            requests: Arc::default(),
            watchers: Watchers::default(),
            issuers: Issuers::default(),
            specs: RecentSpecs::default(),
            models: Models::default(),
            hasher: RandomState::new(),
            poke: Notify::new(),
            snapshot_due: Notify::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        now_since(self.started)
    }

    pub(crate) fn addresses(&self) -> Addresses {
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_addresses(&self, addresses: Addresses) {
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    pub(crate) fn next_link(&self) -> LinkId {
        LinkId(self.links.fetch_add(1, Ordering::Relaxed))
    }

    /// A generation for a gossip loop: the wall clock in microseconds, but greater than earlier ones even if the
    /// clock was set back. Members take a lower generation for a run that is gone.
    pub(crate) fn next_gossip_generation(&self) -> u64 {
        let clock = wall_us();
        let later = |before: u64| clock.max(before.saturating_add(1));
        let next = |before| Some(later(before));
        let before = self.gossip_generation.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        later(before.unwrap_or_else(|before| before))
    }

    /// Looks at the replica.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&Replica) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the replica, logs and counts its events, and wakes the tasks that must act.
    pub(crate) fn write<R>(&self, change: impl FnOnce(&mut Replica, Now) -> R) -> R {
        let mut replica = self.lock();
        let (was_dirty, frontier, end_moves) = (replica.is_dirty(), replica.digest(), replica.end_moves());
        let result = change(&mut replica, self.now());
        let mut moved = replica.digest() != frontier;
        let has_voted = replica.end_moves() != end_moves;
        let became_dirty = !was_dirty && replica.is_dirty();
        let events: Vec<_> = std::iter::from_fn(|| replica.poll_event()).collect();
        drop(replica);
        moved |= !events.is_empty();
        events.into_iter().for_each(|event| self.record_event(event));
        if moved {
            self.wake_links();
        }
        if has_voted {
            self.snapshot_due.notify_one();
        }
        if became_dirty || moved {
            self.poke.notify_one();
        }
        result
    }

    /// Wakes every link and every watcher of the state.
    pub(crate) fn wake_links(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Wakes the time-keeping task: a frame may have brought its deadline nearer.
    pub(crate) fn wake_timekeeper(&self) {
        self.poke.notify_one();
    }

    /// Resolves whenever the replica may have something new for links or watchers.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Wakes the calls that wait until peers hold own writes.
    pub(crate) fn wake_pending_writes(&self) {
        self.acknowledged.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Resolves whenever a peer may have acknowledged own writes.
    pub(crate) fn acknowledgements(&self) -> watch::Receiver<u64> {
        self.acknowledged.subscribe()
    }

    /// Sets the reason why the node can't go on, once.
    pub(crate) fn end(&self, end: NodeEnd) {
        self.fatal.send_if_modified(|fatal| {
            let first = fatal.is_none();
            fatal.get_or_insert(end);
            first
        });
    }

    /// Says that something failed that the node can't go on without.
    pub(crate) fn fail(&self, why: String) {
        self.end(NodeEnd::Failed(why));
    }

    /// Keeps the replica's time until the node stops: flushes, time-outs, heartbeats.
    pub(crate) async fn keep_time(&self) {
        /// Least time between two looks: a link that is blocked stays due, and must not spin.
        const STEP: Duration = Duration::from_millis(5);
        loop {
            let due = async {
                match self.read(|replica| replica.wake_at()) {
                    Some(at) => tokio::time::sleep(Duration::from_millis(at.since(self.now().tick))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.poke.notified() => continue,
                () = self.stop.cancelled() => return,
            }
            if self.claim.waits() {
                // A replica that is not told the time mints no origin, and writes nothing.
                return self.stop.cancelled().await;
            }
            self.write(|replica, now| replica.tick(now));
            self.wake_links();
            tokio::time::sleep(STEP).await;
        }
    }

    /// A panic while the lock was held is a bug; the replica's own invariants are checked at every step, and refusing
    /// to answer would take down what still works. So the lock is one that no panic poisons.
    fn lock(&self) -> MutexGuard<'_, Replica> {
        /// Some microseconds: longer than an ordinary step. The lock's own wait yields the core much sooner, and
        /// another thread then keeps it for a thousand times as long.
        const LOOKS: u32 = 100;
        for _ in 0..LOOKS {
            if let Some(replica) = self.replica.try_lock() {
                return replica;
            }
            std::hint::spin_loop();
        }
        self.replica.lock()
    }

    /// Live members that have published this node's frontier, and whether with its digest: all, unless there is a bug.
    pub(crate) fn compare(&self, members: &[Member]) -> Vec<(NodeId, bool)> {
        let (frontier, digest) = self.read(|replica| (replica.frontier().hash(), replica.digest()));
        let agrees = |member: &Member| {
            let (_, peer_digest) = member.agreement.filter(|(hash, _)| member.live && *hash == frontier)?;
            Some((member.node.clone(), peer_digest == digest))
        };
        members.iter().filter_map(agrees).collect()
    }
}

fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn now_since(started: Instant) -> Now {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { tick: TickMs(millis(started.elapsed())), wall: WallMs(millis(wall)) }
}
