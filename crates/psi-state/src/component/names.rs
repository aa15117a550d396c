//! Names of a field's columns, for people.

use std::{collections::BTreeMap, sync::Arc};

use super::line::is_refused;
use crate::limits::WIDTH_MAX;

/// Names of a field's columns, in their order: one for each, or none at all. A clone shares them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnNames(Arc<[Box<str>]>);

/// Why names are refused. Columns count from 1, as people count them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnNamesError {
    /// An empty name, or one that is too long.
    #[error("the name of column {column} has {got} bytes; a name has 1 to {}", ColumnNames::BYTES_MAX)]
    Length {
        /// Whose name it is.
        column: usize,
        /// Its length.
        got: usize,
    },
    /// A name that is not one line as it reads, or has a comma, which divides names.
    #[error(
        "the name of column {column} has U+{:04X}; a name is one line without control characters or commas",
        u32::from(*.character)
    )]
    Character {
        /// Whose name it is.
        column: usize,
        /// What it has.
        character: char,
    },
    /// Two columns of one name.
    #[error("columns {first} and {second} are both called `{name}`; each has a name of its own")]
    Repeated {
        /// The name.
        name: String,
        /// The first column.
        first: usize,
        /// The second.
        second: usize,
    },
    /// Names that are too long together.
    #[error("the names have {got} bytes together, at most {} are allowed", ColumnNames::BYTES_TOGETHER_MAX)]
    Together {
        /// Their length.
        got: usize,
    },
    /// More names than any field has columns.
    #[error("{got} names; a field has at most {WIDTH_MAX} columns")]
    Number {
        /// How many there are.
        got: usize,
    },
}

impl ColumnNames {
    /// Most bytes of a name in UTF-8.
    pub const BYTES_MAX: usize = 64;

    /// Most bytes of all names together.
    pub const BYTES_TOGETHER_MAX: usize = 16 * 1024;

    /// Columns of these names, in their order.
    ///
    /// # Errors
    /// [`ColumnNamesError`], of the first name that is refused.
    pub fn new<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Result<Self, ColumnNamesError> {
        let names: Arc<[Box<str>]> = names.into_iter().map(Into::into).collect();
        if names.len() > WIDTH_MAX {
            return Err(ColumnNamesError::Number { got: names.len() });
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, column) in names.iter().zip(1..) {
            check(name, column)?;
            if let Some(first) = seen.insert(name, column) {
                return Err(ColumnNamesError::Repeated { name: name.to_string(), first, second: column });
            }
        }
        let got = names.iter().map(|name| name.len()).sum();
        if got > Self::BYTES_TOGETHER_MAX {
            return Err(ColumnNamesError::Together { got });
        }
        Ok(Self(names))
    }

    /// How many columns they name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether they name none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of a column, from 0; `None` beyond the last.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column).map(AsRef::as_ref)
    }

    /// The column that people call so; where columns have no names, the one of this number, from 0.
    pub(crate) fn column_of(names: Option<&Self>, width: usize, name: &str) -> Option<usize> {
        match names {
            Some(names) => names.iter().position(|known| known == name),
            None => name.parse().ok().filter(|column| *column < width),
        }
    }

    /// The names, in the order of the columns.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }
}

fn check(name: &str, column: usize) -> Result<(), ColumnNamesError> {
    if !(1..=ColumnNames::BYTES_MAX).contains(&name.len()) {
        return Err(ColumnNamesError::Length { column, got: name.len() });
    }
    match name.chars().find(|char| *char == ',' || is_refused(*char)) {
        Some(character) => Err(ColumnNamesError::Character { column, character }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(names: &[&str]) -> Option<String> {
        ColumnNames::new(names.iter().copied()).err().map(|error| error.to_string())
    }

    #[test]
    fn a_name_is_one_line_of_1_to_64_bytes_without_commas() {
        let (longest, longer) = ("é".repeat(32), "é".repeat(33));
        for (name, says) in [
            ("temp", None),
            ("Druck (bar) — p₁", None),
            (longest.as_str(), None),
            (longer.as_str(), Some("the name of column 2 has 66 bytes; a name has 1 to 64")),
            ("", Some("the name of column 2 has 0 bytes; a name has 1 to 64")),
            ("a,b", Some("the name of column 2 has U+002C; a name is one line without control characters or commas")),
            ("a\tb", Some("the name of column 2 has U+0009; a name is one line without control characters or commas")),
            (
                "\u{202e}x",
                Some("the name of column 2 has U+202E; a name is one line without control characters or commas"),
            ),
        ] {
            assert_eq!(refusal(&["first", name]).as_deref(), says, "{name:?}");
        }
    }

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let says = "columns 1 and 3 are both called `t`; each has a name of its own";
        assert_eq!(refusal(&["t", "p", "t"]).as_deref(), Some(says));
        assert_eq!(refusal(&["t", "T"]), None, "letters count as they are");
    }

    #[test]
    fn names_are_bounded_together() {
        let names = |count: usize| (0..count).map(|column| format!("{column:064}"));
        assert!(ColumnNames::new(names(256)).is_ok());
        assert_eq!(ColumnNames::new(names(257)), Err(ColumnNamesError::Together { got: 257 * 64 }));
        let many = (0..=WIDTH_MAX).map(|column| format!("{column:x}"));
        assert_eq!(ColumnNames::new(many), Err(ColumnNamesError::Number { got: WIDTH_MAX + 1 }));
    }

    #[test]
    fn names_are_found_by_column() {
        let names = ColumnNames::new(["temp", "pressure"]).expect("two lines");
        assert_eq!((names.len(), names.get(1), names.get(2)), (2, Some("pressure"), None));
        assert_eq!(names.iter().collect::<Vec<_>>(), ["temp", "pressure"]);
        assert!(ColumnNames::default().is_empty());
    }
}
