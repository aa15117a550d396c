//! What the first line of a record says of the others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::Error};
use serde_json::Value;

use crate::output::suggest::did_you_mean;

/// Where an object has its vector.
pub(super) const VECTOR_MEMBERS: [&str; 2] = ["x", "input"];

/// Members that make a line a header, if it has no vector.
const MEMBERS: [&str; 6] = ["engine", "width", "scale_exponent", "seed", "guardian", "parameters"];

/// All members; a test says that none is left out.
const KNOWN: [&str; 9] =
    ["field", "epoch", "engine", "width", "scale_exponent", "seed", "guardian", "parameters", "names"];

/// Of what field a record is. Every member may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Header {
    pub(crate) field: Option<String>,
    /// As text: 64-bit integers lose digits in jq and JavaScript.
    pub(crate) epoch: Option<String>,
    pub(crate) engine: Option<String>,
    pub(crate) width: Option<usize>,
    pub(crate) scale_exponent: Option<i32>,
    pub(crate) seed: Option<u64>,
    /// What the guardian does: `watch` or `intervene`.
    pub(crate) guardian: Option<String>,
    /// Those not named have their defaults.
    pub(crate) parameters: BTreeMap<String, f64>,
    /// Of the field's columns, in their order; empty where they have none.
    pub(crate) names: Vec<String>,
}

impl Header {
    /// Reads a line; `None` if it is none, `Err` if it is one with an unknown member, or one of another type.
    pub(super) fn read(line: &[u8]) -> Option<Result<Self, serde_json::Error>> {
        let Ok(Value::Object(members)) = serde_json::from_slice(line) else { return None };
        let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
        if !has(&MEMBERS) || has(&VECTOR_MEMBERS) {
            return None;
        }
        if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            let (guess, known) = (did_you_mean(name, KNOWN), KNOWN.join(", "));
            let message = format!("no member is called `{name}`; there are: {known}{guess}");
            return Some(Err(Error::custom(message)));
        }
        Some(serde_json::from_value(Value::Object(members)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_known() {
        let Ok(Value::Object(members)) = serde_json::to_value(Header::default()) else { panic!("an object") };
        let (mut got, mut want): (Vec<&str>, _) = (members.keys().map(String::as_str).collect(), KNOWN.to_vec());
        got.sort_unstable();
        want.sort_unstable();
        assert_eq!(got, want);
    }
}
