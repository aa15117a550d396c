//! In-toto statements: what somebody says about something, by its hash.

use std::collections::BTreeMap;

use super::json::{DocumentError, Json, flatten};
use crate::{hash::PhaseHash, value::Value};

/// What an in-toto statement says that it is.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Most subjects of a statement that is judged.
const SUBJECTS_MAX: usize = 1_024;

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The type of its predicate.
    pub predicate_type: String,
    /// Its subjects.
    pub subjects: Vec<StatementSubject>,
}

/// A subject of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementSubject {
    /// What it is called; empty if it has no name.
    pub name: String,
    /// Its `sha256` digest, in hex, if it has one.
    pub sha256: Option<String>,
}

impl Statement {
    /// Reads a statement, and the values of its predicate.
    pub(super) fn read(json: &Json) -> Result<(Self, BTreeMap<String, Value>), DocumentError> {
        let shape = |cause: &str| DocumentError::Shape(cause.to_owned());
        if json.get("_type").and_then(Json::text) != Some(STATEMENT_TYPE) {
            return Err(shape("its _type is not that of a statement, version 1"));
        }
        let predicate_type = json.get("predicateType").and_then(Json::text).ok_or_else(|| shape("no predicateType"))?;
        let Some(Json::List(subjects)) = json.get("subject") else { return Err(shape("it has no list of subjects")) };
        if subjects.is_empty() || subjects.len() > SUBJECTS_MAX {
            return Err(shape("it has no subject, or more than 1,024"));
        }
        let values = json.get("predicate").map(flatten).transpose()?.unwrap_or_default();
        let subjects = subjects.iter().map(StatementSubject::read).collect();
        Ok((Self { predicate_type: predicate_type.to_owned(), subjects }, values))
    }

    /// Whether it is about a phase, and, if a task is given, about that task.
    #[must_use]
    pub fn is_about(&self, phase: &PhaseHash, task: Option<&str>) -> bool {
        let hash = phase.to_string();
        let has_hash = |subject: &StatementSubject| subject.sha256.as_ref() == Some(&hash);
        self.subjects.iter().any(|subject| has_hash(subject) && task.is_none_or(|task| subject.name == task))
    }
}

impl StatementSubject {
    fn read(json: &Json) -> Self {
        let text = |json: Option<&Json>| json.and_then(Json::text).map(str::to_owned);
        let sha256 = text(json.get("digest").and_then(|digest| digest.get("sha256")));
        Self { name: text(json.get("name")).unwrap_or_default(), sha256 }
    }
}
