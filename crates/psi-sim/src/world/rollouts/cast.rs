//! The model that all runs are about.

use psi_quorum::RegisterName;
use psi_replica::FieldName;
use psi_rollout::{ModelName, VersionName};

const MODEL: &str = "m";

pub(crate) fn model() -> ModelName {
    ModelName::new(MODEL).expect("a letter")
}

pub(crate) fn register_name() -> RegisterName {
    RegisterName::new("rollout/m").expect("letters")
}

/// The version of a number.
pub(crate) fn version(number: u64) -> VersionName {
    VersionName::new(&format!("v{number}")).expect("letters and digits")
}

/// The field of a version.
pub(crate) fn field(version: &VersionName) -> FieldName {
    FieldName::new(&format!("{MODEL}@{version}")).expect("a version of a model")
}
