//! What a history is like.

use crate::support::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Step,
    Lease,
}

/// What a history is like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) seed: u64,
    pub(super) machines: u64,
    pub(super) first_voters: u64,
    pub(super) hop_us: u64,
    pub(super) loss_percent: u64,
    pub(super) duplicate_percent: u64,
    pub(super) slow_percent: u64,
    pub(super) duration_ms: (u64, u64),
    pub(super) storm_ms: u64,
    /// The longest wait of a client between two acts.
    pub(super) pause_ms: u64,
    /// The fastest clock, in parts in a million above true time.
    pub(super) rate_ppm_max: u64,
    /// Errors that the oracle must notice.
    pub(super) keeps_key_when_wiped: bool,
    pub(super) clock_stops_in_sleep: bool,
}

impl Plan {
    pub(super) fn random(kind: Kind, seed: u64) -> Self {
        let mut rng = Rng(seed ^ 0x51EE_D000);
        let is_long = kind == Kind::Lease && rng.percent(30);
        let hop_us = *rng.pick(&[500, 3_000, 25_000]);
        Self {
            kind,
            seed,
            machines: rng.range(3, 6),
            first_voters: 3,
            hop_us,
            loss_percent: *rng.pick(&[0, 2, 15]),
            duplicate_percent: *rng.pick(&[0, 5, 20]),
            slow_percent: *rng.pick(&[0, 3, 20]),
            duration_ms: if is_long { (10_000, 30_000) } else { (200, 1_500) },
            storm_ms: if is_long { 90_000 } else { 8_000 },
            pause_ms: if is_long { 2_000 } else { 200 },
            rate_ppm_max: 9_900,
            keeps_key_when_wiped: false,
            clock_stops_in_sleep: false,
        }
    }

    pub(super) fn calm(kind: Kind, seed: u64) -> Self {
        Self {
            hop_us: 25_000,
            loss_percent: 0,
            duplicate_percent: 0,
            slow_percent: 0,
            duration_ms: (200, 1_500),
            storm_ms: 0,
            pause_ms: 200,
            ..Self::random(kind, seed)
        }
    }
}
