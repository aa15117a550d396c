//! What a call of a lease led to.

use super::{
    grant::Grant,
    value::{Fence, Holder},
};
use crate::{proposer::Envelope, refusal::Refusal};

/// What a call of a lease led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "requests are to be sent"]
pub struct LeaseProgress {
    /// Requests to send, in any order. They may be lost.
    pub sends: Vec<Envelope>,
    /// How an acquisition, a renewal or a release ended, if it did.
    pub verdict: Option<LeaseVerdict>,
}

/// How an acquisition, a renewal or a release ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseVerdict {
    /// The client holds it.
    Granted(Grant),
    /// The client won it, when its time was up already. A renewal takes one round trip.
    Lapsed(Fence),
    /// The client let go of it, and the next one need not wait.
    Released(Fence),
    /// Someone else holds it, or did last.
    Lost {
        /// Who, unless nobody does.
        holder: Option<Holder>,
        /// The fence that the holder has.
        fence: Fence,
        /// After how many milliseconds it may be free, unless it is renewed.
        left_ms: u64,
    },
    /// So many voters refuse that the rest is no majority.
    Refused(Refusal),
}
