//! Evidence that says something: flat JSON, or an in-toto statement.

use std::collections::BTreeMap;

use super::{
    json::{DocumentError, Json, flatten, parse},
    statement::Statement,
};
use crate::{text::shown, value::Value};

/// A document: values by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its values. Members of members have names like `tests.failed`.
    pub values: BTreeMap<String, Value>,
    /// If it is a statement, what it is about.
    pub statement: Option<Statement>,
}

impl Document {
    /// Reads a document. No bytes panic.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let json = parse(bytes)?;
        if json.get("_type").is_some() {
            let (statement, values) = Statement::read(&json)?;
            return Ok(Self { values, statement: Some(statement) });
        }
        let Json::Object(members) = &json else { return Err(DocumentError::Shape("it is no object".to_owned())) };
        let nested = members.iter().find(|(_, value)| !matches!(value, Json::Value(_)));
        if let Some((name, _)) = nested {
            return Err(DocumentError::Shape(format!("member `{}` is none of these", shown(name, 80))));
        }
        Ok(Self { values: flatten(&json)?, statement: None })
    }
}
