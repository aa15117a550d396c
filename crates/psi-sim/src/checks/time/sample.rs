//! How time goes on from one call of a replica to the next, whatever its clocks show.

use psi_replica::{NotReady, Now, OFF_MS_MAX, Readiness, TimeStatus};
use psi_state::Replica;

/// Clocks are told in whole milliseconds.
const ROUNDED_MS: u64 = 1;
/// What agreed time may gain when it is read again, since it was carried on too slowly until then.
const READ_MS: u64 = 10;

/// What a replica's time was after a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeSample {
    pub(super) at: Now,
    pub(super) time: TimeStatus,
    pub(super) has_joined: bool,
    pub(super) takes_writes: bool,
    /// It takes none, since its time is ahead.
    is_ahead: bool,
}

impl TimeSample {
    pub(super) fn of(replica: &Replica) -> Self {
        let readiness = replica.readiness();
        Self {
            at: replica.moment(),
            time: replica.time(),
            has_joined: !matches!(readiness, Readiness::NotReady(NotReady::Joining(_))),
            takes_writes: readiness == Readiness::Ready,
            is_ahead: matches!(readiness, Readiness::NotReady(NotReady::StateAhead { .. })),
        }
    }

    /// What it takes for the time of most members' wall clocks.
    fn members_ms(&self) -> u64 {
        self.at.wall.0.saturating_add_signed(self.time.offset_ms)
    }

    /// Its wall clock, as far as one of most members allows that shows `members_ms`.
    fn credible_ms(&self, members_ms: u64) -> u64 {
        self.at.wall.0.min(members_ms.saturating_add(OFF_MS_MAX))
    }

    /// Whether its wall clock was set since. Then it may have no voice for a moment, and others agree on another time.
    fn was_set(&self, before: &Self) -> bool {
        self.at.wall.0.saturating_sub(before.at.wall.0) != self.at.tick.since(before.at.tick)
    }

    /// What hybrid time follows.
    fn pace_ms(&self) -> u64 {
        self.time.steady.0.min(self.time.agreed.0.saturating_add(OFF_MS_MAX))
    }

    /// Checks the steady clock of a member that had joined by the look before; an operator has accepted `accepted_ms`.
    pub(super) fn check_steady(&self, before: &Self, elapsed_ms: u64, accepted_ms: u64) -> Result<(), String> {
        let (was, is) = (before.time.steady.0, self.time.steady.0);
        let slowest = was.saturating_add(elapsed_ms * 7 / 8);
        if is + ROUNDED_MS < slowest {
            return Err(format!("its steady clock went from {was} to {is} in {elapsed_ms} ms"));
        }
        if is + ROUNDED_MS < self.credible_ms(self.members_ms()).max(self.time.agreed.0) {
            return Err(format!("its steady clock shows {is}, and follows neither its wall clock nor agreed time"));
        }
        // A frame is taken in by what members showed until then, and changes that.
        let members_ms = self.members_ms().max(before.members_ms().saturating_add(elapsed_ms));
        let agreed_ms = self.time.agreed.0.max(before.time.agreed.0.saturating_add(elapsed_ms));
        let fastest = slowest.max(self.credible_ms(members_ms)).max(agreed_ms).max(accepted_ms);
        if is > fastest + READ_MS && !self.was_set(before) {
            return Err(format!("its steady clock ran ahead, from {was} to {is} in {elapsed_ms} ms"));
        }
        Ok(())
    }

    /// Checks hybrid time; `latest_ms` is that of any process until now.
    pub(super) fn check_hybrid(&self, before: &Self, elapsed_ms: u64, latest_ms: u64) -> Result<(), String> {
        let (was, is) = (before.time.hybrid.0, self.time.hybrid.0);
        let slowest = was.saturating_add(if before.takes_writes { elapsed_ms * 3 / 4 } else { 0 });
        if is < was || self.takes_writes && is + ROUNDED_MS < slowest {
            return Err(format!("hybrid time went from {was} to {is} in {elapsed_ms} ms"));
        }
        // With its wall clock set, it may have taken writes until it heard of the members.
        if self.is_ahead && before.is_ahead && is != was && !self.was_set(before) {
            return Err(format!("hybrid time went from {was} to {is}, though it takes no writes"));
        }
        if self.takes_writes && is + ROUNDED_MS < self.pace_ms() {
            return Err(format!("hybrid time is {is}, behind what it follows: {}", self.pace_ms()));
        }
        let agreed_ms = self.time.agreed.0.max(before.time.agreed.0.saturating_add(elapsed_ms));
        let followed_ms = self.time.steady.0.min(agreed_ms.saturating_add(OFF_MS_MAX));
        let fastest = was.saturating_add(elapsed_ms * 3 / 4).max(followed_ms).max(latest_ms);
        if is > fastest + READ_MS && !self.was_set(before) {
            return Err(format!("hybrid time ran ahead, from {was} to {is} in {elapsed_ms} ms"));
        }
        Ok(())
    }
}
