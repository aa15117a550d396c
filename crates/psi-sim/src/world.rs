//! The world: processes on a network, and a queue of what happens next. Nothing happens but by the plan's seed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use prost::Message;
use psi_replica::{Event, FRAME_ENCODED_MAX, LinkId, NodeId, Origin, Replica, proto};

use crate::{
    checks::Book,
    faults::FaultKind,
    frames,
    markers::{Marker, Markers},
    network::{Copy, Fate, Network},
    plan::{Mode, Plan, Weather, signed},
    process::{Held, Machine, Process, State, config},
    rng::Rng,
    trace::{Sink, Trace},
};

/// Longer than any clock was ahead.
const NIGHT_MS: i64 = 7 * 3_600_000;

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Happening {
    Wake(usize),
    Arrive {
        connection: u64,
        end: usize,
        copy: Copy,
    },
    Drain {
        connection: u64,
        end: usize,
    },
    Hangup {
        connection: u64,
        end: usize,
    },
    Dial {
        from: usize,
        to: usize,
    },
    Gossip,
    Write,
    Fault,
    Resume(usize),
    /// A machine's program is started, unless it runs.
    Start(usize),
    /// The ways between two machines are opened, one way or both.
    Open(Vec<(usize, usize)>),
    /// A clock that jumped is set right.
    SetClock(usize),
}

/// What a run counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames handed to transports.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Writes that were accepted, each step of a batch for itself.
    pub writes: u64,
    /// Writes that were refused.
    pub writes_refused: u64,
    /// Frontiers compared with one that was met before.
    pub compared: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What must happen in some runs.
    pub markers: Markers,
}

impl Counts {
    /// Takes in those of another run.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.writes += other.writes;
        self.writes_refused += other.writes_refused;
        self.compared += other.compared;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.markers.add(&other.markers);
    }
}

/// Streams of random numbers, one for each concern.
pub(crate) struct Dice {
    pub(crate) network: Rng,
    pub(crate) faults: Rng,
    pub(crate) workload: Rng,
    pub(crate) gossip: Rng,
}

pub(crate) struct World<'a> {
    pub(crate) plan: Plan,
    pub(crate) now: u64,
    pub(crate) machines: Vec<Machine>,
    pub(crate) processes: Vec<Process>,
    pub(crate) network: Network,
    pub(crate) dice: Dice,
    pub(crate) book: Book,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace<'a>,
    pub(crate) queue: BinaryHeap<Reverse<Due>>,
    queued: u64,
    /// Machines that faults may still befall; empty when all is quiet.
    pub(crate) exposed: BTreeSet<usize>,
    /// Whether clients write.
    pub(crate) is_writing: bool,
    /// The connection of which a frame has just been handed in.
    listens_to: Option<u64>,
    /// The first thing found wrong.
    pub(crate) wrong: Option<String>,
}

/// A happening in its turn.
pub(crate) struct Due {
    at: u64,
    turn: u64,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.turn) == (other.at, other.turn)
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.turn).cmp(&(other.at, other.turn))
    }
}

impl<'a> World<'a> {
    pub(crate) fn new(plan: Plan, sink: Option<Sink<'a>>) -> Self {
        let seed = plan.seed;
        let network = Network { weather: plan.weather, ..Network::default() };
        let mut world = Self {
            now: 0,
            machines: Vec::new(),
            processes: Vec::new(),
            network,
            dice: Dice {
                network: Rng::new(seed, "network"),
                faults: Rng::new(seed, "faults"),
                workload: Rng::new(seed, "workload"),
                gossip: Rng::new(seed, "gossip"),
            },
            book: Book::default(),
            counts: Counts::default(),
            trace: Trace::new(sink),
            queue: BinaryHeap::new(),
            queued: 0,
            exposed: BTreeSet::new(),
            is_writing: true,
            listens_to: None,
            wrong: None,
            plan,
        };
        for n in 0..world.plan.nodes {
            world.add_machine(n < world.plan.seeds);
        }
        for n in 0..world.plan.nodes {
            let at = world.dice.faults.below(1_500);
            world.schedule(at, Happening::Start(n));
        }
        world.schedule(0, Happening::Gossip);
        world.schedule(500, Happening::Write);
        if !world.plan.faults.is_empty() {
            world.schedule(1_000, Happening::Fault);
        }
        world
    }

    pub(crate) fn add_machine(&mut self, is_seed: bool) -> usize {
        let n = self.machines.len();
        self.machines.push(Machine {
            name: NodeId::new(&format!("n{n}")).expect("letters and digits"),
            skew_ms: self.plan.skews_ms.get(n).copied().unwrap_or(0),
            jump_ms: 0,
            is_seed,
            runs: 0,
            left: false,
        });
        self.exposed.insert(n);
        n
    }

    pub(crate) fn schedule(&mut self, at: u64, what: Happening) {
        self.queued += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), turn: self.queued, what }));
    }

    /// Lets time pass until `end`, or until something is found wrong.
    pub(crate) fn run_until(&mut self, end: u64) {
        while self.wrong.is_none() {
            match self.queue.peek() {
                Some(Reverse(due)) if due.at <= end => {}
                _ => break,
            }
            let Some(Reverse(due)) = self.queue.pop() else { break };
            self.now = due.at;
            self.happen(due.what);
        }
        self.now = self.now.max(end);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Wake(p) => self.wake(p),
            Happening::Arrive { connection, end, copy } => self.arrive(connection, end, copy),
            Happening::Drain { connection, end } => self.drain(connection, end),
            Happening::Hangup { connection, end } => self.hang_up(connection, end, "the peer hung up"),
            Happening::Dial { from, to } => self.dial(from, to),
            Happening::Gossip => self.gossip(),
            Happening::Write => self.write(),
            Happening::Fault => self.fault(),
            Happening::Resume(p) => self.resume(p),
            Happening::Start(machine) => self.start(machine),
            Happening::Open(ways) => self.open_ways(&ways),
            Happening::SetClock(machine) => self.set_clock(machine),
        }
    }

    /// Notes the first thing that is wrong; the run ends there.
    pub(crate) fn found_wrong(&mut self, what: impl fmt::Display) {
        if self.wrong.is_none() {
            let what = what.to_string();
            self.trace.note(self.now, "wrong", &[], what.as_bytes(), || format!("WRONG: {what}"));
            self.wrong = Some(what);
        }
    }

    pub(crate) fn reach(&mut self, marker: Marker) {
        self.counts.markers.reach(marker);
    }

    pub(crate) fn count_fault(&mut self, kind: FaultKind) {
        *self.counts.faults.entry(kind.name()).or_default() += 1;
    }

    pub(crate) fn label(&self, p: usize) -> Arc<str> {
        self.processes[p].label.clone()
    }

    /// Notes something that befell one process.
    pub(crate) fn tell(&mut self, p: usize, kind: &'static str, what: impl fmt::Display) {
        let label = self.label(p);
        self.trace.note(self.now, kind, &[p as u64], &[], || format!("{label:<6} {what}"));
    }

    // --- Processes

    fn start(&mut self, machine: usize) {
        let running = self.processes.iter().any(|process| process.machine == machine && process.is_staying());
        if running || self.machines[machine].left {
            return;
        }
        self.start_run(machine);
    }

    /// Starts a run on a machine, whatever else runs there.
    pub(crate) fn start_run(&mut self, machine: usize) -> usize {
        let p = self.processes.len();
        let host = &mut self.machines[machine];
        host.runs += 1;
        let label = format!("{}#{}", host.name, host.runs).into();
        let config = config(host, host.runs, self.plan.frame_bytes);
        let mut process = Process {
            machine,
            label,
            node: host.name.clone(),
            replica: Replica::new(config.clone(), psi_replica::Now::default()),
            state: State::Running,
            started: self.now,
            wake: None,
            held: Vec::new(),
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            beliefs: BTreeMap::new(),
            dials: BTreeMap::new(),
            ends_at: None,
            seen: BTreeMap::new(),
            checked: None,
            written: psi_replica::Version::ZERO,
            origin: None,
            superseded: false,
            catches_up_with: None,
        };
        let now = process.now(self.now, host);
        process.replica = Replica::new(config, now);
        process.replica.tick(now);
        self.processes.push(process);
        self.tell(p, "start", "starts");
        self.settle(p);
        p
    }

    /// Ends a process at once. Its peers find out.
    pub(crate) fn end(&mut self, p: usize, why: &str) {
        self.tell(p, "end", format_args!("ends: {why}"));
        let links: Vec<(u64, usize)> = self.processes[p].links.iter().map(|(id, end)| (*id, *end)).collect();
        self.processes[p].state = State::Gone;
        self.processes[p].held.clear();
        for (connection, end) in links {
            self.processes[p].links.remove(&connection);
            self.drop_end(connection, end);
        }
    }

    fn wake(&mut self, p: usize) {
        if self.processes[p].wake != Some(self.now) {
            return;
        }
        self.processes[p].wake = None;
        if self.processes[p].is_running() {
            self.with(p, Replica::tick);
        }
    }

    /// A call on a running process; what follows from it is carried out.
    pub(crate) fn with<R>(&mut self, p: usize, call: impl FnOnce(&mut Replica, psi_replica::Now) -> R) -> R {
        let process = &mut self.processes[p];
        let now = process.now(self.now, &self.machines[process.machine]);
        let result = call(&mut process.replica, now);
        self.settle(p);
        result
    }

    /// Takes what a process has to say and to tell after a call, and checks it.
    pub(crate) fn settle(&mut self, p: usize) {
        self.take_events(p);
        self.check(p);
        self.poll_links(p);
        let process = &mut self.processes[p];
        if let Some(at) = process.replica.wake_at() {
            // One that keeps asking for the past would spin.
            let at = (process.started + at.0).max(self.now + 1);
            if process.wake.is_none_or(|wake| at < wake || wake < self.now) {
                process.wake = Some(at);
                self.schedule(at, Happening::Wake(p));
            }
        }
    }

    fn poll_links(&mut self, p: usize) {
        if !self.processes[p].is_running() {
            return;
        }
        let links: Vec<(u64, usize)> = self.processes[p].links.iter().map(|(id, end)| (*id, *end)).collect();
        for (connection, end) in links {
            while self.has_room(connection, end)
                && let Some(frame) = self.poll_frame(p, connection)
            {
                self.send(p, connection, end, &frame);
            }
        }
    }

    /// Whether a transport has room; it is remembered that it had none.
    fn has_room(&mut self, connection: u64, end: usize) -> bool {
        let Some(standing) = self.network.connections.get_mut(&connection) else { return false };
        let direction = &mut standing.directions[end];
        direction.was_full = !direction.has_room();
        !direction.was_full
    }

    fn poll_frame(&mut self, p: usize, connection: u64) -> Option<proto::Frame> {
        let process = &mut self.processes[p];
        let now = process.now(self.now, &self.machines[process.machine]);
        process.replica.poll_frame(now, LinkId(connection))
    }

    fn take_events(&mut self, p: usize) {
        while let Some(event) = self.processes[p].replica.poll_event() {
            self.tell(p, "event", Told(&event));
            self.note_event(p, event);
        }
    }

    fn note_event(&mut self, p: usize, event: Event) {
        match event {
            Event::Ready { origin } => self.note_ready(p, origin),
            Event::Applied { peer, origin, version, .. } => {
                if peer != origin.node {
                    self.reach(Marker::RelayedPass);
                }
                self.note_applied(p, &origin, version);
            }
            Event::Superseded { .. } => {
                self.reach(Marker::Superseded);
                self.processes[p].superseded = true;
                self.hand_over(p);
            }
            Event::Refused(refused) => self.note_refused(p, refused.refusal.reason()),
            Event::Diverged { peer } if !self.hears_damage() => {
                self.found_wrong(format_args!("{} has diverged from {peer}", self.label(p)));
            }
            Event::StepsDropped { .. } => self.reach(Marker::StepsDropped),
            _ => {}
        }
    }

    /// A pass was refused, which damage or a clock that is off may bring about, and nothing else.
    fn note_refused(&mut self, p: usize, reason: &'static str) {
        self.reach(Marker::PassRefused);
        if reason == "clock_ahead" {
            self.reach(Marker::ClockAhead);
        }
        if self.hears_damage() {
            self.reach(Marker::CorruptRefused);
        } else if reason != "clock_ahead" || self.plan.mode != Mode::Clocks {
            self.found_wrong(format_args!("{} refused an honest pass: {reason}", self.label(p)));
        }
    }

    /// Whether damaged frames have come over the connection that was just listened to.
    fn hears_damage(&self) -> bool {
        let connection = self.listens_to.and_then(|id| self.network.connections.get(&id));
        connection.is_none_or(|standing| standing.is_damaged)
    }

    fn note_ready(&mut self, p: usize, origin: Origin) {
        if !self.book.mint(&origin) {
            self.found_wrong(format_args!("{origin} was minted twice"));
        }
        self.processes[p].origin = Some(origin);
    }

    /// Lets a process hand over what it wrote, and end within a few seconds.
    pub(crate) fn hand_over(&mut self, p: usize) {
        const HAND_OVER_MS: u64 = 5_000;
        if self.processes[p].ends_at.is_none() {
            self.processes[p].ends_at = Some(self.now + HAND_OVER_MS);
            self.processes[p].replica.stop_writing("it was told to");
            self.tell(p, "leave", "takes no more writes and hands over");
        }
    }

    // --- Frames

    fn send(&mut self, p: usize, connection: u64, end: usize, frame: &proto::Frame) {
        let bytes: Bytes = frame.encode_to_vec().into();
        self.counts.frames += 1;
        self.counts.bytes += bytes.len() as u64;
        if matches!(&frame.body, Some(proto::frame::Body::News(news)) if news.restart && news.number > 1) {
            self.reach(Marker::ListingAnew);
        }
        if bytes.len() > FRAME_ENCODED_MAX {
            self.found_wrong(format_args!("{} made a frame of {} bytes", self.label(p), bytes.len()));
        }
        self.note_frame("send", connection, end, &bytes, || frames::describe(frame));
        let Some(standing) = self.network.connections.get_mut(&connection) else { return };
        let direction = &mut standing.directions[end];
        if direction.slow_ms == 0 {
            self.carry(connection, end, &bytes);
            return;
        }
        direction.waiting.push_back(bytes);
        if !direction.drains {
            direction.drains = true;
            let at = self.now + direction.slow_ms;
            self.reach(Marker::SlowPeer);
            self.schedule(at, Happening::Drain { connection, end });
        }
    }

    /// A slow transport takes one frame.
    fn drain(&mut self, connection: u64, end: usize) {
        let Some(standing) = self.network.connections.get_mut(&connection) else { return };
        let direction = &mut standing.directions[end];
        let Some(bytes) = direction.waiting.pop_front() else {
            direction.drains = false;
            return;
        };
        let at = self.now + direction.slow_ms;
        let sender = standing.ends[end];
        self.carry(connection, end, &bytes);
        self.schedule(at, Happening::Drain { connection, end });
        self.poll_links(sender);
    }

    fn carry(&mut self, connection: u64, end: usize, bytes: &Bytes) {
        let Some(machines) = self.machines_of(connection, end) else { return };
        match self.network.carry(self.now, connection, end, machines, bytes, &mut self.dice.network) {
            Fate::Lost(why) => {
                self.reach(Marker::FrameLost);
                self.note_frame("lose", connection, end, &[], || why.to_owned());
            }
            Fate::Arrives(copies) => {
                if copies.len() > 1 {
                    self.reach(Marker::FrameTwice);
                }
                for (at, copy) in copies {
                    self.schedule(at, Happening::Arrive { connection, end: 1 - end, copy });
                }
            }
        }
    }

    /// A frame arrives at `end` of a connection.
    fn arrive(&mut self, connection: u64, end: usize, copy: Copy) {
        let Some(standing) = self.network.connections.get_mut(&connection) else { return };
        let (sender, receiver) = (standing.ends[1 - end], standing.ends[end]);
        let direction = &mut standing.directions[1 - end];
        direction.on_wire = direction.on_wire.saturating_sub(1);
        let sender_waits = direction.was_full;
        let overtaken = copy.number < direction.arrived;
        direction.arrived = copy.number.max(direction.arrived);
        if overtaken {
            self.reach(Marker::FrameOvertook);
        }
        let Copy { bytes, damaged, .. } = copy;
        match self.processes[receiver].state {
            State::Paused => self.processes[receiver].held.push(Held::Frame { connection, bytes, damaged }),
            State::Running => self.receive(receiver, connection, &bytes, damaged),
            State::Gone => {}
        }
        if sender_waits {
            self.poll_links(sender);
        }
    }

    /// A process reads a frame off its transport.
    pub(crate) fn receive(&mut self, p: usize, connection: u64, bytes: &Bytes, damaged: bool) {
        let Some(end) = self.processes[p].links.get(&connection).copied() else { return };
        if damaged && let Some(standing) = self.network.connections.get_mut(&connection) {
            standing.is_damaged = true;
        }
        if bytes.len() > FRAME_ENCODED_MAX {
            self.reach(Marker::OversizedRefused);
            self.hang_up(connection, end, "a frame over the limit");
            return;
        }
        let frame = match proto::Frame::decode(bytes.clone()) {
            Ok(frame) => frame,
            Err(error) => {
                if damaged {
                    self.reach(Marker::CorruptRefused);
                } else {
                    self.found_wrong(format_args!("a frame does not decode: {error}"));
                }
                self.hang_up(connection, end, "a frame that can't be read");
                return;
            }
        };
        self.note_frame("take", connection, end, bytes, || {
            format!("takes {}{}", frames::describe(&frame), if damaged { " DAMAGED" } else { "" })
        });
        self.hand_in(p, connection, end, frame);
    }

    fn hand_in(&mut self, p: usize, connection: u64, end: usize, frame: proto::Frame) {
        let opened = match &frame.body {
            Some(proto::frame::Body::Open(open)) => NodeId::new(&open.node).ok(),
            _ => None,
        };
        let dialled = self.peer_of(connection, end).map(|peer| self.processes[peer].node.clone()).filter(|_| end == 0);
        if opened.is_some() && dialled.is_some() && opened != dialled {
            self.hang_up(connection, end, "another node answers");
            return;
        }
        let before = (self.processes[p].replica.frontier().hash(), self.processes[p].replica.digest());
        let process = &mut self.processes[p];
        let now = process.now(self.now, &self.machines[process.machine]);
        let result = process.replica.handle_frame(now, LinkId(connection), frame);
        self.check_refusal(p, connection, before, result.as_ref().err());
        self.listens_to = Some(connection);
        self.settle(p);
        self.listens_to = None;
        if let Err(error) = result {
            self.hang_up(connection, end, &format!("refused the link: {}", error.reason()));
        } else if let Some(node) = opened {
            self.introduce(p, connection, node);
        }
    }

    /// A peer has introduced itself: an older link to it is given up.
    fn introduce(&mut self, p: usize, connection: u64, node: NodeId) {
        let earlier = self.processes[p].peers.insert(node, connection);
        if let Some(earlier) = earlier.filter(|earlier| *earlier != connection)
            && let Some(end) = self.processes[p].links.get(&earlier).copied()
        {
            self.hang_up(earlier, end, "a newer link to the peer stands");
        }
    }

    /// The process at the other end.
    pub(crate) fn peer_of(&self, connection: u64, end: usize) -> Option<usize> {
        Some(self.network.connections.get(&connection)?.ends[1 - end])
    }

    pub(crate) fn machines_of(&self, connection: u64, end: usize) -> Option<(usize, usize)> {
        let ends = self.network.connections.get(&connection)?.ends;
        Some((self.processes[ends[end]].machine, self.processes[ends[1 - end]].machine))
    }

    fn note_frame(
        &mut self,
        kind: &'static str,
        connection: u64,
        end: usize,
        bytes: &[u8],
        what: impl FnOnce() -> String,
    ) {
        let Some(standing) = self.network.connections.get(&connection) else { return };
        let (here, there) = (&self.processes[standing.ends[end]].label, &self.processes[standing.ends[1 - end]].label);
        let arrow = if kind == "take" {
            "◀──"
        } else if kind == "lose" {
            "─╳ "
        } else {
            "──▶"
        };
        self.trace.note(self.now, kind, &[connection, end as u64], bytes, || {
            format!("{here:<6} {arrow} {there:<6} {}", what())
        });
    }

    // --- Quiet

    /// Ends all faults. What is gone is started again, unless it left.
    pub(crate) fn calm_down(&mut self) {
        self.trace.note(self.now, "calm", &[], &[], || "--- no more faults, no more writes".to_owned());
        self.exposed.clear();
        self.is_writing = false;
        self.network.weather = Weather::FAIR;
        self.network.closed.clear();
        for connection in self.network.connections.values_mut() {
            for direction in &mut connection.directions {
                direction.clogged_until = 0;
                direction.slow_ms = direction.slow_ms.min(1);
            }
        }
        self.plan.slow = 0;
        for machine in 0..self.machines.len() {
            self.machines[machine].jump_ms = 0;
            self.start(machine);
        }
        for p in 0..self.processes.len() {
            if self.processes[p].state == State::Paused {
                self.resume(p);
            }
        }
    }

    /// All clocks move on by hours at once, as over a night in which nothing happens.
    pub(crate) fn pass_the_night(&mut self) {
        self.trace.note(self.now, "night", &[], &[], || "--- all clocks move on by hours".to_owned());
        for machine in &mut self.machines {
            machine.skew_ms += NIGHT_MS;
        }
    }

    /// How far a node's machine is off, for the trace.
    pub(crate) fn clock_error(&self, machine: usize) -> i64 {
        self.machines.get(machine).map_or(0, |machine| machine.skew_ms + machine.jump_ms)
    }

    /// A random delay around `mean`, never 0.
    pub(crate) fn around(rng: &mut Rng, mean: u64) -> u64 {
        1 + rng.below(2 * mean.max(1))
    }

    /// A random error of a clock of hours, both ways.
    pub(crate) fn hours(rng: &mut Rng) -> i64 {
        let size = signed(rng.between(600_000, 6 * 3_600_000));
        if rng.chance(500) { size } else { -size }
    }
}

/// An event in a few words.
struct Told<'e>(&'e Event);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |origin: &Origin| frames::short_origin(origin.node.as_str(), origin.incarnation);
        match self.0 {
            Event::Ready { origin } => write!(f, "is ready as {}", short(origin)),
            Event::Opened { peer } => write!(f, "met {peer}"),
            Event::Applied { peer, origin, version, entries } => {
                write!(f, "applied {entries} entries of {} from {peer}: now at {version}", short(origin))
            }
            Event::Refused(refused) => {
                let reason = refused.refusal.reason();
                write!(f, "refused a pass of {} from {}: {reason}", short(&refused.origin), refused.peer)
            }
            Event::RefusedByPeer { peer, origin, reason, .. } => {
                write!(f, "hears that {peer} refused a pass of {}: {reason}", short(origin))
            }
            Event::Diverged { peer } => write!(f, "DIVERGED from {peer}"),
            Event::Superseded { by } => write!(f, "is superseded by {}", short(by)),
            Event::StepsDropped { field, steps } => write!(f, "dropped {steps} steps of {field}"),
            other => write!(f, "{other:?}"),
        }
    }
}
