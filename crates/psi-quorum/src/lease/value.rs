//! What a step of a lease decides.

use std::fmt;

use prost::Message;

use crate::{
    ballot::ProposerId,
    boot_time::BootTime,
    decision::{Decision, Step, Value},
    proto,
    register::{NameError, check_name},
    wire,
};

/// Longest duration of a lease: a day.
pub const DURATION_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// The number that a resource checks: it takes no request with a lower fence than it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// What a client of a node is called: 1 to 128 bytes, no control characters. Clients of one name are one holder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName(String);

/// Who holds a lease: a client of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// The run. After a restart it is another.
    pub node: ProposerId,
    /// Its client.
    pub client: ClientName,
}

/// How long a lease holds, on the holder's clock: 1 ms to [`DURATION_MS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseDuration(u64);

/// A duration that no lease has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease holds 1 to {DURATION_MS_MAX} ms, and this is to hold {0}; renew it instead")]
pub struct DurationError(pub u64);

/// What a step of a lease decides. Its fence is the number of the step, and its voters are those of the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseValue {
    /// Who holds it.
    pub holder: Holder,
    /// For how long.
    pub duration: LeaseDuration,
    /// Whether the holder let go of it.
    pub is_released: bool,
    /// How often its holder renewed it, without having let go of it.
    pub renewals: u32,
}

impl Fence {
    /// The fence of a step.
    #[must_use]
    pub fn of(step: Step) -> Self {
        Self(step.0)
    }
}

impl ClientName {
    /// The name of these characters.
    ///
    /// # Errors
    /// They are none, too many, or control characters.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_name("client", name).map(|()| Self(name.to_owned()))
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LeaseDuration {
    /// A duration of so many milliseconds.
    ///
    /// # Errors
    /// It is zero, or longer than a day.
    pub fn from_ms(ms: u64) -> Result<Self, DurationError> {
        if (1..=DURATION_MS_MAX).contains(&ms) { Ok(Self(ms)) } else { Err(DurationError(ms)) }
    }

    /// In milliseconds.
    #[must_use]
    pub fn as_ms(self) -> u64 {
        self.0
    }

    /// Until when a holder that sent its proposal at `sent` relies on it.
    pub(super) fn end(self, sent: BootTime) -> BootTime {
        sent.plus_ms(self.0)
    }

    /// Until when a voter helps no one else: 1 % more, as its clock may be so much faster, and a millisecond that
    /// rounding takes from both readings of the clock.
    pub(super) fn guarded_end(self, from: BootTime) -> BootTime {
        from.plus_ms((self.0 * 101).div_ceil(100) + 1)
    }
}

impl LeaseValue {
    /// What a value says of a lease; `None` if it says nothing of one, as a genesis.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        let node = value.proposer()?;
        let body: proto::LeaseBody = wire::decode("lease", value.body()).ok()?;
        Some(Self {
            holder: Holder { node, client: ClientName::new(&body.client).ok()? },
            duration: LeaseDuration::from_ms(body.duration_ms).ok()?,
            is_released: body.released,
            renewals: body.renewals,
        })
    }

    /// Who holds the lease by a decision; `None` if nobody does.
    pub(super) fn holder_by(decision: &Decision) -> Option<Holder> {
        Self::of(decision.value()).filter(|lease| !lease.is_released).map(|lease| lease.holder)
    }

    /// The body of a value by which its holder takes or renews it.
    pub(super) fn body(client: &ClientName, duration: LeaseDuration, renewals: u32) -> Vec<u8> {
        proto::LeaseBody { client: client.0.clone(), duration_ms: duration.0, released: false, renewals }
            .encode_to_vec()
    }

    /// The body of a value by which its holder lets go of it.
    pub(super) fn released_body(&self) -> Vec<u8> {
        let Self { holder, duration, renewals, .. } = self;
        let (client, renewals) = (holder.client.0.clone(), *renewals);
        proto::LeaseBody { client, duration_ms: duration.0, released: true, renewals }.encode_to_vec()
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.client, self.node)
    }
}
