//! What a voter looks at before it votes for a model.

use super::{error::ChangeError, state::Model};
use crate::name::ModelName;

/// Why a voter votes for none of it, at least not now.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VoteRefusal {
    /// Nothing says what changed it.
    #[error("a model is changed by a change, and this has none")]
    NoChange,
    /// The change may not happen.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The change makes another model of it.
    #[error("the change of {model} leads elsewhere than proposed")]
    Elsewhere {
        /// The model.
        model: ModelName,
    },
    /// The rollout was rolled back.
    #[error("the rollout of {model} was rolled back")]
    RolledBack {
        /// The model.
        model: ModelName,
    },
}

impl Model {
    /// Whether `next` follows by the rules. The same once more does, for other voters.
    ///
    /// # Errors
    /// [`VoteRefusal`] says why not.
    pub fn check_next(&self, next: &Self) -> Result<(), VoteRefusal> {
        if next == self {
            return Ok(());
        }
        let followed = self.follow(next.last().ok_or(VoteRefusal::NoChange)?)?;
        if followed == *next { Ok(()) } else { Err(VoteRefusal::Elsewhere { model: next.name().clone() }) }
    }
}
