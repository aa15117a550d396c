//! What waits for a process to say something of how runs end.

/// What befalls the next process that folds a checkpoint, or votes.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    /// The only machine that it waits for.
    pub(crate) machine: Option<usize>,
    /// Ways that it opens as it springs.
    pub(crate) closed: Vec<(usize, usize)>,
    /// It waits for a fold, else for a vote.
    pub(crate) of_fold: bool,
    /// It springs before anything is sent.
    pub(crate) unsaid: bool,
    /// The process crashes, else it is cut off.
    pub(crate) crashes: bool,
    pub(crate) cut_ms: u64,
    /// So many votes are let through.
    pub(crate) spares: u64,
}
