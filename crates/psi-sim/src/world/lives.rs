//! The lives of processes: machines are added, programs start, end, and hand over; and in the end all is quiet.

use std::collections::BTreeMap;

use psi_replica::{NodeId, Version};

use super::{
    World,
    process::{Machine, Process, State, moment},
};
use crate::plan::Weather;

/// Longer than any clock was ahead.
const NIGHT_MS: i64 = 7 * 3_600_000;

/// How long a process may take to hand over what it wrote when it is to end.
pub(crate) const HAND_OVER_MS: u64 = 5_000;

impl World<'_> {
    pub(crate) fn add_machine(&mut self, is_seed: bool) -> usize {
        let n = self.machines.len();
        let name = NodeId::new(&format!("n{n}")).expect("letters and digits");
        let label = name.as_str().into();
        self.add_node(Machine::new(name, label, is_seed))
    }

    /// Adds a machine of the cluster, with a clock and the key file of one.
    pub(crate) fn add_node(&mut self, machine: Machine) -> usize {
        let n = self.machines.len();
        self.machines.push(Machine {
            skew_ms: self.plan.skews_ms.get(n).copied().unwrap_or(0),
            is_later: self.plan.later.contains(&n),
            keys: self.keys.file.clone(),
            ..machine
        });
        self.exposed.insert(n);
        n
    }

    /// Starts a machine's program, unless the machine has left, or a process there runs or still hands over: that one
    /// holds the data directory, and the next is started when it has ended.
    pub(crate) fn start(&mut self, machine: usize) {
        let holds_directory = |process: &Process| process.is_staying() || process.is_handing_over();
        let running = self.processes.iter().any(|process| process.machine == machine && holds_directory(process));
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
        let (label, node) = (format!("{}#{}", host.label, host.runs).into(), host.name.clone());
        let identity = host.identity();
        let mut replica = self.boot(machine);
        replica.tick(moment(self.now, self.now, &self.machines[machine]));
        let seen = replica.frontier().iter().map(|(origin, version)| (origin.clone(), version)).collect();
        let process = Process {
            machine,
            label,
            node,
            identity,
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
            time_sample: None,
            own_checked: Version::ZERO,
            saved_at: self.now,
            end_moves: 0,
            written: Version::ZERO,
            origin: None,
            superseded: false,
            catches_up_with: None,
        };
        self.processes.push(process);
        self.trace_process(p, "start", "starts");
        self.check_restored(p);
        self.settle(p);
        self.take_seat(p);
        p
    }

    /// Ends a process at once. Its peers find out.
    pub(crate) fn end(&mut self, p: usize, why: &str) {
        self.trace_process(p, "end", format_args!("ends: {why}"));
        let links: Vec<(u64, usize)> = self.processes[p].links.iter().map(|(id, end)| (*id, *end)).collect();
        self.processes[p].state = State::Gone;
        self.leave_seat(p);
        self.processes[p].held.clear();
        for (connection, end) in links {
            self.processes[p].links.remove(&connection);
            self.drop_end(connection, end);
        }
    }

    pub(crate) fn wake(&mut self, p: usize) {
        if self.processes[p].wake != Some(self.now) {
            return;
        }
        self.processes[p].wake = None;
        if self.processes[p].is_running() {
            self.with(p, |replica, now| replica.tick(now));
        }
    }

    /// Lets a process hand over what it wrote, and end within a few seconds.
    pub(crate) fn hand_over(&mut self, p: usize) {
        if self.processes[p].ends_at.is_none() {
            self.processes[p].ends_at = Some(self.now + HAND_OVER_MS);
            self.processes[p].replica.stop_writing(psi_replica::StopCause::Requested);
            self.trace_process(p, "leave", "takes no more writes and hands over");
            self.with(p, |replica, now| replica.close(now));
        }
    }

    /// Ends all faults. What is gone is started again, unless it left.
    pub(crate) fn calm_down(&mut self) {
        self.trace.record(self.now, "calm", &[], &[], || "--- no more faults, no more writes".to_owned());
        self.calm_at = Some(self.now);
        self.exposed.clear();
        self.is_writing = false;
        self.network.weather = Weather::FAIR;
        self.network.closed.clear();
        self.network.withheld.clear();
        self.trap = None;
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
    pub(crate) fn skip_the_night(&mut self) {
        self.trace.record(self.now, "night", &[], &[], || "--- all clocks move on by hours".to_owned());
        for machine in &mut self.machines {
            machine.skew_ms += NIGHT_MS;
        }
    }

    /// How far a node's machine is off, for the trace.
    pub(crate) fn clock_error(&self, machine: usize) -> i64 {
        self.machines.get(machine).map_or(0, |machine| machine.skew_ms + machine.jump_ms)
    }
}
