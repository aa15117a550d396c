//! The effective settings, with who gave each: as a settings file, and as JSON.

use serde_json::{Map, Value, json};

use super::{definition::DEFINITIONS, load::LoadedSettings};

/// A settings file that gives the same settings; the comment of each line says where it is from.
pub(crate) fn to_toml(loaded: &LoadedSettings) -> String {
    let lines: Vec<(String, String)> = DEFINITIONS
        .iter()
        .map(|definition| {
            let value = (definition.show)(&loaded.effective);
            (format!("{} = {value}", definition.name()), loaded.place(definition.key).to_string())
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    let mut section = "";
    for (definition, (line, place)) in DEFINITIONS.iter().zip(lines) {
        if definition.section() != section {
            section = definition.section();
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}[{section}]\n");
        }
        text += &format!("{line:width$}  # {place}\n");
    }
    text.trim_end().to_owned()
}

/// What is given, one setting a line, with who gave it.
pub(crate) fn given(loaded: &LoadedSettings) -> Vec<String> {
    let given = DEFINITIONS.iter().filter(|definition| !loaded.place(definition.key).is_default());
    let lines = given.map(|definition| {
        let value = (definition.show)(&loaded.effective);
        (format!("{} = {value}", definition.key), loaded.place(definition.key).to_string())
    });
    let lines: Vec<(String, String)> = lines.collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default();
    lines.into_iter().map(|(line, place)| format!("{line:width$}  # {place}")).collect()
}

/// By key: value and origin.
pub(crate) fn to_json(loaded: &LoadedSettings) -> Value {
    let entries = DEFINITIONS.iter().map(|definition| {
        let value = (definition.show)(&loaded.effective);
        let from = loaded.place(definition.key).to_string();
        (definition.key.to_owned(), json!({ "value": value, "from": from }))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}
