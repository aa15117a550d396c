//! Times in answers.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

/// Seconds since the Unix epoch.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
pub(in crate::http) fn seconds(wall_ms: u64) -> f64 {
    wall_ms as f64 / 1000.0
}

/// RFC 3339 in UTC, to the millisecond.
pub(in crate::http) fn utc(wall_ms: u64) -> String {
    const TO_THE_MILLISECOND: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    let timestamp = i64::try_from(wall_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    TO_THE_MILLISECOND.timestamp_to_string(&timestamp.unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_millisecond() {
        for (wall_ms, want) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_397_823_639, "2026-11-23T01:37:03.639Z"),
            (1_795_397_823_000, "2026-11-23T01:37:03.000Z"),
        ] {
            assert_eq!(utc(wall_ms), want);
        }
        assert!(utc(u64::MAX).starts_with("9999-"));
    }
}
