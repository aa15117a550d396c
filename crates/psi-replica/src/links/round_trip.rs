//! How long an answer on a link takes, and so after how long without one something is sent again (RFC 6298).
//!
//! Over a connection that keeps order nothing is lost and nothing should be sent twice, so the time-out follows what
//! was measured; where frames are lost, it keeps a link from waiting for seconds.

/// Before the first answer.
const TIMEOUT_MS_FIRST: u64 = 1_000;
/// Less would send again what a busy peer is about to answer.
const TIMEOUT_MS_MIN: u64 = 50;
pub(crate) const TIMEOUT_MS_MAX: u64 = 30_000;
/// Slowest transport that is not taken for a dead one: bytes a millisecond, 256 kB a second.
const BYTES_PER_MS: u64 = 256;
/// So many times something is sent again at the same pace; then each wait is twice the last. Where half of all frames
/// are lost, one exchange in a hundred takes so many tries, and one link that waits for seconds holds up many nodes:
/// with 3 even tries, 128 nodes with three links each took over a minute to agree on a burst, with 16 two seconds. A
/// transport without room limits what a dead peer costs; this limits it where a transport takes all.
const EVEN_TRIES: u32 = 16;

/// How long so many bytes take on the slowest transport that is not taken for a dead one.
pub(crate) fn transfer_ms(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_MS
}

/// Smoothed round trip of one link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundTrip {
    /// Smoothed time and its mean deviation, milliseconds.
    measured: Option<(u64, u64)>,
}

impl RoundTrip {
    /// Takes in the time of one answer to something that was sent once (Karn's rule).
    ///
    /// An answer that came sooner counts for half, and is no unsteadiness: by the book, a link that was held up for a
    /// moment would be taken for a slow one until dozens of answers have come, and others be asked in its stead.
    pub(crate) fn sample(&mut self, ms: u64) {
        self.measured = Some(match self.measured {
            None => (ms, ms / 2),
            Some((smoothed, deviation)) if ms < smoothed.saturating_sub(deviation) => {
                ((smoothed + ms).div_ceil(2), deviation.div_ceil(2))
            }
            Some((smoothed, deviation)) => {
                ((7 * smoothed + ms).div_ceil(8), (3 * deviation + smoothed.abs_diff(ms)).div_ceil(4))
            }
        });
    }

    /// How long to wait for the answer to so many bytes that were sent `tries` times before.
    pub(crate) fn timeout_ms(self, bytes: usize, tries: u32) -> u64 {
        let base = self.measured.map_or(TIMEOUT_MS_FIRST, |(smoothed, deviation)| {
            (smoothed + 4 * deviation).clamp(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX)
        });
        let transfer = transfer_ms(bytes);
        let doublings = tries.saturating_sub(EVEN_TRIES).min(10);
        (base.saturating_add(transfer) << doublings).min(TIMEOUT_MS_MAX.max(2 * transfer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_was_slow_once_is_soon_trusted_again() {
        let mut link = RoundTrip::default();
        link.sample(700);
        assert_eq!(link.timeout_ms(0, 0), 2_100);
        (0..4).for_each(|_| link.sample(5));
        assert!(link.timeout_ms(0, 0) < 200, "{}", link.timeout_ms(0, 0));
    }

    #[test]
    fn the_timeout_follows_the_answers_and_doubles_without_them() {
        let mut link = RoundTrip::default();
        assert_eq!(link.timeout_ms(0, 0), TIMEOUT_MS_FIRST);
        (0..50).for_each(|_| link.sample(2));
        assert_eq!(link.timeout_ms(0, 0), TIMEOUT_MS_MIN);
        assert_eq!(link.timeout_ms(0, EVEN_TRIES), TIMEOUT_MS_MIN, "the first few at the same pace");
        assert_eq!(link.timeout_ms(0, EVEN_TRIES + 2), 4 * TIMEOUT_MS_MIN);
        assert_eq!(link.timeout_ms(0, 99), TIMEOUT_MS_MAX);
        assert!(link.timeout_ms(10 << 20, 0) > 40_000, "ten mebibytes may take their time");
        (0..50).for_each(|_| link.sample(900));
        assert!((900..1_500).contains(&link.timeout_ms(0, 0)), "{}", link.timeout_ms(0, 0));
    }
}
