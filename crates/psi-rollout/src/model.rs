//! A model: its versions with their stages, which of them is the champion, and the rollout of one of them.
//!
//! A model changes by [`Change`]s, which a majority decides in one order. [`Model::follow`] is the rule: who proposes a
//! change and who votes for it both go by it, and come to the same bytes.
//!
//! # What this promises
//! - One version at most is the champion, and one rollout at most is under way.
//! - Nothing begins by itself unless a majority said so, and then only a version in STAGING, where there is just one.
//! - At most four versions are live, and a model stays below [`MODEL_BYTES_MAX`]: what ended first is forgotten first.
//!
//! What is left out: whether facts speak for a change. [`crate::Rollout::propose`] says that before it is proposed, and the
//! change carries why.

mod change;
mod encoding;
mod error;
mod history;
mod place;
mod remediation;
mod remediation_encoding;
mod remedy;
mod rollback;
mod stage;
mod state;
mod vote;

pub use change::{ACTOR_BYTES_MAX, Change, ModelEvent, REASON_BYTES_MAX};
pub use error::{ChangeError, ModelError};
pub use history::EndedRollout;
pub use remediation::{
    DriftEpisode, Remediation, RemediationMode, RemediationPolicy, RemediationStatus, RemediationTrial, SEVERITY_MIN,
};
pub use remedy::Remedy;
pub use rollback::{Rollback, Rollbacks, RolloutKey};
pub use stage::Stage;
pub use state::{MODEL_BYTES_MAX, Model};
pub use vote::VoteRefusal;
