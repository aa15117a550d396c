//! The world: processes on a network, and a queue of what happens next. Nothing happens but by the plan's seed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
    fmt,
    sync::Arc,
};

use psi_replica::{NodeId, Replica};

use crate::{
    checks::Book,
    disk::Disk,
    faults::FaultKind,
    marker_counts::MarkerCounts,
    markers::Marker,
    network::{Copy, Network},
    plan::{Plan, Weather, signed},
    process::{Machine, Process, State, moment},
    rng::Rng,
    sessions::Carried,
    trace::{Sink, Trace},
};

/// Longer than any clock was ahead.
const NIGHT_MS: i64 = 7 * 3_600_000;

/// How long a process may take to hand over what it wrote when it is to end.
pub(crate) const HAND_OVER_MS: u64 = 5_000;

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
    pub markers: MarkerCounts,
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
    pub(crate) setups: Rng,
    pub(crate) gossip: Rng,
    pub(crate) sessions: Rng,
    pub(crate) disk: Rng,
    /// What clients write of components, by name.
    components: BTreeMap<&'static str, Rng>,
}

impl Dice {
    /// The stream of a component. Those of others stay as they are when one is added.
    pub(crate) fn component(&mut self, seed: u64, name: &'static str) -> &mut Rng {
        self.components.entry(name).or_insert_with(|| Rng::new(seed, name))
    }
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
    /// Tokens that clients carry.
    pub(crate) tokens: VecDeque<Carried>,
    /// When all faults ended.
    pub(crate) calm_at: Option<u64>,
    /// Steps that were accepted.
    pub(crate) steps: u64,
    /// A process that clients write to in a rush, the field, and how often they still do.
    pub(crate) rush: Option<(usize, psi_replica::FieldName, u8)>,
    /// Whether clients write.
    pub(crate) is_writing: bool,
    /// The connection of which a frame has just been handed in.
    pub(crate) listens_to: Option<u64>,
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
                setups: Rng::new(seed, "setups"),
                gossip: Rng::new(seed, "gossip"),
                sessions: Rng::new(seed, "sessions"),
                disk: Rng::new(seed, "disk"),
                components: BTreeMap::new(),
            },
            book: Book::default(),
            counts: Counts::default(),
            trace: Trace::new(sink),
            queue: BinaryHeap::new(),
            queued: 0,
            exposed: BTreeSet::new(),
            tokens: VecDeque::new(),
            calm_at: None,
            steps: 0,
            rush: None,
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
            is_later: self.plan.later.contains(&n),
            disk: Disk::default(),
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

    /// Starts a machine's program, unless it runs or the machine has left.
    pub(crate) fn start(&mut self, machine: usize) {
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
        let (label, node) = (format!("{}#{}", host.name, host.runs).into(), host.name.clone());
        let mut replica = self.boot(machine);
        replica.tick(moment(self.now, self.now, &self.machines[machine]));
        let seen = replica.frontier().iter().map(|(origin, version)| (origin.clone(), version)).collect();
        let process = Process {
            machine,
            label,
            node,
            replica,
            state: State::Running,
            started: self.now,
            wake: None,
            held: Vec::new(),
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            beliefs: BTreeMap::new(),
            dials: BTreeMap::new(),
            ends_at: None,
            seen,
            checked: None,
            own_checked: psi_replica::Version::ZERO,
            saved_at: self.now,
            written: psi_replica::Version::ZERO,
            origin: None,
            superseded: false,
            catches_up_with: None,
        };
        self.processes.push(process);
        self.tell(p, "start", "starts");
        self.check_restored(p);
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

    /// Lets a process hand over what it wrote, and end within a few seconds.
    pub(crate) fn hand_over(&mut self, p: usize) {
        if self.processes[p].ends_at.is_none() {
            self.processes[p].ends_at = Some(self.now + HAND_OVER_MS);
            self.processes[p].replica.stop_writing("it was told to");
            self.tell(p, "leave", "takes no more writes and hands over");
        }
    }

    // --- Quiet

    /// Ends all faults. What is gone is started again, unless it left.
    pub(crate) fn calm_down(&mut self) {
        self.trace.note(self.now, "calm", &[], &[], || "--- no more faults, no more writes".to_owned());
        self.calm_at = Some(self.now);
        self.exposed.clear();
        self.is_writing = false;
        self.network.weather = Weather::FAIR;
        self.network.closed.clear();
        for connection in self.network.connections.values_mut() {
            connection.clear_up();
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
