//! Strangers: what they do, and how machines come and go that have the name of a node.

use psi_replica::{FieldName, NodeId};
use psi_state::Setup;

use crate::{
    plan::StrangerKind,
    report::markers::Marker,
    world::{
        Machine, Occurrence, State, World,
        identity::{KeyName, KeyRing},
    },
};

impl World<'_> {
    /// Machines of strangers, which start when the others do.
    pub(crate) fn add_strangers(&mut self) {
        let Some(plan) = self.plan.identity.clone() else { return };
        for (turn, kind) in plan.strangers.into_iter().enumerate() {
            let dice = &mut self.dice.identity;
            let label = format!("s{turn}");
            let claimed = dice.below(self.plan.nodes as u64);
            let name = match kind {
                StrangerKind::Namesake | StrangerKind::Misnamed => format!("n{claimed}"),
                _ => label.clone(),
            };
            let keys: &[KeyName] = match kind {
                StrangerKind::Keyless => &[],
                StrangerKind::OtherKey | StrangerKind::Namesake => &[KeyName::Foreign],
                StrangerKind::Misnamed | StrangerKind::Former => &[KeyName::Old],
            };
            let hours = Self::hours(dice);
            let skew_ms = if dice.chance(500) { hours } else { 0 };
            let at = dice.below(1_500);
            let name = NodeId::new(&name).expect("letters and digits");
            let mut machine = Machine::new(name, label.into(), true);
            (machine.skew_ms, machine.keys, machine.stranger) = (skew_ms, KeyRing::new(keys), Some(kind));
            // Else two runs of one name could come to be called the same.
            machine.runs = 500;
            self.machines.push(machine);
            self.schedule(at, Occurrence::Start(self.machines.len() - 1));
        }
    }

    /// Strangers dial nodes, and write.
    pub(crate) fn meet_strangers(&mut self) {
        if self.plan.identity.is_none() {
            return;
        }
        self.shut_out_former();
        for p in 0..self.processes.len() {
            if !self.is_stranger(p) || !self.processes[p].is_running() {
                continue;
            }
            self.write_as_stranger(p);
            if self.dice.identity.chance(500) {
                self.dial_as_stranger(p);
            }
        }
    }

    fn dial_as_stranger(&mut self, p: usize) {
        let nodes: Vec<usize> = (0..self.processes.len())
            .filter(|other| self.processes[*other].is_running() && !self.is_stranger(*other))
            .collect();
        let Some(other) = self.dice.identity.pick(&nodes).copied() else { return };
        let is_linked = self.processes[p].dials.get(&other).is_some_and(|dial| dial.connection.is_some());
        let (here, there) = (self.processes[p].machine, self.processes[other].machine);
        let is_open = self.network.is_open(here, there) && self.network.is_open(there, here);
        if is_open && !is_linked && self.may_link(p) {
            self.connect(p, other, other);
        }
    }

    /// A stranger's own clients step, and reset a field now and then.
    fn write_as_stranger(&mut self, p: usize) {
        let field = FieldName::default_field();
        let width = self.processes[p].replica.view(&field).map_or(1, |view| view.spec.spec.setup.shape.width);
        let input = self.dice.identity.input(width);
        let resets = self.dice.identity.chance(50);
        // It may not be ready.
        let _ = self.with(p, |replica, now| match resets {
            true => replica.reset_field(now, &field, Setup::default()).map(drop),
            false => replica.step(now, &field, &input).map(drop),
        });
    }

    /// Who is there when a process dials another: at times a stranger has its address.
    pub(crate) fn answering(&mut self, from: usize, to: usize) -> usize {
        let has_faults = self.plan.identity.as_ref().is_some_and(|plan| plan.has_faults);
        if !has_faults || self.is_stranger(from) || !self.dice.identity.chance(200) {
            return to;
        }
        let is_there = |p: &usize| self.is_stranger(*p) && self.processes[*p].is_running();
        let strangers: Vec<usize> = (0..self.processes.len()).filter(is_there).collect();
        self.dice.identity.pick(&strangers).copied().unwrap_or(to)
    }

    /// A machine that took no part in a change of the key is a stranger once no node accepts the old one. What it writes
    /// from then on is none of the cluster's, and another is put in its place.
    pub(crate) fn shut_out_former(&mut self) {
        let Some(machine) = self.keys.left_out.filter(|machine| self.machines[*machine].stranger.is_none()) else {
            return;
        };
        let mut others = self.changed_machines().into_iter().filter(|other| *other != machine);
        if others.any(|other| self.accepts_old_key(other)) {
            return;
        }
        self.reach(Marker::SHUT_OUT);
        self.machines[machine].stranger = Some(StrangerKind::Former);
        self.trace.record(self.now, "shut", &[machine as u64], &[], || format!("--- n{machine} is a stranger now"));
        for process in self.processes.iter_mut().filter(|process| process.machine == machine) {
            process.identity.trusts_all = true;
            if let Some(own) = process.replica.origin() {
                self.strangers.record_shut_out(own.clone(), process.replica.version());
            }
        }
        for process in self.processes.iter().filter(|process| self.machines[process.machine].stranger.is_none()) {
            self.strangers.record_known(process.replica.frontier());
        }
        let wait = self.dice.identity.between(500, 3_000);
        self.schedule(self.now + wait, Occurrence::Replace(machine));
    }

    /// Whether a process accepts the old key that runs on a machine, or would if it started.
    fn accepts_old_key(&self, machine: usize) -> bool {
        let runs = self.processes.iter().filter(|it| it.machine == machine && it.state != State::Gone);
        let rings = runs.map(|process| &process.identity.ring);
        rings.chain([&self.machines[machine].keys]).any(|ring| ring.accepts(KeyName::Old))
    }

    /// A machine is replaced by another that has its name and the key file, and nothing else. It ends before, unless it
    /// was shut out.
    pub(crate) fn replace(&mut self, machine: usize) {
        let is_former = self.machines[machine].stranger.is_some();
        let runs = |p: &usize| self.processes[*p].machine == machine && self.processes[*p].state != State::Gone;
        let running: Vec<usize> = (0..self.processes.len()).filter(runs).collect();
        if !is_former && !self.exposed.contains(&machine) {
            return;
        }
        if !is_former && !running.is_empty() {
            self.machines[machine].left = true;
            let staying: Vec<usize> = running.into_iter().filter(|p| self.processes[*p].is_staying()).collect();
            staying.into_iter().for_each(|p| self.hand_over(p));
            return self.schedule(self.now + 500, Occurrence::Replace(machine));
        }
        self.machines[machine].left = true;
        let Machine { name, label, is_seed, runs, .. } = &self.machines[machine];
        let (name, label, is_seed, runs) = (name.clone(), label.clone(), *is_seed, *runs);
        let next = self.add_node(Machine { runs, ..Machine::new(name, label, is_seed) });
        self.reach(Marker::NODE_REPLACED);
        self.start(next);
    }
}
