//! A machine, its disk, and the process on it, if one runs.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use psi_replica::{ClusterName, Config, LinkId, NodeId, Now, TickMs, WallMs};
use psi_sim::WALL_MS;
use psi_state::{Event, Replica};

/// What its process has told since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) ended: Vec<u64>,
    pub(crate) late: usize,
    pub(crate) replaced: usize,
    pub(crate) reminted: usize,
    pub(crate) refused: usize,
}

/// One run of a node's program.
pub(crate) struct Process {
    pub(crate) replica: Replica,
    started: u64,
    /// The link to each peer that stands.
    pub(crate) links: BTreeMap<usize, u64>,
    /// When it is to be woken.
    pub(crate) wake: Option<u64>,
    /// It is killed soon: it takes no more steps, and each of its votes is on its disk at once.
    pub(crate) is_doomed: bool,
    moves_saved: u64,
}

/// What outlives a process.
pub(crate) struct Machine {
    pub(crate) name: NodeId,
    /// The latest snapshot.
    pub(crate) disk: Option<Vec<u8>>,
    pub(crate) process: Option<Process>,
    starts: u64,
    pub(crate) end_after_ms: u64,
}

impl Process {
    pub(crate) fn now(&self, now: u64) -> Now {
        Now { tick: TickMs(now - self.started), wall: WallMs(WALL_MS + now) }
    }

    /// Virtual time of a moment of its own clock.
    pub(crate) fn virtual_time(&self, at: TickMs) -> u64 {
        self.started.saturating_add(at.0)
    }

    /// Frames that its transports have room for, by link.
    pub(crate) fn speak(&mut self, now: u64) -> Vec<(u64, Bytes)> {
        let moment = self.now(now);
        let mut frames = Vec::new();
        for link in self.links.values() {
            while let Some(frame) = self.replica.poll_frame(moment, LinkId(*link)) {
                frames.push((*link, Bytes::from(frame.encode_to_vec())));
            }
        }
        frames
    }

    /// What it has told; `None` if nothing was applied.
    pub(crate) fn news(&mut self, news: &mut News) -> bool {
        let mut has_moved = false;
        while let Some(event) = self.replica.poll_event() {
            match event {
                Event::Applied { .. } | Event::Ready { .. } => has_moved = true,
                Event::Ended { checkpoint, .. } => news.ended.push(checkpoint),
                Event::Late { .. } => news.late += 1,
                Event::BaseReplaced { .. } => news.replaced += 1,
                Event::Reminted { .. } => news.reminted += 1,
                Event::Refused(_) => news.refused += 1,
                Event::Diverged { peer } => panic!("{} and {peer} diverge", self.replica.node()),
                _ => {}
            }
        }
        has_moved
    }

    /// Runs that it holds and that have not ended.
    pub(crate) fn origins(&self) -> usize {
        self.replica.store().logs().filter(|(origin, _)| !origin.is_base()).count()
    }
}

impl Machine {
    pub(crate) fn new(n: usize, end_after_ms: u64) -> Self {
        let name = NodeId::new(&format!("psi-field-{n}")).expect("letters and digits");
        Self { name, disk: None, process: None, starts: 0, end_after_ms }
    }

    pub(crate) fn config(name: &NodeId, end_after_ms: u64, starts: u64) -> Config {
        let microsecond = u16::try_from(starts % 1000).unwrap_or(0);
        let cluster = ClusterName::new("year").expect("letters");
        Config { end_after_ms, microsecond, join_ms: 3_000, ..Config::new(cluster, name.clone()) }
    }

    pub(crate) fn start(&mut self, now: u64) {
        self.starts += 1;
        let config = Self::config(&self.name, self.end_after_ms, self.starts);
        let moment = Now { tick: TickMs(0), wall: WallMs(WALL_MS + now) };
        let replica = match &self.disk {
            Some(bytes) => Replica::restore(config, moment, bytes).expect("a snapshot that was written is read"),
            None => Replica::new(config, moment),
        };
        let links = BTreeMap::new();
        self.process = Some(Process { replica, started: now, links, wake: None, is_doomed: false, moves_saved: 0 });
    }

    pub(crate) fn save(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.moves_saved = process.replica.end_moves();
        self.disk = Some(process.replica.snapshot());
    }

    /// A process writes a snapshot soon after each vote. Only the last before it is killed matters.
    pub(crate) fn save_votes(&mut self) {
        let is_new = |process: &Process| process.is_doomed && process.replica.end_moves() > process.moves_saved;
        if self.process.as_ref().is_some_and(is_new) {
            self.save();
        }
    }
}
