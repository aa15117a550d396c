//! Numbers and times for people: short, and never pretending to be exact. JSON has every digit.

use jiff::Timestamp;

/// Significant digits shown.
const DIGITS: i32 = 5;

/// Five significant digits without trailing zeros; powers of ten where plain notation would be long.
pub(crate) fn short(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if !number.is_finite() {
        return number.to_string();
    }
    // Rounded first: 0.99999999 has the magnitude of 1.
    let scientific = format!("{number:.*e}", usize::try_from(DIGITS - 1).unwrap_or_default());
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-5..=8).contains(&exponent) {
        return format!("{}e{exponent}", without_zeros(mantissa));
    }
    let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or_default();
    without_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// `12 µs`, `3.4 ms`, `1.2 s`.
pub(crate) fn duration(us: u64) -> String {
    let number = us as f64;
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", number / 1e3),
        _ => format!("{:.1} s", number / 1e6),
    }
}

/// How long ago something was, such as a sign of life that comes once a second.
pub(crate) fn ago(ms: u64) -> String {
    match ms / 1000 {
        0..5 => "now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    }
}

/// A time in its largest fitting unit.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The first eight hexadecimal digits of a hash; `-` where it is unknown.
pub(crate) fn short_hash(hash: &str) -> String {
    if hash.is_empty() { "-".to_owned() } else { hash.chars().take(8).collect() }
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn time(seconds: i64, nanoseconds: i32) -> String {
    let whole_ms = nanoseconds / 1_000_000 * 1_000_000;
    Timestamp::new(seconds, whole_ms).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (number, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.5258961, "0.5259"),
            (-0.4, "-0.4"),
            (0.999_999_9, "1"),
            (12_345.678, "12346"),
            (123_456_789.0, "123456789"),
            (1e12, "1e12"),
            (1.234_567e-9, "1.2346e-9"),
            (1e-5, "0.00001"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(short(number), want, "{number:e}");
        }
    }

    #[test]
    fn durations_have_a_fitting_unit() {
        for (us, want) in [(0, "0 µs"), (999, "999 µs"), (1_500, "1.5 ms"), (2_000_000, "2.0 s")] {
            assert_eq!(duration(us), want);
        }
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        assert_eq!(time(0, 1_999_999), "1970-01-01T00:00:00.001Z");
        assert_eq!(time(i64::MAX, 0), "-");
    }

    #[test]
    fn unknown_hashes_are_shown_as_such() {
        assert_eq!(short_hash(""), "-");
        assert_eq!(short_hash("0123456789abcdef"), "01234567");
    }
}
