//! What the first line of a record says of the others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json_lines::VECTOR_MEMBERS;

/// Members that make a line a header, if it has no vector.
const MEMBERS: [&str; 6] = ["engine", "width", "scale_exponent", "seed", "guardian", "parameters"];

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
}

impl Header {
    /// Reads a line; `None` if it is none, `Err` if it is one with a member of another type.
    pub(super) fn read(line: &[u8]) -> Option<Result<Self, serde_json::Error>> {
        let Ok(Value::Object(members)) = serde_json::from_slice(line) else { return None };
        let has = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
        (has(&MEMBERS) && !has(&VECTOR_MEMBERS)).then(|| serde_json::from_value(Value::Object(members)))
    }
}
