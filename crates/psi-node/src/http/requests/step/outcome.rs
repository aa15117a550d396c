//! How a step went, in the body of a step or of several.

use crate::{
    calls::steps::inputs::RequestedOutcome,
    http::{
        refusal::{Place, Problem, shorten},
        requests::json::JsonValue,
    },
};

/// The outcome at this place below the body.
///
/// # Errors
/// [`Problem`] of the first member that is unknown or of another type. An outcome that lacks what its caller meant to say
/// would count as another.
pub(super) fn read(place: &[Place], members: Vec<(String, JsonValue)>) -> Result<RequestedOutcome, Problem> {
    let mut outcome = RequestedOutcome::default();
    for (name, value) in members {
        let problem = |kind: &str, msg: String| {
            Problem::at(
                [Place::from("body")].into_iter().chain(place.iter().cloned()).chain([name.as_str().into()]),
                kind,
                msg,
            )
        };
        let not_a = |want: &str, got: &JsonValue| format!("{name} of the outcome takes {want}, not {}", got.kind());
        match (name.as_str(), value) {
            ("error", JsonValue::Bool(error)) => outcome.error = error,
            ("latency_ms", JsonValue::Number(ms)) => outcome.latency_ms = Some(ms),
            ("error" | "latency_ms", JsonValue::Null) => {}
            ("error", other) => return Err(problem("type_error.bool", not_a("a boolean", &other))),
            ("latency_ms", other) => return Err(problem("type_error.float", not_a("a number", &other))),
            _ => {
                let msg = format!("outcome has no `{}`; it has `error` and `latency_ms`", shorten(&name));
                return Err(problem("value_error.extra", msg));
            }
        }
    }
    Ok(outcome)
}
