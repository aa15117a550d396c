//! What the network does to frames.

use crate::plan::rng::Rng;

/// What the network does to frames; chances are of 1000.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) twice: u64,
    /// Longest delay of a frame. Delays differ, so frames overtake each other unless `ordered`.
    pub(crate) delay_ms: u64,
    /// Frames of a link keep their order, as on a connection.
    pub(crate) ordered: bool,
    /// Frames of which bits are turned, of 100,000: a connection has checksums.
    pub(crate) corrupt: u64,
    /// Frames that are blown up beyond the limit, of 100,000.
    pub(crate) oversized: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const FAIR: Self = Self { loss: 0, twice: 0, delay_ms: 3, ordered: true, corrupt: 0, oversized: 0 };

    /// No worse than this.
    pub(super) fn at_most(self, loss: u64, delay_ms: u64) -> Self {
        Self { loss: self.loss.min(loss), delay_ms: self.delay_ms.min(delay_ms), ..self }
    }

    pub(super) fn draw(rng: &mut Rng) -> Self {
        let or_none = |rng: &mut Rng, most: u64| if rng.chance(300) { 0 } else { rng.below(most + 1) };
        let delay_ms = match rng.below(10) {
            0..6 => rng.below(60),
            6..9 => rng.below(600),
            _ => rng.below(5_001),
        };
        Self {
            loss: or_none(rng, 300),
            twice: or_none(rng, 500),
            delay_ms,
            ordered: rng.chance(400),
            corrupt: if rng.chance(250) { rng.between(20, 400) } else { 0 },
            oversized: if rng.chance(120) { 30 } else { 0 },
        }
    }
}
