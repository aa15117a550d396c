//! What addresses name, where they may name one thing or nothing.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use psi_replica::DEFAULT_FIELD;
use serde::Deserialize;

use super::asked::{bad_query, nameless};
use crate::{
    calls::ops::Ops,
    http::refusal::{Problem, Refusal, counted, shorten},
};

/// `?field=`: the field that a request is about; `default` if it names none.
pub(in crate::http) struct Chosen(pub(in crate::http) String);

impl FromRequestParts<Ops> for Chosen {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Choice {
            field: Option<String>,
        }
        match Query::<Choice>::from_request_parts(parts, ops).await {
            Ok(Query(choice)) if choice.field.as_deref() == Some("") => counted(ops, Err(nameless("query"))),
            Ok(Query(choice)) => Ok(Self(choice.field.unwrap_or_else(|| DEFAULT_FIELD.to_owned()))),
            Err(error) => counted(ops, Err(bad_query(&error.body_text(), "the only parameter is ?field=NAME"))),
        }
    }
}

/// The field that a path names. Its address asks for nothing else.
pub(in crate::http) struct Name(pub(in crate::http) String);

impl FromRequestParts<Ops> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        counted(ops, nothing_asked(parts))?;
        match Path::<String>::from_request_parts(parts, ops).await {
            Ok(Path(name)) => Ok(Self(name)),
            // Only what is no UTF-8 can't be read as text.
            Err(error) => {
                let problem = Problem::new(["path".into(), "name".into()], "value_error.bad_name", error.body_text());
                counted(ops, Err(Refusal::invalid("BAD_NAME", vec![problem])))
            }
        }
    }
}

/// An address that asks for nothing.
pub(in crate::http) struct Plain;

impl FromRequestParts<Ops> for Plain {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        counted(ops, nothing_asked(parts)).map(|()| Self)
    }
}

/// What an address asks for where there is nothing to ask for.
///
/// # Errors
/// [`Refusal`] if it asks for something.
fn nothing_asked(parts: &Parts) -> Result<(), Refusal> {
    match parts.uri.query().unwrap_or_default() {
        "" => Ok(()),
        query => Err(bad_query(&format!("?{}", shorten(query)), "this path takes no parameters")),
    }
}
