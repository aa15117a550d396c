//! Processes: phases that a task goes through, gates that it must pass, and the record of how it did.
//!
//! A [`Spec`] says what a process is. A [`Transition`] is one step of a task, or of the process itself; it names the
//! one that it follows, and carries what it rests on. [`judge()`] says what gates answer, given [`Facts`]. The engine
//! says where a task stands: [`DecidedChain`] where a majority decides each step, [`ProvisionalChain`] where the first
//! clock does. Both use the same rules.
//!
//! # What this promises
//! - Where a task stands is a function of its transitions and of the specs, on every node, in any order of arrival.
//! - A transition that names another predecessor than the current one changes nothing, and the refusal names that.
//! - In mode `enforce` only PASS advances, unless a person forces it with a reason, which the record shows. A PASS must
//!   follow from the numbers that are recorded with it.
//! - What is unknown, broken or malformed holds. HOLD never becomes PASS by itself.
//! - After the end of a task nothing counts.
//! - A change of what is said of a folded transition is returned exactly once.
//! - Bytes, TOML and JSON of others are bounded before they are read, and never panic.
//! - What a decided task needs does not grow with its history. A folded one keeps what counts, at most [`STEPS_MAX`],
//!   and a hash of what lost. Ended tasks [expire](ChainState::is_expired).
//! - What all decided tasks need does not grow with the number that ended: they share [buckets](TaskBucket).
//!
//! # What this never promises
//! - That evidence is true. A gate reads what a document says, who signed it, and that its hash fits.
//! - That a folded transition stays: one with an earlier clock can still arrive. It is provisional while it exists.
//! - Mutual exclusion. A fence is only compared here; leases are given elsewhere, by a majority.
//! - That effects outside happen once.
//! - That nodes tell the truth about themselves. An attestation is what a node says of itself.
//!
//! Pure: clocks, statistics and bytes are arguments. No files, no sockets, no randomness, no async.

pub mod attestation;
pub mod engine;
pub mod judge;
pub mod judgement;
pub mod spec;
pub mod threshold;
pub mod transition;
pub mod value;

mod hash;
mod name;
mod text;

/// The messages of transitions, generated from `proto/psi/process/v1`.
#[allow(missing_docs, clippy::all, reason = "generated; the documentation is in the proto file")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/psi.process.v1.rs"));
}

pub use attestation::{Attestation, Baseline, BaselineState, NodeAttestation, Severity, WorkOrder};
pub use engine::{
    ChainState, DecidedChain, End, ProvisionalChain, STEPS_MAX, SpecStore, TaskBucket, TransitionRefusal, VerdictChange,
};
pub use hash::{PhaseHash, SettingsHash, SpecHash, TransitionHash, WorkHash};
pub use judge::{Facts, judge, judge_phase};
pub use judgement::{HoldReason, Judgement, Verdict};
pub use name::{NAME_BYTES_MAX, Name, NameError, TaskName};
pub use spec::{Decision, Mode, Spec, SpecError};
pub use transition::{Action, Subject, Transition, TransitionError};
