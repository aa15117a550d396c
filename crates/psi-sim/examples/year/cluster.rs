//! Many machines, the links between their processes, and a queue of what happens at each millisecond.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use psi_replica::{FieldName, LinkId, WallMs, overlay, proto};
use psi_sim::{Rng, WALL_MS};

use crate::machine::{Machine, News};

/// Delay of a frame, milliseconds, both ends included.
const DELAY_MS: (u64, u64) = (1, 10);
/// Numbers in the inputs of the implicit field.
pub(crate) const WIDTH: usize = psi_state::WIDTH_DEFAULT;

/// What befalls a machine by the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// It takes no more steps, since it is killed soon.
    Doom,
    Kill {
        loses_disk: bool,
    },
    /// As by SIGTERM: it writes that it closes. Soon after that it stops.
    Close,
    Stop {
        loses_disk: bool,
    },
    Start,
    Step,
}

enum Occurrence {
    Wake,
    Arrive { link: u64, bytes: Bytes },
    Order(Order),
    Reshuffle,
}

/// A link that stands; what is sent over it keeps its order.
struct Wire {
    ends: [usize; 2],
    /// When the last frame from each end arrives.
    arrives: [u64; 2],
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// The latest checkpoint that some replica has folded.
    pub(crate) checkpoints: u64,
    pub(crate) late: usize,
    pub(crate) replaced: usize,
    pub(crate) reminted: usize,
    pub(crate) refused: usize,
    /// Most runs that one replica held since this was last reset, ended ones left out.
    pub(crate) origins_max: usize,
    pub(crate) restarts: u64,
    pub(crate) killed: u64,
    pub(crate) disks_lost: u64,
}

/// Steps that were accepted, and their sums by component.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) steps: u64,
    pub(crate) sums: [u32; WIDTH],
}

pub(crate) struct Cluster {
    pub(crate) now: u64,
    pub(crate) machines: Vec<Machine>,
    pub(crate) counts: Counts,
    pub(crate) truth: Truth,
    wires: BTreeMap<u64, Wire>,
    wires_made: u64,
    /// Pairs that are to be linked, by the overlay.
    wanted: BTreeSet<(usize, usize)>,
    queue: BTreeMap<u64, Vec<(usize, Occurrence)>>,
    /// Frames on their way.
    in_flight: usize,
    rng: Rng,
}

impl Cluster {
    pub(crate) fn new(nodes: usize, end_after_ms: u64, seed: u64) -> Self {
        let mut cluster = Self {
            now: 0,
            machines: (0..nodes).map(|n| Machine::new(n, end_after_ms)).collect(),
            counts: Counts::default(),
            truth: Truth::default(),
            wires: BTreeMap::new(),
            wires_made: 0,
            wanted: BTreeSet::new(),
            queue: BTreeMap::new(),
            in_flight: 0,
            rng: Rng::new(seed, "network"),
        };
        cluster.reshuffle();
        for n in 0..nodes {
            let at = cluster.rng.below(2_000);
            cluster.order(at, n, Order::Start);
        }
        cluster
    }

    fn schedule(&mut self, at: u64, n: usize, what: Occurrence) {
        self.queue.entry(at).or_default().push((n, what));
    }

    pub(crate) fn order(&mut self, at: u64, n: usize, order: Order) {
        self.schedule(at, n, Occurrence::Order(order));
    }

    /// Lets time pass until `end`.
    pub(crate) fn run(&mut self, end: u64) {
        while let Some(at) = self.queue.first_key_value().map(|(at, _)| *at).filter(|at| *at <= end) {
            self.now = at;
            for (n, what) in self.queue.remove(&at).unwrap_or_default() {
                self.happen(n, what);
            }
        }
        self.now = end;
    }

    /// Passes over a time in which nothing would happen but heartbeats: as if all machines had been suspended. Frames
    /// that are under way arrive before.
    pub(crate) fn jump(&mut self, end: u64) {
        while self.in_flight > 0 && self.now < end {
            self.run(self.now + 1);
        }
        let queue = std::mem::take(&mut self.queue);
        for (at, events) in queue {
            for (n, what) in events {
                if !matches!(what, Occurrence::Wake) {
                    self.schedule(at.max(end), n, what);
                }
            }
        }
        self.now = end;
        for n in 0..self.machines.len() {
            let at = end + self.rng.below(50);
            if let Some(process) = &mut self.machines[n].process {
                process.wake = Some(at);
                self.schedule(at, n, Occurrence::Wake);
            }
        }
    }

    fn happen(&mut self, n: usize, what: Occurrence) {
        let now = self.now;
        match what {
            Occurrence::Wake => {
                let Some(process) = self.machines[n].process.as_mut().filter(|it| it.wake == Some(now)) else { return };
                process.wake = None;
                let moment = process.now(now);
                process.replica.tick(moment);
            }
            Occurrence::Arrive { link, bytes } => {
                self.in_flight -= 1;
                if !self.wires.contains_key(&link) {
                    return;
                }
                let Some(process) = &mut self.machines[n].process else { return };
                let frame = proto::Frame::decode(bytes).expect("frames arrive as they were sent");
                let moment = process.now(now);
                let result = process.replica.handle_frame(moment, LinkId(link), frame);
                result.expect("peers are honest");
            }
            Occurrence::Order(order) => self.obey(n, order),
            Occurrence::Reshuffle => self.reshuffle(),
        }
        self.listen(n);
    }

    /// Takes what a process has to send and to tell, and sees to it that it is woken.
    fn listen(&mut self, n: usize) {
        let now = self.now;
        self.machines[n].save_votes();
        let Some(process) = &mut self.machines[n].process else { return };
        let frames = process.speak(now);
        let mut news = News::default();
        if process.news(&mut news) {
            self.counts.origins_max = self.counts.origins_max.max(process.origins());
        }
        // One that keeps asking for the past would spin.
        let wake = process.replica.wake_at().map(|at| process.virtual_time(at).max(now + 1));
        let wake = wake.filter(|wake| process.wake != Some(*wake));
        if let Some(wake) = wake {
            process.wake = Some(wake);
            self.schedule(wake, n, Occurrence::Wake);
        }
        self.count(news);
        frames.into_iter().for_each(|(link, bytes)| self.send(n, link, bytes));
    }

    fn count(&mut self, News { ended, late, replaced, reminted, refused }: News) {
        let counts = &mut self.counts;
        counts.checkpoints = ended.into_iter().fold(counts.checkpoints, u64::max);
        counts.late += late;
        counts.replaced += replaced;
        counts.reminted += reminted;
        counts.refused += refused;
    }

    fn send(&mut self, from: usize, link: u64, bytes: Bytes) {
        self.counts.frames += 1;
        self.counts.bytes += bytes.len() as u64;
        let delay = self.rng.between(DELAY_MS.0, DELAY_MS.1);
        let Some(wire) = self.wires.get_mut(&link) else { return };
        let end = usize::from(wire.ends[0] != from);
        let at = (self.now + delay).max(wire.arrives[end]);
        wire.arrives[end] = at;
        let to = wire.ends[1 - end];
        self.in_flight += 1;
        self.schedule(at, to, Occurrence::Arrive { link, bytes });
    }

    fn obey(&mut self, n: usize, order: Order) {
        match order {
            Order::Doom => {
                self.machines[n].save();
                self.machines[n].process.iter_mut().for_each(|process| process.is_doomed = true);
            }
            Order::Close => {
                if let Some(process) = &mut self.machines[n].process {
                    let moment = process.now(self.now);
                    process.replica.close(moment);
                }
            }
            Order::Stop { loses_disk } => {
                self.machines[n].save();
                self.end(n, loses_disk);
            }
            Order::Kill { loses_disk } => {
                self.counts.killed += 1;
                self.end(n, loses_disk);
            }
            Order::Start => {
                self.machines[n].start(self.now);
                self.link_all();
            }
            Order::Step => self.step(n),
        }
    }

    fn end(&mut self, n: usize, loses_disk: bool) {
        self.counts.restarts += 1;
        if loses_disk {
            self.counts.disks_lost += 1;
            self.machines[n].disk = None;
        }
        let links = self.machines[n].process.take().map(|process| process.links).unwrap_or_default();
        for (peer, link) in links {
            self.unlink([n, peer], link);
        }
    }

    /// One step, if the node takes it. One that is killed before it has told anybody of a step would lose it: so those
    /// about to be killed take none.
    fn step(&mut self, n: usize) {
        let bits = self.rng.raw();
        let Some(process) = self.machines[n].process.as_mut().filter(|process| !process.is_doomed) else { return };
        let numbers: [u32; WIDTH] = std::array::from_fn(|at| u32::from(bits >> at & 1 == 1));
        let input = numbers.map(f64::from);
        let moment = process.now(self.now);
        if process.replica.step(moment, &FieldName::default_field(), &input).is_ok() {
            self.truth.steps += 1;
            self.truth.sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        }
    }

    // --- Links

    /// Works out who is linked to whom. All nodes stay members through their restarts: those are shorter than what
    /// gossip takes to notice.
    fn reshuffle(&mut self) {
        let wall = WallMs(WALL_MS + self.now);
        let numbers: BTreeMap<_, _> =
            self.machines.iter().enumerate().map(|(n, machine)| (machine.name.clone(), n)).collect();
        let members = numbers.keys().cloned().collect();
        let mut wanted = BTreeSet::new();
        for (own, n) in &numbers {
            for peer in overlay::neighbours(own, &members, overlay::FULL_MESH_MAX, wall) {
                let peer = numbers[&peer];
                wanted.insert((*n.min(&peer), *n.max(&peer)));
            }
        }
        self.wanted = wanted;
        let gone: Vec<(u64, [usize; 2])> = self
            .wires
            .iter()
            .filter(|(_, wire)| !self.wanted.contains(&(wire.ends[0], wire.ends[1])))
            .map(|(link, wire)| (*link, wire.ends))
            .collect();
        for (link, ends) in gone {
            self.unlink(ends, link);
        }
        self.link_all();
        let next = overlay::reshuffled_at(wall).0 - WALL_MS;
        self.schedule(next, 0, Occurrence::Reshuffle);
    }

    fn unlink(&mut self, ends: [usize; 2], link: u64) {
        self.wires.remove(&link);
        for (n, peer) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            let Some(process) = &mut self.machines[n].process else { continue };
            process.links.remove(&peer);
            let moment = process.now(self.now);
            process.replica.link_down(moment, LinkId(link));
            self.listen(n);
        }
    }

    fn link_all(&mut self) {
        for (a, b) in self.wanted.clone() {
            let [one, other] = [a, b].map(|n| self.machines[n].process.as_ref());
            if one.is_none_or(|process| process.links.contains_key(&b)) || other.is_none() {
                continue;
            }
            self.wires_made += 1;
            let link = self.wires_made;
            self.wires.insert(link, Wire { ends: [a, b], arrives: [0; 2] });
            for (n, peer) in [(a, b), (b, a)] {
                let Some(process) = &mut self.machines[n].process else { continue };
                process.links.insert(peer, link);
                let moment = process.now(self.now);
                process.replica.link_up(moment, LinkId(link));
                self.listen(n);
            }
        }
    }
}
