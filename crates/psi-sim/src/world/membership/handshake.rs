//! What comes before a link stands: each end shows who it is by its key, and looks at what the other shows.

use psi_replica::NodeId;

use crate::{
    report::markers::Marker,
    world::{Occurrence, State, World},
};

/// How often a process looks at its key file.
pub(crate) const LOOK_MS: u64 = 1_000;

impl World<'_> {
    /// Whether a process is none of the cluster's.
    pub(crate) fn is_stranger(&self, p: usize) -> bool {
        self.machines[self.processes[p].machine].stranger.is_some()
    }

    /// Whether a process dials and can be dialled. A stranger does once it has started a cluster of its own, so that it has
    /// something to pass on.
    pub(crate) fn may_link(&self, p: usize) -> bool {
        let process = &self.processes[p];
        process.is_running() && (process.origin.is_some() || !self.is_stranger(p))
    }

    /// Shows each end of a connection the other's certificate: `from` dialled `to`, and `answers` is there. Gives which
    /// nodes must introduce themselves to either end, if both let the link stand.
    pub(super) fn handshake(&mut self, from: usize, to: usize, answers: usize) -> Option<[Option<NodeId>; 2]> {
        let (dialler, answerer) = (&self.processes[from].identity, &self.processes[answers].identity);
        let wanted = dialler.wanted(&self.processes[to].node);
        if dialler.trusts(answerer, wanted.as_ref()) && answerer.trusts(dialler, None) {
            return Some([wanted, answerer.expected(dialler)]);
        }
        self.record_refusal(from, to, answers);
        None
    }

    /// Whether a run of the same name that gossip knows of would answer a process as its node.
    pub(super) fn proves_its_name(&self, p: usize, other: usize) -> bool {
        let (own, other) = (&self.processes[p], &self.processes[other]);
        !own.identity.trusts_all && own.identity.trusts(&other.identity, Some(&own.node))
    }

    /// A process looks at its key file. If a key has gone from it, all links show their certificates again.
    pub(crate) fn read_keys(&mut self, p: usize) {
        match self.processes[p].state {
            State::Running => {}
            State::Paused => return self.schedule(self.now + LOOK_MS, Occurrence::ReadKeys(p)),
            State::Gone => return,
        }
        let process = &mut self.processes[p];
        let file = self.machines[process.machine].keys.clone();
        let before = std::mem::replace(&mut process.identity.ring, file.clone());
        if before == file {
            return;
        }
        self.trace_process(p, "keys", format_args!("reads its key file: {file}"));
        if !before.is_within(&file) {
            self.reach(Marker::KEY_REMOVED);
            self.hang_up_all(p);
        }
        self.shut_out_former();
    }

    fn hang_up_all(&mut self, p: usize) {
        let links: Vec<(u64, usize)> = self.processes[p].links.iter().map(|(id, end)| (*id, *end)).collect();
        for (connection, end) in links {
            self.hang_up(connection, end, "a key is no longer accepted");
        }
    }
}
