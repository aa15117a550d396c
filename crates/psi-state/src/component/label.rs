//! One line of text for people.

use super::{line::is_refused, value::ValueError};

/// One line of text; an empty one is no label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// Most bytes of a label in UTF-8.
    pub const BYTES_MAX: usize = 256;

    /// A label of this text.
    ///
    /// # Errors
    /// [`ValueError::TextLength`] if it is too long; [`ValueError::TextCharacter`] if it has control characters, or others
    /// that break a line or turn its direction.
    pub fn new(text: impl Into<String>) -> Result<Self, ValueError> {
        let text = text.into();
        if text.len() > Self::BYTES_MAX {
            return Err(ValueError::TextLength { got: text.len(), max: Self::BYTES_MAX });
        }
        match text.chars().find(|char| is_refused(*char)) {
            Some(char) => Err(ValueError::TextCharacter(char)),
            None => Ok(Self(text)),
        }
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_line_of_at_most_256_bytes() {
        for (text, is_good) in [
            (String::new(), true),
            ("Pumps of hall 3 — Ψ".to_owned(), true),
            ("é".repeat(128), true),
            ("é".repeat(129), false),
            ("x".repeat(257), false),
            ("two\nlines".to_owned(), false),
            ("a\u{2028}b".to_owned(), false),
            ("\u{1b}[2J".to_owned(), false),
            ("turned \u{202e}round".to_owned(), false),
        ] {
            assert_eq!(Label::new(text.as_str()).is_ok(), is_good, "{text:?}");
        }
    }
}
