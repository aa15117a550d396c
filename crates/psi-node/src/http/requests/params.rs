//! Parameters that every request may carry in its address or its body: the field, and the options of a call.

use axum::{
    extract::{FromRequestParts, Query},
    http::{Uri, request::Parts},
};
use psi_api::Cause;
use serde::Deserialize;
use tonic::Code;

use crate::{
    calls::ops::Ops,
    http::{
        refusal::{Problem, Refusal, record_refusal, shorten},
        requests::body_params::BodyParams,
        routes::properties::WRITE_PARAMS,
    },
    sessions::{
        level::Level,
        options::{CallOptions, RequestedOptions},
    },
};

/// `None` stands for a missing parameter.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RequestParams {
    #[serde(skip)]
    in_body: BodyParams,
    pub(in crate::http) field: Option<String>,
    pub(in crate::http) after: Option<String>,
    pub(in crate::http) deadline_ms: Option<u64>,
    pub(in crate::http) replicate_to: Option<String>,
    pub(in crate::http) request_id: Option<String>,
}

/// Unknown parameters are refused: a misspelt `?feild=` would write to another field than was meant.
impl FromRequestParts<Ops> for RequestParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        Self::of_address(&parts.uri, ops)
    }
}

/// An empty name is more often an unset variable than a request for `default`.
pub(super) fn empty_name(place: &str) -> Refusal {
    Refusal::invalid("BAD_NAME", vec![empty_name_problem(place)])
}

fn empty_name_problem(place: &str) -> Problem {
    let msg = "field: an empty name; leave it out for `default`, or name a field";
    Problem::new([place.into(), "field".into()], "value_error.bad_name", msg)
}

pub(in crate::http) fn bad_query(error: &str, known: &str) -> Refusal {
    let msg = format!("{}; {known}", shorten(error));
    Refusal::invalid("BAD_QUERY", vec![Problem::new(["query".into()], "value_error.query", msg)])
}

impl RequestParams {
    /// The parameters of an address.
    ///
    /// # Errors
    /// [`Refusal`] if it can't be read; it is counted.
    pub(in crate::http) fn of_address(address: &Uri, ops: &Ops) -> Result<Self, Refusal> {
        if address.query().is_none() {
            return Ok(Self::default());
        }
        let known = format!("there are ?{}=", Self::NAMES.join("=, "));
        match Query::<Self>::try_from_uri(address) {
            Ok(Query(params)) if params.field.as_deref() == Some("") => record_refusal(ops, Err(empty_name("query"))),
            Ok(Query(params)) => Ok(params),
            Err(error) => record_refusal(ops, Err(bad_query(&error.body_text(), &known))),
        }
    }

    /// The parameters of a watch.
    ///
    /// # Errors
    /// [`Refusal`] if the name of the field is empty.
    pub(in crate::http) fn for_watch(
        field: Option<String>,
        after: Option<String>,
        deadline_ms: Option<u64>,
    ) -> Result<Self, Refusal> {
        match field.as_deref() {
            Some("") => Err(empty_name("query")),
            _ => Ok(Self { field, after, deadline_ms, ..Self::default() }),
        }
    }

    /// As the table of routes names them.
    pub(in crate::http) const NAMES: [&'static str; WRITE_PARAMS.len()] =
        [WRITE_PARAMS[0].name, WRITE_PARAMS[1].name, WRITE_PARAMS[2].name, WRITE_PARAMS[3].name, WRITE_PARAMS[4].name];

    /// Sets a parameter from a text in a body.
    ///
    /// # Errors
    /// [`Problem`] if it is no text.
    pub(in crate::http) fn set(&mut self, place: &str, name: &str, value: String) -> Result<(), Problem> {
        let member = match name {
            "field" if value.is_empty() => return Err(empty_name_problem(place)),
            "field" => &mut self.field,
            "after" => &mut self.after,
            "replicate_to" => &mut self.replicate_to,
            "request_id" => &mut self.request_id,
            _ => {
                let msg = format!("{name} takes a number, not a string");
                return Err(Problem::new([place.into(), name.into()], "type_error.int", msg));
            }
        };
        *member = Some(value);
        Ok(())
    }

    /// The parameters of address and body together: both may name the same, but not with different values.
    ///
    /// # Errors
    /// [`Refusal`] if they differ.
    pub(in crate::http) fn merge(self, body: Self) -> Result<Self, Refusal> {
        if self == Self::default() && body == Self::default() {
            return Ok(body);
        }
        let named = [
            (self.field.is_some(), body.field.is_some()),
            (self.after.is_some(), body.after.is_some()),
            (self.deadline_ms.is_some(), body.deadline_ms.is_some()),
            (self.replicate_to.is_some(), body.replicate_to.is_some()),
            (self.request_id.is_some(), body.request_id.is_some()),
        ];
        Ok(Self {
            in_body: BodyParams(named.map(|(address, body)| body && !address)),
            field: one("field", self.field, body.field)?,
            after: one("after", self.after, body.after)?,
            deadline_ms: one("deadline_ms", self.deadline_ms, body.deadline_ms)?,
            replicate_to: one("replicate_to", self.replicate_to, body.replicate_to)?,
            request_id: one("request_id", self.request_id, body.request_id)?,
        })
    }

    pub(in crate::http) fn in_body(&self) -> BodyParams {
        self.in_body
    }

    /// The same, if there is none that only writes take.
    ///
    /// # Errors
    /// [`Refusal`] otherwise.
    pub(in crate::http) fn for_read(self) -> Result<Self, Refusal> {
        match (&self.replicate_to, &self.request_id) {
            (None, None) => Ok(self),
            _ => Err(bad_query("replicate_to and request_id are for writes", "leave them out")),
        }
    }

    /// The field, and the checked options of a call that came now.
    ///
    /// # Errors
    /// [`Refusal`] if an option is bad; it is counted.
    pub(in crate::http) fn read(self, ops: &Ops) -> Result<(String, CallOptions), Refusal> {
        let Self { in_body, field, after, deadline_ms, replicate_to, request_id } = self;
        let options = || {
            let level = replicate_to.map(|level| Level::parse(&level)).transpose();
            let requested = RequestedOptions {
                after: not_empty("after", "SESSION_TOKEN_MALFORMED", after).map_err(|cause| ops.record_cause(cause))?,
                deadline_ms: deadline_ms.unwrap_or_default(),
                transport_timeout: None,
                replicate_to: level.map_err(|cause| ops.record_cause(cause))?,
                request_id: not_empty("request_id", "BAD_REQUEST_ID", request_id)
                    .map_err(|cause| ops.record_cause(cause))?,
            };
            ops.options(requested)
        };
        let options = options().map_err(|cause| Refusal::from(cause).in_body(in_body))?;
        Ok((field.unwrap_or_default(), options))
    }
}

/// An empty text probably comes from a variable that was never set. To take it for none would promise less than the
/// client asked for. A missing parameter is empty.
fn not_empty(name: &str, reason: &'static str, value: Option<String>) -> Result<String, Cause> {
    match value {
        Some(text) if text.is_empty() => {
            let message = format!("{name} is empty; leave it out, or give it a value");
            Err(Cause::new(Code::InvalidArgument, reason, message))
        }
        value => Ok(value.unwrap_or_default()),
    }
}

fn one<T: PartialEq + ToString>(name: &str, of_address: Option<T>, in_body: Option<T>) -> Result<Option<T>, Refusal> {
    match (of_address, in_body) {
        (Some(address), Some(body)) if address != body => {
            let (address, body) = (address.to_string(), body.to_string());
            let msg =
                format!("the address names {name} `{}` and the body `{}`; name one", shorten(&address), shorten(&body));
            let problem = Problem::new(["body".into(), name.into()], &format!("value_error.{name}"), msg);
            Err(Refusal::invalid("BAD_BODY", vec![problem]))
        }
        (address, body) => Ok(address.or(body)),
    }
}
