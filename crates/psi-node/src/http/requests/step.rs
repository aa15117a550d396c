//! The body of a step.
//!
//! It is stored only as far as an operation can use it: numbers beyond the largest width are counted, not stored.

pub(in crate::http) mod batch;
pub(in crate::http) mod members;
mod outcome;

use psi_state::WIDTH_MAX;
use serde::Deserialize;

use self::members::StepMembers;
use super::{
    json::{JsonObject, JsonValue, PROBLEMS_MAX},
    parse::parse,
};
use crate::http::{
    refusal::{Place, Problem, Refusal},
    routes::properties::STEP_BODY,
};

/// A longer body is not read into a vector before its numbers are counted.
const USUAL_BYTES_MAX: usize = 32 * WIDTH_MAX;
/// A request for a step.
#[derive(Debug, Default, PartialEq)]
pub(in crate::http) struct StepBody {
    pub(in crate::http) x: Vec<f64>,
    pub(in crate::http) members: StepMembers,
}

/// The request as most clients write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UsualStep {
    x: Vec<f64>,
    apply_guardian: Option<bool>,
    field: Option<String>,
    after: Option<String>,
}

impl UsualStep {
    /// `None` for any other body: [`StepBody::parse_any`] makes the same of it, or a refusal.
    fn parse(bytes: &[u8]) -> Option<StepBody> {
        // A derived reader would take an array of the members too.
        if bytes.len() > USUAL_BYTES_MAX || bytes.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        let Self { x, apply_guardian, field, after } = serde_json::from_slice(bytes).ok()?;
        if x.len() > WIDTH_MAX || field.as_ref().is_some_and(String::is_empty) {
            return None;
        }
        let mut members = StepMembers { apply_guardian: apply_guardian.unwrap_or_default(), ..StepMembers::default() };
        (members.params.field, members.params.after) = (field, after);
        Some(StepBody { x, members })
    }
}

impl StepBody {
    /// # Errors
    /// [`Refusal`] with every problem.
    pub(in crate::http) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        UsualStep::parse(bytes).map_or_else(|| Self::parse_any(bytes), Ok)
    }

    /// Member by member.
    fn parse_any(bytes: &[u8]) -> Result<Self, Refusal> {
        let JsonObject(found) = parse(bytes)?;
        let mut body = Self::default();
        let (mut has_x, mut problems) = (false, Vec::new());
        for (name, value) in found {
            if name == "x" {
                has_x = true;
                body.x = numbers(value).unwrap_or_else(|found| {
                    problems.extend(found);
                    Vec::new()
                });
            } else {
                problems.extend(body.members.set(&name, value, STEP_BODY).err());
            }
        }
        if !has_x {
            let msg = "x: field required, an array of as many numbers as the field takes (`default`: 16 until changed)";
            problems.push(Problem::new(["body".into(), "x".into()], "value_error.missing", msg));
        }
        if problems.is_empty() { Ok(body) } else { Err(Refusal::invalid(reason(&problems), problems)) }
    }
}

/// The numbers of `x`, or its problems.
fn numbers(value: JsonValue) -> Result<Vec<f64>, Vec<Problem>> {
    let place = || -> [Place; 2] { ["body".into(), "x".into()] };
    let JsonValue::List(list) = value else {
        return Err(vec![Problem::new(
            place(),
            "type_error.list",
            format!("x takes an array of numbers, not {}", value.kind()),
        )]);
    };
    let mut others = list.others;
    others.extend(list.rows.iter().map(|(index, _)| (*index, "an array")));
    if !others.is_empty() {
        others.sort_unstable();
        others.truncate(PROBLEMS_MAX);
        let problem = |(index, kind): (usize, &str)| {
            let [body, x] = place();
            let msg = format!("x[{index}] is {kind}, not a number; write numbers without quotes");
            Problem::new([body, x, index.into()], "type_error.float", msg)
        };
        return Err(others.into_iter().map(problem).collect());
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

#[cfg(test)]
mod tests;
