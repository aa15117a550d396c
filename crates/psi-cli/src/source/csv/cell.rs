//! What a cell holds: a number, a time, words, nothing, or something that may be a number.

use std::net::IpAddr;

use super::time;

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberFormat {
    /// `.` or `,`.
    pub(super) decimal: char,
    /// What divides thousands, where anything does.
    pub(super) thousands: Option<char>,
}

/// Content of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Number(f64),
    /// Nothing, or a word for it.
    Gap,
    Time,
    Words,
    /// It begins like a number; the way to read it, if there is one.
    Doubt(&'static str),
}

/// What programs write where there is no value. `nan` is a number.
const GAPS: [&str; 12] = ["", "na", "n/a", "#n/a", "<na>", "null", "none", "nil", "missing", "-", "--", "?"];

/// As is said of a number in other words than these.
const UNCLEAR: &str = "write numbers as 1234.5 or 1.2345e3";

impl NumberFormat {
    pub(super) fn cell(&self, text: &str) -> Cell {
        let text = text.trim();
        if let Some(number) = self.number(text) {
            return Cell::Number(number);
        }
        if GAPS.contains(&text.to_ascii_lowercase().as_str()) {
            return Cell::Gap;
        }
        if time::is_time(text) {
            return Cell::Time;
        }
        doubt(text).map_or(Cell::Words, Cell::Doubt)
    }

    /// The number that `text` is. One with digits that is too large for 64 bits is none.
    pub(super) fn number(&self, text: &str) -> Option<f64> {
        let text = text.trim();
        let number: f64 = if self.decimal == '.' && self.thousands.is_none() {
            text.parse().ok()?
        } else {
            self.plain(text)?.parse().ok()?
        };
        (number.is_finite() || !text.contains(|letter: char| letter.is_ascii_digit())).then_some(number)
    }

    /// The same number with a decimal point, and without what divides thousands.
    fn plain(&self, text: &str) -> Option<String> {
        let text = text.replace(['\u{a0}', '\u{202f}', '\u{2009}'], " ");
        let end = text.find([self.decimal, 'e', 'E']).unwrap_or(text.len());
        let (whole, rest) = text.split_at(end);
        let whole = match self.thousands {
            Some(divider) if whole.contains(divider) => joined(whole, divider)?,
            _ => whole.to_owned(),
        };
        if self.decimal == '.' {
            return Some(whole + rest);
        }
        (!whole.contains('.') && !rest.contains('.')).then(|| whole + &rest.replacen(',', ".", 1))
    }
}

/// Groups of three digits as one number; the first may have fewer.
fn joined(whole: &str, divider: char) -> Option<String> {
    let digits = whole.trim_start_matches(['+', '-']);
    let is_group = |group: &str| group.len() <= 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = digits.split(divider);
    let fits = groups.next().is_some_and(|first| !first.is_empty() && is_group(first))
        && groups.all(|group| group.len() == 3 && is_group(group));
    fits.then(|| whole.replace(divider, ""))
}

/// Whether words begin like a number, as `1,000`, `12 kg`, `(5)`, `$7` and `0x1F` do; with the way to read it.
fn doubt(text: &str) -> Option<&'static str> {
    let divides = |letter: char| " .,'_;|\t\u{a0}\u{202f}\u{2009}".contains(letter);
    let is_sign = |letter: char| "+-−($€£¥\"'".contains(letter);
    if text.parse::<IpAddr>().is_ok() {
        return None;
    }
    let inner = text.trim_start_matches(|letter| is_sign(letter) || letter == ' ');
    let begins = inner.trim_start_matches(['.', ',']).starts_with(|letter: char| letter.is_ascii_digit());
    if !begins {
        return None;
    }
    let end = inner.find(|letter: char| !letter.is_ascii_digit() && !divides(letter)).unwrap_or(inner.len());
    let (digits, unit) = inner.split_at(end);
    if !is_unit(unit) && !is_exponent(unit) {
        return None;
    }
    Some(if !unit.is_empty() || inner.len() != text.len() {
        UNCLEAR
    } else if digits.contains([';', '|', '\t']) {
        "name what divides the columns with --delimiter"
    } else if digits.contains(',') {
        "is its comma a decimal one (--decimal ,), or does it divide thousands (--thousands ,)?"
    } else if digits.matches('.').count() > 1 {
        "if its points divide thousands, add --thousands . --decimal ,"
    } else if digits.contains('\'') {
        "if that divides thousands, add --thousands \"'\""
    } else if digits.contains([' ', '\u{a0}', '\u{202f}', '\u{2009}']) {
        "if its spaces divide thousands, add --thousands space"
    } else if digits.contains('_') {
        "if that divides thousands, add --thousands _"
    } else {
        UNCLEAR
    })
}

/// Nothing, or what may follow a number: `%`, `kg`, `m/s`.
fn is_unit(text: &str) -> bool {
    text.chars().count() <= 4 && !text.contains(|letter: char| letter.is_ascii_digit())
}

/// `D+03` as Fortran writes it, `x1F`, `^3`.
fn is_exponent(text: &str) -> bool {
    let mut letters = text.chars();
    let is_hexadecimal = matches!(letters.next(), Some('x' | 'X'));
    let fits = |letter: char| letter.is_ascii_digit() || "+-".contains(letter);
    let is_digit = |letter: char| fits(letter) || (is_hexadecimal && letter.is_ascii_hexdigit());
    text.starts_with(['e', 'E', 'd', 'D', 'x', 'X', '*', '^']) && text.len() > 1 && letters.all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: NumberFormat = NumberFormat { decimal: '.', thousands: None };

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let continental = NumberFormat { decimal: ',', thousands: Some('.') };
        let swiss = NumberFormat { decimal: '.', thousands: Some('\'') };
        let french = NumberFormat { decimal: ',', thousands: Some(' ') };
        let english = NumberFormat { decimal: '.', thousands: Some(',') };
        for (format, text, want) in [
            (PLAIN, " -1.5e3 ", Some(-1500.0)),
            (PLAIN, "+.5", Some(0.5)),
            (PLAIN, "5.", Some(5.0)),
            (PLAIN, "-inf", Some(f64::NEG_INFINITY)),
            (PLAIN, "1e999", None),
            (PLAIN, "1,5", None),
            (PLAIN, "1_000", None),
            (continental, "1.234,5", Some(1234.5)),
            (continental, "-12,5e-1", Some(-1.25)),
            (continental, "1.5", None),
            (continental, "1,2,3", None),
            (swiss, "1'234'567.25", Some(1_234_567.25)),
            (swiss, "1'23", None),
            (french, "1\u{202f}234,5", Some(1234.5)),
            (french, "12 34", None),
            (english, "1,000", Some(1000.0)),
            (english, "-1,234,567.5e1", Some(-12_345_675.0)),
            (english, "1000,000", None),
            (english, ",000", None),
            (english, "1,5", None),
        ] {
            assert_eq!(format.number(text), want, "{text}");
        }
        assert!(PLAIN.number("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn what_begins_like_a_number_is_not_taken_for_words() {
        for text in [
            "1,000",
            "1.234.567",
            "1 000",
            "1\u{a0}000",
            "1'000",
            "1_000",
            "5%",
            "12 kg",
            "10MB",
            "3.5 °C",
            "$7",
            "€ 1,50",
            "(5)",
            "−5",
            "0x1F",
            "1.5D+03",
            "1,5;2",
            "\"5\"",
            "'5'",
            "1e999",
            "7 m/s",
        ] {
            assert!(matches!(PLAIN.cell(text), Cell::Doubt(_)), "{text}: {:?}", PLAIN.cell(text));
        }
        for text in [
            "word",
            "10.0.0.1",
            "5f3c9a",
            "550e8400-e29b",
            "A1",
            "Station 5",
            "3 little pigs",
            "555-1234",
            "-x",
            "e5",
            ".",
        ] {
            assert_eq!(PLAIN.cell(text), Cell::Words, "{text}");
        }
        for text in ["", "  ", "NA", "N/a", "#N/A", "null", "None", "-", "?"] {
            assert_eq!(PLAIN.cell(text), Cell::Gap, "{text}");
        }
        for text in ["2024-01-01", "2024-01-01T10:00:00Z", "10:30", "31.12.2024 10:00"] {
            assert_eq!(PLAIN.cell(text), Cell::Time, "{text}");
        }
    }
}
