//! Episodes of a storm that is aimed at how runs end; see [`Storm`].

use std::collections::BTreeSet;

use crate::{
    plan::{Episode, Storm},
    report::markers::Marker,
    world::{Occurrence, Trap, World},
};

/// Longer than a ballot takes among a few nodes.
const BALLOT_MS: u64 = 8_000;
/// How long machines hear of each other through one of them.
const TORN_MS: u64 = 16_000;

impl World<'_> {
    /// The next episode, and the one after it.
    pub(super) fn next_episode(&mut self, storm: &Storm) {
        let drawn = self.dice.faults.pick(&storm.episodes).copied();
        let Some(episode) = drawn.map(|drawn| if self.now < storm.apart_ms { Episode::Restarts } else { drawn }) else {
            return;
        };
        let lasts_ms = self.begin(episode, storm).unwrap_or(0);
        let gap_ms = self.dice.faults.between(500, storm.gap_ms);
        self.schedule(self.now + lasts_ms + gap_ms, Occurrence::Fault);
    }

    /// Closes all ways, for as long as the machines are to be apart.
    pub(crate) fn begin_apart(&mut self) {
        let Some(ms) = self.plan.storm.as_ref().map(|storm| storm.apart_ms).filter(|ms| *ms > 0) else { return };
        let machines = 0..self.machines.len();
        let ways = machines.clone().flat_map(|from| machines.clone().map(move |to| (from, to)));
        let ways: Vec<(usize, usize)> = ways.filter(|(from, to)| from != to).collect();
        self.network.closed.extend(ways.iter().copied());
        self.schedule(ms, Occurrence::Open(ways));
    }

    /// Begins an episode; how long it lasts, unless there is nothing that it could befall.
    fn begin(&mut self, episode: Episode, storm: &Storm) -> Option<u64> {
        self.trace.record(self.now, "episode", &[], &[], || format!("--- {episode:?}"));
        match episode {
            Episode::Restarts => {
                for _ in 0..self.dice.faults.between(1, 2) {
                    let p = self.exposed_process()?;
                    self.hand_over(p);
                }
                Some(2_000)
            }
            Episode::Crashes => {
                for _ in 0..self.dice.faults.between(1, 2) {
                    self.crash();
                }
                Some(5_000)
            }
            Episode::Withheld => self.withhold(),
            Episode::Struck => self.set_trap(storm),
            Episode::Torn => self.tear(storm),
            Episode::Unheard => self.silence(storm),
            Episode::Halves => self.cut_in_halves(storm),
            Episode::CutAndRestart => self.cut_and_restart(storm),
            Episode::LongPause => self.long_pause().map(|()| 12_000),
            Episode::ClocksBack => self.set_clocks_back(),
            Episode::LongDown => self.keep_down(storm),
        }
    }

    /// A process ends soon, and until then and for a while afterwards some machines get nothing of what it writes.
    fn withhold(&mut self) -> Option<u64> {
        let p = self.exposed_writer()?;
        let machine = self.processes[p].machine;
        let origin = self.processes[p].replica.origin()?.clone();
        let others: Vec<usize> = (0..self.machines.len()).filter(|other| *other != machine).collect();
        let share = self.dice.faults.between(300, 700);
        let to: BTreeSet<usize> = others.into_iter().filter(|_| self.dice.faults.chance(share)).collect();
        let ms = self.dice.faults.between(3_000, 25_000);
        self.trace_process(p, "withhold", format_args!("nothing of it reaches {to:?} for {ms} ms"));
        self.network.withheld.push((origin, to, self.now + ms));
        let wait = self.dice.faults.between(100, 1_500);
        let is_clean = self.dice.faults.chance(600);
        self.schedule(self.now + wait, Occurrence::Stop { p, is_clean });
        Some(ms)
    }

    /// Whether a delta of an origin gets lost on its way to a machine.
    pub(crate) fn is_withheld(&self, node: &str, incarnation: u64, to: usize) -> bool {
        self.network.withheld.iter().any(|(origin, machines, until)| {
            origin.incarnation == incarnation
                && origin.node.as_str() == node
                && self.now < *until
                && machines.contains(&to)
        })
    }

    /// Some process stops in good order, or crashes.
    pub(crate) fn stop(&mut self, p: usize, is_clean: bool) {
        if self.exposed.is_empty() || !self.processes[p].is_running() || !self.processes[p].is_staying() {
            return;
        }
        if is_clean { self.hand_over(p) } else { self.crash_one(p) }
    }

    fn set_trap(&mut self, storm: &Storm) -> Option<u64> {
        let p = self.exposed_process()?;
        let dice = &mut self.dice.faults;
        let trap = Trap {
            machine: None,
            closed: Vec::new(),
            of_fold: dice.chance(500),
            unsaid: dice.chance(700),
            crashes: dice.chance(350),
            cut_ms: storm.cut_ms(dice),
            spares: dice.below(4),
        };
        let is_clean = dice.chance(700);
        let lasts_ms = BALLOT_MS + trap.cut_ms;
        self.trap = Some(trap);
        self.stop(p, is_clean);
        Some(lasts_ms)
    }

    /// All hear of each other through one machine only, which is cut off as it folds: the others know what was accepted,
    /// and not that all have.
    fn tear(&mut self, storm: &Storm) -> Option<u64> {
        let (hub, ending) = (self.exposed_process()?, self.exposed_process()?);
        let hub = self.processes[hub].machine;
        let others: Vec<usize> = (0..self.machines.len()).filter(|machine| *machine != hub).collect();
        let to = |from: usize| others.iter().map(move |to| (from, *to));
        let closed: Vec<(usize, usize)> =
            others.iter().flat_map(|from| to(*from)).filter(|(from, to)| from != to).collect();
        self.close(closed.clone(), Some(TORN_MS))?;
        let cut_ms = storm.cut_ms(&mut self.dice.faults);
        let machine = Some(hub);
        self.trap = Some(Trap { machine, closed, of_fold: true, unsaid: true, crashes: false, cut_ms, spares: 0 });
        self.stop(ending, true);
        Some(TORN_MS + cut_ms)
    }

    /// A process has folded a checkpoint, or voted; nothing of that has been sent.
    pub(crate) fn spring_trap(&mut self, p: usize, has_folded: bool) {
        let Some(trap) = self.trap.as_mut().filter(|trap| trap.of_fold == has_folded) else { return };
        let machine = self.processes[p].machine;
        if trap.machine.is_some_and(|only| only != machine) {
            return;
        }
        if !self.exposed.contains(&machine) || !self.processes[p].is_staying() {
            return;
        }
        if !trap.of_fold && trap.spares > 0 {
            trap.spares -= 1;
            return;
        }
        let Some(trap) = self.trap.take() else { return };
        self.open_ways(&trap.closed);
        let said_ms = if trap.unsaid { 0 } else { self.dice.faults.between(1, 100) };
        if trap.unsaid {
            self.cut_off(machine, if trap.crashes { 1 } else { trap.cut_ms });
        } else if !trap.crashes {
            self.schedule(self.now + said_ms, Occurrence::CutOff { machine, ms: trap.cut_ms });
        }
        if trap.crashes {
            self.schedule(self.now + said_ms, Occurrence::Stop { p, is_clean: false });
        }
        self.trace_process(p, "trap", format_args!("springs {trap:?}"));
    }

    /// Closes all ways to and from a machine.
    pub(crate) fn cut_off(&mut self, machine: usize, ms: u64) {
        let others = (0..self.machines.len()).filter(|other| *other != machine);
        let ways = others.flat_map(|other| [(machine, other), (other, machine)]).collect();
        self.close(ways, Some(ms));
    }

    /// One machine hears nothing of another, which all others hear.
    fn silence(&mut self, storm: &Storm) -> Option<u64> {
        let (p, other) = (self.exposed_writer()?, self.exposed_process()?);
        let (from, to) = (self.processes[p].machine, self.processes[other].machine);
        let origin = self.processes[p].replica.origin()?.clone();
        let ms = storm.end_after_ms + self.dice.faults.between(4_000, 16_000);
        self.close(vec![(from, to), (to, from)], Some(ms))?;
        self.network.withheld.push((origin, BTreeSet::from([to]), self.now + ms));
        Some(ms)
    }

    fn cut_in_halves(&mut self, storm: &Storm) -> Option<u64> {
        let machines = 0..self.machines.len();
        let side: Vec<usize> = machines.clone().filter(|_| self.dice.faults.chance(450)).collect();
        let other = machines.filter(|machine| !side.contains(machine));
        let ways: Vec<(usize, usize)> =
            other.flat_map(|there| side.iter().flat_map(move |here| [(*here, there), (there, *here)])).collect();
        let ms = storm.cut_ms(&mut self.dice.faults);
        self.close(ways, Some(ms))?;
        for _ in 0..2 {
            let (p, is_clean) = (self.exposed_process()?, self.dice.faults.chance(500));
            let wait = self.dice.faults.between(10, 3_000);
            self.schedule(self.now + wait, Occurrence::Stop { p, is_clean });
        }
        Some(ms + 3_000)
    }

    fn cut_and_restart(&mut self, storm: &Storm) -> Option<u64> {
        let p = self.exposed_process()?;
        let machine = self.processes[p].machine;
        let ms = storm.cut_ms(&mut self.dice.faults);
        self.cut_off(machine, ms);
        for other in 0..self.processes.len() {
            let process = &self.processes[other];
            if process.machine != machine && process.is_running() && process.is_staying() {
                self.end_for(other, 1_000);
            }
        }
        Some(ms + 4_000)
    }

    /// Ends a process, and starts its machine's program again within a while.
    fn end_for(&mut self, p: usize, ms: u64) {
        self.end(p, "it crashed");
        let wait = self.dice.faults.between(50, ms);
        self.schedule(self.now + wait, Occurrence::Start(self.processes[p].machine));
    }

    /// All clocks are set back, by less than what is held may be ahead of them, and a node joins that nobody knows.
    fn set_clocks_back(&mut self) -> Option<u64> {
        const BACK_MS: u64 = 50_000;
        const LASTS_MS: u64 = 6_000;
        for machine in 0..self.machines.len() {
            self.jump(machine, -crate::plan::signed(BACK_MS));
            self.schedule(self.now + LASTS_MS, Occurrence::SetClock(machine));
        }
        self.join()?;
        let joined = self.machines.len() - 1;
        self.jump(joined, -crate::plan::signed(BACK_MS));
        self.schedule(self.now + LASTS_MS, Occurrence::SetClock(joined));
        self.reach(Marker::CLOCKS_SET_BACK);
        Some(LASTS_MS + 2_000)
    }

    /// A machine is down for so long that the names of its runs are forgotten; the episodes go on.
    fn keep_down(&mut self, storm: &Storm) -> Option<u64> {
        let is_down = |machine: usize| !self.processes.iter().any(|it| it.machine == machine && it.is_staying());
        if self.machines.len() < 3 || (0..self.machines.len()).any(is_down) {
            return None;
        }
        let p = self.exposed_process()?;
        self.end(p, "it crashed");
        let wait = self.dice.faults.between(8, 12) * storm.end_after_ms;
        self.schedule(self.now + wait, Occurrence::Start(self.processes[p].machine));
        Some(1_000)
    }
}
