//! Counted steps, each with its clock.

use bytes::Bytes;
use psi_replica::{Clock, Writer};

use crate::common::shares::{Share, Shares};

/// How many steps a run took, and the clock of the latest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    latest: Clock,
    steps: u64,
}

pub type Counts = Shares<Count>;

impl Counts {
    pub fn total(&self) -> u64 {
        self.0.values().map(|count| count.steps).sum()
    }

    /// Counts a step of the writer's origin; returns its clock.
    pub fn step(&mut self, writer: &mut Writer<'_, ()>) -> Clock {
        let clock = writer.tick();
        self.write(writer, |count| {
            assert!(clock > count.latest, "clocks rise");
            *count = Count { latest: clock, steps: count.steps + 1 };
        });
        clock
    }
}

impl Share for Count {
    fn clock(&self) -> Clock {
        self.latest
    }

    fn encoded(&self) -> Bytes {
        let Self { latest: Clock { wall_ms, counter }, steps } = self;
        [&wall_ms.to_le_bytes()[..], &counter.to_le_bytes(), &steps.to_le_bytes()].concat().into()
    }

    fn decoded(value: &[u8]) -> Self {
        let number = |range: std::ops::Range<usize>| u64::from_le_bytes(value[range].try_into().unwrap());
        let counter = u32::from_le_bytes(value[8..12].try_into().unwrap());
        Self { latest: Clock { wall_ms: number(0..8), counter }, steps: number(12..20) }
    }

    fn sum(shares: impl Iterator<Item = Self>) -> Self {
        shares.fold(Self::default(), |sum, share| Self {
            latest: sum.latest.max(share.latest),
            steps: sum.steps + share.steps,
        })
    }
}
