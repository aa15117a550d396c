//! Lines that a stranger can cause are few a minute, and say how many they stand for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// Causes that are told apart, and so the most lines within [`PAUSE`]. A new one takes the place of the one that was logged
/// first, once that was a pause ago.
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

/// The limit of lines that name a cause. Each cause is logged at once when it is new, and then by a limit of its own. So a
/// stranger who makes up causes gets as many lines as there are places, and no more.
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
        if causes.len() >= CAUSES_MAX {
            let first = causes.iter().min_by_key(|(_, state)| state.logged)?;
            let is_over = first.1.logged.is_none_or(|logged| now.duration_since(logged) >= PAUSE);
            let first = is_over.then(|| first.0.clone())?;
            causes.remove(&first);
        }
        causes.entry(cause.to_owned()).or_default().record(now)
    }
}

/// The limit of lines that say something else each time: so many a minute, and no more.
#[derive(Debug, Default)]
pub(crate) struct LineBudget(Mutex<BudgetState>);

#[derive(Debug, Default)]
struct BudgetState {
    /// When the first line of this minute was logged.
    began: Option<Instant>,
    lines: usize,
    /// Lines left out since the last that was logged.
    left_out: u64,
}

impl LineBudget {
    /// If a line may be logged, how many were left out before it.
    pub(crate) fn record(&self) -> Option<u64> {
        self.record_at(Instant::now())
    }

    fn record_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.began.is_none_or(|began| now.duration_since(began) >= PAUSE) {
            (state.began, state.lines) = (Some(now), 0);
        }
        if state.lines == CAUSES_MAX {
            state.left_out += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.left_out))
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
    fn causes_without_end_take_neither_lines_nor_memory_without_end() {
        let (limit, begin) = (CauseLimit::default(), Instant::now());
        let logged = |from_ms: u64| {
            let record = |number: u64| limit.record_at(&number.to_string(), begin + Duration::from_millis(number));
            (from_ms..from_ms + 1_000).filter_map(record).count()
        };
        assert_eq!(logged(0), CAUSES_MAX);
        assert_eq!(logged(1_000), 0);
        assert_eq!(logged(61_000), CAUSES_MAX, "a minute later");
        assert_eq!(limit.0.lock().unwrap().len(), CAUSES_MAX);
    }

    #[test]
    fn a_minute_has_so_many_lines_and_the_next_says_what_was_left_out() {
        let (limit, begin) = (LineBudget::default(), Instant::now());
        let logged: Vec<_> = (0..100).filter_map(|ms| limit.record_at(begin + Duration::from_millis(ms))).collect();
        assert_eq!(logged, [0; CAUSES_MAX]);
        assert_eq!(limit.record_at(begin + PAUSE), Some(100 - CAUSES_MAX as u64));
    }
}
