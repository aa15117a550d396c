//! Which line of a spec something is on.

use toml::de::{DeTable, DeValue};

use super::error::PathStep;

/// The line of a byte, counted from 1.
pub(super) fn of_offset(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line of what a path leads to, or of the last step that leads somewhere.
pub(super) fn of_path(text: &str, path: &[PathStep]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?.into_inner();
    let mut found = None;
    let mut value = &DeValue::Table(table);
    for step in path {
        let next = match (step, value) {
            (PathStep::Key(key), DeValue::Table(table)) => {
                table.iter().find(|(name, _)| name.get_ref() == key).map(|(name, value)| (name.span(), value))
            }
            (PathStep::Index(index), DeValue::Array(items)) => items.get(*index).map(|item| (item.span(), item)),
            _ => None,
        };
        let Some((span, inner)) = next else { break };
        found = Some(of_offset(text, span.start));
        value = inner.get_ref();
    }
    found
}
