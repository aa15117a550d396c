//! How times, hashes and words for a shell are written in errors.

use data_encoding::HEXLOWER;
use time::OffsetDateTime;

/// Longest name that errors show of what nobody verified yet. ψ-field's own names have as many characters.
pub const NAME_BYTES_MAX: usize = 64;

/// Whether a name is one line of visible ASCII, so that errors and logs can show it.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Seconds since 1970 as people read them, `2026-11-29T10:00:00Z`; the number itself beyond the year 9999.
pub(crate) fn moment(seconds: u64) -> String {
    let date = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let Some(date) = date else {
        return format!("second {seconds}");
    };
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = date.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// A list for people: `a, b`; `none` where it is empty.
pub(crate) fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A word that a shell takes as it is, quoted where it must be: errors show commands to copy.
pub(crate) fn shell_word(word: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_for_people() {
        for (seconds, says) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_946_400, "2026-11-29T10:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "second 253402300800"),
            (u64::MAX, "second 18446744073709551615"),
        ] {
            assert_eq!(moment(seconds), says);
        }
    }

    #[test]
    fn words_with_spaces_or_signs_are_quoted() {
        for (word, says) in
            [("a-1.b_c", "a-1.b_c"), ("", "''"), ("a b", "'a b'"), ("$(rm)", "'$(rm)'"), ("a'b", r"'a'\''b'")]
        {
            assert_eq!(shell_word(word), says);
        }
    }

    #[test]
    fn lists_name_what_is_absent() {
        assert_eq!(list::<&str>(&[]), "none");
        assert_eq!(list(&["a", "b"]), "a, b");
        assert_eq!(hex(&[0x0f, 0xa0]), "0fa0");
    }
}
