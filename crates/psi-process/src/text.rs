//! How texts that nobody checked are shown in errors.

/// The beginning of a text, fit for a line of a log, and no more than so many characters of it.
pub(crate) fn shown(text: &str, characters: usize) -> String {
    let mut rest = text.chars();
    let mut beginning = String::new();
    for character in rest.by_ref().take(characters) {
        match character {
            '"' | '\'' | '\\' => beginning.push(character),
            other => beginning.extend(other.escape_debug()),
        }
    }
    let more = if rest.next().is_some() { "…" } else { "" };
    beginning + more
}

/// The beginning of a text that has at most so many bytes, cut between characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// A list for people: `a, b`; `none` where it is empty.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((shown("a\u{1b}b", 9).as_str(), shown("äöü", 2).as_str()), ("a\\u{1b}b", "äö…"));
        assert_eq!(shown("\"a\\'\n", 9), "\"a\\'\\n");
        assert_eq!((cut("äöü", 3), cut("ab", 9)), ("ä", "ab"));
        assert_eq!((list(["a", "b"]), list::<&str>([])), ("a, b".to_owned(), "none".to_owned()));
    }
}
