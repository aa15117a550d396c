//! What happens about models, each at its time.

use psi_replica::{Clock, Origin};
use psi_rollout::RolloutId;
use psi_security::node_key::NodePublicKey;

/// Something that happens about models, and to which process.
#[derive(Clone, Debug)]
pub(crate) enum RolloutTurn {
    /// A node looks at what follows by itself.
    Look(usize),
    /// A node takes over what replicated state says.
    Refresh(usize),
    /// A proposer sends again, or gives up.
    Wake(usize),
    /// The oldest vote of a node is on its disk.
    Synced(usize),
    /// A request or a response arrives.
    Arrive { from: usize, to: usize, message: VoteMessage },
    /// What a node wrote into its ledger is on its disk, and it shows it.
    Show(usize, Leaf),
    /// A person wants something.
    Person,
    /// A person who sees that a rollout goes wrong cancels it, at some node.
    Cancel(RolloutId),
    /// Steps arrive at some node, with outcomes.
    Steps,
}

impl RolloutTurn {
    /// The process that does it, if it is one that does.
    pub(super) fn process(&self) -> Option<usize> {
        match self {
            Self::Look(p) | Self::Refresh(p) | Self::Wake(p) | Self::Synced(p) | Self::Show(p, _) => Some(*p),
            Self::Arrive { to, .. } => Some(*to),
            Self::Person | Self::Cancel(_) | Self::Steps => None,
        }
    }
}

/// What goes from node to node, encoded.
#[derive(Clone, Debug)]
pub(crate) enum VoteMessage {
    Request(Vec<u8>),
    Response { voter: NodePublicKey, bytes: Vec<u8> },
}

/// A record that is on its way to the disk of its node.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(super) author: Origin,
    pub(super) clock: Clock,
    pub(super) number: u64,
    pub(super) text: String,
    pub(super) rollout: RolloutId,
}
