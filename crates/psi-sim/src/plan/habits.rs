//! What clients are given to.

use crate::plan::rng::Rng;

/// Most steps in a batch where clients keep to no field.
pub(crate) const BATCH: u64 = 6;

/// Most steps in a batch of those that stream.
const STREAM: u64 = 20;

/// What clients are given to, beside writing; chances are of 1000.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// Fields that they set up to learn.
    pub(crate) core: u64,
    /// Fields in which they let the guardian intervene.
    pub(crate) guarded: u64,
    /// The field that they mostly write to and hardly ever reset, by its place among theirs.
    pub(crate) steady: Option<usize>,
    /// Most steps in a batch.
    pub(crate) batch: u64,
    /// They step one at a time, in the field that always exists, and seldom change it.
    pub(crate) is_frugal: bool,
    /// They keep to a field and send it more than a hundred inputs a second, few numbers each.
    pub(crate) is_streaming: bool,
    /// From when on their inputs lie elsewhere.
    pub(crate) moved_ms: Option<u64>,
}

impl Habits {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let core = if rng.chance(350) { rng.between(300, 900) } else { 0 };
        let steady = rng.chance(300).then(|| usize::try_from(rng.between(1, 3)).unwrap_or(1));
        let batch = if steady.is_some() && rng.chance(700) { rng.between(8, 30) } else { BATCH };
        let drawn = Self { core, guarded: rng.between(0, 900), steady, batch, ..Self::default() };
        let is_streaming = rng.chance(100);
        let moved_ms = rng.chance(600).then(|| rng.between(14_000, 24_000));
        if !is_streaming {
            return Self { moved_ms, ..drawn };
        }
        Self { core: 0, steady: steady.or(Some(1)), batch: STREAM, is_streaming, moved_ms, ..drawn }
    }
}
