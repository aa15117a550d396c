//! Processes on this node: where they stand, what they rest on, and what it tells others of them.
//!
//! The rules are those of psi-process, which does no I/O. A register of the process, and one of each bucket of its
//! tasks, holds where they stand after its latest step, which a majority of voters decides. A voter votes only for what follows by the rules from
//! a transition and a spec that it holds. Both are kept by their hashes and fetched from other nodes, so that nothing
//! depends on one disk. Evidence is kept by the node that was given it and by those that it reached, until its task ends.

pub(crate) mod attestation;
pub(crate) mod chain;
pub(crate) mod documents;
pub(crate) mod emergency;
pub(crate) mod evidence;
pub(crate) mod facts;
pub(crate) mod keeper;
pub(crate) mod peers;
pub(crate) mod proposal;
pub(crate) mod recent_specs;
pub(crate) mod voter_change;
