//! Bodies of calls about drift, with the names that other programs use.

use super::{
    field::{BAD_BODY, problem, unknown},
    json::{JsonObject, JsonValue, PROBLEMS_MAX},
    parse::{not_a, parse},
};
use crate::{
    calls::fields::drift::{BaselineCall, DAY_SECONDS},
    http::{
        refusal::{Problem, Refusal},
        routes::properties::BASELINE_BODY,
    },
};

/// The baseline that a body asks for; an empty body for one without a name.
///
/// # Errors
/// [`Refusal`] with every problem.
pub(in crate::http) fn parse_baseline(bytes: &[u8]) -> Result<BaselineCall, Refusal> {
    let (mut call, mut wrong) = (BaselineCall::default(), Vec::new());
    if bytes.is_empty() {
        return Ok(call);
    }
    let JsonObject(members) = parse(bytes)?;
    for (name, value) in members {
        match (name.as_str(), value) {
            ("version" | "source" | "setBy" | "windowDays", JsonValue::Null) => {}
            ("version", JsonValue::Text(text)) => call.version = text,
            ("source", JsonValue::Text(text)) => call.source = text,
            ("setBy", JsonValue::Text(text)) => call.set_by = text,
            ("version" | "source" | "setBy", other) => wrong.push(not_a("a string", "type_error.str", &name, &other)),
            ("windowDays", JsonValue::Number(days)) => match days_of(days) {
                Some(days) => call.window_seconds = u64::from(days) * DAY_SECONDS,
                None => wrong.push(problem("windowDays", "value_error.number", "windowDays: a whole number of days")),
            },
            ("windowDays", other) => wrong.push(not_a("a number", "type_error.int", &name, &other)),
            (name, _) => wrong.push(unknown(name, BASELINE_BODY)),
        }
    }
    refuse(call, wrong)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
fn days_of(days: f64) -> Option<u32> {
    (days.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&days)).then_some(days as u32)
}

fn refuse<T>(read: T, mut wrong: Vec<Problem>) -> Result<T, Refusal> {
    wrong.truncate(PROBLEMS_MAX);
    if wrong.is_empty() { Ok(read) } else { Err(Refusal::invalid(BAD_BODY, wrong)) }
}
