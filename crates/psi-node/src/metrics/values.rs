//! Values of gauges.

/// A gauge's value; nothing that is counted here comes near the limit.
pub(super) fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Milliseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Milliseconds, before or after a moment, as seconds.
#[expect(clippy::cast_precision_loss, reason = "an offset of years still fits 53 bits")]
pub(super) fn signed_seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
