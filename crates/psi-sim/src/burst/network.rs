//! Many replicas, links between them, and a queue of what happens at each millisecond.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use psi_replica::{ClusterName, Config, FieldName, Key, LinkId, Now, TickMs, Version, WallMs, proto};
use psi_state::{Event, Replica};

use super::topology::name_of;
use crate::plan::rng::Rng;

/// Delay of a frame, milliseconds, both ends included.
const DELAY_MS: (u64, u64) = (1, 10);
/// What wall clocks show at the beginning.
const WALL_MS: u64 = 1_760_000_000_000;
/// Numbers in the inputs of the implicit field.
const WIDTH: usize = psi_state::WIDTH_DEFAULT;
/// Milliseconds of virtual time between two progress reports.
const WATCH_MS: u64 = 10;

/// From so many nodes on that something happens to, threads pay.
const BUSY: usize = 64;

/// How far a burst has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Writes that have reached a node, its own included.
    pub reached: u64,
    /// When all are to have reached all.
    pub all: u64,
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

enum Occurrence {
    LinkUp { link: usize },
    Wake,
    Arrive { link: usize, bytes: Bytes },
}

/// A link; what is sent over it keeps its order.
struct Wire {
    ends: [usize; 2],
    /// When the last frame from each end arrives.
    arrives: [u64; 2],
}

struct Node {
    replica: Replica,
    links: Vec<usize>,
    wake: Option<u64>,
    /// Latest writes of origins that have reached it.
    reached: u64,
    /// What happens to it in this millisecond.
    inbox: Vec<Occurrence>,
    /// What it has said in this millisecond, by link.
    outbox: Vec<(usize, Bytes)>,
}

pub(super) struct Network {
    now: u64,
    /// Percent of frames that never arrive.
    loss: u64,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    queue: BTreeMap<u64, Vec<(usize, Occurrence)>>,
    rng: Rng,
    sent: Traffic,
    /// Bursts so far: the version that every origin has written.
    bursts: u64,
    changed_bytes: u64,
    /// Threads that tell nodes what happens to them.
    threads: usize,
}

impl Network {
    pub(super) fn new(nodes: usize, seed: u64, threads: usize) -> Self {
        let cluster = ClusterName::new("burst").expect("a name of letters");
        let start = moment(0);
        let node = |n: usize| {
            let name = name_of(n);
            let mut replica = Replica::new(Config { join_ms: 0, ..Config::new(cluster.clone(), name) }, start);
            replica.tick(start);
            Node { replica, links: Vec::new(), wake: None, reached: 0, inbox: Vec::new(), outbox: Vec::new() }
        };
        Self {
            now: 0,
            loss: 0,
            nodes: (0..nodes).map(node).collect(),
            wires: Vec::new(),
            queue: BTreeMap::new(),
            rng: Rng::new(seed, "network"),
            sent: Traffic::default(),
            bursts: 0,
            changed_bytes: 0,
            threads,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    pub(super) fn sent(&self) -> Traffic {
        self.sent
    }

    /// Encoded size of the entries that the last burst changed.
    pub(super) fn changed_bytes(&self) -> u64 {
        self.changed_bytes
    }

    /// From now on, so many percent of frames never arrive.
    pub(super) fn set_loss(&mut self, percent: u64) {
        self.loss = percent;
    }

    pub(super) fn link_up_at(&mut self, at: u64, one: usize, other: usize) {
        let link = self.wires.len();
        self.wires.push(Wire { ends: [one, other], arrives: [0; 2] });
        [one, other].into_iter().for_each(|node| self.schedule(at, node, Occurrence::LinkUp { link }));
    }

    fn schedule(&mut self, at: u64, node: usize, what: Occurrence) {
        self.queue.entry(at).or_default().push((node, what));
    }

    /// One step on every node at once, flushed at once.
    pub(super) fn write_everywhere(&mut self, rng: &mut Rng) {
        let (field, now) = (FieldName::default_field(), moment(self.now));
        self.bursts += 1;
        self.changed_bytes = 0;
        for n in 0..self.nodes.len() {
            let input: Vec<f64> = (0..WIDTH).map(|_| rng.unit() - 0.5).collect();
            let node = &mut self.nodes[n];
            node.replica.step(now, &field, &input).expect("a node alone with sound clocks takes steps");
            node.replica.flush();
            self.changed_bytes += changed_bytes(&node.replica, Version(self.bursts));
            node.reached = 1;
            node.speak(now, self.bursts);
        }
        (0..self.nodes.len()).for_each(|node| self.take_outbox(node));
    }

    /// Lets time pass until `end`.
    pub(super) fn run(&mut self, end: u64) {
        while let Some(at) = self.queue.first_key_value().map(|(at, _)| *at).filter(|at| *at <= end) {
            self.next(at);
        }
        self.now = end;
    }

    /// Lets time pass until every node holds the last burst of all; tells when, or `None` if that takes too long.
    pub(super) fn run_until_agreed(&mut self, limit_ms: u64, watch: &mut dyn FnMut(Progress)) -> Option<u64> {
        let (limit, mut watched) = (self.now + limit_ms, self.now);
        while !self.is_agreed() {
            let at = self.queue.first_key_value().map(|(at, _)| *at).filter(|at| *at <= limit)?;
            self.next(at);
            if self.now >= watched + WATCH_MS {
                watched = self.now;
                let reached = self.nodes.iter().map(|node| node.reached).sum();
                watch(Progress { reached, all: (self.nodes.len() * self.nodes.len()) as u64 });
            }
        }
        Some(self.now)
    }

    fn is_agreed(&self) -> bool {
        let all = self.nodes.len() as u64;
        if !self.nodes.iter().all(|node| node.reached == all) {
            return false;
        }
        let digests: BTreeSet<[u8; 32]> = self.nodes.iter().map(|node| node.replica.digest().to_bytes()).collect();
        digests.len() == 1
    }

    /// All that happens in one millisecond. Nodes have nothing to do with each other within it, so that they may be
    /// told by several threads; what they say is taken in their order.
    fn next(&mut self, at: u64) {
        self.now = at;
        let mut touched = BTreeSet::new();
        for (node, what) in self.queue.remove(&at).unwrap_or_default() {
            self.nodes[node].inbox.push(what);
            touched.insert(node);
        }
        let bursts = self.bursts;
        if touched.len() < BUSY || self.threads < 2 {
            touched.iter().for_each(|node| self.nodes[*node].live_through(at, bursts));
        } else {
            let share = self.nodes.len().div_ceil(self.threads);
            std::thread::scope(|scope| {
                for nodes in self.nodes.chunks_mut(share) {
                    scope.spawn(move || {
                        let busy = nodes.iter_mut().filter(|node| !node.inbox.is_empty());
                        busy.for_each(|node| node.live_through(at, bursts));
                    });
                }
            });
        }
        touched.into_iter().for_each(|node| self.take_outbox(node));
    }

    /// Sends what a node has said, and sees to it that it is woken.
    fn take_outbox(&mut self, n: usize) {
        for (link, bytes) in std::mem::take(&mut self.nodes[n].outbox) {
            self.send(n, link, bytes);
        }
        let Some(wake) = self.nodes[n].replica.wake_at() else { return };
        // One that keeps asking for the past would spin.
        let wake = wake.0.max(self.now + 1);
        if self.nodes[n].wake != Some(wake) {
            self.nodes[n].wake = Some(wake);
            self.schedule(wake, n, Occurrence::Wake);
        }
    }

    fn send(&mut self, from: usize, link: usize, bytes: Bytes) {
        self.sent.frames += 1;
        self.sent.bytes += bytes.len() as u64;
        let delay = self.rng.between(DELAY_MS.0, DELAY_MS.1);
        if self.rng.chance(10 * self.loss) {
            return;
        }
        let wire = &mut self.wires[link];
        let end = usize::from(wire.ends[0] != from);
        let at = (self.now + delay).max(wire.arrives[end]);
        wire.arrives[end] = at;
        let node = wire.ends[1 - end];
        self.schedule(at, node, Occurrence::Arrive { link, bytes });
    }
}

impl Node {
    /// Takes in what happens to it at a millisecond, and says what follows.
    fn live_through(&mut self, at: u64, bursts: u64) {
        let now = moment(at);
        for what in std::mem::take(&mut self.inbox) {
            match what {
                Occurrence::LinkUp { link } => {
                    self.replica.link_up(now, LinkId(link as u64));
                    self.links.push(link);
                }
                Occurrence::Wake if self.wake == Some(at) => {
                    self.wake = None;
                    self.replica.tick(now);
                }
                Occurrence::Wake => {}
                Occurrence::Arrive { link, bytes } => {
                    let frame = proto::Frame::decode(bytes).expect("frames arrive as they were sent");
                    let result = self.replica.handle_frame(now, LinkId(link as u64), frame);
                    result.expect("peers are honest, and repeat what gets lost");
                }
            }
        }
        self.speak(now, bursts);
    }

    /// Takes what the replica has to tell and to say.
    fn speak(&mut self, now: Now, bursts: u64) {
        while let Some(event) = self.replica.poll_event() {
            match event {
                Event::Applied { version, .. } => self.reached += u64::from(version.0 == bursts),
                Event::Refused(refused) => panic!("a delta was refused that nobody damaged: {refused:?}"),
                _ => {}
            }
        }
        for link in &self.links {
            while let Some(frame) = self.replica.poll_frame(now, LinkId(*link as u64)) {
                self.outbox.push((*link, Bytes::from(frame.encode_to_vec())));
            }
        }
    }
}

/// Encoded size of what a node has written in its latest write.
fn changed_bytes(replica: &Replica, version: Version) -> u64 {
    let Some(me) = replica.origin() else { return 0 };
    let changed = replica.entries(me).filter(|entry| entry.version == version);
    let encoded = changed.map(|entry| {
        let Key { scope, lane, index } = entry.key;
        let proto = proto::Entry {
            field: scope.field().map(ToString::to_string).unwrap_or_default(),
            epoch: scope.epoch().map(|epoch| epoch.0),
            lane: lane.0,
            index,
            version: entry.version.0,
            value: entry.value,
        };
        proto.encoded_len() as u64
    });
    encoded.sum()
}

/// All clocks are right.
fn moment(now: u64) -> Now {
    Now { tick: TickMs(now), wall: WallMs(WALL_MS + now) }
}
