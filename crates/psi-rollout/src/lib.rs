//! Rollouts: how a new version of a model takes over from the champion, a percentage at a time, or does not.
//!
//! A [`KeyHash`] says which version answers a key. [`Outcomes`] count how its steps went. [`gate::judge`] compares canary
//! and champion at any look. [`Rollout`] is the status: [`Rollout::next`] says what follows by itself, [`Rollout::propose`]
//! what a person may do, and [`Rollout::apply`] does it. A [`Model`] has versions with stages, one champion, and one rollout at
//! a time.
//!
//! # What this promises
//! - The same key gets the same version on every node and in every client. More percent only adds keys.
//! - Outcomes merge in any order to the same bits.
//! - A canary that is as good as the champion is rolled back by at most one rollout in 200, however often gates look, as
//!   far as means of so many steps are normal. `tests/rollout/rates.rs` measures it.
//! - Nothing advances or is promoted by itself without data of both versions, a whole window, every registered member and
//!   a majority. What is missing is named.
//! - A rollback ends a rollout whatever it follows, unless PROMOTED was decided. Nothing automatic follows an end.
//!
//! # What this never promises
//! - That a canary is good. PASS rules out what the thresholds of its plan name, and no more.
//! - Anything about the tail of latencies: means are compared.
//!
//! Pure: clocks and counts are arguments. No files, no sockets, no randomness, no async. Who votes, and what counts where
//! histories meet, is left to the caller.

pub mod assignment;
pub mod gate;
pub mod measure;
pub mod model;
pub mod name;
pub mod outcome;
pub mod plan;
pub mod rollout;
pub mod window;

mod text;

pub use assignment::{Arm, BUCKETS, KeyError, KeyHash, Percent, PercentError, StepKey};
pub use gate::{DriftComparison, DriftState, DriftVerdict, Gate, HoldReason, Judgement, Verdict};
pub use measure::{MEASURES_MAX, Measure, MeasuredTally, Subject, SubjectError};
pub use model::{
    Change, ChangeError, DriftEpisode, EndedRollout, Model, ModelError, ModelEvent, Remediation, RemediationMode,
    RemediationPolicy, RemediationStatus, RemediationTrial, Remedy, Rollback, Rollbacks, Stage, VoteRefusal,
};
pub use name::{
    LiveVersions, LiveVersionsError, ModelName, ModelVersion, NameError, NameFault, RolloutId, VersionName,
};
pub use outcome::{Latency, LatencyError, Outcome, Outcomes, OutcomesError, Tally};
pub use plan::{Plan, PlanError, PlanFault, PlanInput};
pub use rollout::{
    Command, Effect, Facts, Force, ForceError, Member, Next, Record, Refusal, Rollout, RolloutSetup, StartFacts, Status,
};
pub use window::WindowTag;
