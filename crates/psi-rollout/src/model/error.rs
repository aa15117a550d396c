//! Why a model does not change, or is none.

use super::stage::Stage;
use crate::{
    name::{ModelName, RolloutId, VersionName},
    rollout::Refusal,
    text::shown,
};

/// Why a change may not happen; nothing has changed then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// A stage that is none.
    #[error("stage `{}` is none: give one of {stages}", shown(.got, 40))]
    NoStage {
        /// What was given, cut if it is long.
        got: String,
        /// All there are.
        stages: String,
    },
    /// A mode that is none.
    #[error("mode `{}` is none: give one of {modes}", shown(.got, 40))]
    NoMode {
        /// What was given, cut if it is long.
        got: String,
        /// All there are.
        modes: String,
    },
    /// Nothing is to be remedied.
    #[error("nothing follows by itself for model {model}: {why}")]
    Remedy {
        /// The model.
        model: ModelName,
        /// Why.
        why: String,
    },
    /// A text that is too long.
    #[error("{what} has {bytes} bytes: give one line of at most {limit}")]
    Text {
        /// Which.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// Its limit.
        limit: usize,
    },
    /// Nothing to compare with.
    #[error(
        "model {model} has no champion; name the version that answers now: psi-field version promote {model} VERSION"
    )]
    NoChampion {
        /// The model.
        model: ModelName,
    },
    /// No rollout.
    #[error("model {model} has no rollout; start one: psi-field rollout start {model} VERSION")]
    NoRollout {
        /// The model.
        model: ModelName,
    },
    /// Another rollout.
    #[error("rollout {got} of {model} is not the current one, which is {current}")]
    OtherRollout {
        /// The model.
        model: ModelName,
        /// The one that was named.
        got: RolloutId,
        /// The current one.
        current: RolloutId,
    },
    /// The stage does not allow it.
    #[error("version {version} of {model} is {from} and can't become {to}: {way_out}")]
    Stage {
        /// The model.
        model: ModelName,
        /// The version.
        version: VersionName,
        /// Where it stands.
        from: Stage,
        /// Where it was to go.
        to: Stage,
        /// What can be done.
        way_out: &'static str,
    },
    /// It would be too large.
    #[error("model {model} would take {bytes} bytes of at most {limit}; archive versions, or use shorter names")]
    Length {
        /// The model.
        model: ModelName,
        /// How many.
        bytes: usize,
        /// At most.
        limit: usize,
    },
    /// The rollout does not allow it.
    #[error(transparent)]
    Rollout(#[from] Refusal),
}

/// Bytes that are no model of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no model of this version")]
pub struct ModelError;
