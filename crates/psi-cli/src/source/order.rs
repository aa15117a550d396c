//! Whether the lines of a record are the ones that its header announces, in order.

use serde_json::Value;

use super::{error::SourceError, header::Header};

/// What a record has shown so far. Lines that say nothing of their field, epoch or k are taken as they are.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Of the latest line that says it.
    k: Option<u64>,
    /// Steps that k skips, those before the first line included.
    missing: u64,
}

impl Order {
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// Takes line `line` of the record `name`.
    ///
    /// # Errors
    /// If it is of another field or epoch than the header says, or its k is none, or not above those before it.
    pub(super) fn take(&mut self, value: &Value, header: &Header, name: &str, line: u64) -> Result<(), SourceError> {
        let foreign = |why: String| SourceError::Foreign { name: name.to_owned(), line, why };
        for (member, want) in [("field", &header.field), ("epoch", &header.epoch)] {
            let (Some(want), Some(got)) = (want, value.get(member).and_then(text)) else { continue };
            if got != *want {
                let why = format!("it is of {member} {got}, the header is of {member} {want}; replay each by itself");
                return Err(foreign(why));
            }
        }
        let Some(k) = value.get("k").filter(|k| !k.is_null()) else { return Ok(()) };
        let before = self.k.unwrap_or_default();
        match k.as_u64() {
            Some(k) if k > before => {
                self.missing += k - before - 1;
                self.k = Some(k);
                Ok(())
            }
            Some(k) if self.k.is_some() => {
                Err(foreign(format!("its k is {k}, that before it {before}; sort the lines by k, each once")))
            }
            _ => Err(foreign(format!("its k is {k}, which is not a step: those count from 1; mend it or leave k out"))),
        }
    }
}

/// Numbers as text, as a record has epochs.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}
