//! How texts that nobody checked, and numbers, are shown to people.

/// The beginning of a text, fit for a line of a log, and no more than so many characters of it.
pub(crate) fn shown(text: &str, characters: usize) -> String {
    let mut rest = text.chars();
    let beginning: String = rest.by_ref().take(characters).flat_map(char::escape_debug).collect();
    let more = if rest.next().is_some() { "…" } else { "" };
    beginning + more
}

/// A list for people: `a, b`.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// A share as a percentage: `2.03 %`.
pub(crate) fn percentage(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A number for people: `0.06125`, `1234.50`, `1.500000e9`.
pub(crate) fn number(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-4..1e6).contains(&size) => format!("{number:.6e}"),
        size if size >= 1_000.0 => format!("{number:.2}"),
        size if size >= 1.0 => format!("{number:.3}"),
        _ => format!("{number:.5}"),
    }
}

/// Milliseconds in the largest unit that keeps them whole, from seconds up: `90 s`, `1 h`.
pub(crate) fn duration(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let fitting = units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_escaped() {
        assert_eq!((shown("a\u{1b}b", 9).as_str(), shown("äöü", 2).as_str()), ("a\\u{1b}b", "äö…"));
        assert_eq!((list(["a", "b"]), percentage(0.0203)), ("a, b".to_owned(), "2.03 %".to_owned()));
        for (given, want) in
            [(0.0, "0"), (-0.06125, "-0.06125"), (12.5, "12.500"), (1_234.4, "1234.40"), (1.5e9, "1.500000e9")]
        {
            assert_eq!(number(given), want);
        }
        for (ms, want) in [(0, "0 ms"), (1_500, "1500 ms"), (90_000, "90 s"), (3_600_000, "1 h"), (172_800_000, "2 d")]
        {
            assert_eq!(duration(ms), want);
        }
    }
}
