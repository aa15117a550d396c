//! What the first record of a run says: which ledger it begins, and how far the node's ledgers had come before.

use prost::Message;

use super::BodyRefusal;
use crate::{canonical, hash::TreeHash, head::SignedHead, log_name::LogName, proto, tree::TreeHead};

/// What the first record of a run says.
///
/// A new run begins a new tree: a tree that goes on over runs makes a node fork as soon as its disk is restored or
/// copied. So the runs are linked here. A node that was set back says itself that it remembers less than its peers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// The ledger that begins.
    pub log: LogName,
    /// The last head that the node signed in an earlier run, as its disk has it.
    pub own: Option<NamedHead>,
    /// The greatest head of an earlier run of the node that peers showed.
    pub shown: Option<NamedHead>,
}

/// A head without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedHead {
    /// The ledger.
    pub log: LogName,
    /// Its records.
    pub tree: TreeHead,
}

const WHAT: &str = "first record of a run";

impl RunStart {
    /// Whether the node remembers less of its last run than its peers do, or something else: it was set back.
    #[must_use]
    pub fn shows_rewind(&self) -> bool {
        let Some(shown) = &self.shown else { return false };
        self.own.as_ref().is_none_or(|own| {
            let (own_order, shown_order) = (own.order(), shown.order());
            own_order < shown_order || (own_order == shown_order && own.tree.root() != shown.tree.root())
        })
    }

    /// Its bytes, which always fit into the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let message = |head: &Option<NamedHead>| head.as_ref().map(NamedHead::message);
        let (own, shown) = (message(&self.own), message(&self.shown));
        proto::RunStart { log: self.log.to_string(), own, shown }.encode_to_vec()
    }

    /// Reads what the first record of the ledger `log` says.
    ///
    /// # Errors
    /// [`BodyRefusal`].
    pub fn decode(bytes: &[u8], log: &LogName) -> Result<Self, BodyRefusal> {
        let message: proto::RunStart = canonical::decode(bytes).ok_or(BodyRefusal::Malformed(WHAT))?;
        let read = |head: Option<proto::NamedHead>| head.as_ref().map(NamedHead::read).transpose();
        let start = Self { log: LogName::parse(&message.log)?, own: read(message.own)?, shown: read(message.shown)? };
        if start.log != *log {
            return Err(BodyRefusal::OtherLog { named: start.log.to_string(), log: log.to_string() });
        }
        let is_earlier = |head: &NamedHead| head.log.is_of_same_node(log) && head.log != *log;
        if start.own.iter().chain(&start.shown).all(is_earlier) { Ok(start) } else { Err(BodyRefusal::Malformed(WHAT)) }
    }
}

impl NamedHead {
    /// Runs in the order in which they began, and the heads of one run by size.
    fn order(&self) -> (u64, u64) {
        (self.log.run.incarnation, self.tree.size())
    }

    fn message(&self) -> proto::NamedHead {
        let (log, root) = (self.log.to_string(), self.tree.root().as_bytes().to_vec());
        proto::NamedHead { log, size: self.tree.size(), root }
    }

    fn read(message: &proto::NamedHead) -> Result<Self, BodyRefusal> {
        let root = TreeHash::from_slice(&message.root).ok_or(BodyRefusal::Malformed(WHAT))?;
        Ok(Self { log: LogName::parse(&message.log)?, tree: TreeHead::new(message.size, root)? })
    }
}

impl From<&SignedHead> for NamedHead {
    fn from(head: &SignedHead) -> Self {
        Self { log: head.head().log.clone(), tree: head.head().tree }
    }
}
