//! How often and for how long everything is measured.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// A turn begins with this part of its time unmeasured, so that connections, caches and what the turn before left behind
/// don't count.
const WARM_UP_PART: u32 = 5;

/// Rounds, and the time of a row in each.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Plan {
    /// How often each row is measured.
    pub rounds: u32,
    /// Measured time of a row in a round.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub time: Duration,
}

impl Plan {
    /// One short round: for a look.
    pub const QUICK: Self = Self { rounds: 1, time: Duration::from_millis(200) };

    /// The same with turns that are this many times longer, for what happens seldom.
    pub(crate) fn longer(&self, times: u32) -> Self {
        Self { time: self.time * times, ..*self }
    }

    /// Unmeasured time before that.
    pub(crate) fn warm_up(&self) -> Duration {
        self.time / WARM_UP_PART
    }
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}
