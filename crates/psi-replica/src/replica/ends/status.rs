//! What a replica shows of runs that end, for metrics, people and tests.

use super::super::Replica;
use crate::{
    entry::{
        digest::Digest,
        name::NodeId,
        origin::{Origin, Version},
    },
    state::State,
};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStage {
    /// It is taken for live.
    Live,
    /// It has said that it writes no more, and is about to end.
    Closed,
    /// It was not heard for so long that it is about to end.
    Silent,
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStatus {
    /// The run.
    pub run: Origin,
    /// Where it stands.
    pub stage: RunStage,
    /// What is held of it.
    pub version: Version,
    /// How long it was not heard, milliseconds.
    pub silence_ms: u64,
    /// Bytes of its entries.
    pub bytes: usize,
}

/// What is known of runs that end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndStatus {
    /// Runs that have not ended, in order.
    pub runs: Vec<RunStatus>,
    /// Ended runs whose names are known.
    pub ended: usize,
    /// Checkpoints that the base has taken.
    pub checkpoint: u64,
    /// Names of ended runs below this incarnation are forgotten; 0 for none.
    pub horizon: u64,
    /// Bytes of what ended runs come to.
    pub base_bytes: usize,
    /// What logs and base take less since this replica started, for runs that it ended itself.
    pub bytes_freed: u64,
    /// Runs of which something came too late to count.
    pub late_runs: u64,
    /// How long something has been waiting to end, and nothing was decided, milliseconds.
    pub waits_ms: u64,
    /// Nodes that would have to agree, and none of whose runs is live; most of the others suffice.
    pub missing: Vec<NodeId>,
}

impl<S: State> Replica<S> {
    /// What is known of runs that end.
    #[must_use]
    pub fn end_status(&self) -> EndStatus {
        let council = self.council(self.moment);
        let base = self.store.base();
        let runs = self.store.runs().map(|(run, log)| RunStatus {
            run: run.clone(),
            stage: self.stage_of(run),
            version: log.version(),
            silence_ms: if self.local.is(run) { 0 } else { self.ends.heard.silence_ms(run, self.moment.tick) },
            bytes: log.bytes(),
        });
        EndStatus {
            runs: runs.collect(),
            ended: base.ended().len(),
            checkpoint: base.number(),
            horizon: base.horizon(),
            base_bytes: self.store.log(&Origin::base()).map_or(0, crate::OriginLog::bytes),
            bytes_freed: self.ends.bytes_freed,
            late_runs: self.ends.late_runs,
            waits_ms: self.ends.waits_ms(self.moment.tick),
            missing: council.map(|council| council.missing_nodes()).unwrap_or_default(),
        }
    }

    fn stage_of(&self, run: &Origin) -> RunStage {
        if self.ends.registers.is_closed(run) {
            RunStage::Closed
        } else if self.ends.silent.contains(run) && !self.local.is(run) {
            RunStage::Silent
        } else {
            RunStage::Live
        }
    }

    /// The sum of the digests of all runs that have ended, a part of [`Replica::digest`].
    #[must_use]
    pub fn ended_digest(&self) -> Digest {
        self.store.ended_digest()
    }

    /// Whether a run is so old that it has ended and its name was forgotten.
    #[must_use]
    pub fn is_below_horizon(&self, run: &Origin) -> bool {
        self.store.log(run).is_none() && self.store.base().is_below_horizon(run)
    }

    /// The version that is held of an origin; of a base, how many checkpoints it has taken.
    #[must_use]
    pub fn held(&self, origin: &Origin) -> Version {
        self.store.version(origin)
    }

    /// The sum of the digests of all bases that are held.
    #[must_use]
    pub fn bases_digest(&self) -> Digest {
        let bases = self.store.logs().filter(|(origin, _)| origin.is_base());
        bases.map(|(_, log)| log.digest()).fold(Digest::ZERO, Digest::plus)
    }

    /// How often this replica has voted on the end of runs, or its base has moved: a snapshot is to hold that soon.
    #[must_use]
    pub fn end_moves(&self) -> u64 {
        self.ends.moves
    }

    /// The version at which a run ended; `None` if it has not, or its name is forgotten.
    #[must_use]
    pub fn end_of(&self, run: &Origin) -> Option<Version> {
        self.store.end_of(run)
    }

    /// The origin that holds what an ended run came to: the base, or one that gave way to it.
    #[must_use]
    pub fn base_of(&self, run: &Origin) -> Option<Origin> {
        let former = self.store.formers().iter().find(|(_, former)| former.end_of(run).is_some());
        let base = || self.store.base().end_of(run).map(|_| Origin::base());
        former.map(|(origin, _)| origin.clone()).or_else(base)
    }
}
