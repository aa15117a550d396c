//! Callers at once, counted and timed from the end of the warm-up to the end of the turn.

use std::{future::Future, time::Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::{plan::Plan, sample::Sample};
use crate::error::BenchError;

/// The longest call that is distinguished from longer ones, nanoseconds.
const CALL_NS_MAX: u64 = 60_000_000_000;

/// When a turn begins to count, and when it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    from: Instant,
    until: Instant,
}

impl Span {
    /// Beginning now with the warm-up.
    pub(crate) fn new(plan: &Plan) -> Self {
        let from = Instant::now() + plan.warm_up();
        Self { from, until: from + plan.time }
    }
}

/// What one caller did.
pub(crate) struct Meter {
    span: Span,
    count: u64,
    call_ns: Histogram<u64>,
}

impl Meter {
    pub(crate) fn new(span: Span) -> Self {
        let call_ns = Histogram::new_with_bounds(1_000, CALL_NS_MAX, 3).expect("three digits are allowed");
        Self { span, count: 0, call_ns }
    }

    /// Records a call of `count` steps that began at `begun` and has ended now; whether to go on. What ends outside the
    /// span is not counted: as many calls stick out at its beginning as at its end.
    pub(crate) fn ended(&mut self, begun: Instant, count: u64) -> bool {
        let now = Instant::now();
        if now >= self.span.from && now < self.span.until {
            self.count += count;
            let ns = now.saturating_duration_since(begun).as_nanos();
            self.call_ns.saturating_record(u64::try_from(ns).unwrap_or(u64::MAX));
        }
        now < self.span.until
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.call_ns.add(&other.call_ns).expect("made alike");
    }

    fn sample(&self) -> Sample {
        let seconds = (self.span.until - self.span.from).as_secs_f64();
        let us =
            |quantile: f64| (!self.call_ns.is_empty()).then(|| self.call_ns.value_at_quantile(quantile) as f64 / 1e3);
        Sample { figure: self.count as f64 / seconds, p50_us: us(0.5), p99_us: us(0.99), ..Sample::default() }
    }
}

/// Runs `count` callers at once, each a task, and adds up what they did: calls or steps per second.
///
/// # Errors
/// The first that a caller met; the others are stopped. Also if nothing ended in time.
pub(crate) async fn callers<C>(
    plan: &Plan,
    count: u32,
    mut caller: impl FnMut(u32, Meter) -> C,
) -> Result<Sample, BenchError>
where
    C: Future<Output = Result<Meter, BenchError>> + Send + 'static,
{
    let span = Span::new(plan);
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(caller(number, Meter::new(span)));
    }
    let mut total = Meter::new(span);
    while let Some(done) = tasks.join_next().await {
        let meter = done.map_err(|error| BenchError::failed(format!("a caller ended: {error}; this is a bug")))?;
        total.add(&meter?);
    }
    if total.count == 0 {
        return Err(BenchError::failed("no call ended within the turn; measure longer with --seconds"));
    }
    Ok(total.sample())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn span(from_ms: u64, until_ms: u64) -> Span {
        let now = Instant::now();
        Span { from: now + Duration::from_millis(from_ms), until: now + Duration::from_millis(until_ms) }
    }

    #[test]
    fn only_what_ends_within_the_span_is_counted() {
        for (from_ms, until_ms, counted, goes_on) in
            [(0, 60_000, 64, true), (30_000, 60_000, 0, true), (0, 0, 0, false)]
        {
            let mut meter = Meter::new(span(from_ms, until_ms));
            assert_eq!(meter.ended(Instant::now(), 64), goes_on);
            assert_eq!(meter.count, counted, "{from_ms} to {until_ms}");
        }
    }

    #[test]
    fn callers_add_up_to_a_rate_and_times_of_calls() {
        let now = Instant::now();
        let within = Span { from: now, until: now + Duration::from_secs(10) };
        let mut total = Meter::new(within);
        for _ in 0..2 {
            let mut meter = Meter::new(within);
            meter.ended(Instant::now(), 50);
            total.add(&meter);
        }
        let sample = total.sample();
        assert!((sample.figure - 10.0).abs() < 1e-9);
        assert!(sample.p50_us.is_some() && sample.p50_us <= sample.p99_us);
    }
}
