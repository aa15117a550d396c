//! When the next step is due.

use std::{str::FromStr, time::Duration};

use tokio::time::{Interval, MissedTickBehavior, interval};

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
pub(super) struct Pace(Option<Interval>);

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self(match rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => {
                let mut interval = interval(Duration::from_secs_f64(1.0 / rate));
                interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
                Some(interval)
            }
        })
    }

    /// Resolves when the next step is due; the first is at once.
    pub(super) async fn due(&mut self) {
        let Some(interval) = &mut self.0 else { return };
        let due = interval.tick().await;
        if due.elapsed() > CATCH_UP {
            interval.reset();
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
