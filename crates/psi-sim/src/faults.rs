//! What befalls machines, processes and connections, and when it is over.

use crate::{
    markers::Marker,
    plan::Mode,
    process::{Held, State},
    world::{Happening, World},
};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    Crash,
    Pause,
    LongPause,
    TwinRun,
    Partition,
    OneWay,
    Clog,
    Break,
    FalseDeath,
    Join,
    Leave,
    ClockJump,
    Blackout,
}

const USUAL: [FaultKind; 12] = [
    FaultKind::Crash,
    FaultKind::Pause,
    FaultKind::LongPause,
    FaultKind::TwinRun,
    FaultKind::Partition,
    FaultKind::OneWay,
    FaultKind::Clog,
    FaultKind::Break,
    FaultKind::FalseDeath,
    FaultKind::Join,
    FaultKind::Leave,
    FaultKind::Blackout,
];

const CLOCKS: [FaultKind; 6] = [
    FaultKind::ClockJump,
    FaultKind::ClockJump,
    FaultKind::ClockJump,
    FaultKind::Crash,
    FaultKind::Break,
    FaultKind::Partition,
];

/// Nodes that may join a run.
const JOINS_MAX: usize = 3;

impl FaultKind {
    /// Those that runs of a mode choose from.
    pub(crate) fn of_mode(mode: Mode) -> &'static [Self] {
        if mode == Mode::Clocks { &CLOCKS } else { &USUAL }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::LongPause => "pause while a successor starts",
            Self::TwinRun => "two runs at once",
            Self::Partition => "partition",
            Self::OneWay => "one-way partition",
            Self::Clog => "clog",
            Self::Break => "broken connection",
            Self::FalseDeath => "false death",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::ClockJump => "clock jump",
            Self::Blackout => "crash of all",
        }
    }
}

impl World<'_> {
    /// The next fault, and the one after it.
    pub(crate) fn fault(&mut self) {
        if self.exposed.is_empty() {
            return;
        }
        let wait = Self::around(&mut self.dice.faults, self.plan.fault_ms);
        self.schedule(self.now + wait, Happening::Fault);
        let Some(kind) = self.dice.faults.pick(&self.plan.faults).copied() else { return };
        if self.befall(kind).is_some() {
            self.count_fault(kind);
        }
    }

    /// Lets a fault happen; `None` if there is nothing that it could befall.
    fn befall(&mut self, kind: FaultKind) -> Option<()> {
        match kind {
            FaultKind::Crash => self.crash(),
            FaultKind::Pause => {
                let (p, ms) = (self.exposed_process()?, self.dice.faults.between(50, 5_000));
                self.pause(p, ms);
                Some(())
            }
            FaultKind::LongPause => self.long_pause(),
            FaultKind::TwinRun => {
                let p = self.exposed_writer()?;
                self.start_run(self.processes[p].machine);
                Some(())
            }
            FaultKind::Partition => self.partition(),
            FaultKind::OneWay => self.one_way(),
            FaultKind::Clog => self.clog(),
            FaultKind::Break => {
                let (connection, end) = self.exposed_connection()?;
                self.hang_up(connection, end, "the connection broke");
                Some(())
            }
            FaultKind::FalseDeath => self.false_death(),
            FaultKind::Join => self.join(),
            FaultKind::Leave => self.leave(),
            FaultKind::ClockJump => self.jump_clock(),
            FaultKind::Blackout => self.black_out(),
        }
    }

    /// A running process that faults may befall.
    fn exposed_process(&mut self) -> Option<usize> {
        let running: Vec<usize> = (0..self.processes.len())
            .filter(|p| self.processes[*p].is_running() && self.processes[*p].is_staying())
            .filter(|p| self.exposed.contains(&self.processes[*p].machine))
            .collect();
        self.dice.faults.pick(&running).copied()
    }

    /// A running process that faults may befall, has written, and is the only run of its machine that stays.
    fn exposed_writer(&mut self) -> Option<usize> {
        let p = self.exposed_process()?;
        let machine = self.processes[p].machine;
        let runs = self.processes.iter().filter(|process| process.machine == machine && process.is_staying()).count();
        (runs == 1 && self.processes[p].written > psi_replica::Version::ZERO).then_some(p)
    }

    /// An end of a connection of which faults may befall either side.
    fn exposed_connection(&mut self) -> Option<(u64, usize)> {
        let exposed: Vec<u64> = self
            .network
            .connections
            .iter()
            .filter(|(_, connection)| {
                connection.ends.iter().any(|p| self.exposed.contains(&self.processes[*p].machine))
            })
            .map(|(id, _)| *id)
            .collect();
        let connection = *self.dice.faults.pick(&exposed)?;
        Some((connection, usize::from(self.dice.faults.chance(500))))
    }

    fn crash(&mut self) -> Option<()> {
        let p = self.exposed_process()?;
        self.crash_one(p);
        Some(())
    }

    /// All that faults may befall is gone at once. Seldom, or nothing would ever be old.
    fn black_out(&mut self) -> Option<()> {
        if !self.dice.faults.chance(200) {
            return None;
        }
        let running = |p: &usize| self.processes[*p].is_running() && self.exposed.contains(&self.processes[*p].machine);
        let running: Vec<usize> = (0..self.processes.len()).filter(running).collect();
        running.into_iter().for_each(|p| self.crash_one(p));
        self.reach(Marker::BLACKOUT);
        Some(())
    }

    fn crash_one(&mut self, p: usize) {
        if self.processes[p].written > psi_replica::Version::ZERO && !self.processes[p].has_handed_over() {
            self.reach(Marker::CRASH_WITH_UNSAID);
        }
        self.end(p, "it crashed");
        let wait = self.dice.faults.between(50, 5_000);
        self.schedule(self.now + wait, Happening::Start(self.processes[p].machine));
    }

    fn pause(&mut self, p: usize, ms: u64) {
        self.processes[p].state = State::Paused;
        self.reach(Marker::PAUSED);
        self.tell(p, "pause", format_args!("stands still for {ms} ms"));
        self.schedule(self.now + ms, Happening::Resume(p));
    }

    /// A process stands still for so long that another is started in its place, and then goes on.
    fn long_pause(&mut self) -> Option<()> {
        let p = self.exposed_writer()?;
        let (ms, wait) = (self.dice.faults.between(3_000, 9_000), self.dice.faults.between(500, 3_000));
        self.pause(p, ms);
        // The supervisor takes it for dead.
        let successor = self.processes[p].machine;
        self.processes[p].ends_at = Some(u64::MAX);
        self.schedule(self.now + wait, Happening::Start(successor));
        Some(())
    }

    /// A paused process goes on, with what came in meanwhile.
    pub(crate) fn resume(&mut self, p: usize) {
        if self.processes[p].state != State::Paused {
            return;
        }
        self.processes[p].state = State::Running;
        if self.processes[p].ends_at == Some(u64::MAX) {
            self.processes[p].ends_at = None;
        }
        let machine = self.processes[p].machine;
        if self.processes.iter().skip(p + 1).any(|later| later.machine == machine) {
            self.reach(Marker::OLD_RUN_RETURNED);
        }
        self.tell(p, "resume", "goes on");
        self.with(p, psi_replica::Replica::tick);
        for held in std::mem::take(&mut self.processes[p].held) {
            match held {
                Held::Frame { connection, bytes, damaged } => self.receive(p, connection, &bytes, damaged),
                Held::Hangup { connection } => {
                    if let Some(end) = self.processes[p].links.get(&connection).copied() {
                        self.hang_up(connection, end, "the peer hung up");
                    }
                }
            }
        }
    }

    /// Closes ways for a while, but none between two machines that are left alone.
    fn close(&mut self, ways: Vec<(usize, usize)>) -> Option<()> {
        let (exposed, closed) = (&self.exposed, &self.network.closed);
        let ways: Vec<(usize, usize)> = ways
            .into_iter()
            .filter(|(from, to)| from != to && (exposed.contains(from) || exposed.contains(to)))
            .filter(|way| !closed.contains(way))
            .collect();
        if ways.is_empty() {
            return None;
        }
        self.network.closed.extend(ways.iter().copied());
        let listed = ways.iter().map(|(from, to)| format!(" n{from}→n{to}")).collect::<String>();
        self.trace.note(self.now, "cut", &[], listed.as_bytes(), || format!("--- closed:{listed}"));
        let ms = self.dice.faults.between(100, 8_000);
        self.schedule(self.now + ms, Happening::Open(ways));
        Some(())
    }

    pub(crate) fn open_ways(&mut self, ways: &[(usize, usize)]) {
        let mut opened = false;
        for way in ways {
            opened |= self.network.closed.remove(way);
        }
        if opened {
            self.reach(Marker::PARTITION_HEALED);
            let listed = ways.iter().map(|(from, to)| format!(" n{from}→n{to}")).collect::<String>();
            self.trace.note(self.now, "open", &[], listed.as_bytes(), || format!("--- open again:{listed}"));
        }
    }

    fn partition(&mut self) -> Option<()> {
        let machines = 0..self.machines.len();
        let side: Vec<usize> = machines.clone().filter(|_| self.dice.faults.chance(400)).collect();
        let other = machines.filter(|machine| !side.contains(machine));
        let ways = other.flat_map(|there| side.iter().flat_map(move |here| [(*here, there), (there, *here)])).collect();
        self.close(ways)
    }

    fn one_way(&mut self) -> Option<()> {
        let machines: Vec<usize> = (0..self.machines.len()).collect();
        let from = *self.dice.faults.pick(&machines)?;
        let all = self.dice.faults.chance(300);
        let one = *self.dice.faults.pick(&machines)?;
        let ways = machines.into_iter().filter(|to| all || *to == one).map(|to| (from, to)).collect();
        self.close(ways)?;
        self.reach(Marker::ONE_WAY_PARTITION);
        Some(())
    }

    fn clog(&mut self) -> Option<()> {
        let (connection, end) = self.exposed_connection()?;
        let until = self.now + self.dice.faults.between(100, 5_000);
        self.network.connections.get_mut(&connection)?.directions[end].clogged_until = until;
        self.reach(Marker::CLOGGED);
        let p = self.network.connections.get(&connection)?.ends[end];
        let peer = self.peer_of(connection, end)?;
        let ms = until - self.now;
        self.tell(p, "clog", format_args!("nothing reaches {} for {ms} ms", self.label(peer)));
        Some(())
    }

    fn false_death(&mut self) -> Option<()> {
        let p = self.exposed_process()?;
        let live: Vec<usize> =
            self.processes[p].beliefs.iter().filter(|(_, belief)| belief.live).map(|(other, _)| *other).collect();
        let other = *self.dice.faults.pick(&live)?;
        self.declare_dead(p, other);
        Some(())
    }

    fn join(&mut self) -> Option<()> {
        if self.machines.len() >= self.plan.nodes + JOINS_MAX {
            return None;
        }
        let machine = self.add_machine(false);
        self.start_run(machine);
        self.reach(Marker::JOINED);
        Some(())
    }

    /// A node leaves for good and in good order. Some seed stays, for those that are started later.
    fn leave(&mut self) -> Option<()> {
        let p = self.exposed_process()?;
        let machine = self.processes[p].machine;
        let staying = |at: &usize| *at != machine && !self.machines[*at].left;
        let staying: Vec<usize> = (0..self.machines.len()).filter(staying).collect();
        let is_core = self.plan.mode == Mode::Liveness && self.plan.core().contains(&machine);
        if is_core || staying.len() < 2 || !staying.iter().any(|at| self.machines[*at].is_seed) {
            return None;
        }
        self.machines[machine].left = true;
        for p in 0..self.processes.len() {
            if self.processes[p].machine == machine && self.processes[p].is_staying() {
                self.hand_over(p);
            }
        }
        self.reach(Marker::LEFT);
        Some(())
    }

    /// The clock of one machine jumps by hours; those of most stay right.
    fn jump_clock(&mut self) -> Option<()> {
        if self.machines.iter().any(|machine| machine.jump_ms != 0) {
            return None;
        }
        let p = self.exposed_process()?;
        let machine = self.processes[p].machine;
        self.machines[machine].jump_ms = Self::hours(&mut self.dice.faults);
        let error = self.clock_error(machine);
        self.trace.note(self.now, "jump", &[machine as u64], &error.to_le_bytes(), || {
            format!("--- the clock of n{machine} is off by {error} ms")
        });
        let ms = self.dice.faults.between(2_000, 8_000);
        self.schedule(self.now + ms, Happening::SetClock(machine));
        Some(())
    }

    pub(crate) fn set_clock(&mut self, machine: usize) {
        self.machines[machine].jump_ms = 0;
        let error = self.clock_error(machine);
        self.trace.note(self.now, "jump", &[machine as u64], &error.to_le_bytes(), || {
            format!("--- the clock of n{machine} is set, off by {error} ms")
        });
    }
}
