//! The bodies of calls that attach something to a field: a label, or names of its columns.

use super::{
    field::{BAD_BODY, not_texts, problem, unknown},
    json::{JsonObject, JsonValue, PROBLEMS_MAX},
    parse::{not_a, parse},
};
use crate::http::{
    refusal::Refusal,
    routes::properties::{LABEL_BODY, NAMES_BODY},
};

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

/// The names of columns that a body has; none for `null`, which takes the names away. The names themselves are not
/// checked here.
///
/// # Errors
/// [`Refusal`] with every problem.
pub(in crate::http) fn parse_names(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    let JsonObject(members) = parse(bytes)?;
    let (mut names, mut wrong) = (None, Vec::new());
    for (name, value) in members {
        match (name.as_str(), value) {
            ("names", JsonValue::List(list)) => match list.into_texts() {
                Some(texts) => names = Some(texts),
                None => wrong.push(not_texts("names")),
            },
            ("names", JsonValue::Null) => names = Some(Vec::new()),
            ("names", other) => wrong.push(not_a("an array of strings or null", "type_error.list", "names", &other)),
            (name, _) => wrong.push(unknown(name, NAMES_BODY)),
        }
    }
    if names.is_none() && wrong.is_empty() {
        wrong.push(problem("names", "missing", "names: required, a name for each column, or null for none"));
    }
    wrong.truncate(PROBLEMS_MAX);
    names.filter(|_| wrong.is_empty()).ok_or_else(|| Refusal::invalid(BAD_BODY, wrong))
}
