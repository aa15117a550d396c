//! Liveness: a connected core of nodes is left alone while the rest keeps failing, and the core must agree
//! nearly as fast as it does when the rest is well.
//!
//! The same seed is played twice up to the same moment. Then, once, all faults end; and once only those of the core do.
//! The core is to reach what its nodes held at that moment; what the rest may still hand over is not counted.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::{Origin, Version};

use super::rounds::ROUND_MS;
use crate::{
    plan::Plan,
    report::{Sink, frames},
    world::{Process, World},
};

/// A core that has not agreed after so long never will.
const CORE_MS_MAX: u64 = 240_000;

/// The highest version that is to be reached, per origin.
type Target = BTreeMap<Origin, Version>;

/// Plays the seed up to the moment at which the core is left alone, and to its agreement. With `healed`, all else is
/// left alone too. Gives the rounds that this took, and whether some node of the core was joining.
pub(crate) fn play<'a>(plan: Plan, healed: bool, sink: Option<Sink<'a>>) -> (World<'a>, u64, bool) {
    let stormy_ms = plan.stormy_ms;
    let mut world = World::new(plan, sink);
    world.run_until(stormy_ms);
    let core = world.plan.core();
    let target = world.core_target(&core);
    if healed {
        world.calm_down();
    } else {
        world.shelter(&core);
    }
    let is_ready = |machine: &usize| world.latest_run(*machine).is_some_and(|process| process.origin.is_some());
    let joining = !core.iter().all(is_ready);
    let rounds = world.rounds_to(&core, &target);
    (world, rounds, joining)
}

impl World<'_> {
    /// Leaves the core alone: nothing befalls its nodes, and nothing goes wrong between them.
    fn shelter(&mut self, core: &BTreeSet<usize>) {
        self.trace.record(self.now, "shelter", &[], &[], || {
            format!("--- no more writes; n0 to n{} are left alone, the rest keeps failing", core.len() - 1)
        });
        self.is_writing = false;
        self.network.sheltered.clone_from(core);
        self.exposed.retain(|machine| !core.contains(machine));
        self.network.closed.retain(|(from, to)| !(core.contains(from) && core.contains(to)));
        for connection in self.network.connections.values_mut() {
            if connection.ends.iter().all(|p| core.contains(&self.processes[*p].machine)) {
                connection.clear_up();
            }
        }
        for machine in core {
            self.start(*machine);
        }
        for p in 0..self.processes.len() {
            if core.contains(&self.processes[p].machine) {
                self.resume(p);
            }
        }
    }

    /// What the nodes of the core hold together. Runs that are being replaced have 5 s to hand over and are not waited
    /// for: peers keep one link to a node, and that is the later run's.
    fn core_target(&self, core: &BTreeSet<usize>) -> Target {
        let mut target = Target::new();
        for process in core.iter().filter_map(|machine| self.latest_run(*machine)) {
            for (origin, version) in process.replica.frontier().iter() {
                let wanted = target.entry(origin.clone()).or_default();
                *wanted = version.max(*wanted);
            }
        }
        target
    }

    /// The run of a machine that is to stay.
    fn latest_run(&self, machine: usize) -> Option<&Process> {
        self.processes.iter().rev().find(|process| process.machine == machine && process.is_staying())
    }

    /// Rounds until every node of the core is ready and has reached the target.
    fn rounds_to(&mut self, core: &BTreeSet<usize>, target: &Target) -> u64 {
        let begin = self.now;
        while self.wrong.is_none() && !core.iter().all(|machine| self.has_reached(*machine, target)) {
            if self.now - begin >= CORE_MS_MAX {
                let why = self.describe_disagreement();
                self.found_wrong(format_args!("the core does not agree after {} s: {why}", CORE_MS_MAX / 1000));
            }
            self.run_until(self.now + ROUND_MS);
            self.trace_round(core, target);
        }
        (self.now - begin) / ROUND_MS
    }

    /// Notes who still lacks what.
    fn trace_round(&mut self, core: &BTreeSet<usize>, target: &Target) {
        for machine in core {
            let Some(process) = self.latest_run(*machine) else { continue };
            let frontier = process.replica.frontier();
            let lacking = target.iter().filter(|(origin, version)| frontier.version(origin) < **version);
            let name = |origin: &Origin| frames::short_origin(origin.node.as_str(), origin.incarnation);
            let lacking: Vec<String> = lacking.map(|(origin, version)| format!("{}={version}", name(origin))).collect();
            let why = process.replica.readiness().for_writing().err().map_or_else(String::new, |why| format!(" {why}"));
            if !lacking.is_empty() || !why.is_empty() {
                let (label, lacking) = (process.label.clone(), lacking.join(" "));
                let line = || format!("{label:<6} lacks {lacking}{why}");
                self.trace.record(self.now, "round", &[*machine as u64], &[], line);
            }
        }
    }

    fn has_reached(&self, machine: usize, target: &Target) -> bool {
        self.latest_run(machine).is_some_and(|process| {
            let replica = &process.replica;
            // What a run wrote beyond its end is refused by name.
            let has_ended = |origin: &Origin| replica.end_of(origin).is_some() || replica.is_below_horizon(origin);
            // A run that is being ended can be taken again once all nodes have voted, and the rest may keep failing to.
            let is_over = |origin: &Origin| has_ended(origin) || replica.is_ending(origin);
            let reached = |(origin, version): (&Origin, &Version)| {
                replica.frontier().version(origin) >= *version || is_over(origin)
            };
            replica.readiness().is_serving() && target.iter().all(reached)
        })
    }
}
