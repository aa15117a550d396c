//! How long a proposer waits.

/// Waiting times of a proposer. They govern how fast it is, never whether it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// After how many milliseconds what is not answered is sent again.
    pub resend_ms: u64,
    /// The shortest wait after a nack: two round trips, so that the other proposer can finish.
    pub backoff_ms: u64,
}

/// How many times the wait doubles at most.
const DOUBLINGS_MAX: u32 = 8;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { resend_ms: 200, backoff_ms: 60 }
    }
}

impl RetryPolicy {
    /// The wait after a nack: one to two times the shortest, which doubles from try to try.
    pub(super) fn backoff_ms(self, tries: u32, random: u64) -> u64 {
        let shortest = self.backoff_ms.max(1).saturating_mul(1 << tries.min(DOUBLINGS_MAX));
        shortest.saturating_add(random % shortest)
    }
}
