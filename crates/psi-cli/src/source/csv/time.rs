//! Times, as files have them.

use jiff::{Timestamp, civil, tz::TimeZone};

/// Whether `text` is a date, a time of day, or both, in figures.
pub(super) fn is_time(text: &str) -> bool {
    if !text.starts_with(|letter: char| letter.is_ascii_digit()) || !text.is_ascii() {
        return false;
    }
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (Some(date), Some(clock)),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    date.is_none_or(is_date) && clock.is_none_or(|clock| is_clock(clock.trim()))
}

/// Three numbers that can be year, month and day, in an order that people use.
fn is_date(text: &str) -> bool {
    ['-', '/', '.'].into_iter().any(|divider| {
        let parts: Vec<&str> = text.split(divider).collect();
        let [first, second, third] = parts[..] else { return false };
        let small = |part: &str| part.len() <= 2 && number(part).is_some();
        let can_be = |month: &str, day: &str| {
            number(month).is_some_and(|month| (1..=12).contains(&month))
                && number(day).is_some_and(|day| (1..=31).contains(&day))
        };
        let is_year = |part: &str| matches!(part.len(), 2 | 4) && number(part).is_some();
        match first.len() {
            4 => is_year(first) && small(second) && small(third) && can_be(second, third),
            _ => {
                let fits = can_be(second, first) || can_be(first, second);
                small(first) && small(second) && is_year(third) && fits
            }
        }
    })
}

/// `10:30`, `10:30:15.25`, and what follows of a zone, or of a half of the day.
fn is_clock(text: &str) -> bool {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && !":.,".contains(letter)).unwrap_or(text.len());
    let (clock, zone) = text.split_at(end);
    let parts: Vec<&str> = clock.splitn(3, ':').collect();
    let within = |part: &str, most: u32| part.len() <= 2 && number(part).is_some_and(|number| number <= most);
    let is_clock = match parts[..] {
        [hour, minute] => within(hour, 24) && within(minute, 59),
        [hour, minute, second] => {
            let whole = second.split(['.', ',']).next().unwrap_or_default();
            within(hour, 24) && within(minute, 59) && within(whole, 60)
        }
        _ => false,
    };
    let zone = zone.trim();
    let is_offset = zone.starts_with(['+', '-']) && zone[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    is_clock && (is_offset || ["", "Z", "z", "UTC", "GMT", "AM", "PM", "am", "pm"].contains(&zone))
}

fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Seconds since an instant that is the same for all texts of one kind. `None` where day and month can't be told apart.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let since_1970 = |nanoseconds: i128| nanoseconds as f64 / 1e9;
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(since_1970(instant.as_nanosecond()));
    }
    if let Ok(local) = text.replace('/', "-").parse::<civil::DateTime>() {
        return local.to_zoned(TimeZone::UTC).ok().map(|zoned| since_1970(zoned.timestamp().as_nanosecond()));
    }
    let clock = text.parse::<civil::Time>().ok()?;
    let since_midnight = clock.duration_since(civil::Time::midnight());
    Some(since_midnight.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_numbers_and_words() {
        for text in [
            "2024-01-31",
            "2024/1/31 10:00",
            "31.01.2024",
            "01/31/24 9:05 PM",
            "2024-01-31T10:00:00.123456Z",
            "2024-01-31 10:00:00+02:00",
            "10:30:15,250",
        ] {
            assert!(is_time(text), "{text}");
        }
        for text in
            ["10.0.0.1", "1.234.567", "12.34.56", "555-1234", "1:2:3:4", "25:00", "2024-13-32", "monday", "1-2", ""]
        {
            assert!(!is_time(text), "{text}");
        }
    }

    #[test]
    fn times_are_seconds() {
        for (text, want) in [
            ("1970-01-01T00:00:10Z", Some(10.0)),
            ("1970-01-01 00:00:10.5", Some(10.5)),
            ("1970/01/02", Some(86_400.0)),
            ("00:01:30", Some(90.0)),
            ("01/02/2024 10:00", None),
        ] {
            assert_eq!(seconds(text), want, "{text}");
        }
    }
}
