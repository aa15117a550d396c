//! Time as a replica reckons it. Wall clocks are wrong together more often than apart, so they vote, and what orders writes
//! never falls.
//!
//! - *Wall time* of the cluster: the lower median of all known members' wall clocks.
//! - The *steady clock* of a member follows its wall clock, as far as the cluster's wall time allows, and never falls.
//! - *Agreed time*: the lower median of the steady clocks of all members that have joined.
//! - *Hybrid time*, which stamps writes, follows the steady clock and agreed time, and never stands still.

pub(crate) mod members;
mod moments;

use crate::entry::clock::{Clock, Now, TickMs, WallMs};

pub use members::OFF_MS_MAX;
use members::{MemberClocks, ShownClocks};
use moments::{Eighths, difference, lower_median};

/// A delta that holds clocks further ahead of agreed time than this is postponed.
pub const AHEAD_MS_MAX: u64 = 60_000;
/// How long a reading of the members' clocks is carried on before it is taken again.
const READING_MS: u64 = 50;
/// A wall clock that moved by so much more or less than the monotonic one was set.
const SET_MS: u64 = 5;

/// What a replica makes of its own clocks and of those that members show.
#[derive(Debug)]
pub(crate) struct Time {
    members: MemberClocks,
    /// What the own clocks showed last.
    now: Now,
    /// The greatest clock of the snapshot that the replica began with.
    restored_ms: u64,
    has_joined: bool,
    /// Hybrid time stands, since nothing may be written.
    stands: bool,
    steady: Eighths,
    hybrid: Eighths,
    reading: MemberTime,
}

/// What the members' clocks came to when they were looked at last.
#[derive(Clone, Copy, Debug)]
struct MemberTime {
    /// `None` if they must be looked at again.
    at: Option<TickMs>,
    /// Wall time of the cluster, at that moment.
    wall: WallMs,
    /// The own wall clock is off.
    is_off: bool,
    /// Agreed time, carried on.
    agreed: Eighths,
}

impl Time {
    pub(crate) fn new(now: Now) -> Self {
        let steady = Eighths::of(now.wall.0);
        Self {
            members: MemberClocks::default(),
            now,
            restored_ms: 0,
            has_joined: false,
            stands: true,
            steady,
            hybrid: Eighths::default(),
            reading: MemberTime { at: None, wall: now.wall, is_off: false, agreed: steady },
        }
    }

    /// Records a clock of the snapshot that the replica begins with.
    pub(crate) fn record_restored(&mut self, clock: Clock) {
        self.restored_ms = self.restored_ms.max(clock.wall_ms);
        self.reading.at = None;
    }

    /// Records what a member shows of its clocks.
    pub(crate) fn record_member(&mut self, node: &crate::NodeId, shown: ShownClocks) {
        self.members.record(node, shown);
        self.reading.at = None;
    }

    /// The clocks that members have shown.
    pub(crate) fn members(&self) -> &MemberClocks {
        &self.members
    }

    /// Raises the steady clock to `ms`: an operator has accepted a clock that is ahead of agreed time.
    pub(crate) fn accept(&mut self, ms: u64) {
        self.steady = self.steady.max(Eighths::of(ms));
        self.restored_ms = self.restored_ms.max(ms);
        self.reading.at = None;
    }

    /// Goes on to `now`. `latest` is the greatest clock given out or seen.
    pub(crate) fn advance(&mut self, now: Now, latest: Clock, has_joined: bool) {
        self.hybrid = self.hybrid.max(Eighths::of(latest.wall_ms));
        let is_same = now == self.now && has_joined == self.has_joined && self.reading.at.is_some();
        if is_same {
            return;
        }
        let elapsed_ms = now.tick.since(self.now.tick);
        let was_set = now.wall.0.abs_diff(self.now.wall.0.saturating_add(elapsed_ms)) > SET_MS;
        let is_stale = self.reading.at.is_none_or(|at| now.tick.since(at) >= READING_MS);
        let joins = has_joined != self.has_joined;
        self.now = now;
        self.steady = self.steady.after(elapsed_ms, Eighths::STEADY);
        self.reading.agreed = self.reading.agreed.after(elapsed_ms, Eighths::STEADY);
        if was_set || is_stale || joins {
            self.read_members();
        }
        if joins {
            // It has a say from now on, so it must not hold up those whose time it was to share.
            self.has_joined = has_joined;
            self.steady = self.steady.max(self.reading.agreed);
            self.read_members();
        }
        self.steady = self.steady_by(self.reading.wall.0.saturating_add(now.tick.since(self.reading_at())));
        let stood = self.stands;
        self.stands = !has_joined || self.is_ahead();
        if !self.stands {
            let went = self.hybrid.after(if stood { 0 } else { elapsed_ms }, Eighths::HYBRID);
            self.hybrid = went.max(self.steady.min(self.reading.agreed.plus(OFF_MS_MAX)));
        }
    }

    fn reading_at(&self) -> TickMs {
        self.reading.at.unwrap_or(self.now.tick)
    }

    /// The steady clock, where the cluster's wall time is `wall_ms`.
    fn steady_by(&self, wall_ms: u64) -> Eighths {
        let credible = Eighths::of(self.now.wall.0.min(wall_ms.saturating_add(OFF_MS_MAX)));
        if self.has_joined { self.steady.max(credible) } else { credible.max(Eighths::of(self.restored_ms)) }
    }

    fn read_members(&mut self) {
        self.members.forget_old(self.now.tick);
        let walls = self.members.walls(self.now);
        let wall_ms = lower_median(&walls).unwrap_or(self.now.wall.0);
        let far = walls.iter().filter(|wall| wall.abs_diff(self.now.wall.0) > OFF_MS_MAX).count();
        self.steady = self.steady_by(wall_ms);
        // Who is far from most wall clocks has no voice: one that claims a time long past would hold up a small cluster.
        let is_near = |wall: u64| wall.abs_diff(wall_ms) <= OFF_MS_MAX;
        let voices = self.members.joined(self.now.tick).filter(|voice| is_near(voice.wall_ms));
        let voices = voices.map(|voice| voice.steady_eighths());
        let own = (self.has_joined && is_near(self.now.wall.0)).then_some(self.steady.0);
        let mut voices: Vec<u64> = voices.chain(own).collect();
        voices.sort_unstable();
        let agreed = lower_median(&voices).map_or(self.steady, Eighths);
        if self.has_joined {
            self.steady = self.steady.max(agreed);
        }
        let is_off = 2 * far > walls.len();
        self.reading = MemberTime { at: Some(self.now.tick), wall: WallMs(wall_ms), is_off, agreed };
    }

    /// Hybrid time: by it writes are stamped.
    pub(crate) fn hybrid(&self) -> WallMs {
        WallMs(self.hybrid.ms())
    }

    /// What the members that have joined agree on.
    pub(crate) fn agreed(&self) -> WallMs {
        WallMs(self.reading.agreed.ms())
    }

    /// What the own steady clock shows.
    pub(crate) fn steady(&self) -> WallMs {
        WallMs(self.steady.ms())
    }

    /// The steady clock minus a wall clock, milliseconds.
    pub(crate) fn steady_lead_ms(&self, wall: WallMs) -> i64 {
        difference(self.steady.ms(), wall.0)
    }

    /// The cluster's wall time minus the own wall clock, milliseconds.
    pub(crate) fn offset_ms(&self) -> i64 {
        let carried = self.reading.wall.0.saturating_add(self.now.tick.since(self.reading_at()));
        difference(carried, self.now.wall.0)
    }

    /// Whether the own wall clock is the one that is off: it differs from more than half of all members' clocks.
    pub(crate) fn is_off(&self) -> bool {
        self.reading.is_off
    }

    /// Hybrid time minus what the wall clock shows, or the cluster's where the own one is off, milliseconds.
    /// It is 0 until there is hybrid time.
    pub(crate) fn lead_ms(&self) -> i64 {
        if self.hybrid == Eighths::default() {
            return 0;
        }
        let wall = self.now.wall.0.saturating_add_signed(if self.is_off() { self.offset_ms() } else { 0 });
        difference(self.hybrid.ms(), wall)
    }

    /// Whether hybrid time is so far ahead of agreed time that the other members would postpone what is written. A wall
    /// clock that is there too, and is not off, vouches for it.
    pub(crate) fn is_ahead(&self) -> bool {
        let hybrid = self.hybrid.ms();
        hybrid > self.reading.agreed.plus(AHEAD_MS_MAX).ms()
            && (self.is_off() || hybrid > self.now.wall.0.saturating_add(AHEAD_MS_MAX))
    }
}
