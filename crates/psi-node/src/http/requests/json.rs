//! JSON values, kept as far as any operation can use them.

pub(in crate::http) mod members;

use std::fmt;

use psi_engine::DEFINITIONS;
use psi_state::{BATCH_MAX, WIDTH_MAX};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Most problems that one answer names.
/// Members of an object within an array that are read; one more shows that there are too many.
const ELEMENT_MEMBERS_MAX: usize = 4;
pub(super) const PROBLEMS_MAX: usize = 32;
/// Most members that a body may have: twice what `/init` knows.
pub(super) const MEMBERS_MAX: usize = 2 * DEFINITIONS.len();

/// The members of a JSON object in their order.
pub(super) struct JsonObject(pub(super) Vec<(String, JsonValue)>);

/// A member's value: as much of it as any operation can use.
#[derive(Debug)]
pub(super) enum JsonValue {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(List),
    /// The first [`MEMBERS_MAX`] members and one more; of arrays and objects among these only that they are there.
    Object(Vec<(String, JsonValue)>),
}

/// An array.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) length: usize,
    /// The first [`WIDTH_MAX`] numbers.
    pub(super) numbers: Vec<f64>,
    /// The first [`BATCH_MAX`] arrays in a member, with their positions.
    pub(super) rows: Vec<(usize, List)>,
    /// The first [`WIDTH_MAX`] strings, of a member.
    pub(super) texts: Vec<String>,
    /// The first [`BATCH_MAX`] objects, of a member: each with its first few members.
    pub(super) objects: Vec<Vec<(String, JsonValue)>>,
    /// The first few others, strings and objects among them: position and kind.
    pub(super) others: Vec<(usize, &'static str)>,
}

impl List {
    /// Its strings, if it has nothing else and no more than can be kept.
    pub(super) fn into_texts(self) -> Option<Vec<String>> {
        Some(self.texts).filter(|texts| texts.len() == self.length)
    }

    /// Its objects, if it has nothing else and no more than can be kept.
    pub(super) fn into_objects(self) -> Option<Vec<Vec<(String, JsonValue)>>> {
        Some(self.objects).filter(|objects| objects.len() == self.length)
    }
}

impl JsonValue {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = JsonObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonObject, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key()? {
                    if members.len() == MEMBERS_MAX {
                        return Err(serde::de::Error::invalid_length(MEMBERS_MAX + 1, &"fewer members"));
                    }
                    members.push((name, map.next_value_seed(ValueSeed::Member)?));
                }
                Ok(JsonObject(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// How deep a value is read, by its place; anything deeper is skipped.
#[derive(Clone, Copy)]
enum ValueSeed {
    /// A member of the body: arrays and objects are looked into.
    Member,
    /// Within an array: arrays are.
    Element,
    /// Within an object: neither is.
    Inner,
}

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = JsonValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "rounds to the nearest, as if it were written with a point")]
    fn visit_i64<E>(self, value: i64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "rounds to the nearest, as if it were written with a point")]
    fn visit_u64<E>(self, value: u64) -> Result<JsonValue, E> {
        Ok(JsonValue::Number(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonValue, E> {
        Ok(JsonValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<JsonValue, A::Error> {
        let mut list = List::default();
        if matches!(self, Self::Inner) {
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
        }
        while let Some(element) = sequence.next_element_seed(Self::Element)? {
            match element {
                JsonValue::Number(number) if list.numbers.len() < WIDTH_MAX => list.numbers.push(number),
                JsonValue::Number(_) => {}
                JsonValue::List(row) if matches!(self, Self::Member) && list.rows.len() < BATCH_MAX => {
                    list.rows.push((list.length, row));
                }
                JsonValue::List(_) if matches!(self, Self::Member) => {}
                JsonValue::Text(text) if matches!(self, Self::Member) && list.texts.len() < WIDTH_MAX => {
                    if list.others.len() < PROBLEMS_MAX {
                        list.others.push((list.length, "a string"));
                    }
                    list.texts.push(text);
                }
                JsonValue::Object(members) if matches!(self, Self::Member) && list.objects.len() < BATCH_MAX => {
                    if list.others.len() < PROBLEMS_MAX {
                        list.others.push((list.length, "an object"));
                    }
                    list.objects.push(members);
                }
                other if list.others.len() < PROBLEMS_MAX => list.others.push((list.length, other.kind())),
                _ => {}
            }
            list.length += 1;
        }
        Ok(JsonValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue, A::Error> {
        let mut members = Vec::new();
        let kept = match self {
            Self::Member => MEMBERS_MAX,
            Self::Element => ELEMENT_MEMBERS_MAX,
            Self::Inner => 0,
        };
        if kept > 0 {
            while members.len() <= kept {
                let Some(name) = map.next_key()? else { return Ok(JsonValue::Object(members)) };
                members.push((name, map.next_value_seed(Self::Inner)?));
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(JsonValue::Object(members))
    }
}
