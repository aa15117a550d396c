//! Values that gates compare: numbers, flags and texts.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::shown;

/// Longest text in a reading, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;
/// 2^53 - 1. Of whole numbers beyond, two can become one float.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// A finite number below 2^53: larger whole numbers could be mistaken for each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(f64);

/// A value by which something is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(Number),
    /// Yes or no.
    Flag(bool),
    /// A text.
    Text(String),
}

/// A value by its name: what a judgement rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub value: Value,
}

/// A number that can't be compared exactly.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0} is no number that gates compare: finite, and less than 2^53")]
pub struct NumberError(pub f64);

impl Number {
    /// The number, if it is finite and exact. The negative zero becomes zero.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn new(number: f64) -> Result<Self, NumberError> {
        let is_exact = number.is_finite() && number.abs() <= EXACT_MAX;
        if is_exact { Ok(Self(number + 0.0)) } else { Err(NumberError(number)) }
    }

    /// As a float.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self(f64::from(number))
    }
}

/// The shortest digits that are the same number when they are read.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0.0 || self.0.abs() >= 1e-6 { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Text(text) => write!(f, "\"{}\"", shown(text, 80)),
        }
    }
}

impl Value {
    /// What kind of value it is, in words.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Text(_) => "a text",
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_f64(number.0),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Reads a value, and nothing that contains others.
struct ValueVisitor;

impl serde::de::Visitor<'_> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, true, false or a text")
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        Number::new(number).map(Value::Number).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_finite_exact_and_written_back() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 9_007_199_254_740_992.0, -1e16, 1e300] {
            assert!(Number::new(bad).is_err(), "{bad}");
        }
        for (good, text) in [(-0.0, "0"), (73.5, "73.5"), (80.0, "80"), (1e-9, "1e-9"), (-0.1, "-0.1")] {
            let number = Number::new(good).unwrap();
            assert_eq!(number.to_string(), text);
            assert_eq!(text.parse::<f64>().ok().and_then(|read| Number::new(read).ok()), Some(number));
        }
    }
}
