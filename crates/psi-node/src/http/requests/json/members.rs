//! Bodies whose members are taken one by one, each as it was written.

use std::{collections::HashMap, fmt};

use jiff::SignedDuration;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{JsonValue, MEMBERS_MAX, PROBLEMS_MAX, ValueSeed};
use crate::http::{
    refusal::{Place, Problem, Refusal},
    requests::{
        field::{BAD_BODY, unknown_text},
        parse::{parse_some, whole},
    },
    routes::property::Property,
};

/// The members of an object, of which the table of routes says which there may be.
pub(in crate::http) struct Members<'a> {
    members: Vec<(String, &'a RawValue)>,
    wrong: Vec<Problem>,
    /// The member of the body that the object is, where it is one.
    within: Option<&'static str>,
}

/// The members of a JSON object as they were written, in their order.
struct RawObject<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads a body that may have the `known` members, none of them twice.
    ///
    /// # Errors
    /// [`Refusal`] if it is no JSON object. What is wrong with its members is kept for [`Self::end`].
    pub(in crate::http) fn parse(bytes: &'a [u8], known: &[Property]) -> Result<Self, Refusal> {
        let RawObject(members) = parse_some(bytes)?.unwrap_or(RawObject(Vec::new()));
        Ok(Self::new(members, known, None))
    }

    fn new(members: Vec<(String, &'a RawValue)>, known: &[Property], within: Option<&'static str>) -> Self {
        let mut read = Self { members: Vec::new(), wrong: Vec::new(), within };
        for (name, value) in members {
            if !known.iter().any(|known| known.name == name) {
                read.refuse(&name, "value_error.unknown", unknown_text(&name, known));
            } else if read.members.iter().any(|(other, _)| *other == name) {
                read.refuse(&name, "value_error.twice", format!("{name} is there twice; send it once"));
            } else {
                read.members.push((name, value));
            }
        }
        // As in other bodies, null is as good as nothing.
        read.members.retain(|(_, value)| value.get() != "null");
        for property in known.iter().filter(|known| !known.is_optional) {
            if !read.members.iter().any(|(name, _)| name == property.name) {
                read.refuse(property.name, "missing", format!("{}: required, {}", property.name, property.help));
            }
        }
        read
    }

    /// Notes what is wrong with a member.
    pub(in crate::http) fn refuse(&mut self, name: &str, kind: &str, msg: String) {
        if self.wrong.len() < PROBLEMS_MAX {
            let places = ["body"].into_iter().chain(self.within).chain([name]);
            self.wrong.push(Problem::at(places.map(Place::from), kind, msg));
        }
    }

    fn refuse_other(&mut self, name: &str, want: &str, kind: &str, got: &JsonValue) {
        self.refuse(name, kind, format!("{name} takes {want}, not {}", got.kind()));
    }

    /// A member as it was written.
    fn raw(&mut self, name: &str) -> Option<&'a str> {
        let place = self.members.iter().position(|(known, _)| known == name)?;
        Some(self.members.swap_remove(place).1.get())
    }

    fn value(&mut self, name: &str) -> Option<JsonValue> {
        let raw = self.raw(name)?;
        let read = ValueSeed::Member.deserialize(&mut serde_json::Deserializer::from_slice(raw.as_bytes()));
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(name, "value_error", format!("{name} can't be read: {error}"));
                None
            }
        }
    }

    /// A text; empty if it is left out, as over gRPC.
    pub(in crate::http) fn text(&mut self, name: &str) -> String {
        match self.value(name) {
            Some(JsonValue::Text(text)) => return text,
            Some(other) => self.refuse_other(name, "a string", "type_error.str", &other),
            None => {}
        }
        String::new()
    }

    /// Whether something is so; not if it is left out.
    pub(in crate::http) fn flag(&mut self, name: &str) -> bool {
        match self.value(name) {
            Some(JsonValue::Bool(is)) => return is,
            Some(other) => self.refuse_other(name, "true or false", "type_error.bool", &other),
            None => {}
        }
        false
    }

    /// A whole number up to a largest; 0 if it is left out.
    pub(in crate::http) fn number(&mut self, name: &str, max: u64) -> u64 {
        match self.value(name) {
            Some(JsonValue::Number(number)) => match whole(number).filter(|number| *number <= max) {
                Some(number) => return number,
                None => {
                    let msg = format!("{name} takes a whole number from 0 to {max}, not {number}");
                    self.refuse(name, "type_error.int", msg);
                }
            },
            Some(other) => self.refuse_other(name, "a number", "type_error.int", &other),
            None => {}
        }
        0
    }

    /// A list of texts; none if it is left out.
    pub(in crate::http) fn texts(&mut self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(JsonValue::List(list)) => match list.into_texts() {
                Some(texts) => return texts,
                None => self.refuse(name, "type_error.list", format!("{name} takes strings alone, and not too many")),
            },
            Some(other) => self.refuse_other(name, "an array of strings", "type_error.list", &other),
            None => {}
        }
        Vec::new()
    }

    /// A number; `None` if it is left out.
    pub(in crate::http) fn decimal(&mut self, name: &str) -> Option<f64> {
        match self.value(name)? {
            JsonValue::Number(number) => return Some(number),
            other => self.refuse_other(name, "a number", "type_error.float", &other),
        }
        None
    }

    /// A list of numbers; none if it is left out.
    pub(in crate::http) fn decimals(&mut self, name: &str) -> Vec<f64> {
        let Some(raw) = self.raw(name) else { return Vec::new() };
        serde_json::from_str(raw).unwrap_or_else(|error| {
            self.refuse(name, "type_error.list", format!("{name} takes an array of numbers: {error}"));
            Vec::new()
        })
    }

    /// Numbers by name; none if it is left out.
    pub(in crate::http) fn decimals_by_name(&mut self, name: &str) -> HashMap<String, f64> {
        let Some(raw) = self.raw(name) else { return HashMap::new() };
        serde_json::from_str(raw).unwrap_or_else(|error| {
            self.refuse(name, "type_error.dict", format!("{name} takes an object of numbers: {error}"));
            HashMap::new()
        })
    }

    /// A time such as `90s` or `1h`, in milliseconds; 0 if it is left out.
    pub(in crate::http) fn time_ms(&mut self, name: &str) -> u64 {
        let text = self.text(name);
        if text.is_empty() {
            return 0;
        }
        let read = text
            .parse::<SignedDuration>()
            .ok()
            .and_then(|time| u64::try_from(time.as_millis()).ok())
            .filter(|ms| *ms > 0);
        read.unwrap_or_else(|| {
            let got: String = text.chars().take(40).collect();
            self.refuse(name, "value_error", format!("{name} takes a time such as 90s, 10m or 1h, not `{got}`"));
            0
        })
    }

    /// A document: of a text what it says, and of other JSON the bytes as they were written. Empty if it is left out.
    pub(in crate::http) fn document(&mut self, name: &str) -> Vec<u8> {
        if self.members.iter().any(|(known, value)| known == name && value.get().starts_with('"')) {
            return self.text(name).into_bytes();
        }
        self.raw(name).unwrap_or_default().as_bytes().to_vec()
    }

    /// What `read` makes of an object that may have the `known` members.
    pub(in crate::http) fn object<T>(
        &mut self,
        name: &'static str,
        known: &[Property],
        read: impl FnOnce(&mut Members<'a>) -> T,
    ) -> Option<T> {
        match serde_json::from_slice(self.raw(name)?.as_bytes()) {
            Ok(RawObject(members)) => {
                let mut object = Members::new(members, known, Some(name));
                let made = read(&mut object);
                self.wrong.append(&mut object.wrong);
                Some(made)
            }
            Err(error) => {
                self.refuse(name, "type_error.dict", format!("{name} takes an object: {error}"));
                None
            }
        }
    }

    /// What was made of the members, if none of them was wrong.
    ///
    /// # Errors
    /// [`Refusal`] with every problem.
    pub(in crate::http) fn end<T>(mut self, made: T) -> Result<T, Refusal> {
        self.wrong.truncate(PROBLEMS_MAX);
        if self.wrong.is_empty() { Ok(made) } else { Err(Refusal::invalid(BAD_BODY, self.wrong)) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    if members.len() == MEMBERS_MAX {
                        return Err(serde::de::Error::invalid_length(MEMBERS_MAX + 1, &"fewer members"));
                    }
                    members.push(member);
                }
                Ok(RawObject(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::properties::processes::{ADVANCE, WORK};

    type Read = (String, bool, u64, Option<(String, Vec<String>)>);

    fn read(body: &str) -> Result<Read, String> {
        let shown = |refusal: Refusal| refusal.body()["error"]["message"].as_str().unwrap_or_default().to_owned();
        let mut members = Members::parse(body.as_bytes(), ADVANCE).map_err(shown)?;
        let work = members.object("work", WORK, |work| (work.text("model"), work.texts("gates")));
        let read = (members.text("task"), members.flag("force"), members.number("deadline_ms", 10), work);
        members.end(read).map_err(shown)
    }

    #[test]
    fn members_are_taken_as_they_were_written() {
        let work = Some(("m".to_owned(), vec!["a".to_owned()]));
        let body = r#"{"work":{"gates":["a"],"model":"m"},"deadline_ms":10,"task":"t","force":true}"#;
        assert_eq!(read(body), Ok(("t".to_owned(), true, 10, work)));
        assert_eq!(read(r#"{"task":"","force":null}"#), Ok((String::new(), false, 0, None)));
        for (body, want) in [
            (r#"{"task" : { "b": 1.50,"a":[ ],"a":1 } }"#, r#"{ "b": 1.50,"a":[ ],"a":1 }"#),
            (r#"{"task":"{\"a\":1}\n\u00e9"}"#, "{\"a\":1}\né"),
            (r#"{"task":7e2}"#, "7e2"),
            (r#"{"task":null}"#, ""),
        ] {
            let mut members = Members::parse(body.as_bytes(), ADVANCE).expect("an object");
            assert_eq!(members.document("task"), want.as_bytes(), "{body}");
        }
    }

    #[test]
    fn each_problem_is_named() {
        for (body, want) in [
            ("", "task: required, the task, such as `main`"),
            ("[]", "the body is not as it should be: invalid type: sequence, expected an object at line 1 column 0"),
            (r#"{"task":"a","task":"b"}"#, "task is there twice; send it once"),
            (r#"{"task":1,"force":1}"#, "task takes a string, not a number; force takes true or false, not a number"),
            (r#"{"task":"a","tasks":"b"}"#, "no member is called `tasks`; did you mean `task`?"),
            (r#"{"task":"a","deadline_ms":11}"#, "deadline_ms takes a whole number from 0 to 10, not 11"),
            (r#"{"task":"a","deadline_ms":-1}"#, "deadline_ms takes a whole number from 0 to 10, not -1"),
            (r#"{"task":"a","work":{"gate":[]}}"#, "no member is called `gate`; did you mean `gates`?"),
            (r#"{"task":"a","work":{"gates":[1]}}"#, "gates takes strings alone, and not too many"),
            (
                r#"{"task":"a","work":[]}"#,
                "work takes an object: invalid type: sequence, expected an object at line 1 column 0",
            ),
        ] {
            assert_eq!(read(body).expect_err(body), want, "{body}");
        }
        let many = (0..=MEMBERS_MAX).map(|number| format!("\"m{number}\":0")).collect::<Vec<_>>().join(",");
        assert!(read(&format!("{{{many}}}")).expect_err("too many").contains("fewer members"));
        let deep = format!("{{\"task\":{}1{}}}", "[".repeat(500), "]".repeat(500));
        assert!(read(&deep).expect_err("too deep").contains("task can't be read: recursion limit exceeded"));
    }
}
