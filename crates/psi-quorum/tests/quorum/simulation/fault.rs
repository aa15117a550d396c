//! What goes wrong.

use psi_quorum::{Voter, VoterSet};
use psi_security::node_key::NodePublicKey;

use super::world::{Event, World};
use crate::support::key;

impl World {
    /// Faults, one after another.
    pub(super) fn run_stormy(&mut self) {
        self.schedule(0, Event::Fault);
        self.run_ms(self.plan.storm_ms);
    }

    pub(super) fn play_fault(&mut self) {
        if !self.is_stormy {
            return;
        }
        let pause_ms = self.plan.pause_ms;
        let pause = self.rng.range(pause_ms * 100, pause_ms * 2_000);
        self.schedule(pause, Event::Fault);
        let machine = self.pick_machine();
        match self.rng.range(0, 99) {
            0..20 => self.crash_and_restart(machine),
            20..35 => self.cut_at_random(),
            35..55 => self.machines.iter_mut().for_each(|machine| machine.group = 0),
            55..65 => {
                let sleep = self.rng.range(1, pause_ms * 10_000);
                self.machines[machine].asleep_until = self.now_us + sleep;
                if self.plan.clock_stops_in_sleep {
                    self.machines[machine].missed_us += sleep;
                }
            }
            65..75 => self.lose_disk(machine),
            90..95 => self.cut_power(),
            75..80 => self.machines[machine].backup = self.machines[machine].disk.clone(),
            80..90 => self.change_voters(),
            _ => {
                let other = self.pick_machine();
                if self.are_connected(machine, other) {
                    self.gossip(machine, other);
                }
            }
        }
    }

    fn pick_machine(&mut self) -> usize {
        usize::try_from(self.rng.next() % self.machines.len() as u64).unwrap()
    }

    /// Ends a process. Of what it was syncing, some is on the disk.
    pub(super) fn crash(&mut self, machine: usize) {
        let Some(process) = self.machines[machine].process.take() else { return };
        self.mark(if process.pending.is_empty() { "crash" } else { "crash in a sync" });
        for (pending, _) in process.pending {
            if self.rng.percent(50) {
                break;
            }
            self.machines[machine].disk = Some(pending.record().encode());
        }
    }

    fn crash_and_restart(&mut self, machine: usize) {
        self.crash(machine);
        let pause = self.rng.range(1, self.plan.pause_ms * 3_000);
        self.schedule(pause, Event::Start { machine });
    }

    /// Most machines stop at once and are soon back.
    fn cut_power(&mut self) {
        for machine in 0..self.machines.len() {
            if self.rng.percent(60) {
                self.crash(machine);
                let pause = self.rng.range(1, self.plan.pause_ms * 300);
                self.schedule(pause, Event::Start { machine });
            }
        }
    }

    fn cut_at_random(&mut self) {
        for machine in 0..self.machines.len() {
            self.machines[machine].group = self.rng.range(0, 1);
        }
    }

    /// Cuts these machines off.
    pub(super) fn cut(&mut self, machines: &[usize]) {
        for machine in machines {
            self.machines[*machine].group = 1;
        }
    }

    /// Whether a set keeps a majority without this key.
    fn survives_without(&self, set: &[[u8; 32]], lost: NodePublicKey) -> bool {
        let exists =
            |key: &&[u8; 32]| self.machines.iter().any(|machine| machine.key.as_bytes() == *key && machine.key != lost);
        set.iter().filter(exists).count() * 2 > set.len()
    }

    /// A disk is empty, or is what a backup has. Its machine makes a new key.
    fn lose_disk(&mut self, machine: usize) {
        let lost = self.machines[machine].key;
        let wanted: Vec<_> = self.wanted.keys().iter().map(|key| *key.as_bytes()).collect();
        let sets = [self.oracle.current_voters(), self.oracle.former_voters(), wanted];
        let may_go = sets.iter().all(|set| self.survives_without(set, lost));
        if !may_go && !self.plan.keeps_key_when_wiped {
            return;
        }
        self.crash_and_restart(machine);
        self.machines[machine].disk = None;
        if self.plan.keeps_key_when_wiped {
            return;
        }
        let own = key(self.rng.next());
        let register = self.register.clone();
        self.machines[machine].key = own;
        self.mark("new key");
        assert_eq!(Voter::new(own, &register).last(), register.genesis());
        let keys = self.wanted.keys().iter().map(|key| if *key == lost { own } else { *key });
        self.wanted = VoterSet::new(keys).unwrap();
    }

    fn change_voters(&mut self) {
        let count = *self.rng.pick(&[1, 3, 3, 5]);
        let mut keys: Vec<_> = self.machines.iter().map(|machine| machine.key).collect();
        while keys.len() > count {
            let gone = usize::try_from(self.rng.next() % keys.len() as u64).unwrap();
            keys.remove(gone);
        }
        self.wanted = VoterSet::new(keys).unwrap();
    }
}
