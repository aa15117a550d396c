//! The members that bodies of one step and of several have in common.

use serde::Serialize;

use super::outcome;
use crate::{
    calls::steps::inputs::Remarks,
    http::{
        refusal::{Place, Problem, shorten},
        requests::{
            field::nearest,
            json::JsonValue,
            params::RequestParams,
            parse::{not_a, whole},
        },
        routes::property::Property,
    },
};

/// What a body says beside its inputs.
#[derive(Debug, Default, PartialEq)]
pub(in crate::http) struct StepMembers {
    pub(in crate::http) apply_guardian: bool,
    /// The version that is to answer.
    pub(in crate::http) version: Option<String>,
    pub(in crate::http) remarks: Remarks,
    pub(in crate::http) params: RequestParams,
    /// Unknown members are ignored, as in the original service, and named in the answer.
    pub(in crate::http) ignored: Vec<IgnoredMember>,
}

/// A member that no step has.
#[derive(Debug, PartialEq, Serialize)]
pub(in crate::http) struct IgnoredMember {
    member: String,
    /// The known one that was probably meant.
    did_you_mean: Option<&'static str>,
}

impl IgnoredMember {
    fn new(name: &str, known: &[Property]) -> Self {
        let known = known.iter().map(|known| known.name).chain(RequestParams::NAMES);
        Self { member: shorten(name), did_you_mean: nearest(name, known) }
    }
}

impl StepMembers {
    /// Takes a member of a body whose other ones are `known`.
    ///
    /// # Errors
    /// [`Problem`] if it has another type.
    pub(super) fn set(&mut self, name: &str, value: JsonValue, known: &[Property]) -> Result<(), Problem> {
        let is_param = RequestParams::NAMES.contains(&name);
        let is_known = is_param || known.iter().any(|known| known.name == name);
        match (name, value) {
            ("apply_guardian", JsonValue::Bool(apply)) => self.apply_guardian = apply,
            (_, JsonValue::Null) if is_known => {}
            ("version", JsonValue::Text(version)) => self.version = Some(version),
            ("key", JsonValue::Text(key)) if is_known => self.remarks.keys = vec![key],
            ("outcome", JsonValue::Object(members)) if is_known => {
                self.remarks.outcomes = vec![outcome::read(&["outcome".into()], members)?];
            }
            ("keys", JsonValue::List(list)) if is_known => {
                let not_texts = || not_all("keys", "type_error.str", "an array of strings");
                self.remarks.keys = list.into_texts().ok_or_else(not_texts)?;
            }
            ("outcomes", JsonValue::List(list)) if is_known => {
                let not_objects = || not_all("outcomes", "type_error.dict", "an array of objects");
                let objects = list.into_objects().ok_or_else(not_objects)?;
                let read = |(index, members)| outcome::read(&["outcomes".into(), Place::Index(index)], members);
                self.remarks.outcomes = objects.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
            }
            (name, JsonValue::Text(value)) if is_param => return self.params.set("body", name, value),
            ("deadline_ms", JsonValue::Number(ms)) => {
                let not_whole = || {
                    let msg = format!("deadline_ms takes a whole number of milliseconds, not {ms}");
                    Problem::new(["body".into(), "deadline_ms".into()], "type_error.int", msg)
                };
                self.params.deadline_ms = Some(whole(ms).ok_or_else(not_whole)?);
            }
            ("deadline_ms", other) => return Err(not_a("a number", "type_error.int", name, &other)),
            (name, other) if is_param => return Err(not_a("a string", "type_error.str", name, &other)),
            ("version" | "key", other) if is_known => return Err(not_a("a string", "type_error.str", name, &other)),
            ("keys" | "outcomes", other) if is_known => {
                return Err(not_a("an array", "type_error.list", name, &other));
            }
            ("outcome", other) if is_known => return Err(not_a("an object", "type_error.dict", name, &other)),
            ("apply_guardian", other) => return Err(not_a("a boolean", "type_error.bool", name, &other)),
            (name, _) => self.ignored.push(IgnoredMember::new(name, known)),
        }
        Ok(())
    }
}

fn not_all(name: &str, kind: &str, want: &str) -> Problem {
    Problem::new(["body".into(), name.into()], kind, format!("{name} takes {want}, one for each input"))
}
