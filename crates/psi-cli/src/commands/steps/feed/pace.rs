//! When the next step is due.

use std::{str::FromStr, time::Duration};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

const RATE_MAX: f64 = 1e6;
/// One step in about three years.
const RATE_MIN: f64 = 1e-8;

/// Time that is made up for by sending faster; a longer outage is not.
const CATCH_UP: Duration = Duration::from_secs(1);

/// How fast to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rate {
    /// Steps a second.
    PerSecond(f64),
    /// As fast as steps are answered.
    Max,
    /// As the source's times say, so many times faster.
    Clock { speed: f64 },
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(rate) if (RATE_MIN..=RATE_MAX).contains(&rate) => Ok(Self::PerSecond(rate)),
            _ => Err(format!("takes steps a second, above 0 up to {RATE_MAX}, or `max`")),
        }
    }
}

/// A clock that ticks at a rate. Ticks that were missed by less than [`CATCH_UP`] follow at once, so that rates far
/// above the timer's resolution are kept.
pub(super) struct Pace {
    interval: Option<Interval>,
    clock: Option<SourceClock>,
}

/// The clock of a source.
struct SourceClock {
    speed: f64,
    /// When a step was sent, and its time.
    start: Option<(Instant, f64)>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        let (interval, clock) = match rate {
            Rate::Max => (None, None),
            Rate::Clock { speed } => (None, Some(SourceClock { speed, start: None })),
            Rate::PerSecond(rate) => {
                let mut interval = interval(Duration::from_secs_f64(1.0 / rate));
                interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
                (Some(interval), None)
            }
        };
        Self { interval, clock }
    }

    /// Resolves when the next step is due by its rate; the first is at once.
    pub(super) async fn due(&mut self) {
        let Some(interval) = &mut self.interval else { return };
        let due = interval.tick().await;
        if due.elapsed() > CATCH_UP {
            interval.reset();
        }
    }

    /// Resolves when a step of this time is due by the source's clock. The first is at once, and so is one whose time is
    /// before the last one's: from it on the clock starts again, as it does after a pause.
    pub(super) async fn due_at(&mut self, time: Option<f64>) {
        let (Some(SourceClock { speed, start }), Some(time)) = (&mut self.clock, time) else { return };
        let now = Instant::now();
        let due = start.and_then(|(begun, first)| {
            let after = Duration::try_from_secs_f64((time - first) / *speed).ok()?;
            begun.checked_add(after)
        });
        match due {
            Some(due) if now.duration_since(due) <= CATCH_UP => tokio::time::sleep_until(due).await,
            _ => *start = Some((now, time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;

    #[test]
    fn rates_are_positive_and_bounded() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("0.5".parse(), Ok(Rate::PerSecond(0.5)));
        for text in ["0", "-1", "nan", "inf", "1e7", "fast", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    async fn ticks_within(pace: &mut Pace, limit: Duration) -> usize {
        let end = Instant::now() + limit;
        let mut ticks = 0;
        while tokio::time::timeout_at(end, pace.due()).await.is_ok() {
            ticks += 1;
        }
        ticks
    }

    #[tokio::test(start_paused = true)]
    async fn high_rates_are_kept() {
        let mut pace = Pace::new(Rate::PerSecond(10_000.0));
        let ticks = ticks_within(&mut pace, Duration::from_millis(999)).await;
        assert!((9_980..=10_000).contains(&ticks), "{ticks}");
    }

    #[tokio::test(start_paused = true)]
    async fn steps_are_due_by_the_times_of_the_source() {
        let mut pace = Pace::new(Rate::Clock { speed: 10.0 });
        let begun = Instant::now();
        // The clock goes back once, by midnight or by mistake: then it starts again.
        for (time, want_ms) in [(100.0, 0), (101.0, 100), (104.0, 400), (3.0, 400), (5.0, 600), (5.0, 600)] {
            pace.due_at(Some(time)).await;
            assert_eq!(begun.elapsed().as_millis(), want_ms, "{time}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_delay_is_made_up_for_and_an_outage_is_not() {
        for (delay_ms, want) in [(500, 50), (60_000, 1)] {
            let mut pace = Pace::new(Rate::PerSecond(100.0));
            pace.due().await;
            advance(Duration::from_millis(delay_ms)).await;
            let ticks = ticks_within(&mut pace, Duration::from_millis(5)).await;
            assert!(ticks.abs_diff(want) <= 1, "{delay_ms} ms: {ticks}");
        }
    }
}
