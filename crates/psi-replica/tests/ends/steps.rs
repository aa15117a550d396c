//! Numbered steps: they show exactly which are missing and which were counted twice.

use bytes::Bytes;
use psi_replica::Clock;

use crate::common::shares::{Share, Shares};

/// Numbers of the steps that a run counted.
pub type Steps = Shares<Vec<u64>>;

impl Steps {
    pub fn view(&self) -> Vec<u64> {
        Vec::sum(self.0.values().cloned())
    }
}

impl Share for Vec<u64> {
    fn clock(&self) -> Clock {
        Clock::default()
    }

    fn encoded(&self) -> Bytes {
        self.iter().flat_map(|step| step.to_le_bytes()).collect()
    }

    fn decoded(value: &[u8]) -> Self {
        value.chunks(8).map(|step| u64::from_le_bytes(step.try_into().unwrap())).collect()
    }

    fn sum(shares: impl Iterator<Item = Self>) -> Self {
        let mut all: Self = shares.flatten().collect();
        all.sort_unstable();
        all
    }
}
