//! How a head contradicts another that was signed before.

/// What keeps a head from being believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Two roots of one size.
    Fork,
    /// Another key signs the same run.
    OtherKey,
    /// A smaller head with a later clock.
    SetBack,
}

impl Conflict {
    pub(crate) const ALL: [Self; 3] = [Self::Fork, Self::OtherKey, Self::SetBack];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::OtherKey => "other_key",
            Self::SetBack => "set_back",
        }
    }
}
