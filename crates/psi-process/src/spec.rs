//! A spec: what a process is. It is written in TOML, and identified by the hash of a canonical form.

mod definition;
mod error;
mod gate;
mod key;
mod limits;
mod line;
mod parse;
mod phase;
mod raw;
mod terms;

pub use definition::Spec;
pub use error::{SpecError, SpecFault};
pub use gate::{Check, Gate};
pub use key::{KeyError, TrustedKey};
pub use limits::{
    ARTIFACT_BYTES_MAX, ARTIFACTS_MAX, GATES_MAX, KEYS_MAX, LEASE_RENEWALS_MAX, LEASE_SECONDS_MAX, PARAMETERS_MAX,
    PHASES_MAX, RETAIN_DAYS_MAX, SPEC_BYTES_MAX, THRESHOLDS_MAX,
};
pub use phase::Phase;
pub use terms::{Decision, DriftReaction, LeaseTerms, Mode};
