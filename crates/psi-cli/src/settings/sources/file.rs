//! Reads the settings file: TOML, with the line of each value.

use toml::{
    Value,
    de::{DeTable, DeValue},
};

use crate::settings::{
    place::{Place, RawSetting},
    problem::Problem,
};

/// Appends what the file `name` gives, and what is wrong with its TOML.
pub(in crate::settings) fn read(name: &str, text: &str, given: &mut Vec<RawSetting>, problems: &mut Vec<Problem>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    problems.extend(errors.iter().map(|error| Problem::Syntax {
        name: name.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        what: error.message().to_owned(),
    }));
    if errors.is_empty() {
        let file = File { name, text };
        file.flatten("", table.get_ref(), given);
        // The parser orders by key; people read from the top.
        given.sort_by(|left, right| left.place.cmp(&right.place));
    }
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn flatten(&self, above: &str, table: &DeTable<'_>, given: &mut Vec<RawSetting>) {
        for (name, value) in table {
            let key = if above.is_empty() { name.get_ref().to_string() } else { format!("{above}.{}", name.get_ref()) };
            match value.get_ref() {
                DeValue::Table(inner) => self.flatten(&key, inner, given),
                plain => {
                    let line = line_of(self.text, name.span().start);
                    given.push(RawSetting {
                        key,
                        value: value_of(plain),
                        place: Place::File { name: self.name.to_owned(), line },
                    });
                }
            }
        }
    }
}

/// From 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|&&byte| byte == b'\n').count()
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        // Beyond 64 bits, it is out of every limit; the text shows what was written.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::String(number.to_string()), Value::Float)
        }
        DeValue::Boolean(on) => Value::Boolean(*on),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(list) => Value::Array(list.iter().map(|item| value_of(item.get_ref())).collect()),
        // Only within a list, where no setting has one.
        DeValue::Table(_) => Value::Table(toml::Table::new()),
    }
}
