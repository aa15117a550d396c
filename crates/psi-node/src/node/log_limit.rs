//! Warnings that a stranger can cause are logged at most once a minute each, with how many there were.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// Causes that are told apart. More make the one go that was logged first.
const CAUSES_MAX: usize = 64;

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).record(now)
    }
}

impl LimitState {
    fn record(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let due = self.logged.is_none_or(|logged| now.duration_since(logged) >= PAUSE);
        due.then(|| {
            self.logged = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

/// The limit of warnings that name a cause. Each cause is logged at once when it is new, and then by a limit of its
/// own.
#[derive(Debug, Default)]
pub(crate) struct CauseLimit(Mutex<BTreeMap<String, LimitState>>);

impl CauseLimit {
    /// Counts one occurrence of a cause. If a line is due, returns how many occurrences of it the line stands for.
    pub(crate) fn record(&self, cause: &str) -> Option<u64> {
        self.record_at(cause, Instant::now())
    }

    fn record_at(&self, cause: &str, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = causes.get_mut(cause) {
            return state.record(now);
        }
        let first = causes.iter().min_by_key(|(_, state)| state.logged).map(|(cause, _)| cause.clone());
        if let Some(first) = first.filter(|_| causes.len() >= CAUSES_MAX) {
            causes.remove(&first);
        }
        causes.entry(cause.to_owned()).or_default().record(now)
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

    #[test]
    fn a_new_cause_is_logged_at_once_and_an_old_one_once_a_minute() {
        let (limit, begin) = (CauseLimit::default(), Instant::now());
        let record = |cause, second| limit.record_at(cause, begin + Duration::from_secs(second));
        let logged = [("gone", 0), ("gone", 1), ("empty", 2), ("gone", 3), ("empty", 59), ("gone", 60), ("empty", 62)]
            .map(|(cause, second)| record(cause, second));
        assert_eq!(logged, [Some(1), None, Some(1), None, None, Some(3), Some(2)]);
    }

    #[test]
    fn causes_without_end_take_no_memory_without_end() {
        let (limit, begin) = (CauseLimit::default(), Instant::now());
        for number in 0..1_000 {
            assert_eq!(limit.record_at(&number.to_string(), begin + Duration::from_millis(number)), Some(1));
        }
        assert_eq!(limit.0.lock().unwrap().len(), CAUSES_MAX);
        assert_eq!(limit.record_at("999", begin + Duration::from_secs(1)), None, "the latest are known");
    }
}
