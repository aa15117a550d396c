//! What can be wrong with settings.

use super::{definition::DEFINITIONS, place::Place};
use crate::output::suggest::did_you_mean;

/// One setting that is wrong; nothing is started then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{place}: no setting is called `{key}`{}", did_you_mean(key, DEFINITIONS.iter().map(|one| one.key)))]
    UnknownKey { key: String, place: Place },
    #[error("{place}: `{section}` is a section, not a setting; write `[{section}]` and its settings below")]
    Section { section: String, place: Place },
    #[error("no setting has the variable {name}{guess}")]
    UnknownVariable {
        name: String,
        /// The nearest name that has a meaning, as the end of a sentence.
        guess: String,
    },
    #[error("{place}: {key} = {value}: {why}")]
    Value { key: &'static str, value: String, place: Place, why: String },
    #[error("{key} = {value} ({place}) is also {other_key} ({other_place}); give each service a port of its own")]
    SamePort { key: &'static str, value: String, place: Place, other_key: &'static str, other_place: Place },
    #[error("{name}, line {line}: {what}")]
    Syntax { name: String, line: usize, what: String },
    #[error("{0}")]
    File(String),
}
