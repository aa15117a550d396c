//! Decisions that a majority makes once: a quorum step, and the lease on top of it.
//!
//! A [register](Register) is a named chain of steps. Each step decides one [value](Value), by single-decree Paxos among
//! the voters that the value of the step before lists. A [voter](Voter) answers requests and keeps one small
//! [record](Record). A [proposer](Proposer) has a value decided. There is no leader, no log and no election: a register
//! holds its last decision.
//!
//! # What a step promises
//!
//! - **At most one decision per step.** It never changes. Messages may be lost, doubled, delayed and reordered, voters
//!   and proposers may stop at any point, and clocks may show anything.
//! - **A majority that can talk decides.** No vote is stuck because someone else stopped. Proposers that meet each other
//!   wait at random, longer each time.
//! - **A minority decides nothing.**
//! - The proposer of the step before needs **one round trip** for the next, if nobody else interferes: ballot 0 is its
//!   own.
//! - Voters change by a step that the old voters decide. The change holds from the next step on.
//!
//! # What a lease promises
//!
//! - **One holder per fence, and fences rise.** The fence is the number of the step.
//! - **Holders of different fences do not overlap** while the rates of any two clocks agree within 1 %, and nothing
//!   stops between the check of [`Lease::grant`] and the use. A suspended machine is covered, as the clock goes on.
//! - The holder **renews in one round trip**, also when its time is just up.
//!
//! # What is never promised
//!
//! - That a client which was stopped between check and use does no harm. Only the resource can prevent that: it must
//!   refuse a fence that is lower than one it has seen.
//! - A decision without a majority of the voters. If that is lost for good, the register is, too. Start another one.
//! - That a proposer learns what became of its value. It may find a later step decided ([`Verdict::Overtaken`]), since
//!   voters keep the last decision only. A value should say what it follows.
//! - Fairness between proposers.
//! - Anything against voters or proposers that lie. Peers are members of the cluster with proven keys, and each is
//!   believed when it states a decision.
//!
//! # What this rests on
//!
//! - **A voter's key and its record are kept or lost together.** A voter without its record, or with one from a backup,
//!   makes a new key, and votes once a step lists that. Nothing here can notice a voter that forgot its votes.
//! - **Records are synced in the order in which they are given out**, each before its response is sent. The response
//!   is only had for the record: see [`Outcome`].
//! - **A run has one [`Proposer`] per register, for as long as it lives**, and no two runs share a key and a run number.
//! - **The genesis is registered outside**, in replicated state: a name and first voters. No majority protects that. If
//!   two nodes register one name with different voters at once, the registers have different ids. Voters that took part
//!   in one [refuse](Refusal::OtherGenesis) the other by name; two that share no voters go on side by side until then.
//! - **Decisions reach nodes that missed them.** Requests carry the last one. A node that knows none of the present
//!   voters needs an [announcement](Proposer::announcement) from elsewhere, such as replicated state. Above all, a
//!   node's proposer learns from its own voter when it starts.
//! - **Former voters stay up until the new ones know the change.** Until then only they can show that it was decided.
//!
//! # Example
//!
//! ```
//! use psi_quorum::{BootTime, Envelope, Outcome, Proposer, ProposerId, Register, RegisterName, RetryPolicy};
//! use psi_quorum::{Voter, VoterSet};
//! use psi_security::node_key::NodePublicKey;
//!
//! let key = |byte| NodePublicKey::from_bytes([byte; 32]);
//! let voters = VoterSet::new([key(1), key(2), key(3)])?;
//! let register = Register::new(RegisterName::new("process/rollout")?, voters.clone());
//! let mut nodes: Vec<_> = voters.keys().iter().map(|key| Voter::new(*key, &register)).collect();
//! let id = ProposerId { key: key(1), run: 1 };
//! let mut proposer = Proposer::new(id, register, RetryPolicy::default());
//!
//! let mut sends = proposer.propose(BootTime(0), voters, b"promote".to_vec())?.sends;
//! while let Some(Envelope { to, request }) = sends.pop() {
//!     let voter = nodes.iter_mut().find(|voter| voter.key() == to).expect("all are up");
//!     let response = match voter.handle(&request) {
//!         Outcome::Send(response) => response,
//!         Outcome::Sync(pending) => {
//!             let _bytes = pending.record().encode(); // Goes to the disk, and is synced, before the next line.
//!             voter.into_response(pending)
//!         }
//!     };
//!     sends.extend(proposer.handle(BootTime(1), 0, to, &response).sends);
//! }
//! assert_eq!(proposer.last().value().body(), b"promote");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Pure: time and random numbers are arguments. No files, no sockets, no clocks, no async.

mod ballot;
mod boot_time;
mod decision;
mod lease;
mod message;
mod proposer;
mod refusal;
mod register;
mod voter;
mod voters;
mod wire;

/// Messages of voters and proposers, generated from `proto/psi/quorum/v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the documentation is in the proto file")]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/psi.quorum.v1.rs"));
}

pub use ballot::{Ballot, ProposerId};
pub use boot_time::BootTime;
pub use decision::{BODY_BYTES_MAX, BodyLengthError, Decision, Proposal, Step, Value};
pub use lease::{
    ClientName, DURATION_MS_MAX, DurationError, Fence, Grant, Holder, Lease, LeaseDuration, LeaseProgress, LeaseValue,
    LeaseVerdict, LeaseVoter,
};
pub use message::{Answer, Call, Request, Response};
pub use proposer::{Envelope, Progress, ProposeError, Proposer, RetryPolicy, Verdict};
pub use refusal::{DecodeError, MESSAGE_BYTES_MAX, Refusal};
pub use register::{NAME_BYTES_MAX, NameError, Register, RegisterId, RegisterName};
pub use voter::{Outcome, PendingResponse, Record, RecordError, Voter};
pub use voters::{VOTERS_MAX, VoterSet, VoterSetError};
