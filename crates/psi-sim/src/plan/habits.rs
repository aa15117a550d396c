//! What clients are given to.

use crate::plan::rng::Rng;

/// Most steps in a batch where clients keep to no field.
pub(crate) const BATCH: u64 = 6;

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
    /// They only step, one at a time, in the field that always exists.
    pub(crate) is_frugal: bool,
}

impl Habits {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let core = if rng.chance(350) { rng.between(300, 900) } else { 0 };
        let steady = rng.chance(300).then(|| usize::try_from(rng.between(1, 3)).unwrap_or(1));
        let batch = if steady.is_some() && rng.chance(700) { rng.between(8, 30) } else { BATCH };
        Self { core, guarded: rng.between(0, 900), steady, batch, is_frugal: false }
    }
}
