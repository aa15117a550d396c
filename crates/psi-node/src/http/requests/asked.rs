//! What a request asks for beside its own matter, in its address or in its body: the field, and the options of a call.

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
        refusal::{Problem, Refusal, counted, shorten},
        requests::in_body::InBody,
        routes::properties::OF_A_WRITE,
    },
    sessions::{
        level::Level,
        options::{CallOptions, RequestedOptions},
    },
};

/// `None` means that it was not named.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Asked {
    #[serde(skip)]
    in_body: InBody,
    pub(in crate::http) field: Option<String>,
    pub(in crate::http) after: Option<String>,
    pub(in crate::http) deadline_ms: Option<u64>,
    pub(in crate::http) replicate_to: Option<String>,
    pub(in crate::http) request_id: Option<String>,
}

/// A misspelt `?feild=` would write to another field than was meant, so what is not known is refused.
impl FromRequestParts<Ops> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, ops: &Ops) -> Result<Self, Refusal> {
        Self::in_address(&parts.uri, ops)
    }
}

/// An empty name is more often a variable that was not set than a wish for `default`.
pub(super) fn nameless(place: &str) -> Refusal {
    Refusal::invalid("BAD_NAME", vec![no_name(place)])
}

fn no_name(place: &str) -> Problem {
    let msg = "field: an empty name; leave it out for `default`, or name a field";
    Problem::new([place.into(), "field".into()], "value_error.bad_name", msg)
}

pub(super) fn bad_query(error: &str, known: &str) -> Refusal {
    let msg = format!("{}; {known}", shorten(error));
    Refusal::invalid("BAD_QUERY", vec![Problem::new(["query".into()], "value_error.query", msg)])
}

impl Asked {
    /// What an address asks for.
    ///
    /// # Errors
    /// [`Refusal`] if it can't be read; it is counted.
    pub(in crate::http) fn in_address(address: &Uri, ops: &Ops) -> Result<Self, Refusal> {
        if address.query().is_none() {
            return Ok(Self::default());
        }
        let known = format!("there are ?{}=", Self::NAMES.join("=, "));
        match Query::<Self>::try_from_uri(address) {
            Ok(Query(asked)) if asked.field.as_deref() == Some("") => counted(ops, Err(nameless("query"))),
            Ok(Query(asked)) => Ok(asked),
            Err(error) => counted(ops, Err(bad_query(&error.body_text(), &known))),
        }
    }

    /// As the table of routes names them.
    pub(in crate::http) const NAMES: [&'static str; OF_A_WRITE.len()] =
        [OF_A_WRITE[0].name, OF_A_WRITE[1].name, OF_A_WRITE[2].name, OF_A_WRITE[3].name, OF_A_WRITE[4].name];

    /// Takes a member of a body that is text.
    ///
    /// # Errors
    /// [`Problem`] if it is no text.
    pub(in crate::http) fn put(&mut self, place: &str, name: &str, given: String) -> Result<(), Problem> {
        let member = match name {
            "field" if given.is_empty() => return Err(no_name(place)),
            "field" => &mut self.field,
            "after" => &mut self.after,
            "replicate_to" => &mut self.replicate_to,
            "request_id" => &mut self.request_id,
            _ => {
                let msg = format!("{name} takes a number, not a string");
                return Err(Problem::new([place.into(), name.into()], "type_error.int", msg));
            }
        };
        *member = Some(given);
        Ok(())
    }

    /// What address and body say together: either may name a thing, but not differently.
    ///
    /// # Errors
    /// [`Refusal`] if they differ.
    pub(in crate::http) fn or(self, body: Self) -> Result<Self, Refusal> {
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
            in_body: InBody(named.map(|(address, body)| body && !address)),
            field: one("field", self.field, body.field)?,
            after: one("after", self.after, body.after)?,
            deadline_ms: one("deadline_ms", self.deadline_ms, body.deadline_ms)?,
            replicate_to: one("replicate_to", self.replicate_to, body.replicate_to)?,
            request_id: one("request_id", self.request_id, body.request_id)?,
        })
    }

    pub(in crate::http) fn in_body(&self) -> InBody {
        self.in_body
    }

    /// The same, if nothing is asked for that only a write can do.
    ///
    /// # Errors
    /// [`Refusal`] otherwise.
    pub(in crate::http) fn of_a_reader(self) -> Result<Self, Refusal> {
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
                after: not_empty("after", "TOKEN_MALFORMED", after).map_err(|cause| ops.refused(cause))?,
                deadline_ms: deadline_ms.unwrap_or_default(),
                transport_timeout: None,
                replicate_to: level.map_err(|cause| ops.refused(cause))?,
                request_id: not_empty("request_id", "BAD_REQUEST_ID", request_id)
                    .map_err(|cause| ops.refused(cause))?,
            };
            ops.options(requested)
        };
        let options = options().map_err(|cause| Refusal::from(cause).in_body(in_body))?;
        Ok((field.unwrap_or_default(), options))
    }
}

/// An empty text is probably that of a variable that was never set: to take it for none would promise less than was
/// asked for. What was not named is empty.
fn not_empty(name: &str, reason: &'static str, given: Option<String>) -> Result<String, Cause> {
    match given {
        Some(text) if text.is_empty() => {
            let message = format!("{name} is empty; leave it out, or give it a value");
            Err(Cause::new(Code::InvalidArgument, reason, message))
        }
        given => Ok(given.unwrap_or_default()),
    }
}

fn one<T: PartialEq + ToString>(name: &str, in_address: Option<T>, in_body: Option<T>) -> Result<Option<T>, Refusal> {
    match (in_address, in_body) {
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
