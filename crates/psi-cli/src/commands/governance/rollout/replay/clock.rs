//! When rows were.

use crate::{output::numbers, source};

/// From this number on, times are milliseconds: so many seconds are the year 5138.
const MILLISECONDS_MIN: f64 = 1e11;
/// Times are whole milliseconds below this, so that none is rounded.
const MS_LIMIT: f64 = 9e15;

/// How a file says when its rows were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clock {
    /// It doesn't: so many rows come a minute.
    Rate(f64),
    /// In seconds since 1970.
    Seconds,
    /// In milliseconds since 1970.
    Milliseconds,
    /// As dates.
    Dates,
}

impl Clock {
    /// The one that the first time of a file is by.
    pub(super) fn of(first: &str) -> Self {
        match first.parse::<f64>() {
            Ok(number) if number >= MILLISECONDS_MIN => Self::Milliseconds,
            Ok(_) => Self::Seconds,
            Err(_) => Self::Dates,
        }
    }

    /// Milliseconds of a text; `None` if it is no time by this clock.
    pub(super) fn ms(self, text: &str) -> Option<u64> {
        let ms = match self {
            Self::Rate(_) => None,
            Self::Seconds => text.parse::<f64>().ok().map(|seconds| seconds * 1_000.0),
            Self::Milliseconds => text.parse::<f64>().ok(),
            Self::Dates => source::seconds(text).map(|seconds| seconds * 1_000.0),
        };
        ms.and_then(whole)
    }

    /// When a row is that says nothing.
    pub(super) fn ms_of_row(rate: f64, row: u64) -> Option<u64> {
        whole(row as f64 * 60_000.0 / rate)
    }

    /// What its times look like.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Self::Rate(_) | Self::Dates => "write times such as 2026-11-30T20:54:38Z",
            Self::Seconds => "write seconds since 1970, as in the first row",
            Self::Milliseconds => "write milliseconds since 1970, as in the first row",
        }
    }

    /// A date, where the file has some.
    pub(super) fn date(self, ms: u64) -> Option<String> {
        if matches!(self, Self::Rate(_)) {
            return None;
        }
        let nanoseconds = i32::try_from(ms % 1_000 * 1_000_000).unwrap_or_default();
        Some(numbers::time(i64::try_from(ms / 1_000).unwrap_or(i64::MAX), nanoseconds))
    }

    /// For people: a date, or hours, minutes and seconds since the first row.
    pub(super) fn shown(self, ms: u64) -> String {
        self.date(ms).map_or_else(|| elapsed(ms), |date| date.replace(".000Z", "Z"))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and within the limit")]
fn whole(ms: f64) -> Option<u64> {
    (0.0..MS_LIMIT).contains(&ms).then(|| ms.round() as u64)
}

/// Hours, minutes and seconds: `1:06:00`.
fn elapsed(ms: u64) -> String {
    let seconds = ms / 1_000;
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_the_first_one() {
        for (first, clock, text, ms) in [
            ("1796072078", Clock::Seconds, "1796072078.25", Some(1_796_072_078_250)),
            ("0", Clock::Seconds, "60", Some(60_000)),
            ("1796072078762", Clock::Milliseconds, "1796072078763", Some(1_796_072_078_763)),
            ("2026-11-30T20:54:38Z", Clock::Dates, "2026-11-30T21:54:38.5+01:00", Some(1_796_072_078_500)),
            ("0", Clock::Seconds, "2026-11-30T20:54:38Z", None),
            ("2026-11-30T20:54:38Z", Clock::Dates, "60", None),
            ("0", Clock::Seconds, "-1", None),
            ("0", Clock::Seconds, "nan", None),
        ] {
            assert_eq!((Clock::of(first), Clock::of(first).ms(text)), (clock, ms), "{first} {text}");
        }
        assert_eq!(Clock::Seconds.shown(1_796_072_078_000), "2026-11-30T20:54:38Z");
        assert_eq!(Clock::Rate(1.0).shown(3_960_000), "1:06:00");
    }
}
