//! JSON without surprises: no member twice, no number that is not exact, no deep nesting.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::{
    text::shown,
    threshold::is_value_name,
    value::{Number, Value},
};

/// Longest document that is judged, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Value(Value),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Json {
    pub(super) fn get(&self, member: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(member),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Value(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Reads any JSON value. The recursion limit of `serde_json`, 128, bounds the stack.
struct JsonVisitor;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Value(Value::Flag(flag)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json, E> {
        Number::new(number).map(|number| Json::Value(Value::Number(number))).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Value(Value::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Json>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("member `{name}` is there twice")));
            }
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

/// Bytes that are no such document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Too long to be looked at.
    #[error("it has {0} bytes, and a document has at most {DOCUMENT_BYTES_MAX}; summarise it")]
    Length(usize),
    /// No JSON, or JSON that can be read in two ways.
    #[error("it is no JSON that can be judged: {}", shown(.0, 200))]
    Json(String),
    /// JSON that is no object of values.
    #[error("it is JSON, and neither an in-toto statement nor an object of numbers, texts, true and false: {0}")]
    Shape(String),
}

/// Reads JSON of bounded length.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, DocumentError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::Length(bytes.len()));
    }
    serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(error.to_string()))
}

/// The values of an object by name; those of inner objects have names like `tests.failed`. What no threshold can name
/// is left out, and so are lists.
pub(super) fn flatten(json: &Json) -> Result<BTreeMap<String, Value>, DocumentError> {
    let mut values = BTreeMap::new();
    flatten_into(&mut values, "", json)?;
    Ok(values)
}

fn flatten_into(values: &mut BTreeMap<String, Value>, path: &str, json: &Json) -> Result<(), DocumentError> {
    let Json::Object(members) = json else { return Ok(()) };
    for (member, inner) in members {
        let name = if path.is_empty() { member.clone() } else { format!("{path}.{member}") };
        match inner {
            _ if !is_value_name(&name) => {}
            Json::Value(value) => {
                if values.insert(name.clone(), value.clone()).is_some() {
                    return Err(DocumentError::Shape(format!("two members are both called {name}")));
                }
            }
            inner => flatten_into(values, &name, inner)?,
        }
    }
    Ok(())
}
