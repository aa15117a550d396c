//! What addresses name, where they may name one thing or nothing.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use psi_replica::{DEFAULT_FIELD, FieldName};
use psi_rollout::{ChangeError, Stage};
use serde::Deserialize;

use super::params::{RequestParams, bad_query, empty_name};
use crate::{
    calls::{ops::Ops, reads::page::PageRequest},
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

/// The prefix of field names that `X-Tenant-ID` stands for. It is no authentication.
pub(in crate::http) struct TenantParam(Option<String>);

impl TenantParam {
    /// The field of a model.
    pub(in crate::http) fn field(&self, model: &str) -> String {
        self.0.as_ref().map_or_else(|| model.to_owned(), |tenant| format!("{tenant}.{model}"))
    }

    /// The model that a field is; `None` if it is another tenant's.
    pub(in crate::http) fn model<'a>(&self, field: &'a str) -> Option<&'a str> {
        match &self.0 {
            Some(tenant) => field.strip_prefix(tenant.as_str())?.strip_prefix('.'),
            None => Some(field),
        }
    }
}

impl FromRequestParts<Ops> for TenantParam {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        let Some(tenant) = parts.headers.get("x-tenant-id") else { return Ok(Self(None)) };
        let text = tenant.to_str().ok().filter(|text| FieldName::new(text).is_ok());
        let refused = || {
            let msg = "X-Tenant-ID: 1 to 64 of A-Z a-z 0-9 . _ -; it is put before the names of models, with a dot";
            Refusal::invalid(
                "BAD_NAME",
                vec![Problem::new(["header".into(), "X-Tenant-ID".into()], "value_error.bad_name", msg)],
            )
        };
        record_refusal(ops, text.map(|text| Self(Some(text.to_owned()))).ok_or_else(refused))
    }
}

/// The model that a path names, as the field that it is, and what the address may ask for.
pub(in crate::http) struct ModelParam {
    pub(in crate::http) model: String,
    pub(in crate::http) field: String,
    pub(in crate::http) params: RequestParams,
}

impl FromRequestParts<Ops> for ModelParam {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        let params = record_refusal(ops, RequestParams::of_address(&parts.uri, ops)?.for_read())?;
        if params.field.is_some() {
            return record_refusal(ops, Err(bad_query("?field=", "the path names the model")));
        }
        Self::in_path(parts, ops, params).await
    }
}

impl ModelParam {
    /// The model of a path, with what was asked beside it.
    async fn in_path(parts: &mut Parts, ops: &Ops, params: RequestParams) -> Result<Self, Refusal> {
        let tenant = TenantParam::from_request_parts(parts, ops).await?;
        match Path::<String>::from_request_parts(parts, ops).await {
            Ok(Path(model)) => Ok(Self { field: tenant.field(&model), model, params }),
            Err(error) => {
                let problem = Problem::new(["path".into(), "name".into()], "value_error.bad_name", error.body_text());
                record_refusal(ops, Err(Refusal::invalid("BAD_NAME", vec![problem])))
            }
        }
    }
}

/// The model that a path names, and which of its versions are asked for.
pub(in crate::http) struct VersionsParam {
    pub(in crate::http) model: ModelParam,
    pub(in crate::http) stage: Option<Stage>,
}

impl FromRequestParts<Ops> for VersionsParam {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Choice {
            stage: Option<String>,
            after: Option<String>,
            deadline_ms: Option<u64>,
        }
        let known = "there are ?stage=, after=, deadline_ms=";
        let choice = Query::<Choice>::try_from_uri(&parts.uri);
        let choice = choice.map_err(|error| bad_query(&error.body_text(), known));
        let Query(Choice { stage, after, deadline_ms }) = record_refusal(ops, choice)?;
        let stage = stage.map(|stage| stage.parse().map_err(|error: ChangeError| bad_query(&error.to_string(), known)));
        let stage = record_refusal(ops, stage.transpose())?;
        let params = record_refusal(ops, RequestParams::for_watch(None, after, deadline_ms))?;
        Ok(Self { model: ModelParam::in_path(parts, ops, params).await?, stage })
    }
}

/// `?page_size=` and `?page_token=`: which part of a list.
pub(in crate::http) struct PageParams(pub(in crate::http) PageRequest);

impl FromRequestParts<Ops> for PageParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Choice {
            page_size: Option<u64>,
            page_token: Option<String>,
        }
        let known = "there are ?page_size=, page_token=";
        let read = Query::<Choice>::try_from_uri(&parts.uri).map_err(|error| bad_query(&error.body_text(), known));
        let Query(Choice { page_size, page_token }) = record_refusal(ops, read)?;
        let (size, token) = (page_size.unwrap_or_default(), page_token.unwrap_or_default());
        Ok(Self(PageRequest { size, token }))
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
