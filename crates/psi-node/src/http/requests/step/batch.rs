//! The body of several steps.

use psi_state::{BATCH_MAX, WIDTH_MAX};

use super::{WIDTH_PROBLEM, members::StepMembers};
use crate::http::{
    refusal::{Place, Problem, Refusal},
    requests::{
        json::{JsonObject, JsonValue, List, PROBLEMS_MAX},
        parse::parse,
    },
    routes::properties::BATCH_BODY,
};

const SIZE_PROBLEM: &str = "value_error.batch_size";

/// A request for several steps.
#[derive(Debug, Default, PartialEq)]
pub(in crate::http) struct BatchBody {
    pub(in crate::http) inputs: Vec<Vec<f64>>,
    pub(in crate::http) members: StepMembers,
}

impl BatchBody {
    /// # Errors
    /// [`Refusal`] with every problem.
    pub(in crate::http) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let JsonObject(found) = parse(bytes)?;
        let mut body = Self::default();
        let (mut has_inputs, mut problems) = (false, Vec::new());
        for (name, value) in found {
            if name == "inputs" {
                has_inputs = true;
                body.inputs = vectors(value).unwrap_or_else(|found| {
                    problems.extend(found);
                    Vec::new()
                });
            } else {
                problems.extend(body.members.set(&name, value, BATCH_BODY).err());
            }
        }
        if !has_inputs {
            let msg = "inputs: field required, an array of 1 to 4,096 arrays of numbers";
            problems.push(Problem::new(["body".into(), "inputs".into()], "value_error.missing", msg));
        }
        problems.truncate(PROBLEMS_MAX);
        if problems.is_empty() { Ok(body) } else { Err(Refusal::invalid(reason(&problems), problems)) }
    }
}

fn vectors(value: JsonValue) -> Result<Vec<Vec<f64>>, Vec<Problem>> {
    let List { length, numbers, rows, texts: _, objects: _, others } = match value {
        JsonValue::List(list) => list,
        other => {
            let msg = format!("inputs takes an array of arrays of numbers, not {}", other.kind());
            return Err(vec![problem([], "type_error.list", msg)]);
        }
    };
    if !numbers.is_empty() {
        let msg = "inputs takes an array of arrays of numbers, and holds a number; `POST /step` takes one input";
        return Err(vec![problem([], "type_error.list", msg.to_owned())]);
    }
    if length > BATCH_MAX {
        let msg = format!("a batch has 1 to {BATCH_MAX} vectors, this one has {length}");
        return Err(vec![problem([], SIZE_PROBLEM, msg)]);
    }
    let not_a_list = |(index, kind)| {
        problem([index], "type_error.list", format!("inputs[{index}] is {kind}, not an array of numbers"))
    };
    let mut problems: Vec<Problem> = others.into_iter().map(not_a_list).collect();
    problems.extend(rows.iter().filter_map(|(index, row)| problem_of(*index, row)).take(PROBLEMS_MAX));
    if problems.is_empty() { Ok(rows.into_iter().map(|(_, row)| row.numbers).collect()) } else { Err(problems) }
}

/// What is first wrong with a vector.
fn problem_of(index: usize, row: &List) -> Option<Problem> {
    if let Some((place, kind)) = row.others.first() {
        let msg = format!("inputs[{index}][{place}] is {kind}, not a number; write numbers without quotes");
        return Some(problem([index, *place], "type_error.float", msg));
    }
    let msg = || format!("input {index} has {} numbers, a field takes at most {WIDTH_MAX}", row.length);
    (row.length > row.numbers.len()).then(|| problem([index], WIDTH_PROBLEM, msg()))
}

fn problem<const N: usize>(indices: [usize; N], kind: &str, msg: String) -> Problem {
    let place = ["body".into(), "inputs".into()].into_iter().chain(indices.into_iter().map(Place::Index));
    Problem::at(place, kind, msg)
}

fn reason(problems: &[Problem]) -> &'static str {
    match problems {
        [only] if only.is(WIDTH_PROBLEM) => "WRONG_WIDTH",
        [only] if only.is(SIZE_PROBLEM) => "BATCH_SIZE",
        _ => "BAD_BODY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Refusal {
        BatchBody::parse(body.as_bytes()).expect_err(body)
    }

    #[test]
    fn inputs_are_taken_in_their_order() {
        let body = BatchBody::parse(b"{\"inputs\": [[1, 2], [], [3]], \"apply_guardian\": true, \"x\": [1]}");
        let body = body.expect("valid");
        assert_eq!(body.inputs, [vec![1.0, 2.0], vec![], vec![3.0]]);
        assert!(body.members.apply_guardian);
        assert_eq!(body.members.ignored.len(), 1);
    }

    #[test]
    fn batches_are_refused_for_what_is_wrong_with_them() {
        let wide = format!("{{\"inputs\": [[1], [{}0]]}}", "0,".repeat(WIDTH_MAX));
        let long = format!("{{\"inputs\": [{}[0]]}}", "[0],".repeat(BATCH_MAX));
        for (body, reason, says) in [
            ("{}", "BAD_BODY", "field required"),
            ("{\"inputs\": 7}", "BAD_BODY", "not a number"),
            ("{\"inputs\": [1, 2]}", "BAD_BODY", "`POST /step`"),
            ("{\"inputs\": [[1], {}]}", "BAD_BODY", "inputs[1] is an object"),
            ("{\"inputs\": [[1], [2, \"a\"]]}", "BAD_BODY", "inputs[1][1] is a string"),
            ("{\"inputs\": [[[1]]]}", "BAD_BODY", "inputs[0][0] is an array"),
            ("{\"inputs\": [[1e999]]}", "NOT_FINITE", "infinite"),
            ("{\"inputs\": [[1]], \"field\": 3}", "BAD_BODY", "field takes a string"),
            (wide.as_str(), "WRONG_WIDTH", "input 1 has 4097 numbers"),
            (long.as_str(), "BATCH_SIZE", "this one has 4097"),
        ] {
            let refusal = refused(body);
            let start = &body[..body.len().min(60)];
            assert_eq!(refusal.reason(), reason, "{start}");
            assert!(format!("{refusal:?}").contains(says), "{start}: {refusal:?}");
        }
    }
}
