//! How many steps an origin took in each second: transitions are weighed by recent steps.

use std::collections::BTreeMap;

use psi_stats::{BUCKETS, SPAN_SECONDS};

/// Steps by second. What comes and goes adds up, so the order does not matter: an origin's steps may stand in the base
/// before they have gone from its own log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(BTreeMap<u64, u64>);

impl Activity {
    /// Steps of each second in the span that ends with the last one, oldest first.
    pub(crate) fn seconds(&self, last_second: u64) -> impl Iterator<Item = (u64, u64)> {
        let span = last_second.saturating_sub(SPAN_SECONDS - 1)..=last_second;
        self.0.range(span).map(|(second, steps)| (*second, *steps))
    }

    /// Steps in that span.
    pub(crate) fn within(&self, last_second: u64) -> u64 {
        self.seconds(last_second).fold(0, |sum, (_, steps)| sum.saturating_add(steps))
    }

    /// Adds steps of one second, or takes them out again.
    pub(crate) fn change(&mut self, second: u64, steps: u64, put: bool) {
        let held = self.0.entry(second).or_default();
        *held = if put { held.wrapping_add(steps) } else { held.wrapping_sub(steps) };
        if *held == 0 {
            self.0.remove(&second);
        }
    }

    /// Counts one more step of the own origin. As in its window, a second takes the place of the one 64 before it.
    pub(crate) fn count(&mut self, second: u64) {
        if let Some(steps) = self.0.get_mut(&second) {
            *steps = steps.saturating_add(1);
            return;
        }
        self.0.retain(|held, _| held % BUCKETS != second % BUCKETS);
        self.0.insert(second, 1);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_steps_are_kept_for_as_many_seconds_as_a_window_has_buckets() {
        let mut activity = Activity::default();
        for second in 0..1000 {
            activity.count(second);
            activity.count(second);
        }
        assert_eq!((activity.0.len() as u64, activity.within(999)), (BUCKETS, 2 * SPAN_SECONDS));
    }

    #[test]
    fn steps_may_go_before_they_come() {
        let mut activity = Activity::default();
        activity.change(7, 3, false);
        activity.change(7, 3, true);
        assert!(activity.is_empty());
    }
}
