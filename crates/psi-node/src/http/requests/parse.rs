//! From bytes to JSON, and the problems of JSON that does not fit.

use axum::http::StatusCode;
use psi_engine::ParameterError;
use serde::Deserialize;

use super::json::{JsonObject, JsonValue};
use crate::http::refusal::{Place, Problem, Refusal, shorten};

/// The byte order mark that Windows tools put before UTF-8: it says nothing of the body.
const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn parse(bytes: &[u8]) -> Result<JsonObject, Refusal> {
    Ok(parse_some(bytes)?.unwrap_or(JsonObject(Vec::new())))
}

/// `None` of an empty body.
pub(super) fn parse_some<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<Option<T>, Refusal> {
    let bytes = bytes.strip_prefix(UTF_8_MARK).unwrap_or(bytes);
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(bytes).map(Some).map_err(|error| unreadable(bytes, &error))
}

/// Distinguishes JSON of another shape, numbers that JSON can't carry, and bodies that are not JSON.
fn unreadable(bytes: &[u8], error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    let invalid = |reason, kind, msg: String| Refusal::invalid(reason, vec![Problem::new(["body".into()], kind, msg)]);
    if error.is_data() {
        return invalid("BAD_BODY", "type_error.dict", format!("the body is not as it should be: {error}"));
    }
    if error.to_string().starts_with("number out of range") {
        let msg = format!(
            "a number that ends at line {line}, column {column} is infinite as a 64-bit float; send at most 1.7e308"
        );
        return invalid("NOT_FINITE", "value_error.not_finite", msg);
    }
    if let Some(name) = not_finite_at(bytes, line, column) {
        let msg = format!(
            "{name} at line {line}, column {column}: JSON can't carry it, and only finite numbers are accepted"
        );
        return invalid("NOT_FINITE", "value_error.not_finite", msg);
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let message = "the body is UTF-16; send JSON as UTF-8".to_owned();
        return Refusal::new(StatusCode::BAD_REQUEST, "BAD_JSON", message).with("line", line).with("column", column);
    }
    let message = format!("the body is not JSON: {error}; send an object, such as {{\"x\": [0.1, 0.2]}} to /step");
    Refusal::new(StatusCode::BAD_REQUEST, "BAD_JSON", message).with("line", line).with("column", column)
}

/// `NaN` or `Infinity`, as Python and JavaScript write them, if the parser stopped at one.
fn not_finite_at(bytes: &[u8], line: usize, column: usize) -> Option<&'static str> {
    let line = bytes.split(|byte| *byte == b'\n').nth(line.checked_sub(1)?)?;
    let starts = |name: &&str| {
        // The parser stops on the first or second letter.
        (column.saturating_sub(2)..=column)
            .any(|at| line.get(at..).is_some_and(|rest| rest.starts_with(name.as_bytes())))
    };
    ["NaN", "Infinity"].into_iter().find(starts)
}

/// `place` is the path to the parameters.
pub(super) fn parameter_problem(place: &[&str], error: &ParameterError) -> Problem {
    let (name, kind) = match error {
        ParameterError::Unknown { name, .. } => (name.as_str(), "value_error.unknown"),
        ParameterError::OutOfRange { name, .. } => (*name, "value_error.range"),
        ParameterError::NotWhole { name, .. } => (*name, "value_error.whole"),
        ParameterError::Order { low, .. } => (*low, "value_error.order"),
        ParameterError::Retention { .. } => ("W_r", "value_error.retention"),
        _ => ("", "value_error"),
    };
    let place = place.iter().chain([&name]).map(|name| Place::from(*name));
    Problem::at(place, kind, error.to_string())
}

pub(super) fn whole(number: f64) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within 53 bits")]
    let whole = || number as u64;
    ((0.0..=LARGEST).contains(&number) && number.fract() == 0.0).then(whole)
}

pub(super) fn not_a(want: &str, kind: &str, name: &str, value: &JsonValue) -> Problem {
    let msg = format!("{} takes {want}, not {}", shorten(name), value.kind());
    Problem::new(["body".into(), name.into()], kind, msg)
}
