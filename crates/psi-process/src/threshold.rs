//! A threshold: `coverage >= 80`.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    text::shown,
    value::{Number, Reading, TEXT_BYTES_MAX, Value},
};

/// Longest name of a value, in bytes.
pub const VALUE_NAME_BYTES_MAX: usize = 128;

/// How a value is compared with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// What a named value must satisfy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    name: String,
    operator: Operator,
    bound: Value,
}

/// A text that is no threshold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is no threshold: {cause}; write it like `coverage >= 80`, `build_passed = true` or `stage = \"done\"`",
    shown(.text, 80)
)]
pub struct ThresholdError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub cause: &'static str,
}

/// What values say about thresholds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measurement {
    /// The values that were there.
    pub(crate) readings: Vec<Reading>,
    /// Words about each value that misses its threshold.
    pub(crate) failures: Vec<String>,
    /// Words about each value that could not be compared.
    pub(crate) mismatches: Vec<String>,
    /// Values that were not there.
    pub(crate) missing: Vec<String>,
}

impl Operator {
    /// In which order they are looked for: longer signs first.
    const SIGNS: [(&'static str, Self); 9] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("!=", Self::NotEqual),
        ("==", Self::Equal),
        ("≤", Self::AtMost),
        ("≥", Self::AtLeast),
        ("<", Self::Below),
        (">", Self::Above),
        ("=", Self::Equal),
    ];

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Equal => "exactly",
            Self::NotEqual => "anything but",
            Self::Below => "less than",
            Self::AtMost => "at most",
            Self::Above => "more than",
            Self::AtLeast => "at least",
        }
    }

    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl Threshold {
    /// Which value it is about.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the value is compared.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What the value is compared with.
    #[must_use]
    pub fn bound(&self) -> &Value {
        &self.bound
    }

    /// Whether a value satisfies it; `None` if it is of another kind than the bound.
    #[must_use]
    pub fn holds(&self, value: &Value) -> Option<bool> {
        let order = match (value, &self.bound) {
            (Value::Number(value), Value::Number(bound)) => value.cmp(bound),
            (Value::Flag(value), Value::Flag(bound)) => value.cmp(bound),
            (Value::Text(value), Value::Text(bound)) => value.cmp(bound),
            _ => return None,
        };
        Some(self.operator.holds(order))
    }

    /// What is needed, in words: `at least 80`.
    #[must_use]
    pub fn need(&self) -> String {
        format!("{} {}", self.operator.words(), self.bound)
    }

    /// What all thresholds say of these values.
    pub(crate) fn measure(thresholds: &[Self], values: &BTreeMap<String, Value>) -> Measurement {
        let mut measurement = Measurement::default();
        for threshold in thresholds {
            match values.get(&threshold.name) {
                None if measurement.missing.contains(&threshold.name) => {}
                None => measurement.missing.push(threshold.name.clone()),
                Some(value) => measurement.add(threshold, value),
            }
        }
        measurement
    }
}

impl Measurement {
    fn add(&mut self, threshold: &Threshold, value: &Value) {
        let Threshold { name, bound, .. } = threshold;
        match threshold.holds(value) {
            Some(true) => {}
            Some(false) => self.failures.push(format!("{name} is {value}, and {} is needed", threshold.need())),
            None => self.mismatches.push(format!("{name} is {value}, and {} is compared", bound.kind())),
        }
        let reading = Reading { name: name.clone(), value: value.clone() };
        if !self.readings.contains(&reading) {
            self.readings.push(reading);
        }
    }

    /// What was read, in words: `coverage is 81, tests_run is 5`.
    pub(crate) fn words(&self) -> String {
        let words: Vec<_> = self.readings.iter().map(|Reading { name, value }| format!("{name} is {value}")).collect();
        words.join(", ")
    }
}

/// Whether values can have such a name.
pub(crate) fn is_value_name(name: &str) -> bool {
    let allows = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=VALUE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allows)
}

fn bound(text: &str) -> Result<Value, &'static str> {
    let quoted = |sign| text.strip_prefix(sign).and_then(|rest| rest.strip_suffix(sign));
    match (text, quoted('"').or_else(|| quoted('\''))) {
        ("true", _) => Ok(Value::Flag(true)),
        ("false", _) => Ok(Value::Flag(false)),
        (_, Some(inner)) if inner.len() > TEXT_BYTES_MAX || inner.contains(['"', '\'']) || has_control(inner) => {
            Err("a text has up to 256 bytes, no quotes in it and no control characters")
        }
        (_, Some(inner)) => Ok(Value::Text(inner.to_owned())),
        (number, None) => number
            .parse()
            .ok()
            .and_then(|number| Number::new(number).ok())
            .map(Value::Number)
            .ok_or("the bound is true, false, a quoted text, or a finite number below 2^53"),
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn parse(text: &str) -> Result<Threshold, &'static str> {
    let at = text.find(['<', '>', '!', '=', '≤', '≥']).ok_or("it has no sign such as >=")?;
    let (name, rest) = (text[..at].trim_end(), &text[at..]);
    let found = Operator::SIGNS.into_iter().find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)));
    let (operator, rest) = found.ok_or("its sign is none of = != < <= > >=")?;
    if !is_value_name(name) {
        return Err("names of values have 1 to 128 characters of A-Z a-z 0-9 . _ -");
    }
    let bound = bound(rest.trim_start())?;
    let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
    if is_order && !matches!(bound, Value::Number(_)) {
        return Err("only numbers have an order; compare by = or !=");
    }
    Ok(Threshold { name: name.to_owned(), operator, bound })
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        parse(text.trim()).map_err(|cause| ThresholdError { text: text.chars().take(200).collect(), cause })
    }
}

impl TryFrom<String> for Threshold {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, ThresholdError> {
        text.parse()
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.to_string()
    }
}

/// As it is parsed.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, operator, bound } = self;
        match bound {
            Value::Text(text) => write!(f, "{name} {} \"{text}\"", operator.sign()),
            bound => write!(f, "{name} {} {bound}", operator.sign()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_and_written() {
        for (text, written) in [
            ("coverage>=80", "coverage >= 80"),
            (" coverage ≥ 80.50 ", "coverage >= 80.5"),
            ("tests_failed == 0", "tests_failed = 0"),
            ("tests_run > 0", "tests_run > 0"),
            ("a.b-c != 'x y'", "a.b-c != \"x y\""),
            ("build_passed = true", "build_passed = true"),
            ("rate <= 1e-9", "rate <= 1e-9"),
            ("x < -0", "x < 0"),
        ] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.to_string(), written);
            assert_eq!(written.parse(), Ok(threshold));
        }
    }

    #[test]
    fn what_is_no_threshold_says_why() {
        for bad in [
            "",
            "coverage",
            "coverage >=",
            ">= 80",
            "a b >= 1",
            "a >= nan",
            "a >= inf",
            "a >= true",
            "a ! 1",
            "a = \"b",
            "a > 'x'",
            "a = 9007199254740993",
            "a => 1",
            "a = \"b\"c\"",
            "a = 'b\n'",
        ] {
            let error = bad.parse::<Threshold>().unwrap_err();
            assert!(error.to_string().contains("write it like"), "{error}");
        }
    }

    #[test]
    fn each_operator_holds_where_its_sign_does() {
        for (sign, holds) in [
            ("=", [false, true, false]),
            ("!=", [true, false, true]),
            ("<", [true, false, false]),
            ("<=", [true, true, false]),
            (">", [false, false, true]),
            (">=", [false, true, true]),
        ] {
            let threshold: Threshold = format!("x {sign} 5").parse().unwrap();
            let found = [4_u32, 5, 6].map(|number| threshold.holds(&Value::Number(number.into())));
            assert_eq!(found, holds.map(Some), "{sign}");
            assert_eq!(threshold.holds(&Value::Flag(true)), None);
        }
    }
}
