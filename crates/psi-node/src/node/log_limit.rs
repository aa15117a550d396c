//! Warnings that a stranger can cause are logged at most once a minute each, with how many there were.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// The limit of one kind of warning. The first is logged at once.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<LimitState>);

#[derive(Debug, Default)]
struct LimitState {
    /// When a line was logged last.
    logged: Option<Instant>,
    /// Occurrences since then.
    count: u64,
}

impl LogLimit {
    /// Counts one occurrence. If a line is due, returns how many occurrences it stands for, this one among them.
    pub(crate) fn record(&self) -> Option<u64> {
        self.record_at(Instant::now())
    }

    fn record_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        let due = state.logged.is_none_or(|logged| now.duration_since(logged) >= PAUSE);
        due.then(|| {
            state.logged = Some(now);
            std::mem::take(&mut state.count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_stands_for_all_occurrences_since_the_line_before() {
        let (limit, begin) = (LogLimit::default(), Instant::now());
        let logged = [0, 1, 59, 60, 61, 119, 200].map(|seconds| limit.record_at(begin + Duration::from_secs(seconds)));
        assert_eq!(logged, [Some(1), None, None, Some(3), None, None, Some(3)]);
    }
}
