//! The shapes of answers: the keys of the service of old first, in its order, then what is new.
//!
//! Numbers are written in the fewest digits that read back to the same bits. Where the old service gave seconds
//! since the Unix epoch, so does this one; where it gave ISO 8601 text, this one gives it in UTC to the millisecond
//! (`2026-11-23T01:37:03.639Z`).

pub(super) mod fields;
pub(super) mod guardian;
mod intervention;
mod parameters;
mod scores;
mod state;
mod step;

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

pub(super) use intervention::InterventionAnswer;
pub(super) use parameters::{InitAnswer, ParamsAnswer};
pub(super) use scores::{Scores, latest};
pub(super) use state::StateAnswer;
pub(super) use step::StepAnswer;

/// Seconds since the Unix epoch.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
pub(super) fn seconds(wall_ms: u64) -> f64 {
    wall_ms as f64 / 1000.0
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn utc(wall_ms: u64) -> String {
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
