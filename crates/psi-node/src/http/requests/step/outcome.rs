//! How a step went, in the body of a step.

use crate::{
    calls::steps::inputs::RequestedOutcome,
    http::{
        refusal::{Problem, shorten},
        requests::json::JsonValue,
    },
};

/// # Errors
/// [`Problem`] of the first member that is unknown or of another type. An outcome that lacks what its caller meant to say
/// would count as another.
pub(super) fn read(members: Vec<(String, JsonValue)>) -> Result<RequestedOutcome, Problem> {
    let mut outcome = RequestedOutcome::default();
    for (name, value) in members {
        match (name.as_str(), value) {
            ("error", JsonValue::Bool(error)) => outcome.error = error,
            ("latency_ms", JsonValue::Number(ms)) => outcome.latency_ms = Some(ms),
            ("error" | "latency_ms", JsonValue::Null) => {}
            ("error", other) => return Err(not_a("a boolean", "type_error.bool", &name, &other)),
            ("latency_ms", other) => return Err(not_a("a number", "type_error.float", &name, &other)),
            _ => {
                let msg = format!("outcome has no `{}`; it has `error` and `latency_ms`", shorten(&name));
                return Err(Problem::new(["body".into(), "outcome".into()], "value_error.extra", msg));
            }
        }
    }
    Ok(outcome)
}

fn not_a(want: &str, kind: &str, name: &str, got: &JsonValue) -> Problem {
    let msg = format!("{name} of the outcome takes {want}, not {}", got.kind());
    Problem::at(["body", "outcome", name].map(Into::into), kind, msg)
}
