//! What members show of their clocks, on whatever link, carried on by the own monotonic clock. It counts until it is an
//! hour old, whether a link stands or not: who is cut off for a while still has a vote.

use std::collections::BTreeMap;

use super::moments::{Eighths, difference};
use crate::entry::{
    clock::{Now, TickMs, WallMs},
    name::NodeId,
};

/// A wall clock that differs from most members' by more than this is off.
pub const OFF_MS_MAX: u64 = 10_000;
/// How long what a member showed is kept.
const KEPT_MS: u64 = 60 * 60 * 1000;
/// Most members whose clocks are kept; beyond that, a new one takes the place of the one that was seen longest ago.
const MEMBERS_MAX: usize = 1024;

/// What a member showed of its clocks, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShownClocks {
    /// When, by the own monotonic clock.
    pub(crate) at: TickMs,
    pub(crate) wall: WallMs,
    pub(crate) steady: WallMs,
    pub(crate) has_joined: bool,
}

/// The vote of a member that has joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    /// Its wall clock now.
    pub(super) wall_ms: u64,
    shown: ShownClocks,
    elapsed_ms: u64,
}

impl Voice {
    /// Its steady clock now: it follows its wall clock, which is near most others, or it has no vote.
    pub(super) fn steady_eighths(&self) -> u64 {
        let steady = Eighths::of(self.shown.steady.0).after(self.elapsed_ms, Eighths::STEADY);
        steady.max(Eighths::of(self.wall_ms)).0
    }
}

/// The clocks that members have shown, one entry a member.
#[derive(Debug, Default)]
pub(crate) struct MemberClocks(BTreeMap<NodeId, ShownClocks>);

impl MemberClocks {
    pub(super) fn record(&mut self, node: &NodeId, shown: ShownClocks) {
        match self.0.get_mut(node) {
            Some(known) => *known = shown,
            None => {
                if self.0.len() >= MEMBERS_MAX
                    && let Some(oldest) = self.0.iter().min_by_key(|(_, shown)| shown.at).map(|(node, _)| node.clone())
                {
                    self.0.remove(&oldest);
                }
                self.0.insert(node.clone(), shown);
            }
        }
    }

    pub(super) fn forget_old(&mut self, now: TickMs) {
        self.0.retain(|_, shown| now.since(shown.at) < KEPT_MS);
    }

    /// All wall clocks now, the own one among them, in order.
    pub(super) fn walls(&self, now: Now) -> Vec<u64> {
        let shown = self.0.values().map(|shown| carried(shown, now.tick));
        let mut walls: Vec<u64> = shown.chain([now.wall.0]).collect();
        walls.sort_unstable();
        walls
    }

    /// The votes of those that have joined.
    pub(super) fn joined(&self, now: TickMs) -> impl Iterator<Item = Voice> {
        let joined = self.0.values().filter(|shown| shown.has_joined);
        joined.map(move |shown| Voice { wall_ms: carried(shown, now), shown: *shown, elapsed_ms: now.since(shown.at) })
    }

    /// A member's wall clock minus the own one, milliseconds; `None` if it has shown none.
    pub(crate) fn offset_ms(&self, node: &NodeId, now: Now) -> Option<i64> {
        Some(difference(carried(self.0.get(node)?, now.tick), now.wall.0))
    }
}

/// What a wall clock shows now that was shown before.
fn carried(shown: &ShownClocks, now: TickMs) -> u64 {
    shown.wall.0.saturating_add(now.since(shown.at))
}
