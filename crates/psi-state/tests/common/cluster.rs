//! Replicas on a virtual network. Nothing happens but by the seed: one seed, one run.

use std::collections::BTreeMap;

use prost::Message;
use psi_replica::{Config, FieldName, LinkId, Now, Origin, TickMs, WallMs, proto};
use psi_state::{Event, Replica};

use super::{Rng, WALL_MS, book::Book, config};

/// What the network does to frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Percent of frames that never arrive.
    pub loss: u64,
    /// Percent that arrive twice.
    pub twice: u64,
    /// Longest delay, milliseconds; delays differ from frame to frame, so frames overtake each other.
    pub delay_ms: u64,
    /// Whether frames of a link keep their order, as on a connection that only breaks.
    pub ordered: bool,
}

pub struct Node {
    pub replica: Replica,
    pub alive: bool,
    /// This node's wall clock less the true one, milliseconds.
    pub clock_off_ms: i64,
    /// Own link, by peer: the peer's end has the same id.
    links: BTreeMap<usize, LinkId>,
    pub events: Vec<Event>,
    /// When it was last told the time.
    woken_at: u64,
}

struct Delivery {
    to: usize,
    link: LinkId,
    bytes: Vec<u8>,
}

pub struct Cluster {
    pub nodes: Vec<Node>,
    pub faults: Faults,
    pub now: u64,
    pub book: Book,
    pub rng: Rng,
    /// Frames that were carried, for the trace.
    pub frames: u64,
    /// How often nodes were woken because they asked for it.
    pub wakes: u64,
    /// Hash of all that was carried.
    pub trace: blake3::Hasher,
    links: u64,
    queue: BTreeMap<(u64, u64), Delivery>,
    queued: u64,
    /// Pairs that may be connected.
    pub cut: std::collections::BTreeSet<(usize, usize)>,
    /// From whom nothing arrives at whom, though they are connected.
    pub mute: std::collections::BTreeSet<(usize, usize)>,
    reconnect: bool,
}

/// Deltas of more than a few entries are cut.
pub const FRAME_BYTES: usize = 400;

impl Cluster {
    /// Seeds that are ready at once, all connected.
    pub fn ready(seed: u64, nodes: usize, faults: Faults) -> Self {
        let mut cluster = Self::empty(seed, faults);
        for n in 0..nodes {
            cluster.start(Config { frame_bytes: FRAME_BYTES, ..config(&format!("n{n}")) });
        }
        cluster.connect_all();
        cluster
    }

    pub fn empty(seed: u64, faults: Faults) -> Self {
        Self {
            nodes: Vec::new(),
            faults,
            now: 0,
            book: Book::default(),
            rng: Rng(seed),
            frames: 0,
            wakes: 0,
            trace: blake3::Hasher::new(),
            links: 0,
            queue: BTreeMap::new(),
            queued: 0,
            cut: Default::default(),
            mute: Default::default(),
            reconnect: true,
        }
    }

    /// Starts a node; returns its index.
    pub fn start(&mut self, config: Config) -> usize {
        self.start_off(config, 0)
    }

    /// Starts a node whose clock is off by so many milliseconds.
    pub fn start_off(&mut self, config: Config, clock_off_ms: i64) -> usize {
        let now = wall_off(self.now, clock_off_ms);
        let mut replica = Replica::new(config, now);
        replica.tick(now);
        let links = BTreeMap::new();
        self.nodes.push(Node { replica, alive: true, clock_off_ms, links, events: Vec::new(), woken_at: self.now });
        self.nodes.len() - 1
    }

    pub fn now_of(&self, n: usize) -> Now {
        wall_off(self.now, self.nodes[n].clock_off_ms)
    }

    pub fn connect_all(&mut self) {
        for a in 0..self.nodes.len() {
            for b in 0..a {
                self.connect(a, b);
            }
        }
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        let pair = (a.min(b), a.max(b));
        if !(self.nodes[a].alive && self.nodes[b].alive)
            || self.cut.contains(&pair)
            || self.nodes[a].links.contains_key(&b)
        {
            return;
        }
        self.links += 1;
        for (here, there) in [(a, b), (b, a)] {
            let (link, now) = (LinkId(self.links), self.now_of(here));
            self.nodes[here].links.insert(there, link);
            self.nodes[here].replica.link_up(now, link);
        }
        self.settle(a);
        self.settle(b);
    }

    pub fn disconnect(&mut self, a: usize, b: usize) {
        for (here, there) in [(a, b), (b, a)] {
            let now = self.now_of(here);
            if let Some(link) = self.nodes[here].links.remove(&there) {
                self.nodes[here].replica.link_down(now, link);
            }
        }
    }

    /// Cuts or mends the line between two nodes.
    pub fn set_cut(&mut self, a: usize, b: usize, cut: bool) {
        let pair = (a.min(b), a.max(b));
        if a == b {
            return;
        }
        if cut {
            self.cut.insert(pair);
            self.disconnect(a, b);
        } else {
            self.cut.remove(&pair);
            self.connect(a, b);
        }
    }

    /// The process is gone, and what it alone knew.
    pub fn kill(&mut self, n: usize) {
        for other in 0..self.nodes.len() {
            self.disconnect(n, other);
        }
        self.nodes[n].alive = false;
    }

    /// A write or another call on one node; what follows from it is carried.
    pub fn with<R>(&mut self, n: usize, call: impl FnOnce(&mut Replica, Now) -> R) -> R {
        let now = self.now_of(n);
        let result = call(&mut self.nodes[n].replica, now);
        self.settle(n);
        result
    }

    /// Takes what a node has to say after a call, and checks it.
    fn settle(&mut self, n: usize) {
        let links: Vec<(usize, LinkId)> = self.nodes[n].links.iter().map(|(peer, link)| (*peer, *link)).collect();
        let now = self.now_of(n);
        for (peer, link) in links {
            while let Some(frame) = self.nodes[n].replica.poll_frame(now, link) {
                self.send(peer, link, &frame);
            }
        }
        while let Some(event) = self.nodes[n].replica.poll_event() {
            self.nodes[n].events.push(event);
        }
        self.book.check(n, &self.nodes[n].replica);
    }

    fn send(&mut self, to: usize, link: LinkId, frame: &proto::Frame) {
        let bytes = frame.encode_to_vec();
        assert!(bytes.len() <= psi_replica::FRAME_ENCODED_MAX, "a frame of {} bytes", bytes.len());
        self.frames += 1;
        self.trace.update(&self.now.to_le_bytes());
        self.trace.update(&bytes);
        let Faults { loss, twice, delay_ms, ordered } = self.faults;
        if self.rng.chance(loss) {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(twice));
        for _ in 0..copies {
            let delay = 1 + if ordered { delay_ms } else { self.rng.below(delay_ms + 1) };
            self.queued += 1;
            let delivery = Delivery { to, link, bytes: bytes.clone() };
            self.queue.insert((self.now + delay, self.queued), delivery);
        }
    }

    /// When a node wants to be woken.
    fn wake_at(&self, n: usize) -> Option<u64> {
        let node = &self.nodes[n];
        let TickMs(at) = node.replica.wake_at().filter(|_| node.alive)?;
        // A replica that keeps asking for the past would spin; once a millisecond shows it.
        Some(at.max(node.woken_at + 1))
    }

    /// Lets time delta: frames arrive, and nodes are woken only when they asked for it.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let arrival = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wake = (0..self.nodes.len()).filter_map(|n| Some((self.wake_at(n)?, n))).min();
            let next = arrival.into_iter().chain(wake.map(|(at, _)| at)).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = next.max(self.now);
            if arrival == Some(next) {
                let (_, delivery) = self.queue.pop_first().expect("just seen");
                self.deliver(delivery);
            } else if let Some((_, n)) = wake {
                self.wakes += 1;
                self.nodes[n].woken_at = self.now;
                self.with(n, |replica, now| replica.tick(now));
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, Delivery { to, link, bytes }: Delivery) {
        let Some(peer) = self.nodes[to].links.iter().find(|(_, held)| **held == link).map(|(peer, _)| *peer) else {
            return;
        };
        if self.mute.contains(&(peer, to)) {
            return;
        }
        let frame = proto::Frame::decode(&bytes[..]).expect("frames decode");
        let result = self.with(to, |replica, now| replica.handle_frame(now, link, frame));
        if let Err(error) = result {
            // What lost frames can bring about; the shell dials again.
            assert_eq!(error.reason(), "out_of_turn", "{error}");
            self.disconnect(to, peer);
            if self.reconnect {
                self.connect(to, peer);
            }
        }
    }

    /// No more faults; everything that is alive is connected and left alone for a while.
    pub fn quiet(&mut self, ms: u64) {
        self.faults = Faults { delay_ms: 3, ..Faults::default() };
        self.cut.clear();
        self.connect_all();
        self.run(ms);
        // What is written by the clock, once a second, may be under way.
        let dirty = |node: &Node| node.alive && node.replica.is_dirty();
        for _ in 0..10 {
            let digests: Vec<_> = self.living().map(|node| node.replica.digest()).collect();
            if digests.windows(2).all(|two| two[0] == two[1]) && !self.nodes.iter().any(dirty) {
                break;
            }
            self.run(50);
        }
    }

    pub fn living(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.alive)
    }

    /// All that live hold the same.
    pub fn assert_agreed(&self) {
        let mut living = self.living();
        let Some(first) = living.next() else { return };
        for node in living {
            assert_eq!(node.replica.frontier(), first.replica.frontier());
            assert_eq!(node.replica.digest(), first.replica.digest());
            assert!(!node.replica.is_dirty());
        }
    }

    pub fn count(&self, n: usize, field: &FieldName) -> u64 {
        self.nodes[n].replica.view(field).map_or(0, |view| view.moments.count)
    }

    pub fn origin(&self, n: usize) -> Origin {
        self.nodes[n].replica.origin().expect("it is ready").clone()
    }
}

fn wall_off(tick: u64, off_ms: i64) -> Now {
    Now { tick: TickMs(tick), wall: WallMs((WALL_MS + tick).checked_add_signed(off_ms).expect("near enough")) }
}
