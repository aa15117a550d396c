//! What addresses name, where they may name one thing or nothing.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use psi_replica::DEFAULT_FIELD;
use serde::Deserialize;

use super::params::{bad_query, empty_name};
use crate::{
    calls::ops::Ops,
    http::refusal::{Problem, Refusal, record_refusal, shorten},
};

/// `?field=`: the field of a request; `default` if it is missing.
pub(in crate::http) struct FieldParam(pub(in crate::http) String);

impl FromRequestParts<Ops> for FieldParam {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Choice {
            field: Option<String>,
        }
        match Query::<Choice>::from_request_parts(parts, ops).await {
            Ok(Query(choice)) if choice.field.as_deref() == Some("") => record_refusal(ops, Err(empty_name("query"))),
            Ok(Query(choice)) => Ok(Self(choice.field.unwrap_or_else(|| DEFAULT_FIELD.to_owned()))),
            Err(error) => record_refusal(ops, Err(bad_query(&error.body_text(), "the only parameter is ?field=NAME"))),
        }
    }
}

/// The field that a path names. Its address asks for nothing else.
pub(in crate::http) struct NameParam(pub(in crate::http) String);

impl FromRequestParts<Ops> for NameParam {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        record_refusal(ops, no_params(parts))?;
        match Path::<String>::from_request_parts(parts, ops).await {
            Ok(Path(name)) => Ok(Self(name)),
            // Only invalid UTF-8 can't be read as text.
            Err(error) => {
                let problem = Problem::new(["path".into(), "name".into()], "value_error.bad_name", error.body_text());
                record_refusal(ops, Err(Refusal::invalid("BAD_NAME", vec![problem])))
            }
        }
    }
}

/// An address that asks for nothing.
pub(in crate::http) struct NoParams;

impl FromRequestParts<Ops> for NoParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        record_refusal(ops, no_params(parts)).map(|()| Self)
    }
}

/// What an address asks for where there is nothing to ask for.
///
/// # Errors
/// [`Refusal`] if it asks for something.
fn no_params(parts: &Parts) -> Result<(), Refusal> {
    match parts.uri.query().unwrap_or_default() {
        "" => Ok(()),
        query => Err(bad_query(&format!("?{}", shorten(query)), "this path takes no parameters")),
    }
}
