//! The body of a call that creates, changes or resets a field.

use psi_engine::guardian::Mode;
use psi_replica::FieldName;
use psi_state::{Setup, WIDTH_MAX};

use super::{
    json::{JsonObject, JsonValue, PROBLEMS_MAX},
    parse::{not_a, parameter_problem, parse, whole},
};
use crate::{
    calls::fields::patch::{FieldPatch, InvalidSetup},
    http::{
        refusal::{Problem, Refusal, shorten},
        routes::property::Property,
    },
};

/// A body, and the problems that it has by itself.
#[derive(Debug, Default)]
pub(in crate::http) struct FieldBody {
    name: Option<String>,
    names: Vec<String>,
    patch: FieldPatch,
    wrong: Vec<(&'static str, Problem)>,
}

pub(super) const BAD_BODY: &str = "BAD_BODY";

impl FieldBody {
    /// Reads a body that may have the `known` members.
    ///
    /// # Errors
    /// [`Refusal`] if it is no JSON object.
    pub(in crate::http) fn parse(bytes: &[u8], known: &[Property]) -> Result<Self, Refusal> {
        let JsonObject(members) = parse(bytes)?;
        let mut body = Self::default();
        for (name, value) in members {
            match known.iter().find(|known| known.name == name) {
                None => body.wrong.push((BAD_BODY, unknown(&name, known))),
                Some(_) if matches!(value, JsonValue::Null) => {}
                Some(known) => body.set(known.name, value),
            }
        }
        Ok(body)
    }

    fn set(&mut self, name: &'static str, value: JsonValue) {
        let result = match (name, value) {
            ("name", JsonValue::Text(text)) => {
                self.name = Some(text);
                Ok(())
            }
            ("names", JsonValue::List(list)) => match list.into_texts() {
                Some(texts) => {
                    self.names = texts;
                    Ok(())
                }
                None => Err((BAD_BODY, not_texts(name))),
            },
            ("engine", JsonValue::Text(text)) => {
                self.patch.engine = Some(text);
                Ok(())
            }
            ("guardian", JsonValue::Text(text)) => match text.parse::<Mode>() {
                Ok(mode) => {
                    self.patch.guardian = Some(mode);
                    Ok(())
                }
                Err(error) => {
                    let problem = problem(name, "unknown_guardian_mode", error.to_string());
                    Err(("UNKNOWN_GUARDIAN_MODE", problem))
                }
            },
            ("width", JsonValue::Number(number)) => {
                let width = whole(number).and_then(|width| usize::try_from(width).ok());
                put(&mut self.patch.width, width, name, "a whole number of at least 1", number)
            }
            ("scale_exponent", JsonValue::Number(number)) => {
                #[expect(clippy::cast_possible_truncation, reason = "whole, and within its range")]
                let exponent = || number as i32;
                let fits = number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
                put(&mut self.patch.scale_exponent, fits.then(exponent), name, "a whole number", number)
            }
            ("seed", JsonValue::Number(number)) => {
                let want = "a whole number of at least 0; above 2^53 as text, in quotes";
                put(&mut self.patch.seed, whole(number), name, want, number)
            }
            ("seed", JsonValue::Text(text)) => {
                put(&mut self.patch.seed, text.parse().ok(), name, "a whole number below 2^64", shorten(&text))
            }
            ("parameters", JsonValue::Object(members)) => {
                self.set_parameters(members);
                Ok(())
            }
            (_, other) => {
                let (want, kind) = match name {
                    "width" | "scale_exponent" | "seed" => ("a number", "type_error.int"),
                    "parameters" => ("an object", "type_error.dict"),
                    "names" => ("an array of strings", "type_error.list"),
                    _ => ("a string", "type_error.str"),
                };
                Err((BAD_BODY, not_a(want, kind, name, &other)))
            }
        };
        self.wrong.extend(result.err());
    }

    fn set_parameters(&mut self, members: Vec<(String, JsonValue)>) {
        for (name, value) in members {
            match value {
                JsonValue::Number(value) => self.patch.parameters.push((name, value)),
                other => {
                    let msg = format!("parameter {} takes a number, not {}", shorten(&name), other.kind());
                    let place = ["body".into(), "parameters".into(), name.as_str().into()];
                    self.wrong.push(("BAD_PARAMETER", Problem::new(place, "type_error.float", msg)));
                }
            }
        }
    }

    /// Names for the columns of a new field; none were given if it is empty. The texts themselves are not checked here.
    pub(in crate::http) fn take_names(&mut self) -> Vec<String> {
        std::mem::take(&mut self.names)
    }

    /// The name of a new field, and the change of its `setup`.
    ///
    /// # Errors
    /// [`Refusal`] with every problem.
    pub(in crate::http) fn into_new_field(mut self, setup: Setup) -> Result<(String, FieldPatch), Refusal> {
        let name = self.name.take();
        match name.as_deref().map(FieldName::new) {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                self.wrong.insert(0, ("BAD_NAME", problem("name", "bad_name", error.to_string())));
            }
            None => {
                let msg = "name: field required, the name of the field to create";
                self.wrong.insert(0, (BAD_BODY, problem("name", "missing", msg)));
            }
        }
        Ok((name.unwrap_or_default(), self.apply_to(setup)?))
    }

    /// The change, checked against `setup`.
    ///
    /// # Errors
    /// [`Refusal`] with every problem.
    pub(in crate::http) fn apply_to(self, setup: Setup) -> Result<FieldPatch, Refusal> {
        let Self { name: _, names: _, patch, mut wrong } = self;
        if let Err(invalid) = patch.apply_to(setup) {
            wrong.extend(invalid.iter().map(setup_problem));
        }
        wrong.truncate(PROBLEMS_MAX);
        match wrong.first() {
            None => Ok(patch),
            Some((reason, _)) => Err(Refusal::invalid(reason, wrong.into_iter().map(|(_, problem)| problem).collect())),
        }
    }
}

fn put<T>(
    place: &mut Option<T>,
    value: Option<T>,
    name: &'static str,
    want: &str,
    got: impl std::fmt::Display,
) -> Result<(), (&'static str, Problem)> {
    let wrong = || {
        let place = ["body".into(), name.into()];
        (BAD_BODY, Problem::new(place, "type_error.int", format!("{name} takes {want}, not {got}")))
    };
    *place = Some(value.ok_or_else(wrong)?);
    Ok(())
}

pub(super) fn problem(name: &str, kind: &str, msg: impl Into<String>) -> Problem {
    Problem::new(["body".into(), name.into()], &format!("value_error.{kind}"), msg)
}

/// A list of something else than strings, or of too many.
pub(super) fn not_texts(name: &str) -> Problem {
    let msg = format!("{name} takes an array of strings alone, at most {WIDTH_MAX}");
    Problem::new(["body".into(), name.into()], "type_error.list", msg)
}

/// An unknown member.
pub(super) fn unknown(name: &str, known: &[Property]) -> Problem {
    problem(name, "unknown", unknown_text(name, known))
}

/// What is said of an unknown member.
pub(super) fn unknown_text(name: &str, known: &[Property]) -> String {
    let is_parameter = psi_engine::DEFINITIONS.iter().any(|definition| definition.name == name);
    let advice = match nearest(name, known.iter().map(|known| known.name)) {
        _ if is_parameter => format!("it is a parameter: {{\"parameters\": {{\"{name}\": …}}}}"),
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", known.iter().map(|known| known.name).collect::<Vec<_>>().join(", ")),
    };
    format!("no member is called `{}`; {advice}", shorten(name))
}

/// One slip for every three letters is forgiven, as with parameters.
pub(super) fn nearest(got: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    const LENGTH_MAX: usize = 64;
    let got = Some(got.to_lowercase()).filter(|got| got.len() <= LENGTH_MAX)?;
    let near = known.map(|known| (strsim::damerau_levenshtein(&got, known), known));
    near.filter(|(slips, name)| *slips <= name.len().div_ceil(3)).min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

fn setup_problem(invalid: &InvalidSetup) -> (&'static str, Problem) {
    let of = |name: &str, kind| problem(name, kind, invalid.to_string());
    match invalid {
        InvalidSetup::Engine(_) => ("UNKNOWN_ENGINE", of("engine", "unknown_engine")),
        InvalidSetup::Width(_) => ("BAD_SHAPE", of("width", "range")),
        InvalidSetup::Scale(_) => ("BAD_SHAPE", of("scale_exponent", "range")),
        InvalidSetup::TooManyParameters(_) => ("BAD_PARAMETER", of("parameters", "too_many")),
        InvalidSetup::Parameter(error) => ("BAD_PARAMETER", parameter_problem(&["body", "parameters"], error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        calls::fields::patch::new_field,
        http::routes::properties::{KNOWN_FIELD, NEW_FIELD},
    };

    fn read(body: &str) -> Result<(String, FieldPatch), Refusal> {
        FieldBody::parse(body.as_bytes(), NEW_FIELD)?.into_new_field(new_field())
    }

    #[test]
    fn a_body_names_what_a_field_is_to_be() {
        let (name, patch) = read(
            "{\"name\": \"f\", \"engine\": null, \"width\": 4.0, \"scale_exponent\": -3, \"seed\": \"18446744073709551615\", \
             \"guardian\": \"watch\", \"parameters\": {\"dt\": 0.1, \"N\": 9}}",
        )
        .expect("valid");
        let want = FieldPatch {
            engine: None,
            width: Some(4),
            scale_exponent: Some(-3),
            seed: Some(u64::MAX),
            guardian: Some(Mode::Watch),
            parameters: vec![("dt".to_owned(), 0.1), ("N".to_owned(), 9.0)],
        };
        assert_eq!((name.as_str(), patch), ("f", want));
    }

    #[test]
    fn each_mistake_is_shown_with_its_place_and_the_way_out() {
        for (body, reason, kind, says) in [
            ("", "BAD_BODY", "value_error.missing", "name: field required"),
            ("{\"name\": \"a b\"}", "BAD_NAME", "value_error.bad_name", "a b"),
            ("{\"name\": 7}", "BAD_BODY", "value_error.missing", "name takes a string"),
            ("{\"name\": \"f\", \"widht\": 4}", "BAD_BODY", "value_error.unknown", "did you mean `width`?"),
            ("{\"name\": \"f\", \"dt\": 4}", "BAD_BODY", "value_error.unknown", "it is a parameter"),
            ("{\"name\": \"f\", \"wat\": 4}", "BAD_BODY", "value_error.unknown", "there are: name, names, engine"),
            ("{\"name\": \"f\", \"names\": [\"a\", 1]}", "BAD_BODY", "type_error.list", "an array of strings alone"),
            ("{\"name\": \"f\", \"names\": \"a,b\"}", "BAD_BODY", "type_error.list", "not a string"),
            ("{\"name\": \"f\", \"width\": 0}", "BAD_SHAPE", "value_error.range", "not 0"),
            ("{\"name\": \"f\", \"width\": 1.5}", "BAD_BODY", "type_error.int", "not 1.5"),
            ("{\"name\": \"f\", \"width\": -1}", "BAD_BODY", "type_error.int", "not -1"),
            ("{\"name\": \"f\", \"width\": \"4\"}", "BAD_BODY", "type_error.int", "not a string"),
            ("{\"name\": \"f\", \"scale_exponent\": 65}", "BAD_SHAPE", "value_error.range", "65"),
            ("{\"name\": \"f\", \"scale_exponent\": 1e99}", "BAD_BODY", "type_error.int", "scale_exponent"),
            ("{\"name\": \"f\", \"seed\": 1e300}", "BAD_BODY", "type_error.int", "as text"),
            ("{\"name\": \"f\", \"seed\": \"-1\"}", "BAD_BODY", "type_error.int", "not -1"),
            ("{\"name\": \"f\", \"engine\": \"cor\"}", "UNKNOWN_ENGINE", "value_error.unknown_engine", "`core`?"),
            (
                "{\"name\": \"f\", \"guardian\": \"wacht\"}",
                "UNKNOWN_GUARDIAN_MODE",
                "value_error.unknown_guardian_mode",
                "`watch`?",
            ),
            ("{\"name\": \"f\", \"parameters\": [1]}", "BAD_BODY", "type_error.dict", "an object, not an array"),
            (
                "{\"name\": \"f\", \"parameters\": {\"dt\": \"a\"}}",
                "BAD_PARAMETER",
                "type_error.float",
                "parameter dt takes a number",
            ),
            (
                "{\"name\": \"f\", \"parameters\": {\"latentdim\": 8}}",
                "BAD_PARAMETER",
                "value_error.unknown",
                "`latent_dim`?",
            ),
            (
                "{\"name\": \"f\", \"parameters\": {\"W_r\": 600, \"dt\": 0.001}}",
                "BAD_PARAMETER",
                "value_error.retention",
                "steps of retention",
            ),
        ] {
            let refusal = read(body).expect_err(body);
            let text = format!("{refusal:?}");
            assert_eq!(refusal.reason(), reason, "{body}: {text}");
            assert!(text.contains(says) && text.contains(&format!("{kind:?}")), "{body}: {text}");
        }
    }

    #[test]
    fn all_mistakes_are_shown_at_once_and_no_more_than_can_be_read() {
        let body = "{\"name\": \"a b\", \"widht\": 4, \"engine\": \"x\", \"seed\": true, \"guardian\": \"no\", \
                    \"parameters\": {\"dt\": 0, \"N\": []}}";
        let text = format!("{:?}", read(body).expect_err("wrong"));
        for part in
            ["a b", "`width`?", "called `x`", "seed takes a number", "called `no`", "0.001 to 60", "parameter N"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let many: String = (0..10_000).map(|number| format!("\"p{number}\": [],")).collect();
        let text = format!("{:?}", read(&format!("{{\"name\": \"f\", \"parameters\": {{{many}\"dt\": 1}}}}")));
        assert!(text.contains("BAD_PARAMETER") && text.len() < 30_000, "{}", text.len());
    }

    #[test]
    fn a_field_that_is_there_is_named_by_the_path() {
        let body = FieldBody::parse(b"{\"name\": \"f\"}", KNOWN_FIELD).expect("an object");
        assert_eq!(body.apply_to(new_field()).expect_err("a name").reason(), "BAD_BODY");
        let body = FieldBody::parse(b"", KNOWN_FIELD).expect("nothing");
        assert_eq!(body.apply_to(new_field()).expect("nothing is wanted"), FieldPatch::default());
    }
}
