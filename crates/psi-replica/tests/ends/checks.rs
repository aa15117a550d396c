//! What must be true of all replicas, at every move and in the end.

use std::collections::BTreeSet;

use psi_replica::{Event, NodeId, Origin, Replica, Version};

use crate::{
    steps::Steps,
    world::{END_AFTER_MS, Faults, World},
};

impl World {
    /// Looks at every replica, and at what it emitted.
    pub fn look(&mut self) {
        for index in 0..self.machines.len() {
            let Some(replica) = &mut self.machines[index].replica else { continue };
            let mut events = Vec::new();
            while let Some(event) = replica.poll_event() {
                events.push(event);
            }
            let (hash, digest, view) = (replica.frontier().hash().to_bytes(), replica.digest(), replica.state().view());
            let name = self.machines[index].name.clone();
            for event in events {
                if matches!(event, Event::Superseded { .. }) {
                    self.machines[index].is_superseded = true;
                }
                self.note(&name, event);
            }
            let mut unique = view.clone();
            unique.dedup();
            assert_eq!(unique, view, "{name}: counted twice");
            let first = self.views.entry(hash).or_insert_with(|| (digest, view.clone()));
            assert_eq!(first, &(digest, view), "{name}: equal frontiers, other views");
        }
    }

    fn note(&mut self, name: &NodeId, event: Event<()>) {
        match event {
            Event::Ended { checkpoint, runs, .. } => {
                self.checkpoints = self.checkpoints.max(checkpoint);
                self.ended += runs.len();
                self.say(&format!("{name} ends {runs:?} by {checkpoint}"));
            }
            Event::Late { origin, held, ended } => {
                self.late += 1;
                assert!(self.is_beyond_promise, "{name}: {origin} was held at {held} and ended at {ended:?}");
                self.name_loss(&origin, ended);
                self.say(&format!("{name} late {origin} held {held} ended {ended:?}"));
            }
            Event::BaseReplaced { checkpoint, by } => {
                self.replaced += 1;
                assert!(self.is_beyond_promise, "{name}: base {checkpoint} gave way to {by}");
                self.say(&format!("{name} base {checkpoint} replaced by {by}"));
            }
            Event::BaseJoined { checkpoint, by } => {
                self.joined += 1;
                self.say(&format!("{name} base {checkpoint} joins {by}"));
            }
            Event::Reminted { before } => {
                self.reminted += 1;
                self.say(&format!("{name} remints {before}"));
            }
            Event::Diverged { peer } => panic!("{name} and {peer} diverge"),
            Event::Refused(refused) => self.say(&format!("{name} refused {refused:?}")),
            other => {
                if let Event::Ready { origin } = &other {
                    self.say(&format!("ready {origin}"));
                }
            }
        }
    }

    /// What a run wrote beyond its end may be missing.
    fn name_loss(&mut self, origin: &Origin, ended: Option<Version>) {
        let Some((_, latest)) = self.latest.get(origin) else { return };
        let share = |version: Version| {
            let upto = (origin.clone(), Version(0))..=(origin.clone(), version);
            self.shares.range(upto).next_back().map(|(_, share)| share.clone()).unwrap_or_default()
        };
        let kept: BTreeSet<u64> = ended.map(share).unwrap_or_default().into_iter().collect();
        self.named.extend(latest.iter().filter(|step| !kept.contains(step)));
    }

    /// Faults end; in the end all agree, and nothing is missing that was held by anybody at the end.
    pub fn settle(&mut self) {
        let quiet = Faults {
            step: 0,
            crash: 0,
            stop: 0,
            start: 1000,
            part: 0,
            heal: 1000,
            lose_disk: 0,
            old_disk: 0,
            gone: 0,
            twin: 0,
        };
        let held: BTreeSet<u64> = self
            .machines
            .iter()
            .filter_map(|machine| machine.replica.as_ref())
            .flat_map(|replica| replica.state().view())
            .collect();
        for _ in 0..4 * 10 * END_AFTER_MS / 1000 {
            self.tick(&quiet);
        }
        for _ in 0..400 {
            let mut hashes =
                self.machines.iter().filter_map(|machine| Some(machine.replica.as_ref()?.frontier().hash()));
            let first = hashes.next();
            if hashes.all(|hash| Some(hash) == first) {
                break;
            }
            self.tick(&quiet);
        }
        let up: Vec<&Replica<Steps>> = self.machines.iter().filter_map(|machine| machine.replica.as_ref()).collect();
        let first = up[0].frontier().hash();
        for machine in &self.machines {
            let Some(replica) = &machine.replica else { continue };
            #[cfg(feature = "testing")]
            if std::env::var_os("TRACE").is_some() {
                eprintln!("{} {:?} {}", machine.name, replica.frontier(), replica.describe_votes());
            }
            assert_eq!(replica.frontier().hash(), first, "{} does not agree", machine.name);
            let view: BTreeSet<u64> = replica.state().view().into_iter().collect();
            let lost: Vec<_> = held.difference(&view).filter(|step| !self.named.contains(step)).collect();
            assert!(lost.is_empty(), "{} lost {} steps: {:?}", machine.name, lost.len(), &lost[..lost.len().min(8)]);
            let own: BTreeSet<&Origin> = up.iter().filter_map(|replica| replica.origin()).collect();
            let runs = replica.store().logs().map(|(origin, _)| origin).filter(|origin| !origin.is_base());
            let kept: Vec<&Origin> = runs.filter(|run| !own.contains(run)).collect();
            assert!(kept.is_empty(), "{}: did not end: {kept:?}", machine.name);
        }
    }
}
