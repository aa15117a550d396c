//! What must be true of strangers, and of nodes while the cluster's key is changed. It goes by what machines are, and not by
//! their keys: these decide what happens.

use std::collections::{BTreeMap, BTreeSet};

use psi_replica::Origin;
use psi_state::Event;

use crate::{plan::StrangerKind, report::markers::Marker, world::World};

/// Longest time for which two nodes may be without a link while the key is changed in order and nothing else happens: each
/// may remove the old one, and dials or is dialled again within 400 ms.
const GAP_MS_MAX: u64 = 1_000;

impl World<'_> {
    /// Takes what a stranger tells: its run, which no node may know.
    pub(crate) fn record_event_of_stranger(&mut self, p: usize, event: Event) {
        if let Event::Ready { origin } = event {
            self.strangers.record_run(origin.clone());
            self.processes[p].origin = Some(origin);
        }
    }

    /// A link did not come to stand: `from` dialled `to`, and `answers` was there.
    pub(crate) fn record_refusal(&mut self, from: usize, to: usize, answers: usize) {
        match self.kind_of_stranger(from).or(self.kind_of_stranger(answers)) {
            Some(_) if answers != to => self.reach(Marker::STRANGER_ANSWERED),
            Some(kind) => self.reach(marker_of(kind)),
            None => self.record_refused_node(from, answers, "refuse each other a link"),
        }
        let (there, shown) = (self.label(answers), self.processes[from].identity.ring.clone());
        self.trace_process(from, "refused", format_args!("gets no link to {there}; it has {shown}"));
    }

    /// A peer introduced itself as another node than it had to.
    pub(crate) fn record_misnamed(&mut self, p: usize, connection: u64, end: usize) {
        let Some(other) = self.peer_of(connection, end).filter(|_| self.plan.identity.is_some()) else { return };
        match self.kind_of_stranger(p).or(self.kind_of_stranger(other)) {
            Some(kind) => self.reach(marker_of(kind)),
            None => self.record_refused_node(p, other, "know each other by other names"),
        }
    }

    /// What a process gossips could not be read by another.
    pub(crate) fn record_unread(&mut self, from: usize, to: usize) {
        if self.is_stranger(from) || self.is_stranger(to) {
            self.reach(Marker::STRANGER_UNREAD);
        } else {
            self.record_refused_node(from, to, "can't read each other's gossip");
        }
    }

    /// Two nodes are kept apart, which nothing but a change of the key in the wrong order may do.
    fn record_refused_node(&mut self, p: usize, other: usize, what: &str) {
        if self.is_changed_in_order() && !self.is_given_up(p) && !self.is_given_up(other) {
            self.found_wrong(format_args!("{} and {} {what}", self.label(p), self.label(other)));
        }
    }

    fn kind_of_stranger(&self, p: usize) -> Option<StrangerKind> {
        self.machines[self.processes[p].machine].stranger
    }

    fn is_given_up(&self, p: usize) -> bool {
        self.machines[self.processes[p].machine].is_given_up
    }

    /// Gossip names a member: it has the cluster's key.
    pub(crate) fn check_member(&mut self, p: usize, other: usize) {
        let kind = self.kind_of_stranger(other).filter(|kind| *kind != StrangerKind::Misnamed);
        if kind.is_some() && !self.is_stranger(p) {
            self.found_wrong(format_args!("{} takes a stranger for a member: {}", self.label(p), self.label(other)));
        }
    }

    /// A node ends for a later run of its name, which a stranger has not.
    pub(crate) fn check_successor(&mut self, p: usize, other: usize) {
        if self.is_stranger(other) {
            self.found_wrong(format_args!("{} ends for a stranger: {}", self.label(p), self.label(other)));
        }
    }

    /// A run of which a node learns that it has ended or is a later one of its name: it is none of a stranger.
    pub(crate) fn check_run_of_cluster(&mut self, p: usize, what: &str, run: &Origin) {
        if self.strangers.is_of_stranger(run) {
            self.found_wrong(format_args!("{} {what} {run}, which is a stranger's", self.label(p)));
        }
    }

    /// No node has met a stranger.
    pub(super) fn check_peers(&mut self, p: usize) {
        if self.plan.identity.is_none() {
            return;
        }
        let process = &self.processes[p];
        let met = process.replica.links().filter(|(_, link)| link.peer.is_some());
        let ends = met.filter_map(|(link, _)| self.peer_of(link.0, *process.links.get(&link.0)?));
        let stranger = ends.into_iter().find(|other| self.is_stranger(*other));
        if let Some(other) = stranger {
            self.found_wrong(format_args!("{} has met a stranger: {}", self.label(p), self.label(other)));
        }
    }

    /// A stranger holds nothing of the cluster.
    pub(super) fn check_stranger(&mut self, p: usize) {
        if let Err(what) = self.strangers.check_stranger(self.processes[p].replica.frontier()) {
            self.found_wrong(format_args!("{} {what}", self.label(p)));
        }
    }

    /// No run of a stranger has a voice.
    pub(super) fn check_voters(&self, p: usize) -> Result<(), String> {
        if self.plan.identity.is_none() {
            return Ok(());
        }
        let runs = self.processes[p].replica.end_status().runs;
        match runs.iter().find(|it| self.strangers.is_of_stranger(&it.run)) {
            Some(it) => Err(format!("{} has a voice, and is a stranger's", it.run)),
            None => Ok(()),
        }
    }

    /// Whether nothing may fail, since the key is changed in order and there are no faults.
    pub(crate) fn must_stay_linked(&self) -> bool {
        self.is_changed_in_order() && self.plan.identity.as_ref().is_some_and(|plan| !plan.has_faults)
    }

    /// A node was declared dead that runs. A change of the key in order does not bring that about.
    pub(crate) fn check_false_death(&mut self, p: usize, other: usize) {
        let is_node = |p| !self.is_stranger(p) && !self.is_given_up(p);
        if self.must_stay_linked() && is_node(p) && is_node(other) {
            self.found_wrong(format_args!("{} takes {} for dead, which runs", self.label(p), self.label(other)));
        }
    }

    /// No two nodes are without a link for long while the key is changed in order.
    pub(crate) fn check_gaps(&mut self) {
        if !self.must_stay_linked() {
            return;
        }
        let linked: BTreeSet<[usize; 2]> =
            self.network.connections.values().filter(|it| it.up == [true; 2]).map(|it| it.ends).collect();
        let is_steady = |p: &usize| {
            let process = &self.processes[*p];
            process.is_running() && process.is_staying() && !self.is_stranger(*p) && !self.is_given_up(*p)
        };
        let nodes: Vec<usize> = (0..self.processes.len()).filter(is_steady).collect();
        let is_linked = |a, b| linked.contains(&[a, b]) || linked.contains(&[b, a]);
        let pairs: BTreeMap<(usize, usize), bool> = nodes
            .iter()
            .flat_map(|a| nodes.iter().filter(move |b| a < *b).map(|b| ((*a, *b), is_linked(*a, *b))))
            .collect();
        if let Some((a, b)) = self.strangers.find_gap(self.now, &pairs, GAP_MS_MAX) {
            let (a, b) = (self.label(a), self.label(b));
            self.found_wrong(format_args!("{a} and {b} have had no link for {GAP_MS_MAX} ms"));
        }
    }

    /// Some machines no longer accept the key by which the others sign: they are cut off from these.
    pub(crate) fn check_cut(&mut self, machines: &BTreeSet<usize>) {
        let is_inside = |p: usize| machines.contains(&self.processes[p].machine);
        let is_across =
            |ends: [usize; 2]| is_inside(ends[0]) != is_inside(ends[1]) && ends.iter().all(|p| !self.is_stranger(*p));
        let standing = self.network.connections.values().filter(|it| it.up.contains(&true)).map(|it| it.ends);
        if let Some([a, b]) = standing.into_iter().find(|ends| is_across(*ends)) {
            let (a, b) = (self.label(a), self.label(b));
            return self.found_wrong(format_args!("{a} and {b} are linked, and one has removed the key of the other"));
        }
        let running: Vec<usize> =
            (0..self.processes.len()).filter(|p| self.processes[*p].is_running() && !self.is_stranger(*p)).collect();
        if running.iter().any(|p| is_inside(*p)) && running.iter().any(|p| !is_inside(*p)) {
            self.reach(Marker::KEY_CUT);
        }
    }
}

fn marker_of(kind: StrangerKind) -> Marker {
    match kind {
        StrangerKind::Keyless => Marker::STRANGER_KEYLESS,
        StrangerKind::OtherKey => Marker::STRANGER_OTHER_KEY,
        StrangerKind::Namesake => Marker::STRANGER_NAMESAKE,
        StrangerKind::Misnamed => Marker::STRANGER_MISNAMED,
        StrangerKind::Former => Marker::STRANGER_FORMER,
    }
}
