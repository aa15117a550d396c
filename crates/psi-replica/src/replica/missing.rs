//! What is missing here and held by peers: when to pull it, and from whom.

use super::Replica;
use crate::{
    entry::{
        clock::TickMs,
        digest::Digest,
        origin::{Origin, Version},
    },
    links::{gaps::Gap, inbox::Arrival},
    state::State,
};

/// How long something may be missing before it is pulled: the origin's own push comes first.
const FIRST_HAND_MS: u64 = 100;
/// How long it is waited until it is seen again whether a run may be taken more of.
const ENDING_MS: u64 = 500;
/// How long a base may be behind a peer's until it is pulled: votes are about to show what was decided.
const BASE_MS: u64 = 3_000;
/// How long a peer may take to begin, beyond the link's round trip, until another is asked.
const PULL_MS: u64 = 50;
/// So many times [`FIRST_HAND_MS`] a pull is postponed for deltas that have just begun to arrive.
const POSTPONED_MAX: u32 = 5;
/// Longest such round trip that is waited for.
const PULL_MS_MAX: u64 = 1_000;

impl<S: State> Replica<S> {
    /// Records that some peer holds more of `origin`. What its own node is linked to bring is waited for a little.
    pub(super) fn record_gap(&mut self, now: TickMs, origin: &Origin) {
        // A replica that has joined mostly gets to the same base by itself, once it has one.
        let folds_itself = *origin == Origin::base() && self.has_joined() && self.store.base().number() > 0;
        let ask_at = match self.links.is_linked(&origin.node) {
            _ if folds_itself => now.plus(BASE_MS),
            true => now.plus(FIRST_HAND_MS),
            false => now,
        };
        self.gaps.insert(origin.clone(), Gap { ask_at, pulls: 0, postponed: 0 });
    }

    /// Pulls each origin that has been missing for long enough from one peer.
    pub(super) fn pull_missing(&mut self, now: TickMs) {
        while let Some((origin, gap)) = self.gaps.pop_due(now) {
            if let Some(gap) = self.pull(now, &origin, gap) {
                self.gaps.insert(origin, gap);
            }
        }
    }

    /// Asks a peer that holds more of `origin`, another one each time; `None` once there is none.
    fn pull(&mut self, now: TickMs, origin: &Origin, gap: Gap) -> Option<Gap> {
        if self.is_ending(origin) {
            return Some(Gap { ask_at: now.plus(ENDING_MS), ..gap });
        }
        let holders = self.links.quick_holders(origin, self.store.version(origin), gap.pulls);
        let postponed = match self.links.arrival(origin, now) {
            Some(Arrival::Steady) => Some(gap.postponed),
            // Peers that begin one after the other and get nowhere are not to hold up those that have it at hand.
            Some(Arrival::Begun) if gap.postponed < POSTPONED_MAX => Some(gap.postponed + 1),
            _ => None,
        };
        if let Some(postponed) = postponed.filter(|_| !holders.is_empty()) {
            return Some(Gap { ask_at: now.plus(FIRST_HAND_MS), postponed, ..gap });
        }
        // Many that miss the same are not all to ask the same peer, and many gaps not all to fall on one peer.
        let spread = Digest::of_position(origin, Version::ZERO).short();
        let turn = spread.wrapping_add(u64::from(gap.pulls.div_ceil(2))).checked_rem(holders.len() as u64)?;
        let link = self.links.get_mut(*holders.get(usize::try_from(turn).ok()?)?)?;
        link.pull(origin);
        // Each holder is a way of its own: only one that was asked before is given longer. Somebody quicker may have it
        // by then, so a slow peer is not waited for as long as it may take.
        let tries = gap.pulls / u32::try_from(holders.len()).unwrap_or(u32::MAX);
        let wait = link.timeout_ms(tries).min(PULL_MS_MAX).saturating_add(PULL_MS);
        Some(Gap { ask_at: now.plus(wait), pulls: gap.pulls.saturating_add(1), postponed: 0 })
    }
}
