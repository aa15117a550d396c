//! What a client asks for.

use crate::plan::rng::Rng;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientRequest {
    Steps(u64),
    Intervene,
    Create,
    Reset,
    Drop,
    Change,
    Unknown,
    Nonsense,
}

impl ClientRequest {
    /// What a client asks for, whatever there is.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.below(100) {
            0..50 => Self::Steps(1),
            50..68 => Self::Steps(1 + rng.below(6)),
            68..82 => Self::Intervene,
            82..90 => Self::Create,
            90..94 => Self::Reset,
            94..96 => Self::Drop,
            96..98 => Self::Unknown,
            _ => Self::Nonsense,
        }
    }
}
