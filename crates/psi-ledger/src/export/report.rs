//! What an export holds, once all of it was verified.

use std::collections::BTreeMap;

use psi_replica::ClusterName;
use psi_security::{certificate::AuthorityHash, node_key::NodePublicKey};

use crate::{
    head::{Head, SignedHead},
    log_name::LogName,
    record::Kind,
};

/// What an export holds. Every byte of it is as it was written.
///
/// What this does not show is listed too: keys that no trusted authority vouched for, records that are known by their
/// hashes alone, and what lies outside the file.
#[derive(Clone, Debug)]
pub struct Report {
    /// The cluster that it is of.
    pub cluster: ClusterName,
    /// Its bytes.
    pub bytes: u64,
    /// Its ledgers, by name.
    pub runs: Vec<RunReport>,
    /// Heads and records that records in the file name, and that are not in it. They were not compared.
    pub outside: u64,
}

/// A ledger in an export.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Which one.
    pub log: LogName,
    /// Its last head, which covers all of its records.
    pub head: SignedHead,
    /// The authority that says whose key signed it; `None` if nobody was asked, or no authority.
    pub vouched_by: Option<AuthorityHash>,
    /// Where its key comes from.
    pub key: KeySource,
    /// The first record in the file. Those before it were not seen.
    pub first: u64,
    /// How many records of each kind the file has.
    pub kinds: BTreeMap<Kind, u64>,
    /// Its node remembered less, at the start of the run, than its peers showed: it was set back.
    pub shows_rewind: bool,
}

/// How the key of a run follows from those of its node's earlier runs in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// There is no earlier run.
    First,
    /// It is the same.
    Kept,
    /// It is another, and the one before signed the change.
    Changed,
    /// It is another, and nobody who had the one before says so. The node lost its disk, or is another.
    Unexplained,
}

impl RunReport {
    /// Its last head.
    #[must_use]
    pub fn head(&self) -> &Head {
        self.head.head()
    }

    /// The key that signed it.
    #[must_use]
    pub fn public_key(&self) -> NodePublicKey {
        self.head.public_key()
    }

    /// How many records of it are in the file.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.head().tree.size() - self.first
    }
}
