//! The body of a call that labels a field.

use super::{
    field::{BAD_BODY, problem, unknown},
    json::{JsonObject, JsonValue, PROBLEMS_MAX},
    parse::{not_a, parse},
};
use crate::http::{refusal::Refusal, routes::properties::LABEL_BODY};

/// The text of the label that a body names; empty for `null`, which takes the label away. The text itself is not
/// checked here.
///
/// # Errors
/// [`Refusal`] with every problem.
pub(in crate::http) fn parse_label(bytes: &[u8]) -> Result<String, Refusal> {
    let JsonObject(members) = parse(bytes)?;
    let (mut label, mut wrong) = (None, Vec::new());
    for (name, value) in members {
        match (name.as_str(), value) {
            ("label", JsonValue::Text(text)) => label = Some(text),
            ("label", JsonValue::Null) => label = Some(String::new()),
            ("label", other) => wrong.push(not_a("a string or null", "type_error.str", "label", &other)),
            (name, _) => wrong.push(unknown(name, LABEL_BODY)),
        }
    }
    if label.is_none() && wrong.is_empty() {
        wrong.push(problem("label", "missing", "label: required, a line of text, or null for no label"));
    }
    wrong.truncate(PROBLEMS_MAX);
    label.filter(|_| wrong.is_empty()).ok_or_else(|| Refusal::invalid(BAD_BODY, wrong))
}
