//! Where a value comes from.

use std::fmt;

use toml::Value;

use super::definition;

/// Who gave a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Default,
    File { name: String, line: usize },
    Variable(String),
    Flag(&'static str),
}

impl Place {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}, line {line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(key) => write!(f, "--{}", definition::flag_name(key)),
        }
    }
}

/// A value before it is checked.
pub(super) struct RawSetting {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) place: Place,
}
