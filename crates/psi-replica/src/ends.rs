//! How runs end: what each run says of itself and of checkpoints, and the base that ended runs are folded into.
//!
//! A checkpoint names origins that end, each at a version. Runs agree on the next checkpoint by single-decree Paxos
//! (Lamport, 1998) over registers: each run writes its vote into its own log, where it replicates like any entry, and
//! all that a run does follows from the votes that it holds. A checkpoint is decided once every run that its proposal
//! names has accepted it; these runs must be all that anyone of them takes for live, and stand for most nodes of the
//! roster that the checkpoint before decided.
//!
//! Checkpoints form a chain, so of two bases one grew out of the other; where most of a cluster lost its memory at once,
//! two may have grown apart, and then the greater one holds and the loss is named. To fold is a change of representation: the
//! names of ended origins stay, with their versions, in frontier and digest, until a horizon lets them be forgotten.
//!
//! Pure: what is held, heard and closed comes in, a vote comes out. What only the whole replica can do is in
//! `replica/ends.rs` and `replica/ends/fold.rs`.

pub(crate) mod ballot;
pub(crate) mod base;
pub(crate) mod checkpoint;
pub(crate) mod contact_times;
pub(crate) mod council;
pub(crate) mod registers;
pub(crate) mod task;
pub(crate) mod vote;
pub(crate) mod wire;
