//! Names of processes, phases, gates and tasks. They are safe in a file name, a label, a URL and a log line.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::text::shown;

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Characters shown of a name that is refused.
const NAME_SHOWN: usize = 80;

/// A text that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` ({} bytes) is no {what}: 1 to {NAME_BYTES_MAX} characters of {alphabet}, the first no dot",
    shown(.got, NAME_SHOWN), .got.len()
)]
pub struct NameError {
    /// What it was to name.
    pub what: &'static str,
    /// Which characters such names have.
    pub alphabet: &'static str,
    /// The text, cut if it is absurdly long.
    pub got: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $alphabet:literal, $allows:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// [`NameError`] if it is empty, longer than [`NAME_BYTES_MAX`] or holds another character.
            pub fn new(name: &str) -> Result<Self, NameError> {
                let allows: fn(u8) -> bool = $allows;
                let is_long = name.len() > NAME_BYTES_MAX;
                if is_long || name.is_empty() || name.starts_with('.') || !name.bytes().all(allows) {
                    return Err(NameError { what: $what, alphabet: $alphabet, got: name.chars().take(200).collect() });
                }
                Ok(Self(name.into()))
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// A name in a spec: of a process, a phase, a gate, a key, a document.
    Name,
    "name in a process",
    "a-z 0-9 . _ -",
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
);
name!(
    /// What a task is called, by those who start it.
    TaskName,
    "name of a task",
    "A-Z a-z 0-9 . _ -",
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_alphabet_are_refused() {
        for bad in ["", ".", ".a", "A", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "nine-phases.v2_x", "0", &"x".repeat(64)] {
            assert!(Name::new(good).is_ok(), "{good:?}");
        }
        assert!(TaskName::new("AURORA-AKASH-001").is_ok() && TaskName::new("a/b").is_err());
        let error = Name::new(&"\u{1b}".repeat(5_000)).unwrap_err().to_string();
        assert!(error.len() < 800 && !error.contains('\u{1b}'), "{error}");
    }
}
