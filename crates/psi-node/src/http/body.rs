//! Bodies: read within a limit and a time, and understood strictly enough that nothing is guessed.
//!
//! What is kept of a body is bounded by what an operation can use, whatever its size: long arrays are counted, not
//! stored.

mod field;
mod given;

use std::{fmt::Display, pin::pin, time::Duration};

use axum::{
    body::{Bytes, HttpBody},
    http::{HeaderMap, Request, StatusCode, header},
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use psi_engine::{DEFINITIONS, ParameterError, Parameters};
use psi_replica::WIDTH_MAX;
use serde::Deserialize;

pub(super) use field::FieldBody;
use given::{Given, Members};

use super::{
    asked::Asked,
    refusal::{Place, Problem, Refusal, counted, shorten},
};
use crate::ops::Ops;

/// A body must have arrived whole in this time.
const READ: Duration = Duration::from_secs(10);
/// A body over the limit is read on, and thrown away, up to this many times the limit: a client that is still
/// sending would otherwise see a reset connection in place of the answer.
const DISCARDED_TIMES: usize = 8;
/// A longer body is not read into a vector before its numbers are counted.
const PLAIN_BYTES_MAX: usize = 32 * WIDTH_MAX;
/// Most problems that one answer names.
const PROBLEMS_MAX: usize = 32;
/// Most members that a body may have: twice what `/init` knows.
const MEMBERS_MAX: usize = 2 * DEFINITIONS.len();

/// A step as it was asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct StepBody {
    pub(super) x: Vec<f64>,
    pub(super) apply_guardian: bool,
    pub(super) asked: Asked,
}

/// A step as most clients ask for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainStep {
    x: Vec<f64>,
    apply_guardian: Option<bool>,
    field: Option<String>,
    after: Option<String>,
}

impl PlainStep {
    /// `None` for whatever needs a closer look, of which [`StepBody::parse_any`] makes the same or a refusal.
    fn parse(bytes: &[u8]) -> Option<StepBody> {
        // A derived reader would take an array of the members too.
        if bytes.len() > PLAIN_BYTES_MAX || bytes.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        let Self { x, apply_guardian, field, after } = serde_json::from_slice(bytes).ok()?;
        if x.len() > WIDTH_MAX || field.as_ref().is_some_and(String::is_empty) {
            return None;
        }
        let mut asked = Asked::default();
        (asked.field, asked.after) = (field, after);
        Some(StepBody { x, apply_guardian: apply_guardian.unwrap_or_default(), asked })
    }
}

impl StepBody {
    /// # Errors
    /// [`Refusal`] with all that is wrong.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        PlainStep::parse(bytes).map_or_else(|| Self::parse_any(bytes), Ok)
    }

    /// Member by member.
    fn parse_any(bytes: &[u8]) -> Result<Self, Refusal> {
        let Members(members) = parse(bytes)?;
        let mut body = Self::default();
        let (mut has_x, mut problems) = (false, Vec::new());
        for (name, value) in members {
            match (name.as_str(), value) {
                ("x", given) => {
                    has_x = true;
                    body.x = numbers(given).unwrap_or_else(|found| {
                        problems.extend(found);
                        Vec::new()
                    });
                }
                ("apply_guardian", Given::Bool(apply)) => body.apply_guardian = apply,
                (known, Given::Null) if known == "apply_guardian" || Asked::NAMES.contains(&known) => {}
                (text, Given::Text(given)) if Asked::NAMES.contains(&text) => {
                    if let Err(problem) = body.asked.put("body", text, given) {
                        problems.push(problem);
                    }
                }
                ("deadline_ms", Given::Number(ms)) => match whole(ms) {
                    Some(ms) => body.asked.deadline_ms = Some(ms),
                    None => {
                        let msg = format!("deadline_ms takes a whole number of milliseconds, not {ms}");
                        problems.push(Problem::new(["body".into(), "deadline_ms".into()], "type_error.int", msg));
                    }
                },
                ("deadline_ms", other) => problems.push(not_a("a number", "type_error.int", &name, &other)),
                (text, other) if Asked::NAMES.contains(&text) => {
                    problems.push(not_a("a string", "type_error.str", &name, &other));
                }
                ("apply_guardian", other) => problems.push(not_a("a boolean", "type_error.bool", &name, &other)),
                // As before: what is not known is not looked at.
                _ => {}
            }
        }
        if !has_x {
            let msg = "x: field required, an array of as many numbers as the field takes (`default`: 16 until changed)";
            problems.push(Problem::new(["body".into(), "x".into()], "value_error.missing", msg));
        }
        if problems.is_empty() { Ok(body) } else { Err(Refusal::invalid(reason(&problems), problems)) }
    }
}

/// The parameters that a body of `/init` names.
///
/// # Errors
/// [`Refusal`] with all that are wrong.
pub(super) fn parameters(bytes: &[u8]) -> Result<Vec<(String, f64)>, Refusal> {
    let Members(members) = parse(bytes)?;
    let mut problems = Vec::new();
    let mut named = Vec::new();
    for (name, given) in members {
        match given {
            Given::Number(value) => named.push((name, value)),
            // Known or not, which the check below says.
            other => problems.push(not_a("a number", "type_error.float", &name, &other)),
        }
    }
    let changes = named.iter().map(|(name, value)| (name.as_str(), *value));
    if let Err(errors) = Parameters::default().with(changes) {
        problems.extend(errors.iter().map(|error| parameter_problem(&["body"], error)));
    }
    if problems.is_empty() { Ok(named) } else { Err(Refusal::invalid("BAD_PARAMETER", problems)) }
}

/// `place` is where parameters stand.
fn parameter_problem(place: &[&str], error: &ParameterError) -> Problem {
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

fn whole(number: f64) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within 53 bits")]
    let whole = || number as u64;
    ((0.0..=LARGEST).contains(&number) && number.fract() == 0.0).then(whole)
}

fn not_a(wanted: &str, kind: &str, name: &str, given: &Given) -> Problem {
    let msg = format!("{} takes {wanted}, not {}", shorten(name), given.kind());
    Problem::new(["body".into(), name.into()], kind, msg)
}

/// The numbers of `x`, or what is wrong with it.
fn numbers(given: Given) -> Result<Vec<f64>, Vec<Problem>> {
    let place = || -> [Place; 2] { ["body".into(), "x".into()] };
    let Given::List(list) = given else {
        return Err(vec![Problem::new(
            place(),
            "type_error.list",
            format!("x takes an array of numbers, not {}", given.kind()),
        )]);
    };
    if !list.others.is_empty() {
        let problem = |(index, kind): (usize, &str)| {
            let [body, x] = place();
            let msg = format!("x[{index}] is {kind}, not a number; write numbers without quotes");
            Problem::new([body, x, index.into()], "type_error.float", msg)
        };
        return Err(list.others.into_iter().map(problem).collect());
    }
    if list.length > list.numbers.len() {
        let msg = format!("input has {} numbers, a field takes at most {WIDTH_MAX}", list.length);
        return Err(vec![Problem::new(place(), WIDTH_PROBLEM, msg)]);
    }
    Ok(list.numbers)
}

const WIDTH_PROBLEM: &str = "value_error.wrong_width";

fn reason(problems: &[Problem]) -> &'static str {
    match problems {
        [only] if only.is(WIDTH_PROBLEM) => "WRONG_WIDTH",
        _ => "BAD_BODY",
    }
}

/// The whole body of a request to a node; a refusal is counted.
///
/// # Errors
/// As [`read`].
pub(super) async fn of<B>(ops: &Ops, request: Request<B>) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    counted(ops, read(request, ops.shared.settings.body_bytes_max).await)
}

/// The whole body.
///
/// # Errors
/// [`Refusal`] if it is not said to be JSON, too large, too slow or cut off.
async fn read<B>(request: Request<B>, limit: usize) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes, Error: Display>,
{
    check_type(request.headers())?;
    let declared = content_length(request.headers());
    if request.headers().contains_key(header::EXPECT) && declared.is_some_and(|length| length > limit) {
        // The client asks first, so it can be told before it sends.
        return Err(too_large(limit));
    }
    let mut bytes = Vec::with_capacity(declared.unwrap_or(0).min(limit));
    let mut body = pin!(request.into_body());
    let reading = async {
        let mut length: usize = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Refusal::new(StatusCode::BAD_REQUEST, "BODY_CUT_OFF", format!("the body did not arrive whole: {error}"))
            })?;
            // Trailers say nothing of the body.
            let Ok(chunk) = frame.into_data() else { continue };
            length = length.saturating_add(chunk.len());
            if length <= limit {
                bytes.extend_from_slice(&chunk);
            } else if length > limit.saturating_mul(DISCARDED_TIMES) {
                break;
            }
        }
        if length <= limit { Ok(()) } else { Err(too_large(limit)) }
    };
    let mut reading = pin!(reading);
    // Mostly it has come with the headers, and nothing has to be waited for.
    let read = match reading.as_mut().now_or_never() {
        Some(read) => Ok(read),
        None => tokio::time::timeout(READ, reading).await,
    };
    match read {
        Ok(result) => result.map(|()| bytes.into()),
        Err(_) => {
            let message = format!("the body did not arrive whole within {} s; send it at once", READ.as_secs());
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", message))
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Refusal {
    let message =
        format!("the body is larger than {limit} bytes; send one vector a request, or raise http.body_bytes_max");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message).with("limit", limit)
}

/// A body of no declared type is taken for JSON; one declared to be something else is probably a mistake.
fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let plain = headers.get(header::CONTENT_TYPE).is_some_and(|given| given == "application/json");
    if plain && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let got = text(header::CONTENT_TYPE).unwrap_or_default();
    let essence = got.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !essence.is_empty() && !is_json {
        let message = format!(
            "the body is said to be {}; send JSON and the header `Content-Type: application/json` (curl -d needs -H \
             'Content-Type: application/json')",
            shorten(&got)
        );
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "WRONG_CONTENT_TYPE", message).with("got", got));
    }
    if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    {
        let message = format!("the body is said to be encoded as {}; send it plain", shorten(&encoding));
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "WRONG_ENCODING", message).with("got", encoding));
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Members, Refusal> {
    if bytes.is_empty() {
        return Ok(Members(Vec::new()));
    }
    serde_json::from_slice(bytes).map_err(|error| unreadable(bytes, &error))
}

/// Tells numbers that JSON can't carry from what is no JSON at all, and both from JSON of another shape.
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
        let msg =
            format!("{name} at line {line}, column {column}: JSON can't carry it, and only finite numbers are taken");
        return invalid("NOT_FINITE", "value_error.not_finite", msg);
    }
    let message = format!("the body is not JSON: {error}; send an object such as {{\"x\": [0.1, 0.2]}}");
    Refusal::new(StatusCode::BAD_REQUEST, "BAD_JSON", message).with("line", line).with("column", column)
}

/// The name of a number that is none, as Python and JavaScript write it, where the parser stopped.
fn not_finite_at(bytes: &[u8], line: usize, column: usize) -> Option<&'static str> {
    let line = bytes.split(|byte| *byte == b'\n').nth(line.checked_sub(1)?)?;
    let starts = |name: &&str| {
        // The parser stops on the first or second letter.
        (column.saturating_sub(2)..=column)
            .any(|at| line.get(at..).is_some_and(|rest| rest.starts_with(name.as_bytes())))
    };
    ["NaN", "Infinity"].into_iter().find(starts)
}

#[cfg(test)]
mod tests;
