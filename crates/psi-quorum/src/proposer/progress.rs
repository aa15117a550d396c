//! What a proposer wants sent, and how an attempt ended.

use psi_security::node_key::NodePublicKey;

use crate::{boot_time::BootTime, decision::Decision, message::Request, refusal::Refusal};

/// A request and the voter that it goes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// The voter.
    pub to: NodePublicKey,
    /// The request.
    pub request: Request,
}

/// What a call of a proposer led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "requests are to be sent"]
pub struct Progress {
    /// Requests to send, in any order. They may be lost.
    pub sends: Vec<Envelope>,
    /// How the attempt ended, if it did.
    pub verdict: Option<Verdict>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The step is decided.
    Decided {
        /// The decision.
        decision: Decision,
        /// Whether it is the value that was proposed here.
        is_ours: bool,
        /// When a proposal of this run was first sent in this step.
        first_sent: Option<BootTime>,
    },
    /// The step was decided, and a later one, too. What the step decided is not known here: maybe the own value.
    Overtaken(Decision),
    /// Voters help nobody but the holder of the lease yet.
    Held {
        /// When it is worth to ask again.
        left_ms: u64,
    },
    /// So many voters refuse that the rest is no majority.
    Refused(Refusal),
}

impl Progress {
    pub(super) fn sending(sends: Vec<Envelope>) -> Self {
        Self { sends, verdict: None }
    }

    pub(super) fn ending(verdict: Option<Verdict>) -> Self {
        Self { sends: Vec::new(), verdict }
    }
}
