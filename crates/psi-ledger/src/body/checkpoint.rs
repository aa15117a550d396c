//! All heads that a node held, each shown to go on from what earlier checkpoints list.
//!
//! What follows a checkpoint in its ledger covers it, so one head of that ledger covers all of the cluster's.
//! Checkpoints name their predecessors, so they form a graph, and what one lists binds all that follow.

use std::collections::BTreeMap;

use prost::Message;
use psi_security::node_key::NodePublicKey;

use crate::{
    canonical,
    hash::TreeHash,
    head::{HeadRefusal, SignedHead, UnverifiedHead},
    log_name::{LogName, LogNameError},
    proto,
    tree::{ProofRefusal, SizeError, TreeHead},
};

/// The heads that a node held, and how each goes on from those of earlier checkpoints.
#[derive(Clone, Debug)]
pub struct ClusterCheckpoint {
    heads: Vec<CoveredHead>,
    predecessors: Vec<NamedRecord>,
    closed: Vec<LogName>,
}

/// A head in a checkpoint. It was shown to go on from what predecessors list; who signed it was not verified yet.
#[derive(Clone, Debug)]
pub struct CoveredHead {
    head: UnverifiedHead,
    growth: Vec<Growth>,
}

/// That a tree went on from a smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The smaller one.
    pub older: TreeHead,
    /// A consistency proof.
    pub proof: Vec<TreeHash>,
}

/// A record by its place and hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedRecord {
    /// The ledger.
    pub log: LogName,
    /// Its index there.
    pub index: u64,
    /// Its hash.
    pub leaf_hash: TreeHash,
}

/// Why a checkpoint was not made, or is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointRefusal {
    /// Not the encoding of one, or another than the one it has.
    #[error("the bytes are no checkpoint, or are not written as this version writes it; take another copy")]
    Malformed,
    /// A list that is not in order, or names something twice.
    #[error("its {0} are not in order, or one is there twice: it was changed")]
    Order(&'static str),
    /// A name of a ledger is none.
    #[error(transparent)]
    Log(#[from] LogNameError),
    /// A head that is none, or that its node did not sign.
    #[error(transparent)]
    Head(#[from] HeadRefusal),
    /// A tree without records, or with too many.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// A proof that proves nothing.
    #[error("its head of {log} is not shown to go on from the one of {older} records: {refusal}")]
    Proof {
        /// The ledger.
        log: LogName,
        /// Records of the smaller head.
        older: u64,
        /// Why.
        refusal: ProofRefusal,
    },
    /// A head that no proof reaches.
    #[error(
        "{log} has {older} records in an earlier checkpoint, and nothing shows that its head of {newer} goes on from it"
    )]
    NoProof {
        /// The ledger.
        log: LogName,
        /// What the predecessor lists.
        older: u64,
        /// What this one lists.
        newer: u64,
    },
    /// Less than a predecessor lists.
    #[error("{log} has {older} records in an earlier checkpoint and {newer} in this one; fetch its head from a peer")]
    Smaller {
        /// The ledger.
        log: LogName,
        /// What the predecessor lists.
        older: u64,
        /// What this one lists.
        newer: u64,
    },
    /// Another history than a predecessor lists.
    #[error("{log} has another history of {older} records than in an earlier checkpoint: its node signed two")]
    Fork {
        /// The ledger.
        log: LogName,
        /// What the predecessor lists.
        older: u64,
    },
    /// A ledger that it should list.
    #[error("{0} is in an earlier checkpoint and not in this one, nor among those that it closes")]
    Missing(LogName),
    /// A ledger whose key nobody knows.
    #[error("nobody knows the key that signs {0}; it comes with the voucher of its node")]
    NoKey(LogName),
}

impl ClusterCheckpoint {
    /// Makes a checkpoint of the heads that are held. `predecessors` are the latest checkpoints that are held, and
    /// `prove` makes a consistency proof between two sizes of a ledger. Ledgers that predecessors list and `heads` does
    /// not are closed.
    ///
    /// # Errors
    /// [`CheckpointRefusal`]: a head does not go on from what a predecessor lists. Then it is no head to list.
    pub fn new(
        heads: &[SignedHead],
        predecessors: &[(NamedRecord, &Self)],
        mut prove: impl FnMut(&LogName, u64, u64) -> Option<Vec<TreeHash>>,
    ) -> Result<Self, CheckpointRefusal> {
        let heads: BTreeMap<_, _> = heads.iter().map(|head| (head.head().log.clone(), head)).collect();
        let earlier = || predecessors.iter().flat_map(|(_, checkpoint)| &checkpoint.heads);
        let mut covered = Vec::new();
        for (log, head) in &heads {
            let newer = head.head().tree;
            let of_log = earlier().map(CoveredHead::unverified).filter(|(listed, _)| *listed == log);
            let smaller = of_log.map(|(_, tree)| tree).filter(|tree| tree.size() < newer.size());
            let smaller: BTreeMap<_, _> = smaller.map(|tree| (tree.size(), tree)).collect();
            let mut growth = Vec::new();
            for older in smaller.into_values() {
                let sizes = (older.size(), newer.size());
                let no_proof = CheckpointRefusal::NoProof { log: log.clone(), older: sizes.0, newer: sizes.1 };
                growth.push(Growth { older, proof: prove(log, sizes.0, sizes.1).ok_or(no_proof)? });
            }
            covered.push(CoveredHead { head: UnverifiedHead::from(*head), growth });
        }
        let mut closed: Vec<_> = earlier().map(|head| head.unverified().0.clone()).collect();
        closed.retain(|log| !heads.contains_key(log));
        closed.sort();
        closed.dedup();
        let mut names: Vec<_> = predecessors.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        let checkpoint = Self { heads: covered, predecessors: names, closed };
        checkpoint.check()?;
        predecessors.iter().try_for_each(|(_, predecessor)| checkpoint.verify_follows(predecessor))?;
        Ok(checkpoint)
    }

    /// The heads that it lists, by ledger.
    #[must_use]
    pub fn heads(&self) -> &[CoveredHead] {
        &self.heads
    }

    /// The checkpoints that it follows.
    #[must_use]
    pub fn predecessors(&self) -> &[NamedRecord] {
        &self.predecessors
    }

    /// The ledgers that predecessors list, and that it no longer does.
    #[must_use]
    pub fn closed(&self) -> &[LogName] {
        &self.closed
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let heads = self.heads.iter().map(CoveredHead::message).collect();
        let predecessors = self.predecessors.iter().map(NamedRecord::message).collect();
        let closed = self.closed.iter().map(ToString::to_string).collect();
        proto::ClusterCheckpoint { heads, predecessors, closed }.encode_to_vec()
    }

    /// Reads a checkpoint, and verifies each of its consistency proofs.
    ///
    /// # Errors
    /// [`CheckpointRefusal`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointRefusal> {
        let message: proto::ClusterCheckpoint = canonical::decode(bytes).ok_or(CheckpointRefusal::Malformed)?;
        let checkpoint = Self {
            heads: message.heads.into_iter().map(CoveredHead::read).collect::<Result<_, _>>()?,
            predecessors: message.predecessors.iter().map(NamedRecord::read).collect::<Result<_, _>>()?,
            closed: message.closed.iter().map(|log| LogName::parse(log)).collect::<Result<_, _>>()?,
        };
        checkpoint.check().map(|()| checkpoint)
    }

    /// Verifies who signed its heads. `key_of` says which key signs a ledger.
    ///
    /// # Errors
    /// [`CheckpointRefusal::Head`], [`CheckpointRefusal::NoKey`].
    pub fn verify_signatures(
        &self,
        key_of: impl Fn(&LogName) -> Option<NodePublicKey>,
    ) -> Result<Vec<SignedHead>, CheckpointRefusal> {
        let verify = |covered: &CoveredHead| {
            let log = &covered.head.unverified().log;
            let key = key_of(log).ok_or_else(|| CheckpointRefusal::NoKey(log.clone()))?;
            Ok(covered.verify(&key)?)
        };
        self.heads.iter().map(verify).collect()
    }

    /// Verifies that it goes on from all that a predecessor lists.
    ///
    /// # Errors
    /// [`CheckpointRefusal`].
    pub fn verify_follows(&self, predecessor: &Self) -> Result<(), CheckpointRefusal> {
        for (log, older) in predecessor.heads.iter().map(CoveredHead::unverified) {
            let Ok(at) = self.heads.binary_search_by(|covered| covered.unverified().0.cmp(log)) else {
                if self.closed.binary_search(log).is_ok() {
                    continue;
                }
                return Err(CheckpointRefusal::Missing(log.clone()));
            };
            let covered = &self.heads[at];
            let (log, older_size, newer) = (log.clone(), older.size(), covered.unverified().1);
            if newer == older {
                continue;
            }
            if newer.size() < older_size {
                return Err(CheckpointRefusal::Smaller { log, older: older_size, newer: newer.size() });
            }
            match covered.growth.iter().find(|growth| growth.older.size() == older_size) {
                Some(growth) if growth.older == older => {}
                Some(_) => return Err(CheckpointRefusal::Fork { log, older: older_size }),
                None if newer.size() == older_size => return Err(CheckpointRefusal::Fork { log, older: older_size }),
                None => return Err(CheckpointRefusal::NoProof { log, older: older_size, newer: newer.size() }),
            }
        }
        Ok(())
    }

    /// What holds of every checkpoint, whatever it follows.
    fn check(&self) -> Result<(), CheckpointRefusal> {
        let order = |is_sorted: bool, what| if is_sorted { Ok(()) } else { Err(CheckpointRefusal::Order(what)) };
        let logs = self.heads.iter().map(|head| head.unverified().0);
        order(logs.is_sorted_by(|a, b| a < b), "heads")?;
        order(self.predecessors.is_sorted_by(|a, b| a < b), "predecessors")?;
        order(self.closed.is_sorted_by(|a, b| a < b), "closed ledgers")?;
        self.heads.iter().try_for_each(CoveredHead::check)
    }
}

impl CoveredHead {
    /// The ledger and its tree. Nobody verified yet that its node signed them.
    #[must_use]
    pub fn unverified(&self) -> (&LogName, TreeHead) {
        (&self.head.unverified().log, self.head.unverified().tree)
    }

    /// Verifies that this key signed it.
    ///
    /// # Errors
    /// [`HeadRefusal`].
    pub fn verify(&self, public_key: &NodePublicKey) -> Result<SignedHead, HeadRefusal> {
        self.head.clone().verify(public_key)
    }

    /// What it was shown to go on from.
    #[must_use]
    pub fn growth(&self) -> &[Growth] {
        &self.growth
    }

    fn check(&self) -> Result<(), CheckpointRefusal> {
        if !self.growth.is_sorted_by(|a, b| a.older.size() < b.older.size()) {
            return Err(CheckpointRefusal::Order("proofs"));
        }
        let (log, newer) = self.unverified();
        for Growth { older, proof } in &self.growth {
            let size = older.size();
            let refused = |refusal| CheckpointRefusal::Proof { log: log.clone(), older: size, refusal };
            if size >= newer.size() {
                return Err(refused(ProofRefusal::Order { older: size, newer: newer.size() }));
            }
            newer.verify_consistency(older, proof).map_err(refused)?;
        }
        Ok(())
    }

    fn message(&self) -> proto::CoveredHead {
        let growth = |growth: &Growth| proto::Growth {
            size: growth.older.size(),
            root: growth.older.root().as_bytes().to_vec(),
            proof: TreeHash::list_to_bytes(&growth.proof),
        };
        proto::CoveredHead { note: self.head.note(), growth: self.growth.iter().map(growth).collect() }
    }

    fn read(message: proto::CoveredHead) -> Result<Self, CheckpointRefusal> {
        let growth = |growth: proto::Growth| {
            let root = TreeHash::from_slice(&growth.root).ok_or(CheckpointRefusal::Malformed)?;
            let proof = TreeHash::list_from_bytes(&growth.proof).ok_or(CheckpointRefusal::Malformed)?;
            Ok(Growth { older: TreeHead::new(growth.size, root)?, proof })
        };
        let growth = message.growth.into_iter().map(growth).collect::<Result<_, CheckpointRefusal>>()?;
        Ok(Self { head: UnverifiedHead::parse(&message.note)?, growth })
    }
}

impl NamedRecord {
    fn message(&self) -> proto::NamedRecord {
        let (log, leaf_hash) = (self.log.to_string(), self.leaf_hash.as_bytes().to_vec());
        proto::NamedRecord { log, index: self.index, leaf_hash }
    }

    fn read(message: &proto::NamedRecord) -> Result<Self, CheckpointRefusal> {
        let leaf_hash = TreeHash::from_slice(&message.leaf_hash).ok_or(CheckpointRefusal::Malformed)?;
        Ok(Self { log: LogName::parse(&message.log)?, index: message.index, leaf_hash })
    }
}
