//! An operator who changes the cluster's key while nodes run: a file on every machine, one step after the other.

use std::collections::BTreeSet;

use super::key_change::{KeyStep, steps_of};
use crate::{
    plan::{IdentityPlan, KeyChange},
    report::markers::Marker,
    world::{
        Occurrence, Process, State, World,
        identity::{KeyName, KeyRing},
    },
};

/// How often the operator looks how far the nodes are.
const LOOK_MS: u64 = 500;
/// When the change begins.
const BEGIN_MS: (u64, u64) = (5_000, 8_000);
/// How much later one machine gets each file.
const LATE_MS: (u64, u64) = (1_000, 4_000);
/// A change that is not done by then never will be.
const CHANGE_MS_MAX: u64 = 180_000;

impl World<'_> {
    /// The file that machines begin with, and when the operator changes it.
    pub(crate) fn begin_with_key(&mut self) {
        let Some(plan) = self.plan.identity.clone() else { return };
        self.keys.file = KeyRing::new(&[KeyName::Old]);
        if plan.change.is_some() {
            let at = self.dice.identity.between(BEGIN_MS.0, BEGIN_MS.1);
            self.schedule(at, Occurrence::ChangeKeys);
        }
        if let Some(at) = plan.replaced_at {
            let machine = self.dice.identity.below(self.plan.nodes as u64);
            self.schedule(at, Occurrence::Replace(usize::try_from(machine).unwrap_or(0)));
        }
    }

    /// The operator looks whether all have read the file of the current step, and takes the next.
    pub(crate) fn change_keys(&mut self) {
        let Some(plan) = self.plan.identity.clone() else { return };
        let Some(step) = self.keys.current.clone() else { return self.begin_change(&plan) };
        if !self.have_read(&step) {
            return self.schedule(self.now + LOOK_MS, Occurrence::ChangeKeys);
        }
        if !std::mem::replace(&mut self.keys.rests, true) {
            return self.schedule(self.now + step.rests_ms, Occurrence::ChangeKeys);
        }
        if let Some(machines) = step.machines.as_ref().filter(|_| step.cuts) {
            self.check_cut(machines);
        }
        self.take_key_step();
    }

    /// Lets time pass until a change of the key is done.
    pub(crate) fn finish_key_change(&mut self) {
        let begin = self.now;
        while self.wrong.is_none() && self.plan.identity.is_some() && !self.is_key_changed() {
            if self.now - begin >= CHANGE_MS_MAX {
                self.found_wrong("the cluster's key was not changed in the time for it");
            }
            self.run_until(self.now + LOOK_MS);
        }
    }

    /// Whether the key is changed, and who was to be replaced is.
    fn is_key_changed(&self) -> bool {
        let has_ended = self.keys.steps.is_empty() && self.keys.current.is_none();
        let is_waited_for = |what: &Occurrence| matches!(what, Occurrence::ChangeKeys | Occurrence::Replace(_));
        has_ended && !self.queue.iter().any(|queued| is_waited_for(&queued.0.what))
    }

    fn begin_change(&mut self, plan: &IdentityPlan) {
        let Some(change) = plan.change.filter(|_| self.keys.steps.is_empty()) else { return };
        if plan.shuts_out && self.plan.nodes > 2 {
            let last = self.plan.nodes - 1;
            self.machines[last].is_given_up = true;
            self.exposed.remove(&last);
            self.keys.left_out = Some(last);
            self.trace.record(self.now, "keys", &[last as u64], &[], || format!("--- n{last} is to be shut out"));
        }
        let machines: Vec<usize> = self.changed_machines().into_iter().collect();
        let dice = &mut self.dice.identity;
        self.keys.late = dice.pick(&machines).copied().filter(|_| dice.chance(700));
        let some = dice.between(1, (machines.len() as u64).saturating_sub(1).max(1));
        let some: BTreeSet<usize> = machines.iter().copied().take(usize::try_from(some).unwrap_or(1)).collect();
        let others = machines.iter().copied().filter(|machine| !some.contains(machine)).collect();
        self.keys.steps = steps_of(change, &some, &others, dice).into();
        let steps = self.keys.steps.len() as u64;
        self.keys.restarted = dice.pick(&machines).copied().filter(|_| dice.chance(700)).map(|machine| {
            let left = usize::try_from(dice.below(steps)).unwrap_or(0);
            (machine, left)
        });
        self.take_key_step();
    }

    /// Machines of the cluster that the operator goes to.
    pub(super) fn changed_machines(&self) -> BTreeSet<usize> {
        let is_node = |machine: &usize| self.machines[*machine].stranger.is_none();
        let runs = |machine: usize| {
            self.processes.iter().any(|process| process.machine == machine && process.state != State::Gone)
        };
        let is_there =
            |machine: &usize| Some(*machine) != self.keys.left_out && (!self.machines[*machine].left || runs(*machine));
        (0..self.machines.len()).filter(is_node).filter(is_there).collect()
    }

    fn machines_of_step(&self, step: &KeyStep) -> BTreeSet<usize> {
        let all = self.changed_machines();
        step.machines.as_ref().map_or_else(|| all.clone(), |some| some.intersection(&all).copied().collect())
    }

    /// Whether the file of a step is on all its machines, and what runs there has read it.
    fn have_read(&self, step: &KeyStep) -> bool {
        let machines = self.machines_of_step(step);
        let has_read = |process: &Process| {
            process.state == State::Gone || !machines.contains(&process.machine) || process.identity.ring == step.file
        };
        machines.iter().all(|machine| self.machines[*machine].keys == step.file) && self.processes.iter().all(has_read)
    }

    fn take_key_step(&mut self) {
        self.keys.rests = false;
        self.keys.current = self.keys.steps.pop_front();
        let Some(step) = self.keys.current.clone() else {
            if self.is_changed_in_order() {
                self.reach(Marker::KEY_CHANGED);
            }
            return;
        };
        if step.machines.is_none() {
            self.keys.file = step.file.clone();
        }
        self.trace.record(self.now, "keys", &[], &[], || format!("--- the operator's next key file: {}", step.file));
        for machine in self.machines_of_step(&step) {
            let mut wait = self.dice.identity.between(50, 1_500);
            if self.keys.late == Some(machine) {
                wait += self.dice.identity.between(LATE_MS.0, LATE_MS.1);
                self.reach(Marker::KEY_LATE);
            }
            self.schedule(self.now + wait, Occurrence::PutKeys(machine));
        }
        if let Some((machine, _)) = self.keys.restarted.filter(|(_, left)| *left == self.keys.steps.len()) {
            self.restart_meanwhile(machine);
        }
        self.schedule(self.now + LOOK_MS, Occurrence::ChangeKeys);
    }

    /// A node is restarted while the key is changed.
    fn restart_meanwhile(&mut self, machine: usize) {
        let runs = |p: &usize| self.processes[*p].machine == machine && self.processes[*p].is_running();
        let Some(p) = (0..self.processes.len()).find(runs) else { return };
        let (wait, is_clean) = (self.dice.identity.between(200, 2_500), self.dice.identity.chance(500));
        self.reach(Marker::KEY_RESTART);
        self.schedule(self.now + wait, Occurrence::Stop { p, is_clean });
    }

    /// A machine gets the file of the current step, which what runs there reads within a second.
    pub(crate) fn put_keys(&mut self, machine: usize) {
        let Some(file) = self.keys.current.as_ref().map(|step| step.file.clone()) else { return };
        self.trace.record(self.now, "keys", &[machine as u64], &[], || format!("--- n{machine} has {file}"));
        self.machines[machine].keys = file;
        for p in 0..self.processes.len() {
            if self.processes[p].machine == machine {
                let wait = self.dice.identity.between(1, 1_000);
                self.schedule(self.now + wait, Occurrence::ReadKeys(p));
            }
        }
    }

    /// Whether the key is changed as it is to be, so that nothing may come of it.
    pub(crate) fn is_changed_in_order(&self) -> bool {
        self.plan.identity.as_ref().is_some_and(|plan| plan.change != Some(KeyChange::OldKeyFirst))
    }
}
