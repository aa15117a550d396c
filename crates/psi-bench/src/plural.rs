//! Counts with their nouns.

/// `1 step`, `2 steps`.
#[must_use]
pub fn pluralize(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
