//! Named values in addresses, bodies and answers: a row each, from which readers and the OpenAPI description follow.

use psi_engine::DEFINITIONS;
use serde_json::{Map, Value, json};

use crate::metrics::STEP_METRICS;

/// What JSON a property is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Integer,
    Boolean,
    Texts,
    Numbers,
    Vectors,
    Object,
    Objects,
    /// Any JSON at all.
    Any,
}

/// One named value.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Property {
    pub(in crate::http) name: &'static str,
    pub(super) kind: Kind,
    pub(in crate::http) help: &'static str,
    /// May be left out.
    pub(in crate::http) is_optional: bool,
    /// May be `null`.
    pub(super) is_nullable: bool,
}

impl Property {
    pub(super) const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, help, is_optional: false, is_nullable: false }
    }

    pub(super) const fn text(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Text, help)
    }

    pub(super) const fn number(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Number, help)
    }

    pub(super) const fn integer(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Integer, help)
    }

    pub(super) const fn boolean(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Boolean, help)
    }

    pub(super) const fn object(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Object, help)
    }

    pub(super) const fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    pub(super) const fn nullable(self) -> Self {
        Self { is_nullable: true, ..self }
    }

    /// Its JSON Schema.
    pub(super) fn schema(&self) -> Value {
        let (kind, items) = match self.kind {
            Kind::Text => ("string", None),
            Kind::Number => ("number", None),
            Kind::Integer => ("integer", None),
            Kind::Boolean => ("boolean", None),
            Kind::Texts => ("array", Some(json!({ "type": "string" }))),
            Kind::Numbers => ("array", Some(json!({ "type": "number" }))),
            Kind::Vectors => ("array", Some(json!({ "type": "array", "items": { "type": "number" } }))),
            Kind::Object => ("object", None),
            Kind::Objects => ("array", Some(json!({ "type": "object" }))),
            Kind::Any => ("", None),
        };
        let mut schema = match (kind, self.is_nullable) {
            ("", _) => json!({}),
            (kind, true) => json!({ "type": [kind, "null"] }),
            (kind, false) => json!({ "type": kind }),
        };
        if let Some(items) = items {
            schema["items"] = items;
        }
        if !self.help.is_empty() {
            schema["description"] = json!(self.help);
        }
        schema
    }
}

/// Properties of one object that come together.
#[derive(Clone, Copy, Debug)]
pub(super) enum Group {
    Each(&'static [Property]),
    /// The metrics of a step, by symbol.
    Metrics,
    /// The parameters of a field, by name.
    Parameters,
}

impl Group {
    /// The names of its properties, in order.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        self.each(|property| names.push(property.name));
        names
    }

    /// Calls `take` with each property in order.
    fn each(&self, mut take: impl FnMut(Property)) {
        match self {
            Self::Each(properties) => properties.iter().copied().for_each(take),
            Self::Metrics => {
                STEP_METRICS.iter().for_each(|metric| take(Property::number(metric.symbol, metric.meaning)));
            }
            Self::Parameters => DEFINITIONS.iter().for_each(|parameter| {
                let kind = if parameter.whole { Kind::Integer } else { Kind::Number };
                take(Property::new(parameter.name, kind, parameter.meaning));
            }),
        }
    }
}

/// The JSON Schema of an object with these properties. Of a body that changes something, all may be left out.
pub(super) fn object_schema(groups: &[Group], all_optional: bool) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for group in groups {
        group.each(|property| {
            properties.insert(property.name.to_owned(), property.schema());
            if !property.is_optional && !all_optional {
                required.push(property.name);
            }
        });
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}
